"""What a controller sees of a copy: one flat vector, masks of commands, limits of the battery."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.arrays import HOLD, PlantArrays
from trimtab_grid.automaton import commanded, order_commands
from trimtab_grid.compiled import compiled, inner
from trimtab_grid.engine import dispatch
from trimtab_grid.engine.memory import Moment, State
from trimtab_grid.shield_kernel import (
    Outlook,
    battery_interval,
    candidate,
    candidates,
    is_admissible,
    look_ahead,
)
from trimtab_grid.shield_rules import (
    HIGH,
    LOW,
    above_kwh,
    below_kwh,
    need_high_kwh,
    need_low_kwh,
    unit_key,
)

UNIT_COLUMNS = (
    *("off", "warming", "running", "cooling", "tripped", "timer_share", "power_share"),
    *("headroom_share", "mean_share", "overload_share", "proposed", "executed"),
)
"""Per unit; shares of prime power, of the mode's longest time, of the overload budget."""
PLANT_COLUMNS = (
    *("soc_lo", "soc_hi", "load", "wind", "pv", "battery", "wish", "setpoint", "exchange"),
    *("room_below", "room_above", "alarm", "day_sin", "day_cos", "year_sin", "year_cos"),
    *("forecast_there", "unserved"),
)
"""Of the plant; powers as shares of `Scales`, energies as shares of the envelope energy."""
LEADS = 4
QUANTITIES = 3


class Scales(NamedTuple):
    """What observed powers are shares of, kW."""

    load_kw: float
    wind_kw: float
    pv_kw: float
    battery_kw: float


@inner
def _see_unit(plant: PlantArrays, s: State, m: Moment, i: int, out: NDArray[np.float32]) -> None:
    at = i * len(UNIT_COLUMNS)
    for mode in range(5):
        out[at + mode] = 1.0 if s.mode[i] == mode else 0.0
    longest = max(plant.warm_steps[i], plant.cool_steps[i], plant.min_run_steps[i])
    longest = max(longest, plant.min_down_steps[i], 1)
    out[at + 5] = min(1.0, s.timer[i] / longest)
    prime = plant.prime_kw[i]
    out[at + 6] = s.power_kw[i] / prime
    out[at + 7] = (m.cap_kw[i] - m.power_kw[i]) / prime
    out[at + 8] = s.mean_kw[i] / prime
    out[at + 9] = s.overload_used_min[i] / max(plant.overload_min[i], 1.0)
    out[at + 10] = m.proposed[i]
    out[at + 11] = m.command[i]


@inner
def _room_kwh(plant: PlantArrays, tables: Any, s: State, load_kw: float) -> tuple[float, float]:
    """Energy by which the charge lies inside the safe set, from below and from above."""
    low, high = 0, 0
    for i in range(plant.n):
        low += unit_key(tables.key, LOW, i, s.mode[i], s.timer[i], plant.repair_steps[i])
        high += unit_key(tables.key, HIGH, i, s.mode[i], s.timer[i], plant.repair_steps[i])
    below = above_kwh(plant, s.soc_lo) - need_low_kwh(tables, low, load_kw)
    return below, below_kwh(plant, s.soc_hi) - need_high_kwh(tables, high, load_kw)


@inner
def _see_plant(
    plant: PlantArrays,
    tables: Any,
    s: State,
    m: Moment,
    seen: NDArray[np.float64],
    scale: Scales,
    out: NDArray[np.float32],
) -> None:
    below, above = _room_kwh(plant, tables, s, seen[0])
    out[0], out[1] = s.soc_lo, s.soc_hi
    out[2], out[3] = seen[0] / scale.load_kw, seen[1] / scale.wind_kw
    out[4] = seen[2] / scale.pv_kw
    out[5], out[6] = m.battery_kw / scale.battery_kw, m.wish_kw / scale.battery_kw
    out[7], out[8] = m.setpoint_kw / scale.battery_kw, m.exchange_kw / scale.load_kw
    out[9] = min(max(below / plant.energy_kwh, -1.0), 1.0)
    out[10] = min(max(above / plant.energy_kwh, -1.0), 1.0)
    out[11] = 1.0 if m.alarm != 0 else 0.0
    out[17] = (m.shed_kw + m.deficit_kw) / scale.load_kw


@inner
def _mark(mask: NDArray[np.bool_], plant: PlantArrays, by_order: bool, m: Any) -> None:
    """Set the mask of one admissible command vector."""
    if by_order:
        total = 0
        for i in range(plant.n):
            total += m[i]
        mask[max(-1, min(1, total)) + 1] = True
    else:
        for i in range(plant.n):
            mask[3 * i + m[i] + 1] = True


@inner
def _coming(plant: PlantArrays, tables: Any, s: State, seen: NDArray[np.float64]) -> Outlook:
    """The step that is to be decided on; `seen` is that step where it is known."""
    load_next, renewables_next = np.nan, np.nan
    if plant.step_known:
        load_next, renewables_next = seen[0], seen[1] + seen[2]
    units, belief = (s.mode, s.timer), (s.soc_lo, s.soc_hi)
    return look_ahead(plant, tables, units, belief, seen[0], load_next, renewables_next)


