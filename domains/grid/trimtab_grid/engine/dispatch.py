"""Dispatch of one step once load, wind and PV have realised: who gives what, what is let go.

The battery's setpoint is a wish. What is left is shared by the running units between their floors
and caps. Too much power: exchange, renewables, battery, dump load. Too little: exchange, battery,
mean-power rule, overload within its budget, shedding. Behind the shield and with an alarm, limits
are relaxed in the order of spec 3.7 before anything is shed or left over, and each is noted.
"""

from __future__ import annotations

import math
from typing import Any

from trimtab_grid.arrays import COOL, RUN, WARM, PlantArrays
from trimtab_grid.compiled import inner
from trimtab_grid.engine import ufls
from trimtab_grid.engine.memory import (
    MEAN_POWER,
    MIN_LOAD,
    OVERLOAD_TIME,
    SHED,
    SOC_RESERVE,
    Moment,
    State,
)
from trimtab_grid.engine.sharing import share
from trimtab_grid.model import charge_limit_kw, discharge_limit_kw, mean_power_cap_kw


@inner
def set_limits(plant: PlantArrays, tables: Any, shielded: bool, s: State, m: Moment) -> None:
    """Floor and cap of every unit in its held mode; fixed powers of warm-up and cool-down.

    Behind the shield a unit with a ramp keeps to the band that one step can cross.
    """
    for i in range(plant.n):
        low, high = 0.0, 0.0
        if m.mode[i] == RUN:
            ramp, last = plant.ramp_kw[i], s.power_kw[i]
            high = min(plant.prime_kw[i], max(plant.min_kw[i], last + ramp))
            low = max(plant.min_kw[i], min(high, last - ramp))
            if shielded:
                high = max(low, min(high, tables.key.band_kw[i]))
        elif m.mode[i] == WARM:
            low = high = plant.warm_kw[i]
        elif m.mode[i] == COOL:
            low = high = plant.cool_kw[i]
        m.floor_kw[i], m.cap_kw[i], m.top_kw[i], m.power_kw[i] = low, high, high, low


@inner
def floors_kw(plant: PlantArrays, m: Moment) -> float:
    """Sum of floors, fixed powers included."""
    total = 0.0
    for i in range(plant.n):
        total += m.floor_kw[i]
    return total


@inner
def caps_kw(plant: PlantArrays, m: Moment) -> float:
    """Sum of caps, fixed powers included."""
    total = 0.0
    for i in range(plant.n):
        total += m.cap_kw[i]
    return total


@inner
def physical_interval(
    plant: PlantArrays, soc: float, low_soc: float, high_soc: float
) -> tuple[float, float]:
    """Least and largest battery power that keep the charge state in a window for a step."""
    charge = charge_limit_kw(plant, soc, high_soc, plant.step_h)
    return -charge, discharge_limit_kw(plant, soc, low_soc, plant.step_h)


@inner
def hundredths(kw: float) -> float:
    """The published plant rounds setpoints to 0.01 kW."""
    return math.floor(kw * 100.0 + 0.5) / 100.0


@inner
def apply_mean_power(plant: PlantArrays, s: State, m: Moment) -> None:
    """Lower caps of running units to what their running mean allows; twice is as once."""
    for i in range(plant.n):
        if m.mode[i] == RUN and plant.mean_share[i] > 0.0:
            allowed = mean_power_cap_kw(plant, i, s.mean_kw[i])
            m.cap_kw[i] = max(m.floor_kw[i], min(m.cap_kw[i], allowed))


@inner
def _lift_mean_power(plant: PlantArrays, m: Moment) -> None:
    for i in range(plant.n):
        m.cap_kw[i] = m.top_kw[i]


@inner
def _allow_overload(plant: PlantArrays, s: State, m: Moment, beyond: bool) -> bool:
    """Lift caps to overload where the budget lasts for this step, or `beyond` it."""
    lifted = False
    for i in range(plant.n):
        used = s.overload_used_min[i] + plant.step_min
        within = used <= plant.overload_min[i] + 1e-9
        ramped = min(plant.overload_kw[i], s.power_kw[i] + plant.ramp_kw[i])
        if m.mode[i] == RUN and (within or beyond) and ramped > m.cap_kw[i]:
            m.cap_kw[i] = ramped
            lifted = True
    return lifted


@inner
def overload_room_kw(plant: PlantArrays, s: State, m: Moment) -> float:
    """Power above prime that running units may give in this step within their budgets."""
    room = 0.0
    for i in range(plant.n):
        used = s.overload_used_min[i] + plant.step_min
        if m.mode[i] == RUN and used <= plant.overload_min[i] + 1e-9:
            room += max(0.0, plant.overload_kw[i] - plant.prime_kw[i])
    return room


@inner
def _net_kw(m: Moment) -> float:
    """What units must give: load that relays leave, less battery, renewables and exchange."""
    load = m.load_kw - m.ufls_kw
    return load - m.battery_kw - m.wind_used_kw - m.pv_used_kw - m.exchange_kw


@inner
def bought_kw(plant: PlantArrays, m: Moment, import_kw: float, price_l: float) -> float:
    """Import that is cheaper than the cheapest running unit's marginal fuel, beyond floors."""
    if import_kw == 0.0:
        return 0.0
    cheapest = math.inf
    for i in range(plant.n):
        if m.mode[i] == RUN:
            cheapest = min(cheapest, plant.part_slope[i, 0])
    if price_l >= cheapest:
        return 0.0
    return min(import_kw, max(0.0, _net_kw(m) - floors_kw(plant, m)))


