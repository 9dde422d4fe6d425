"""The shield at run time, compiled: `commit` before a step, `battery_interval` within it.

The order of a step for one plant row:

1. observe modes, timers, the charge belief [soc_lo, soc_hi] and the load;
2. `return_repaired` puts repaired units back to service where that is safe;
3. `commit` turns proposed unit commands into admissible ones, in sight of what `look_ahead` says
   the step may bring; `automaton.commanded` applies them;
4. faults, load and renewables of the step realise; a trip sets a unit to `automaton.tripped`;
5. `battery_interval`, on the held modes, bounds the battery's setpoint;
6. dispatch, then `automaton.ticked`.

Running units are dispatched between `min_kw` and `tables.key.band_kw`. All functions are the
identity on what is already safe and allocate nothing. Python runs them as they stand, compiled code
compiles them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from trimtab_grid import automaton
from trimtab_grid import shield_rules as rules
from trimtab_grid.arrays import HOLD, START, STOP, TRIPPED
from trimtab_grid.automaton import (
    commands_legal,
    order_commands,
    returned,
    startable,
    stoppable,
)
from trimtab_grid.compiled import parts, shared

REASONS = (
    "unchanged",
    "timer or order rule",
    "deficit",
    "deficit after a trip",
    "surplus",
    "no grid-forming source",
    "degraded: no command is safe",
)
"""Text of `commit`'s reason codes."""
UNCHANGED, ILLEGAL, DEFICIT, TRIP, SURPLUS, FORMING, DEGRADED = range(len(REASONS))

parts(automaton)
parts(rules)
_UNKNOWN_NEED_KWH = 1e6
_ROUNDING_KW = 1e-6


class Outlook(NamedTuple):
    """What units and battery are, and what the coming step may ask of them.

    Attributes:
        mode: [units] modes, integers.
        timer: [units] timers, integers.
        soc_lo: lower end of the state-of-charge belief.
        soc_hi: upper end of the belief.
        load_lo_kw: least load of the step, before any shedding.
        load_hi_kw: most load of the step.
        renewables_kw: least renewable power of the step.
    """

    mode: NDArray[Any]
    timer: NDArray[Any]
    soc_lo: float
    soc_hi: float
    load_lo_kw: float
    load_hi_kw: float
    renewables_kw: float


@shared
def load_range(plant: Any, tables: Any, load_kw: float, load_next_kw: float) -> tuple[float, float]:
    """Least and most load of the coming step; `load_next_kw` is NaN unless it is known."""
    if math.isnan(load_next_kw):
        low = rules.lowest_load_kw(plant, tables, load_kw)
        return low, rules.highest_load_kw(plant, tables, load_kw)
    return load_next_kw, load_next_kw


@shared
def look_ahead(
    plant: Any,
    tables: Any,
    units: tuple[NDArray[Any], NDArray[Any]],
    belief: tuple[float, float],
    load_kw: float,
    load_next_kw: float,
    renewables_next_kw: float,
) -> Outlook:
    """The coming step as the shield must reckon with it.

    Args:
        plant: record of `arrays.PLANT`.
        tables: `ShieldTables` of that plant.
        units: observed modes and timers.
        belief: both ends of the state-of-charge belief.
        load_kw: present load before any shedding, kW.
        load_next_kw: load of the coming step, kW; NaN unless it is known.
        renewables_next_kw: wind and PV of the coming step, kW; NaN unless they are known.
    """
    lo, hi = load_range(plant, tables, load_kw, load_next_kw)
    renewables = 0.0 if math.isnan(renewables_next_kw) else renewables_next_kw
    return Outlook(units[0], units[1], belief[0], belief[1], lo, hi, renewables)


@shared
def is_safe(
    plant: Any,
    tables: Any,
    mode: NDArray[Any],
    timer: NDArray[Any],
    soc_lo: float,
    soc_hi: float,
    load_kw: float,
) -> bool:
    """Whether an observed state lies in the safe set S."""
    safe: bool = rules.in_safe_set(plant, tables, mode, timer, soc_lo, soc_hi, load_kw)
    return safe


@shared
def return_repaired(
    plant: Any,
    tables: Any,
    mode: NDArray[Any],
    timer: NDArray[Any],
    soc_lo: float,
    soc_hi: float,
    load_kw: float,
) -> int:
    """Put repaired units, (TRIPPED, 0), back to service where the state then lies in S.

    Writes `mode` and `timer`; from then on single trips are reckoned with again.

    Returns:
        How many units returned.
    """
    count = 0
    for i in range(plant.n):
        if mode[i] == TRIPPED and timer[i] == 0:
            mode[i], timer[i] = returned()
            if rules.in_safe_set(plant, tables, mode, timer, soc_lo, soc_hi, load_kw):
                count += 1
            else:
                mode[i] = TRIPPED
    return count


@shared
def _is_legal(plant: Any, o: Outlook, command: NDArray[Any]) -> bool:
    return commands_legal(plant.order, command, o.mode, o.timer, plant.n, plant.min_run_steps)


