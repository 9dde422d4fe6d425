"""The step of one copy, and of many: commit, faults, dispatch, battery, timers, accounts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.ageing import start_counting
from trimtab_grid.arrays import HOLD, MAX_UNITS, NO_BATTERY, OFF, START, TRIPPED, PlantArrays
from trimtab_grid.automaton import (
    commanded,
    commands_legal,
    order_commands,
    returned,
    ticked,
    tripped,
    unit_legal,
)
from trimtab_grid.compiled import compiled, inner
from trimtab_grid.engine import accounts, dispatch, ufls
from trimtab_grid.engine.ahead import fetch
from trimtab_grid.engine.memory import (
    BATTERY_OUT,
    CALM,
    OUTSIDE,
    OVERLOADED,
    SECOND_TRIP,
    SENSOR_FAULT,
    Moment,
    State,
)
from trimtab_grid.engine.rows import (
    BATTERY_AWAY,
    FAILED_STARTS,
    SOC_BIAS,
    TRIPS,
    Chances,
    Outer,
    Rows,
    Site,
    Struck,
    Turn,
    book_day,
    drawn,
    planned,
    reading_error,
)
from trimtab_grid.model import published_discharge_limit_kw, soc_after
from trimtab_grid.shield_kernel import (
    DEGRADED,
    Outlook,
    battery_interval,
    commit,
    look_ahead,
    return_repaired,
)

SUDDEN_MIN = 1.0
"""Longest step, minutes, whose changes of load and weather the frequency meets at once."""
ROUNDED = 1e-6
"""Share of a setpoint, kW, that its 32 bits and those of its limits may be off."""
NOT_LEGAL, CLIPPED = 1, 1
"""Reason without a shield: a command that units cannot take; a setpoint moved to its limits."""


@compiled
def begin(plant: PlantArrays, s: State, m: Moment, soc: float, first: NDArray[np.float64]) -> None:
    """Start an episode: units off, battery at `soc`; `first` is load, wind, PV before it."""
    s.step, s.alarm, s.shed_wait = 0, CALM, -1
    for i in range(plant.n):
        s.mode[i], s.timer[i], s.power_kw[i] = OFF, 0, 0.0
        s.mean_kw[i] = 0.3 * plant.prime_kw[i]
        m.mode[i], m.timer[i], m.command[i], m.proposed[i] = OFF, 0, HOLD, HOLD
    s.soc = s.soc_first = s.soc_lo = s.soc_hi = soc
    s.lowest_hz = plant.frequency_hz
    start_counting(s.flow, soc)
    m.load_kw, m.wind_kw, m.pv_kw = first[0], first[1], first[2]
    m.wind_used_kw, m.pv_used_kw = first[1], first[2]
    m.soc = m.soc_lo = m.soc_hi = m.soc_reading = soc
    m.frequency_hz = plant.frequency_hz


@inner
def take_commands(plant: PlantArrays, s: State, m: Moment) -> None:
    """Executed commands without a shield: the proposal, less what units cannot take."""
    m.commit_reason = 0
    for i in range(plant.n):
        m.command[i] = m.proposed[i]
        if not unit_legal(m.command[i], s.mode[i], s.timer[i], plant.min_run_steps[i]):
            m.command[i] = HOLD
            m.commit_reason = NOT_LEGAL
    if not commands_legal(plant.order, m.command, s.mode, s.timer, plant.n, plant.min_run_steps):
        for i in range(plant.n):
            m.command[i] = HOLD
        m.commit_reason = NOT_LEGAL


@inner
def shielded_commands(site: Site, s: State, m: Moment, now: NDArray[np.float64]) -> None:
    """Executed commands behind the shield; repaired units return where that is safe."""
    plant, tables = site.plant, site.tables
    load_next, renewables_next = math.nan, math.nan
    if plant.step_known:
        load_next, renewables_next = now[0], now[1] + now[2]
    return_repaired(plant, tables, s.mode, s.timer, s.soc_lo, s.soc_hi, m.load_kw)
    units, belief = (s.mode, s.timer), (s.soc_lo, s.soc_hi)
    o = look_ahead(plant, tables, units, belief, m.load_kw, load_next, renewables_next)
    m.commit_reason = commit(plant, tables, o, m.proposed, m.wish_kw, m.command)


@inner
def hold_and_strike(plant: PlantArrays, turn: Turn) -> float:
    """Modes held in the step after commands, failed starts and trips; returns the power lost."""
    s, m = turn.s, turn.m
    lost = 0.0
    m.start_l = 0.0
    for i in range(plant.n):
        mode, timer = commanded(
            s.mode[i],
            s.timer[i],
            m.command[i],
            plant.warm_steps[i],
            plant.cool_steps[i],
            plant.min_down_steps[i],
        )
        m.tripped[i], m.start_failed[i] = 0, 0
        if m.command[i] == START:
            m.start_l += plant.start_fuel_l[i]
            s.starts += 1.0
            failed = drawn(turn, MAX_UNITS + i) < plant.start_failure[i]
            if failed or planned(turn, FAILED_STARTS + i) != 0.0:
                mode, timer = tripped(plant.repair_steps[i])
                m.start_failed[i] = 1
                s.failed_starts += 1.0
        turns = mode != OFF and mode != TRIPPED
        struck = turns and drawn(turn, i) < plant.trip_probability[i]
        if (struck or planned(turn, TRIPS + i) != 0.0) and mode != TRIPPED:
            lost += s.power_kw[i]
            mode, timer = tripped(plant.repair_steps[i])
            m.tripped[i] = 1
            s.trips += 1.0
        m.mode[i], m.timer[i] = mode, timer
    return lost


@inner
def shed_ready(plant: PlantArrays, s: State, m: Moment) -> None:
    """Count the steps since a trip, or an alarm, called for shedding."""
    waited = -1
    for i in range(plant.n):
        if m.mode[i] == TRIPPED:
            waited = max(waited, plant.repair_steps[i] - m.timer[i])
    if m.alarm != CALM:
        waited = max(waited, s.shed_wait + 1)
    s.shed_wait = waited


@inner
def raised_alarm(
    plant: PlantArrays, s: State, m: Moment, battery: bool, last_load_kw: float
) -> int:
    """Alarm of what lies outside the disturbance set or the safe set, or `CALM`."""
    if plant.battery_model != NO_BATTERY and not battery:
        return BATTERY_OUT
    out = 0
    for i in range(plant.n):
        out += m.mode[i] == TRIPPED
    if out > plant.unit_trips:
        return SECOND_TRIP
    rise = m.load_kw - last_load_kw
    beyond = rise > plant.load_rise_kw + 1e-6 or -rise > plant.load_fall_kw + 1e-6
    if beyond or m.load_kw > plant.load_max_kw + 1e-6 or m.load_kw < plant.load_min_kw - 1e-6:
        return OVERLOADED
    if s.alarm == SENSOR_FAULT and s.soc_lo < s.soc_hi:
        return SENSOR_FAULT
    return OUTSIDE if m.commit_reason == DEGRADED else CALM


@inner
def set_battery(plant: PlantArrays, m: Moment, import_kw: float, export_kw: float) -> None:
    """Bring the wish to what balance asks for, then into the interval [low_kw, high_kw].

    Only the second is an intervention: a grid-forming battery always follows the balance. What is
    moved by no more than the rounding of a 32-bit setpoint is none either.
    `import_kw` and `export_kw` (not positive) are the most and least exchange.
    """
    residual = m.load_kw - import_kw - m.wind_kw - m.pv_kw - dispatch.caps_kw(plant, m)
    most = m.load_kw - export_kw - dispatch.floors_kw(plant, m) + plant.dump_kw
    wish = min(max(m.wish_kw, residual), most)
    m.battery_kw = min(max(wish, m.low_kw), m.high_kw)
    m.dispatch_reason = 0
    m.setpoint_kw = m.wish_kw
    if abs(m.battery_kw - wish) > ROUNDED * max(1.0, abs(wish)):
        m.setpoint_kw = m.battery_kw
        m.dispatch_reason = CLIPPED


@inner
def move_charge(site: Site, turn: Turn) -> None:
    """True charge state after the step, its reading, and the belief (spec 3.2)."""
    plant, s, m = site.plant, turn.s, turn.m
    bias = planned(turn, SOC_BIAS)
    s.soc = soc_after(plant, s.soc, m.battery_kw, plant.step_h)
    m.soc_reading = s.soc + bias + plant.soc_error * reading_error(turn)
    if plant.soc_error == 0.0 and bias == 0.0 and s.soc_lo == s.soc_hi:
        s.soc_lo = s.soc_hi = s.soc
    else:
        low = soc_after(plant, s.soc_lo, m.battery_kw, plant.step_h)
        high = soc_after(plant, s.soc_hi, m.battery_kw, plant.step_h)
        s.soc_lo = max(low, m.soc_reading - plant.soc_error)
        s.soc_hi = min(high, m.soc_reading + plant.soc_error)
        if s.soc_lo > s.soc_hi + 1e-12:
            s.soc_lo, s.soc_hi = low, high
            if site.shielded:
                m.alarm = SENSOR_FAULT
    m.soc, m.soc_lo, m.soc_hi = s.soc, s.soc_lo, s.soc_hi


@inner
def tick(plant: PlantArrays, s: State, m: Moment, shielded: bool) -> None:
    """Modes and timers observed after the step; the shield decides when repaired units return."""
    for i in range(plant.n):
        s.mode[i], s.timer[i] = ticked(
            m.mode[i], m.timer[i], plant.min_run_steps[i], plant.min_down_steps[i]
        )
        if not shielded and s.mode[i] == TRIPPED and s.timer[i] == 0:
            s.mode[i], s.timer[i] = returned()


@inner
def propose(plant: PlantArrays, s: State, m: Moment, by_order: bool) -> bool:
    """Make unit commands of a choice of the order interface; False if units cannot take it."""
    if not by_order:
        return True
    legal: bool = order_commands(
        m.choice, s.mode, s.timer, plant.n, plant.min_run_steps, m.proposed
    )
    return legal


@inner
def compare(plant: PlantArrays, s: State, m: Moment, legal: bool) -> None:
    """Note whether the executed action is another than the proposed one, and sum it up."""
    total, same = 0, legal
    for i in range(plant.n):
        total += m.command[i]
        same = same and m.command[i] == m.proposed[i]
    m.choice = max(-1, min(1, total))
    if not same and m.commit_reason == 0:
        m.commit_reason = NOT_LEGAL
    m.changed = not same or m.dispatch_reason != 0
    if m.changed:
        s.interventions += 1.0
        s.intervention_kw += abs(m.setpoint_kw - m.wish_kw)


@inner
def set_interval(site: Site, s: State, m: Moment, battery: bool, outside_kw: float) -> None:
    """Battery powers that the shield allows; without it those that keep the reserve window."""
    plant = site.plant
    if not battery:
        m.low_kw = m.high_kw = 0.0
    elif site.shielded:
        there = m.wind_kw + m.pv_kw + outside_kw
        o = Outlook(m.mode, m.timer, s.soc_lo, s.soc_hi, m.load_kw, m.load_kw, there)
        overload = dispatch.overload_room_kw(plant, s, m)
        m.low_kw, m.high_kw = battery_interval(plant, site.tables, o, overload)
    else:
        m.low_kw, m.high_kw = dispatch.physical_interval(
            plant, s.soc, plant.reserve_soc_min, plant.reserve_soc_max
        )
    if plant.published:
        m.high_kw = min(m.high_kw, published_discharge_limit_kw(plant, s.soc))


@inner
def realise(site: Site, turn: Turn) -> Struck:
    """Commit units; then faults, load and renewables of the step strike, and limits are set."""
    plant, s, m, now = site.plant, turn.s, turn.m, turn.now
    battery = plant.battery_model != NO_BATTERY and planned(turn, BATTERY_AWAY) == 0.0
    legal = propose(plant, s, m, site.by_order)
    if site.shielded:
        shielded_commands(site, s, m, now)
    else:
        take_commands(plant, s, m)
    lost = hold_and_strike(plant, turn)
    last_load, last_used = m.load_kw, m.wind_used_kw + m.pv_used_kw
    m.load_kw, m.wind_kw, m.pv_kw = now[0], now[1], now[2]
    m.wind_used_kw, m.pv_used_kw = m.wind_kw, m.pv_kw
    m.alarm = raised_alarm(plant, s, m, battery, last_load) if site.shielded else CALM
    dispatch.clear(m)
    dispatch.set_limits(plant, site.tables, site.shielded, s, m)
    sudden = lost
    if plant.step_min <= SUDDEN_MIN:
        sudden += max(0.0, m.load_kw - last_load) + max(0.0, last_used - m.wind_kw - m.pv_kw)
    return Struck(legal, battery, sudden)


@inner
def prepare(site: Site, turn: Turn, battery: bool, import_kw: float, export_kw: float) -> None:
    """Interval and setpoint of the battery, in sight of the most and least exchange."""
    set_interval(site, turn.s, turn.m, battery, import_kw)
    shed_ready(site.plant, turn.s, turn.m)
    set_battery(site.plant, turn.m, import_kw, export_kw)


@inner
def conclude(site: Site, turn: Turn, struck: Struck, outer: Outer) -> None:
    """Balance power from the battery and exchange in the moment; then charge, accounts, timers."""
    plant, s, m = site.plant, turn.s, turn.m
    sudden_kw = struck.sudden_kw
    if plant.ufls_stages > 0:
        ufls.keep_out(plant, s, m)
        sudden_kw = ufls.shed_by_frequency(plant, s, m, struck.battery, sudden_kw)
    if dispatch.forms_grid(plant, m, struck.battery, outer.import_kw > outer.export_kw):
        dispatch.balance(plant, s, m, outer.export_kw, outer.import_kw, m.alarm != CALM)
    else:
        dispatch.black_out(plant, m)
    if plant.ufls_stages > 0:
        ufls.book(plant, s, m)
    price = outer.import_l if m.exchange_kw > 0.0 else outer.export_l
    m.exchange_cost_l = m.exchange_kw * plant.step_h * price
    move_charge(site, turn)
    accounts.run_units(plant, s, m)
    accounts.book_energy(plant, s, m)
    accounts.watch_reserve(plant, s, m, struck.battery)
    accounts.watch_frequency(plant, s, m, sudden_kw)
    accounts.book_relaxations(plant, s, m)
    compare(plant, s, m, struck.legal)
    tick(plant, s, m, site.shielded)
    s.step += 1


@inner
def advance(site: Site, turn: Turn, outer: Outer) -> None:
    """One step of one copy; the moment holds the proposal and the wish, and is filled in."""
    struck = realise(site, turn)
    prepare(site, turn, struck.battery, outer.import_kw, outer.export_kw)
    turn.m.exchange_kw = 0.0
    turn.m.exchange_kw = dispatch.bought_kw(site.plant, turn.m, outer.import_kw, outer.import_l)
    conclude(site, turn, struck, outer)


@compiled
def advance_all(site: Site, rows: Rows, chances: Chances, outer: NDArray[np.float64]) -> None:
    """One step of every live copy; `outer` [N, 4] is `Outer` per copy, or one row for all."""
    for row in range(len(rows.states)):
        fetch(rows, row)
        if not rows.live[row]:
            continue
        s, m = rows.states[row], rows.moments[row]
        turn = Turn(s, m, rows.bank[row, s.step + 1], chances, row)
        step = s.step
        grid = outer[row] if len(outer) > 1 else outer[0]
        advance(site, turn, Outer(grid[0], grid[1], grid[2], grid[3]))
        book_day(site.plant, rows, row, step)
