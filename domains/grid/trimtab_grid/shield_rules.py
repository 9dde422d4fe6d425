"""The shield's expressions: what a step asks of the battery, which states and commands are safe.

One source for the runtime shield, its tables and its proof: branch-free over `_max`, `_min`,
`_both` and the two table look-ups, so that compiled code runs them on floats, `tubes` on exact
fractions and `proof` on symbols (by binding those names anew). Loops and branches depend on unit
modes and timers only, which are always plain integers.

Energies are counted from the ends of the reserve window: `above_kwh` = (soc_lo - reserve_soc_min)·E
and `below_kwh` = (reserve_soc_max - soc_hi)·E.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from trimtab_grid.arrays import MAX_UNITS, RUN, TRIPPED
from trimtab_grid.automaton import (
    IntVector,
    cap_kw,
    commanded,
    count_in,
    floor_kw,
    ticked,
    tripped,
)

TOLERANCE_KWH = 1e-7
"""Slack of float comparisons at run time; the proof uses 0."""
_CELL_TOLERANCE = 1e-9
_max = max
_min = min


Totals = tuple[Any, Any, Any, int, int, int]
"""Cap kW, floor kW, load that may be shed kW, running units, key below, key above: what the units
offer in a step, and the keys of what will be observed after it."""


LOW, HIGH = range(2)
"""The two tables: need above the window's lower end (against deficits; cells round the load up),
need below its upper end (against surplus; cells round the load down)."""
SHIELD = np.dtype(
    [
        # part of the key of a unit in a mode with timer 0; timer from which on states of the mode
        # do not differ; weight of a timer step in the key
        ("first", np.int64, (2, MAX_UNITS, 5)),
        ("span", np.int64, (2, MAX_UNITS, 5)),
        ("stride", np.int64, (2, MAX_UNITS)),
        # width of a load cell, kW; infinite where the load does not matter
        ("cell_kw", np.float64, (2,)),
        # most change of the load in a step, kW, finite
        ("rise_kw", np.float64),
        ("fall_kw", np.float64),
        # energy above and below from which on every legal command is safe, kWh
        ("free_kwh", np.float64, (2,)),
        # most power of a running unit that its ramp lets it use freely, kW
        ("band_kw", np.float64, (MAX_UNITS,)),
        # running units needed to hold the frequency (0: the battery may)
        ("forming_units", np.int64),
    ],
    align=True,
)
"""How to look up the tables, and the limits of the load."""


class ShieldTables(NamedTuple):
    """Energy needs per reduced unit-state combination (key) and load cell.

    Attributes:
        key: record of `SHIELD`.
        low_kwh: [keys, cells] need above the lower end of the reserve window, kWh, rounded up;
            infinite: not safe at any charge.
        high_kwh: [keys, cells] need below the upper end of the reserve window, kWh.
    """

    key: Any
    low_kwh: NDArray[np.float64]
    high_kwh: NDArray[np.float64]


@register_jitable
def _both(one: Any, other: Any) -> Any:
    return one and other


@register_jitable
def unit_key(key: Any, side: int, unit: int, mode: int, timer: int, repair_steps: int) -> int:
    """Part of one unit in the key of a table; a tripped unit counts by steps since its trip."""
    steps = repair_steps - timer if mode == TRIPPED else timer
    row: int = key.first[side, unit, mode] + key.stride[side, unit] * min(
        steps, key.span[side, unit, mode]
    )
    return row


@register_jitable
def need_low_kwh(tables: Any, key: int, load_kw: Any) -> Any:
    """Energy needed above the window's lower end at a load, which is rounded up to its cell."""
    cell = int(math.ceil(load_kw / tables.key.cell_kw[LOW] - _CELL_TOLERANCE))
    return tables.low_kwh[key, max(0, min(cell, tables.low_kwh.shape[1] - 1))]


@register_jitable
def need_high_kwh(tables: Any, key: int, load_kw: Any) -> Any:
    """Energy needed below the window's upper end at a load, which is rounded down to its cell."""
    cell = int(math.floor(load_kw / tables.key.cell_kw[HIGH] + _CELL_TOLERANCE))
    return tables.high_kwh[key, max(0, min(cell, tables.high_kwh.shape[1] - 1))]


@register_jitable
def highest_load_kw(plant: Any, tables: Any, load_kw: Any) -> Any:
    """Most load of the coming step."""
    return _min(load_kw + tables.key.rise_kw, plant.load_max_kw)


@register_jitable
def lowest_load_kw(plant: Any, tables: Any, load_kw: Any) -> Any:
    """Least load of the coming step."""
    return _max(load_kw - tables.key.fall_kw, plant.load_min_kw)


@register_jitable
def standby_load_kw(plant: Any) -> Any:
    """Standby loss of the battery as a load on the grid side, rounded up."""
    return plant.standby_kw / plant.charge_efficiency


