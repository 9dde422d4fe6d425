"""Adversaries that try to bring a shielded plant down with disturbances of the declared set D.

The world here is not the simulator's: units follow the automaton, the battery moves by the most the
envelope allows, and what is checked is counted from the modes that were seen. Commands, battery
wishes, load, renewables, trips and charge readings are chosen by the adversary within D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_grid import automaton
from trimtab_grid import shield_kernel as shield
from trimtab_grid import shield_rules as rules
from trimtab_grid.arrays import COOL, HOLD, MAX_UNITS, OFF, RUN, START, STOP, TRIPPED, WARM
from trimtab_grid.compiled import compiled, inner

RANDOM, GREEDY, OPTIMISED = range(3)
"""Kinds of adversary: uniform choices; against the nearer boundary of the safe set; a periodic
attack whose phases and biases (`genes`) are optimised."""
GENES = 6
CHECKS = (
    "balance",
    "charge_window",
    "battery_power",
    "timers",
    "order",
    "outside_safe_set",
    "no_safe_command",
)
BALANCE, WINDOW, POWER, TIMERS, ORDER, UNSAFE, STUCK = range(len(CHECKS))
_KW, _SOC = 1e-5, 1e-8
_TIGHT_KWH = 0.05


@dataclass(frozen=True, slots=True)
class Attack:
    """Outcome of an attack.

    Attributes:
        violations: [checks] count.
        least_slack_kwh: least distance to the boundary of the safe set that was reached.
        trips: units that tripped.
        changed: commands that the shield changed.
        tight: steps that ended within 0.05 kWh of that boundary.
    """

    violations: NDArray[np.int64]
    least_slack_kwh: float
    trips: int
    changed: int
    tight: int


WORLD = np.dtype(
    [
        ("mode", np.int64, MAX_UNITS),
        ("timer", np.int64, MAX_UNITS),
        ("seen", np.int64, MAX_UNITS),
        ("length", np.int64, MAX_UNITS),
        ("proposed", np.int64, MAX_UNITS),
        ("command", np.int64, MAX_UNITS),
        ("held_mode", np.int64, MAX_UNITS),
        ("held_timer", np.int64, MAX_UNITS),
        ("violations", np.int64, len(CHECKS)),
        ("draw", np.uint64),
        ("step", np.int64),
        ("trips", np.int64),
        ("changed", np.int64),
        ("tight", np.int64),
        ("load_kw", np.float64),
        ("soc", np.float64),
        ("soc_lo", np.float64),
        ("soc_hi", np.float64),
        ("wish_kw", np.float64),
        ("least_kwh", np.float64),
    ],
    align=True,
)
"""The attacked plant and what was counted."""


@inner
def uniform(w: Any) -> float:
    """A uniform draw in [0, 1): xorshift64* (Vigna, 2016)."""
    x = w.draw
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    w.draw = x
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) / 9007199254740992.0


@inner
def slacks_kwh(plant: Any, tables: Any, w: Any) -> tuple[float, float]:
    """Distances of the observed state to both boundaries of S; negative outside."""
    low, high = 0, 0
    for i in range(plant.n):
        low += rules.unit_key(tables.key, 0, i, w.mode[i], w.timer[i], plant.repair_steps[i])
        high += rules.unit_key(tables.key, 1, i, w.mode[i], w.timer[i], plant.repair_steps[i])
    above = rules.above_kwh(plant, w.soc_lo) - rules.need_low_kwh(tables, low, w.load_kw)
    below = rules.below_kwh(plant, w.soc_hi) - rules.need_high_kwh(tables, high, w.load_kw)
    return above, below


@inner
def push(plant: Any, tables: Any, w: Any, kind: int, genes: NDArray[np.float64]) -> float:
    """Direction of the attack: +1 drains the battery, -1 fills it."""
    if kind == RANDOM:
        return 1.0 if uniform(w) < 0.5 else -1.0
    if kind == OPTIMISED:
        period = 200.0 + 1800.0 * genes[0]
        return 1.0 if w.step % int(period) < (0.1 + 0.8 * genes[1]) * period else -1.0
    above, below = slacks_kwh(plant, tables, w)
    nearer = 1.0 if above < below else -1.0
    return nearer if w.step % 6000 < 4000 else -nearer


@inner
def propose(plant: Any, w: Any, kind: int, direction: float, genes: NDArray[np.float64]) -> None:
    """Commands and battery wish of the adversary."""
    noise = 1.0 if kind == RANDOM else (genes[2] if kind == OPTIMISED else 0.05)
    stop = direction > 0.0
    if uniform(w) < noise:
        stop = uniform(w) < 0.5
    for i in range(plant.n):
        w.proposed[i] = HOLD
    if plant.order:
        choice = STOP if stop else START
        automaton.order_commands(choice, w.mode, w.timer, plant.n, plant.min_run_steps, w.proposed)
    else:
        for i in range(plant.n):
            if stop and automaton.stoppable(w.mode[i], w.timer[i], plant.min_run_steps[i]):
                w.proposed[i] = STOP
            elif not stop and automaton.startable(w.mode[i], w.timer[i]):
                w.proposed[i] = START
    w.wish_kw = 2.0 * direction * plant.power_kw
    if uniform(w) < noise:
        w.wish_kw = (2.0 * uniform(w) - 1.0) * plant.power_kw


@inner
def next_load(
    plant: Any, tables: Any, w: Any, kind: int, direction: float, genes: NDArray[np.float64]
) -> float:
    """Load of the coming step, within D."""
    low = rules.lowest_load_kw(plant, tables, w.load_kw)
    high = rules.highest_load_kw(plant, tables, w.load_kw)
    calm = genes[3] if kind == OPTIMISED else 0.1
    if kind == RANDOM or uniform(w) < calm:
        load: float = low + (high - low) * uniform(w)
        return load
    extreme: float = high if direction > 0.0 else low
    return extreme


@inner
def strike(plant: Any, w: Any, kind: int, genes: NDArray[np.float64]) -> None:
    """Trip any one unit, if all are there; a starting unit may fail to start."""
    away = automaton.count_in(w.held_mode, plant.n, TRIPPED)
    if not plant.unit_trips or away > 0:
        return
    rate = 0.02 if kind != OPTIMISED else 0.002 + 0.1 * genes[4]
    starting = kind != RANDOM and automaton.count_in(w.command, plant.n, START) > 0
    if uniform(w) < (0.2 if starting else rate):
        unit = int(uniform(w) * plant.n)
        fresh = genes[5] if kind == OPTIMISED else 0.5
        for i in range(plant.n):
            just_runs = w.held_mode[i] == RUN and w.held_timer[i] == 0
            if (just_runs or w.command[i] == START) and uniform(w) < fresh:
                unit = i
        w.held_mode[unit], w.held_timer[unit] = automaton.tripped(plant.repair_steps[unit])
        w.trips += 1


@inner
def inspect_units(plant: Any, w: Any) -> None:
    """Count broken timers and order rules from the modes that were seen, not from timers."""
    changes, cooling, warming, started, stopped = 0, False, False, False, False
    for i in range(plant.n):
        before, now = w.seen[i], w.held_mode[i]
        cooling |= before == COOL and now == COOL
        warming |= before == WARM and now == WARM
        if now == before:
            w.length[i] += 1
            continue
        if now != TRIPPED and before != TRIPPED:
            short = before == RUN and w.length[i] < plant.min_run_steps[i]
            short |= before == WARM and w.length[i] != plant.warm_steps[i]
            short |= before == COOL and w.length[i] != plant.cool_steps[i]
            short |= before == OFF and w.length[i] < plant.min_down_steps[i]
            w.violations[TIMERS] += short
        starts = now in (WARM, RUN) and before not in (WARM, RUN)
        stops = before in (WARM, RUN) and now in (COOL, OFF)
        started |= starts
        stopped |= stops
        changes += starts or stops
        w.seen[i], w.length[i] = now, 1
    if plant.order and (changes > 1 or (started and cooling) or (stopped and warming)):
        w.violations[ORDER] += 1


@inner
def dispatch(plant: Any, tables: Any, w: Any, load: float, renewables: float) -> float:
    """Battery power within the shield's interval, checked against balance and limits."""
    modes, timers = w.held_mode, w.held_timer
    o = shield.Outlook(modes, timers, w.soc_lo, w.soc_hi, load, load, renewables)
    low, high = shield.battery_interval(plant, tables, o, 0.0)
    power: float = min(max(w.wish_kw, low), high)
    cap, floor, shed = 0.0, 0.0, 0.0
    for i in range(plant.n):
        mode = w.held_mode[i]
        cap += automaton.cap_kw(mode, plant.prime_kw[i], plant.warm_kw[i], plant.cool_kw[i])
        floor += automaton.floor_kw(mode, plant.min_kw[i], plant.warm_kw[i], plant.cool_kw[i])
        if mode == TRIPPED and plant.repair_steps[i] - w.held_timer[i] >= plant.shed_delay_steps:
            shed = plant.shed_kw
    if load > cap + renewables + power + shed + _KW or floor + power > load + plant.dump_kw + _KW:
        w.violations[BALANCE] += 1
    if power > plant.discharge_kw + _KW or power < -plant.charge_kw - _KW:
        w.violations[POWER] += 1
    return power