@inner
def _mask(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    by_order: bool,
    o: Outlook,
    m: Moment,
    mask: NDArray[np.bool_],
) -> None:
    """Commands that are legal, and admissible behind the shield; all hold if none is."""
    none = True
    for index in range(candidates(plant)):
        if not candidate(plant, index, o, m.scratch):
            continue
        if shielded and not is_admissible(plant, tables, o, m.scratch):
            continue
        none = False
        _mark(mask, plant, by_order, m.scratch)
    if none:
        for i in range(plant.n):
            m.scratch[i] = HOLD
        _mark(mask, plant, by_order, m.scratch)


@inner
def _limits(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    s: State,
    m: Moment,
    load_kw: float,
    renewables_kw: float,
) -> tuple[float, float]:
    """Setpoints that would not be moved in a step of that load if `m.scratch` were commanded."""
    low, high = dispatch.physical_interval(
        plant, s.soc_lo, plant.reserve_soc_min, plant.reserve_soc_max
    )
    if not shielded or plant.power_kw == 0.0:
        return low, high
    for i in range(plant.n):
        m.scratch_mode[i], m.scratch_timer[i] = commanded(
            s.mode[i],
            s.timer[i],
            m.scratch[i],
            plant.warm_steps[i],
            plant.cool_steps[i],
            plant.min_down_steps[i],
        )
    modes, timers = m.scratch_mode, m.scratch_timer
    o = Outlook(modes, timers, s.soc_lo, s.soc_hi, load_kw, load_kw, renewables_kw)
    least, most = battery_interval(plant, tables, o, 0.0)
    return min(least, most), max(least, most)


@inner
def _see_times(
    step: int,
    seen: NDArray[np.float64],
    true: NDArray[np.float64],
    source: NDArray[np.float64],
    weight: NDArray[np.float64],
    ahead: NDArray[np.int64],
    calendar: NDArray[np.float64],
    scale: Scales,
    out: NDArray[np.float32],
) -> None:
    """Calendar and forecasts; where a forecast ends, the present stands for it."""
    last = len(ahead) - 1
    for k in range(4):
        out[12 + k] = calendar[min(step + 1, last), k]
    step = min(step, last)
    out[16] = 1.0 if ahead[step, 0] >= 0 else 0.0
    at = len(PLANT_COLUMNS)
    for lead in range(LEADS):
        column = ahead[step, lead]
        truth = seen if column < 0 else true[column]
        told = seen if column < 0 else source[column]
        share = weight[lead]
        out[at] = (truth[0] + share * (told[0] - truth[0])) / scale.load_kw
        out[at + 1] = (truth[1] + share * (told[1] - truth[1])) / scale.wind_kw
        out[at + 2] = (truth[2] + share * (told[2] - truth[2])) / scale.pv_kw
        at += QUANTITIES


@inner
def _see_limits(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    s: State,
    m: Moment,
    seen: NDArray[np.float64],
    outside_kw: float,
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> None:
    """Limits of the setpoint, per choice of the order interface or while all units hold."""
    there = seen[1] + seen[2] + outside_kw
    for choice in range(len(low)):
        which = choice - 1 if len(low) > 1 else HOLD
        order_commands(which, s.mode, s.timer, plant.n, plant.min_run_steps, m.scratch)
        low[choice], high[choice] = _limits(plant, tables, shielded, s, m, seen[0], there)


@compiled
def observe_all(
    plant: PlantArrays,
    tables: Any,
    shielded: bool,
    by_order: bool,
    states: NDArray[Any],
    moments: NDArray[Any],
    live: NDArray[np.bool_],
    bank: NDArray[np.float64],
    foretold: NDArray[np.float64],
    weight: NDArray[np.float64],
    ahead: NDArray[np.int64],
    calendar: NDArray[np.float64],
    scale: Scales,
    outside_kw: float,
    out: NDArray[np.float32],
    mask: NDArray[np.bool_],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> None:
    """Write what the controller of every live copy sees.

    Args:
        plant: its record.
        tables: of the shield.
        shielded: masks hold what is admissible, else what is legal.
        by_order: one choice (stop last, none, start next), else one command per unit.
        states: [N].
        moments: [N]; their scratch is written.
        live: [N].
        bank: [N, steps + 1, 3], see `step.advance_all`.
        foretold: [N or 1, steps + 1, 3] what forecasts are read from (the bank, or another).
        weight: [LEADS] share of `foretold` in each forecast; the rest is the bank's.
        ahead: [steps + 1, LEADS] column of `foretold` that each forecast reads; -1: none there.
        calendar: [steps + 1, 4] sine and cosine of day and year.
        scale: of observed powers.
        outside_kw: most power that neighbours may send, which widens the setpoint's limits.
        out: [N, D].
        mask: [N, choices].
        low: [N, 3 or 1] least setpoint, per choice where `by_order`.
        high: [N, 3 or 1] largest one.
    """
    for row in range(len(states)):
        if not live[row]:
            continue
        s, m = states[row], moments[row]
        seen = bank[row, min(s.step + plant.step_known, bank.shape[1] - 1)]
        for i in range(plant.n):
            _see_unit(plant, s, m, i, out[row])
        rest = out[row, plant.n * len(UNIT_COLUMNS) :]
        _see_plant(plant, tables, s, m, seen, scale, rest)
        source = foretold[row] if len(foretold) > 1 else foretold[0]
        _see_times(s.step, seen, bank[row], source, weight, ahead, calendar, scale, rest)
        mask[row] = False
        coming = _coming(plant, tables, s, seen)
        _mask(plant, tables, shielded, by_order, coming, m, mask[row])
        _see_limits(plant, tables, shielded, s, m, seen, outside_kw, low[row], high[row])