@inner
def _absorb(plant: PlantArrays, s: State, m: Moment, export_kw: float, relax: bool) -> None:
    """Bring what units must give up to their floors."""
    excess = floors_kw(plant, m) - _net_kw(m)
    part = min(excess, m.exchange_kw - export_kw)
    m.exchange_kw -= part
    excess -= part
    part = min(excess, m.wind_used_kw)
    m.wind_used_kw -= part
    excess -= part
    part = min(excess, m.pv_used_kw)
    m.pv_used_kw -= part
    excess -= part
    part = min(excess, max(0.0, m.battery_kw - m.low_kw))
    m.battery_kw -= part
    excess -= part
    m.dump_kw = min(excess, plant.dump_kw)
    excess -= m.dump_kw
    if excess > 0.0 and relax:
        excess = _relax_floors(plant, m, excess)
        if excess > 0.0 and (m.low_kw < 0.0 or m.high_kw > 0.0):
            m.relaxed[SOC_RESERVE] = 1
            part = min(excess, m.battery_kw + charge_limit_kw(plant, s.soc, 1.0, plant.step_h))
            m.battery_kw -= max(0.0, part)
            excess -= max(0.0, part)
    m.surplus_kw = max(0.0, excess)


@inner
def _relax_floors(plant: PlantArrays, m: Moment, excess: float) -> float:
    """Let running units fall below their least load; returns what is still too much."""
    m.relaxed[MIN_LOAD] = 1
    for i in range(plant.n):
        if m.mode[i] == RUN:
            part = min(excess, m.floor_kw[i])
            m.floor_kw[i] -= part
            excess -= part
    return excess


@inner
def _supply(plant: PlantArrays, s: State, m: Moment, import_kw: float, relax: bool) -> None:
    """Bring what units must give down to their caps."""
    need = _net_kw(m)
    lack = need - caps_kw(plant, m)
    part = min(lack, import_kw - m.exchange_kw)
    m.exchange_kw += part
    lack -= part
    part = min(lack, max(0.0, m.high_kw - m.battery_kw))
    m.battery_kw += part
    lack -= part
    if lack <= 0.0:
        return
    before = caps_kw(plant, m)
    _lift_mean_power(plant, m)
    m.relaxed[MEAN_POWER] = caps_kw(plant, m) > before
    if _net_kw(m) > caps_kw(plant, m):
        _allow_overload(plant, s, m, False)
    if relax and _net_kw(m) > caps_kw(plant, m):
        m.relaxed[OVERLOAD_TIME] = _allow_overload(plant, s, m, True)
    lack = max(0.0, _net_kw(m) - caps_kw(plant, m))
    if relax and lack > 0.0 and (m.low_kw < 0.0 or m.high_kw > 0.0):
        m.relaxed[SOC_RESERVE] = 1
        most = discharge_limit_kw(plant, s.soc, 0.0, plant.step_h)
        part = min(lack, max(0.0, most - m.battery_kw))
        m.battery_kw += part
        lack -= part
    _shed(plant, s, m, lack)


@inner
def _shed(plant: PlantArrays, s: State, m: Moment, lack: float) -> None:
    """Shed what may be shed once the delay is over; the rest is a deficit."""
    if s.shed_wait >= plant.shed_delay_steps:
        m.shed_kw = min(lack, plant.shed_kw - m.ufls_kw)
    m.relaxed[SHED] = m.shed_kw > 0.0
    m.deficit_kw = lack - m.shed_kw
    if plant.ufls_stages > 0:
        ufls.shed_by_shortage(plant, s, m)


@inner
def balance(
    plant: PlantArrays, s: State, m: Moment, export_kw: float, import_kw: float, relax: bool
) -> None:
    """Set every power of the step from the battery power and the exchange in `m`.

    Args:
        plant: its record.
        s: the copy before the step.
        m: the step: held modes, limits, load, renewables, battery and exchange to begin with,
            and the interval [low_kw, high_kw] of the battery.
        export_kw: least exchange (not positive).
        import_kw: largest exchange.
        relax: the shield's alarm is on: relax limits in order.
    """
    apply_mean_power(plant, s, m)
    net = _net_kw(m)
    if net < floors_kw(plant, m):
        _absorb(plant, s, m, export_kw, relax)
    elif net > caps_kw(plant, m):
        _supply(plant, s, m, import_kw, relax)
    if plant.published:
        m.battery_kw = hundredths(m.battery_kw)
    fixed = 0.0
    for i in range(plant.n):
        if m.mode[i] != RUN:
            fixed += m.power_kw[i]
    unmet = m.shed_kw + m.deficit_kw - m.dump_kw - m.surplus_kw
    share(plant, m, _net_kw(m) - unmet - fixed)
    if plant.published:
        for i in range(plant.n):
            if m.mode[i] == RUN:
                m.power_kw[i] = hundredths(m.power_kw[i])


@inner
def black_out(plant: PlantArrays, m: Moment) -> None:
    """No source forms the grid: nothing is served, fixed powers are lost."""
    m.battery_kw = m.wind_used_kw = m.pv_used_kw = m.exchange_kw = m.ufls_kw = 0.0
    m.deficit_kw = m.load_kw
    m.surplus_kw = 0.0
    for i in range(plant.n):
        m.surplus_kw += m.power_kw[i]


@inner
def forms_grid(plant: PlantArrays, m: Moment, battery: bool, grid: bool) -> bool:
    """Whether a running unit, a grid-forming battery or the outer grid holds the frequency."""
    if grid or (battery and plant.grid_forming):
        return True
    running = 0
    for i in range(plant.n):
        running += m.mode[i] == RUN
    return running > 0


@inner
def clear(m: Moment) -> None:
    """Forget the last step's releases and relaxations."""
    m.dump_kw = m.shed_kw = m.deficit_kw = m.surplus_kw = m.ufls_kw = 0.0
    for k in range(len(m.relaxed)):
        m.relaxed[k] = 0