@inner
def charge(plant: Any, w: Any, power: float) -> None:
    """Move the true charge as the envelope allows at its worst, then read it with an error."""
    per_kw = plant.step_h / plant.energy_kwh
    if power >= 0.0:
        moved = -power * per_kw / plant.discharge_efficiency
    else:
        moved = -power * per_kw * plant.charge_efficiency
    w.soc += moved
    reading = w.soc + plant.soc_error * (1.0 if uniform(w) < 0.5 else -1.0)
    w.soc_lo = max(w.soc_lo + moved, reading - plant.soc_error)
    w.soc_hi = min(w.soc_hi + moved, reading + plant.soc_error)
    if w.soc < plant.reserve_soc_min - _SOC or w.soc > plant.reserve_soc_max + _SOC:
        w.violations[WINDOW] += 1


@inner
def attack_step(plant: Any, tables: Any, w: Any, kind: int, genes: NDArray[np.float64]) -> None:
    """One step: the shield commits, the adversary strikes, the shield bounds the battery."""
    shield.return_repaired(plant, tables, w.mode, w.timer, w.soc_lo, w.soc_hi, w.load_kw)
    direction = push(plant, tables, w, kind, genes)
    propose(plant, w, kind, direction, genes)
    load = next_load(plant, tables, w, kind, direction, genes)
    renewables = 0.0
    if kind == RANDOM or direction < 0.0:
        renewables = (plant.wind_kw + plant.pv_kw) * uniform(w)
    known = load if plant.step_known else math.nan
    known_renewables = renewables if plant.step_known else math.nan
    units, belief = (w.mode, w.timer), (w.soc_lo, w.soc_hi)
    o = shield.look_ahead(plant, tables, units, belief, w.load_kw, known, known_renewables)
    reason = shield.commit(plant, tables, o, w.proposed, w.wish_kw, w.command)
    w.changed += reason != 0
    w.violations[STUCK] += reason == shield.DEGRADED
    for i in range(plant.n):
        w.held_mode[i], w.held_timer[i] = automaton.commanded(
            w.mode[i],
            w.timer[i],
            w.command[i],
            plant.warm_steps[i],
            plant.cool_steps[i],
            plant.min_down_steps[i],
        )
    strike(plant, w, kind, genes)
    inspect_units(plant, w)
    charge(plant, w, dispatch(plant, tables, w, load, renewables))
    for i in range(plant.n):
        w.mode[i], w.timer[i] = automaton.ticked(
            w.held_mode[i], w.held_timer[i], plant.min_run_steps[i], plant.min_down_steps[i]
        )
    w.load_kw = load
    above, below = slacks_kwh(plant, tables, w)
    slack = min(above, below)
    w.least_kwh = min(w.least_kwh, slack)
    w.tight += slack < _TIGHT_KWH
    w.violations[UNSAFE] += slack < -1e-5
    w.step += 1