@shared
def _keeps_safe(plant: Any, tables: Any, o: Outlook, command: NDArray[Any]) -> bool:
    safe: bool = rules.admissible(
        plant,
        tables,
        o.mode,
        o.timer,
        command,
        o.soc_lo,
        o.soc_hi,
        o.load_lo_kw,
        o.load_hi_kw,
        o.renewables_kw,
    )
    return safe


@shared
def is_admissible(plant: Any, tables: Any, o: Outlook, command: NDArray[Any]) -> bool:
    """Whether commands are legal and keep the plant in S, whatever the step brings."""
    if not _is_legal(plant, o, command):
        return False
    if rules.clearly_admissible(plant, tables, o.mode, o.soc_lo, o.soc_hi, o.load_hi_kw):
        return True
    return _keeps_safe(plant, tables, o, command)


@shared
def candidate(plant: Any, index: int, o: Outlook, out: NDArray[Any]) -> bool:
    """Write the `index`-th command vector a plant may get; False if there is none such.

    With order rules index 0, 1, 2 mean none, stop_last, start_next; without them bit i of the
    index says whether unit i changes.
    """
    if plant.order:
        choice = HOLD if index == 0 else (STOP if index == 1 else START)
        legal: bool = order_commands(choice, o.mode, o.timer, plant.n, plant.min_run_steps, out)
        return legal
    for i in range(plant.n):
        out[i] = HOLD
        if (index >> i) & 1:
            if startable(o.mode[i], o.timer[i]):
                out[i] = START
            elif stoppable(o.mode[i], o.timer[i], plant.min_run_steps[i]):
                out[i] = STOP
            else:
                return False
    return True


@shared
def candidates(plant: Any) -> int:
    """Number of indices `candidate` takes."""
    return 3 if plant.order else 1 << plant.n


@shared
def distance(plant: Any, one: NDArray[Any], other: NDArray[Any]) -> int:
    """Discrete distance of two command vectors; by choice, not unit, under order rules."""
    total, sum_one, sum_other = 0, 0, 0
    for i in range(plant.n):
        total += abs(one[i] - other[i])
        sum_one += one[i]
        sum_other += other[i]
    if not plant.order:
        return total
    return abs(max(-1, min(1, sum_one)) - max(-1, min(1, sum_other)))


@shared
def _bounds(
    plant: Any, tables: Any, o: Outlook, totals: rules.Totals, load_kw: float
) -> tuple[float, float]:
    """Least and most battery power if the step's load is this one."""
    cap, floor, shed, _, low_key, high_key = totals
    bounds: tuple[float, float] = rules.battery_bounds_kw(
        plant,
        rules.above_kwh(plant, o.soc_lo),
        rules.below_kwh(plant, o.soc_hi),
        rules.need_low_kwh(tables, low_key, load_kw),
        rules.need_high_kwh(tables, high_key, load_kw),
        load_kw,
        o.renewables_kw,
        cap,
        floor,
        shed,
    )
    return bounds


@shared
def battery_shift_kw(
    plant: Any, tables: Any, o: Outlook, command: NDArray[Any], battery_kw: float
) -> float:
    """How far a battery setpoint would be moved if the step brought its most load."""
    totals = rules.held_totals(plant, tables, o.mode, o.timer, command, -1)
    low, high = _bounds(plant, tables, o, totals, o.load_hi_kw)
    return max(low - battery_kw, battery_kw - high, 0.0)


@shared
def why_not(plant: Any, tables: Any, o: Outlook, command: NDArray[Any]) -> int:
    """Reason code of commands that are not admissible; the first rule that fails."""
    if not _is_legal(plant, o, command):
        return ILLEGAL
    above, below = rules.above_kwh(plant, o.soc_lo), rules.below_kwh(plant, o.soc_hi)
    cap, floor, shed, running, low, high = rules.held_totals(
        plant, tables, o.mode, o.timer, command, -1
    )
    if running < min(1, tables.key.forming_units):
        return FORMING
    surplus = rules.surplus_kw(plant, o.load_lo_kw, floor)
    need = rules.need_high_kwh(tables, high, o.load_lo_kw)
    if not rules.upper_holds(plant, below, surplus, need):
        return SURPLUS
    deficit = rules.deficit_kw(plant, o.load_hi_kw, o.renewables_kw, cap, shed)
    need = rules.need_low_kwh(tables, low, o.load_hi_kw)
    if not rules.lower_holds(plant, above, deficit, need):
        return DEFICIT
    return TRIP