@register_jitable
def deficit_kw(plant: Any, load_kw: Any, renewables_kw: Any, cap: Any, shed: Any) -> Any:
    """Power the battery must give."""
    return _max(0, load_kw + standby_load_kw(plant) - renewables_kw - cap - shed)


@register_jitable
def surplus_kw(plant: Any, load_kw: Any, floor: Any) -> Any:
    """Power the battery must take; renewables are curtailed."""
    return _max(0, floor - load_kw - plant.dump_kw)


@register_jitable
def drawn_kwh(plant: Any, power_kw: Any) -> Any:
    """Stored energy that one step of discharging at a power takes, at most."""
    return power_kw * plant.step_h / plant.discharge_efficiency


@register_jitable
def stored_kwh(plant: Any, power_kw: Any) -> Any:
    """Stored energy that one step of charging at a power brings, at most."""
    return power_kw * plant.step_h * plant.charge_efficiency


@register_jitable
def above_kwh(plant: Any, soc_lo: Any) -> Any:
    """Energy above the lower end of the reserve window."""
    return (soc_lo - plant.reserve_soc_min) * plant.energy_kwh


@register_jitable
def below_kwh(plant: Any, soc_hi: Any) -> Any:
    """Energy below the upper end of the reserve window."""
    return (plant.reserve_soc_max - soc_hi) * plant.energy_kwh


@register_jitable
def unit_cap_kw(plant: Any, tables: Any, unit: int, mode: int) -> Any:
    """Cap of a unit that holds a mode, its ramp heeded."""
    return cap_kw(mode, tables.key.band_kw[unit], plant.warm_kw[unit], plant.cool_kw[unit])


@register_jitable
def unit_floor_kw(plant: Any, unit: int, mode: int) -> Any:
    """Floor of a unit that holds a mode."""
    return floor_kw(mode, plant.min_kw[unit], plant.warm_kw[unit], plant.cool_kw[unit])


@register_jitable
def shed_kw(plant: Any, unit: int, mode: int, timer: int) -> Any:
    """Load that may be shed because of this unit: it tripped, and the delay has passed."""
    if mode == TRIPPED and plant.repair_steps[unit] - timer >= plant.shed_delay_steps:
        return plant.shed_kw
    return 0 * plant.shed_kw


@register_jitable
def nothing_held(plant: Any) -> Totals:
    """Totals of no units: the start of a sum over `with_unit`."""
    zero = 0 * plant.dump_kw
    return zero, zero, zero, 0, 0, 0


@register_jitable
def with_unit(plant: Any, tables: Any, totals: Totals, unit: int, mode: int, timer: int) -> Totals:
    """Totals with one more unit that holds (mode, timer) in the coming step."""
    cap, floor, shed, running, low, high = totals
    m, t = ticked(mode, timer, plant.min_run_steps[unit], plant.min_down_steps[unit])
    return (
        cap + unit_cap_kw(plant, tables, unit, mode),
        floor + unit_floor_kw(plant, unit, mode),
        max(shed, shed_kw(plant, unit, mode, timer)),
        running + (1 if mode == RUN else 0),
        low + unit_key(tables.key, LOW, unit, m, t, plant.repair_steps[unit]),
        high + unit_key(tables.key, HIGH, unit, m, t, plant.repair_steps[unit]),
    )


@register_jitable
def held_totals(
    plant: Any, tables: Any, mode: IntVector, timer: IntVector, command: IntVector, absent: int
) -> Totals:
    """Totals of the coming step.

    Args:
        plant: record of `arrays.PLANT`.
        tables: `ShieldTables`.
        mode: [units] observed modes.
        timer: [units] observed timers.
        command: [units] legal commands.
        absent: unit that trips in this step, after the commands; -1: none.
    """
    totals = nothing_held(plant)
    for i in range(plant.n):
        m, t = commanded(
            mode[i],
            timer[i],
            command[i],
            plant.warm_steps[i],
            plant.cool_steps[i],
            plant.min_down_steps[i],
        )
        if i == absent:
            m, t = tripped(plant.repair_steps[i])
        totals = with_unit(plant, tables, totals, i, m, t)
    return totals


@register_jitable
def lower_holds(plant: Any, above: Any, deficit: Any, need: Any) -> Any:
    """Whether a step's deficit can be met and leaves the need."""
    left = above - drawn_kwh(plant, deficit)
    return _both(deficit <= plant.discharge_kw + TOLERANCE_KWH, left >= need - TOLERANCE_KWH)


@register_jitable
def upper_holds(plant: Any, below: Any, surplus: Any, need: Any) -> Any:
    """Whether a step's surplus can be stored and leaves the need."""
    left = below - stored_kwh(plant, surplus)
    return _both(surplus <= plant.charge_kw + TOLERANCE_KWH, left >= need - TOLERANCE_KWH)