@compiled
def attack_all(
    plant: Any, tables: Any, worlds: NDArray[Any], steps: int, kind: int, genes: NDArray[np.float64]
) -> None:
    """Attack every world for some steps, one after the other."""
    for row in range(len(worlds)):
        w = worlds[row]
        for _ in range(steps):
            attack_step(plant, tables, w, kind, genes)


def new_worlds(plant: Any, count: int, seed: int, soc: float) -> NDArray[Any]:
    """Worlds with all units off, long since, at half load."""
    worlds = np.zeros(count, WORLD).view(np.recarray)
    worlds.length[:] = 1 << 20
    worlds.draw[:] = np.random.default_rng(seed).integers(1, 1 << 62, count, dtype=np.uint64)
    worlds.load_kw[:] = 0.5 * (plant.load_min_kw + plant.load_max_kw)
    worlds.soc[:] = worlds.soc_lo[:] = worlds.soc_hi[:] = soc
    worlds.least_kwh[:] = math.inf
    return worlds


def attack(
    plant: Any,
    tables: Any,
    kind: int,
    steps: int,
    seed: int,
    genes: NDArray[np.float64] | None = None,
) -> Attack:
    """Attack a plant from all units off at half charge.

    Args:
        plant: record of `arrays.PLANT`.
        tables: of its shield.
        kind: `RANDOM`, `GREEDY` or `OPTIMISED`.
        steps: how many.
        seed: of the draws.
        genes: [GENES] in 0..1, for `OPTIMISED`.
    """
    worlds = new_worlds(plant, 1, seed, 0.5)
    attack_all(plant, tables, worlds, steps, kind, np.zeros(GENES) if genes is None else genes)
    w = worlds[0]
    counts = (int(w.trips), int(w.changed), int(w.tight))
    return Attack(w.violations.copy(), float(w.least_kwh), *counts)