@shared
def shortfall_kwh(plant: Any, tables: Any, o: Outlook, command: NDArray[Any]) -> float:
    """How far legal commands miss safety if nothing trips: what degraded mode makes least."""
    cap, floor, shed, running, low, high = rules.held_totals(
        plant, tables, o.mode, o.timer, command, -1
    )
    deficit = rules.deficit_kw(plant, o.load_hi_kw, o.renewables_kw, cap, shed)
    surplus = rules.surplus_kw(plant, o.load_lo_kw, floor)
    low_need = min(rules.need_low_kwh(tables, low, o.load_hi_kw), _UNKNOWN_NEED_KWH)
    high_need = min(rules.need_high_kwh(tables, high, o.load_lo_kw), _UNKNOWN_NEED_KWH)
    above = rules.above_kwh(plant, o.soc_lo) - rules.drawn_kwh(plant, deficit)
    below = rules.below_kwh(plant, o.soc_hi) - rules.stored_kwh(plant, surplus)
    missing = max(0.0, low_need - above) + max(0.0, high_need - below)
    missing += max(0.0, deficit - plant.discharge_kw) + max(0.0, surplus - plant.charge_kw)
    if running < min(1, tables.key.forming_units):
        missing += _UNKNOWN_NEED_KWH
    least: float = missing
    return least


@shared
def commit(
    plant: Any,
    tables: Any,
    o: Outlook,
    proposed: NDArray[Any],
    battery_kw: float,
    out: NDArray[Any],
) -> int:
    """Write the admissible commands nearest to the proposed ones into `out`.

    Nearest means least discrete distance, then least move of the battery setpoint.

    Args:
        plant: record of `arrays.PLANT`.
        tables: `ShieldTables` of that plant.
        o: observed units and belief, and the coming step, of `look_ahead`.
        proposed: [units] commands, -1 stop, 0 hold, +1 start.
        battery_kw: proposed battery setpoint, kW, discharge positive.
        out: [units] signed integers, written.

    Returns:
        Reason code, 0 where the proposal stands; see `REASONS`.
    """
    if is_admissible(plant, tables, o, proposed):
        for i in range(plant.n):
            out[i] = proposed[i]
        return UNCHANGED
    reason = why_not(plant, tables, o, proposed)
    best = _nearest(plant, tables, o, proposed, battery_kw, out)
    if best < 0:
        reason = DEGRADED
        best = _least_bad(plant, tables, o, out)
    candidate(plant, best, o, out)
    return reason


@shared
def _nearest(
    plant: Any,
    tables: Any,
    o: Outlook,
    proposed: NDArray[Any],
    battery_kw: float,
    out: NDArray[Any],
) -> int:
    """Index of the nearest admissible candidate, -1 if none is; `out` is scratch."""
    best, best_steps, best_shift = -1, 1 << 30, math.inf
    for index in range(candidates(plant)):
        if not candidate(plant, index, o, out):
            continue
        steps = distance(plant, out, proposed)
        if steps > best_steps or not _keeps_safe(plant, tables, o, out):
            continue
        shift = battery_shift_kw(plant, tables, o, out, battery_kw)
        if steps < best_steps or shift < best_shift:
            best, best_steps, best_shift = index, steps, shift
    return best


@shared
def _least_bad(plant: Any, tables: Any, o: Outlook, out: NDArray[Any]) -> int:
    """Index of the legal candidate that misses safety least; `out` is scratch."""
    best, least = 0, math.inf
    for index in range(candidates(plant)):
        if candidate(plant, index, o, out):
            missing = shortfall_kwh(plant, tables, o, out)
            if missing < least:
                best, least = index, missing
    return best


@shared
def battery_interval(
    plant: Any, tables: Any, o: Outlook, overload_kw: float
) -> tuple[float, float]:
    """Battery powers that keep exact balance and lead back into S.

    Outside the safe set the interval shrinks to one power, in this order of relaxation: overload
    and declared shedding first, then the safe margin of charge down to the reserve window; what is
    then still missing is the dispatch's to shed.

    Args:
        plant: record of `arrays.PLANT`.
        tables: `ShieldTables` of that plant.
        o: modes and timers held in this step, trips of this step included; the belief before it;
            its load (both loads are the same) and the wind and PV available in it.
        overload_kw: power above prime that running units may still give in this step, kW.

    Returns:
        Lowest and highest setpoint, kW, discharge positive.
    """
    totals = rules.nothing_held(plant)
    for i in range(plant.n):
        totals = rules.with_unit(plant, tables, totals, i, o.mode[i], o.timer[i])
    low, high = _bounds(plant, tables, o, totals, o.load_hi_kw)
    if low <= high:
        return low, high
    if low - high < _ROUNDING_KW:
        return high, high
    power = _relaxed(plant, o, totals, overload_kw)
    return power, power


@shared
def _relaxed(plant: Any, o: Outlook, totals: rules.Totals, overload_kw: float) -> float:
    """Power nearest to 0 that keeps balance within the reserve window, else as near as it can."""
    cap, floor, shed = totals[0] + overload_kw, totals[1], totals[2]
    above, below = rules.above_kwh(plant, o.soc_lo), rules.below_kwh(plant, o.soc_hi)
    most = min(plant.discharge_kw, above * plant.discharge_efficiency / plant.step_h)
    least = -min(plant.charge_kw, below / (plant.charge_efficiency * plant.step_h))
    wanted = max(0.0, o.load_hi_kw - o.renewables_kw - cap - shed)
    wanted = min(wanted, o.load_hi_kw - floor + plant.dump_kw)
    power: float = max(min(wanted, max(most, 0.0)), min(least, 0.0))
    return power