@register_jitable
def scenario_holds(
    plant: Any,
    tables: Any,
    mode: IntVector,
    timer: IntVector,
    command: IntVector,
    absent: int,
    above: Any,
    below: Any,
    load_lo_kw: Any,
    load_hi_kw: Any,
    renewables_kw: Any,
) -> Any:
    """Whether a command is safe at both load end points if unit `absent` (-1: none) trips."""
    cap, floor, shed, running, low, high = held_totals(plant, tables, mode, timer, command, absent)
    need_below = need_low_kwh(tables, low, load_hi_kw)
    need_above = need_high_kwh(tables, high, load_lo_kw)
    deficit = deficit_kw(plant, load_hi_kw, renewables_kw, cap, shed)
    surplus = surplus_kw(plant, load_lo_kw, floor)
    forming = running >= min(1, tables.key.forming_units)
    return _both(
        forming,
        _both(
            lower_holds(plant, above, deficit, need_below),
            upper_holds(plant, below, surplus, need_above),
        ),
    )


@register_jitable
def may_trip(plant: Any, mode: IntVector) -> bool:
    """Whether a single trip must still be reckoned with."""
    return bool(plant.unit_trips) and count_in(mode, plant.n, TRIPPED) == 0


@register_jitable
def clearly_admissible(
    plant: Any, tables: Any, mode: IntVector, soc_lo: Any, soc_hi: Any, load_hi_kw: Any
) -> bool:
    """A quick test that implies `admissible`, for any legal command in a known state."""
    return bool(
        above_kwh(plant, soc_lo) >= tables.key.free_kwh[LOW]
        and below_kwh(plant, soc_hi) >= tables.key.free_kwh[HIGH]
        and load_hi_kw <= plant.load_max_kw
        and count_in(mode, plant.n, TRIPPED) <= 1
    )


@register_jitable
def admissible(
    plant: Any,
    tables: Any,
    mode: IntVector,
    timer: IntVector,
    command: IntVector,
    soc_lo: Any,
    soc_hi: Any,
    load_lo_kw: Any,
    load_hi_kw: Any,
    renewables_kw: Any,
) -> Any:
    """Whether a legal command keeps the plant in the safe set, whatever the step brings.

    Args:
        plant: record of `arrays.PLANT`.
        tables: `ShieldTables`.
        mode: [units] observed modes.
        timer: [units] observed timers.
        command: [units] legal commands.
        soc_lo: lower end of the state-of-charge belief.
        soc_hi: upper end of the belief.
        load_lo_kw: least load of the coming step; the load itself where it is known.
        load_hi_kw: most load of the coming step; the load itself where it is known.
        renewables_kw: least renewable power of the coming step: 0 unless it is known.
    """
    above, below = above_kwh(plant, soc_lo), below_kwh(plant, soc_hi)
    safe = scenario_holds(
        plant, tables, mode, timer, command, -1, above, below, load_lo_kw, load_hi_kw, renewables_kw
    )
    if may_trip(plant, mode):
        for j in range(plant.n):
            holds = scenario_holds(
                plant,
                tables,
                mode,
                timer,
                command,
                j,
                above,
                below,
                load_lo_kw,
                load_hi_kw,
                renewables_kw,
            )
            safe = _both(safe, holds)
    return safe


@register_jitable
def in_safe_set(
    plant: Any,
    tables: Any,
    mode: IntVector,
    timer: IntVector,
    soc_lo: Any,
    soc_hi: Any,
    load_kw: Any,
) -> Any:
    """Whether an observed state lies in the safe set S."""
    low, high = 0, 0
    for i in range(plant.n):
        low += unit_key(tables.key, LOW, i, mode[i], timer[i], plant.repair_steps[i])
        high += unit_key(tables.key, HIGH, i, mode[i], timer[i], plant.repair_steps[i])
    return _both(
        above_kwh(plant, soc_lo) >= need_low_kwh(tables, low, load_kw) - TOLERANCE_KWH,
        below_kwh(plant, soc_hi) >= need_high_kwh(tables, high, load_kw) - TOLERANCE_KWH,
    )


@register_jitable
def battery_bounds_kw(
    plant: Any,
    above: Any,
    below: Any,
    need_below: Any,
    need_above: Any,
    load_kw: Any,
    renewables_kw: Any,
    cap: Any,
    floor: Any,
    shed: Any,
) -> tuple[Any, Any]:
    """Battery powers that keep balance, power limits and the safe set; load is shed last.

    In the safe set after an admissible command the lower bound never exceeds the upper one.
    """
    to_low = (above - need_below) * plant.discharge_efficiency / plant.step_h
    to_high = (below - need_above) / (plant.charge_efficiency * plant.step_h)
    high = _min(
        _min(plant.discharge_kw, load_kw - floor + plant.dump_kw), to_low - standby_load_kw(plant)
    )
    residual = load_kw - renewables_kw - cap
    balance = _max(residual - shed, _min(residual, high))
    low = _max(_max(-plant.charge_kw, balance), -to_high)
    return low, high
