"""What a controller sees of a copy: one flat vector, masks of commands, limits of the battery."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.arrays import HOLD, PlantArrays
from trimtab_grid.automaton import commanded, order_commands
from trimtab_grid.compiled import compiled, inner
from trimtab_grid.engine import dispatch
from trimtab_grid.engine.ahead import fetch
from trimtab_grid.engine.memory import Moment, State
from trimtab_grid.engine.rows import Rows, Site
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
Seen = NDArray[np.float64]
"""[3] load, wind and PV of a step, kW."""
Bank = NDArray[np.float64]
"""[steps + 1, 3] of one copy."""


class Scales(NamedTuple):
    """What observed powers are shares of, kW."""

    load_kw: float
    wind_kw: float
    pv_kw: float
    battery_kw: float


class Sight(NamedTuple):
    """What is looked at beside the copies themselves.

    Attributes:
        foretold: [N or 1, steps + 1, 3] what forecasts are read from (the bank, or another).
        weight: [LEADS] share of `foretold` in each forecast; the rest is the bank's.
        ahead: [steps + 1, LEADS] column of `foretold` that each forecast reads; -1: none there.
        calendar: [steps + 1, 4] sine and cosine of day and year.
        scale: of observed powers.
        outside_kw: most power that neighbours may send, which widens the setpoint's limits.
    """

    foretold: NDArray[np.float64]
    weight: NDArray[np.float64]
    ahead: NDArray[np.int64]
    calendar: NDArray[np.float64]
    scale: Scales
    outside_kw: float


class Shown(NamedTuple):
    """What N controllers are shown; written.

    Attributes:
        out: [N, D] observation.
        mask: [N, choices] commands that are admissible behind the shield, else legal.
        low: [N, 3 or 1] least setpoint, kW, per choice of the order interface.
        high: [N, 3 or 1] largest one.
    """

    out: NDArray[np.float32]
    mask: NDArray[np.bool_]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


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
def _room_kwh(site: Site, s: State, load_kw: float) -> tuple[float, float]:
    """Energy by which the charge lies inside the safe set, from below and from above."""
    plant, tables = site.plant, site.tables
    low, high = 0, 0
    for i in range(plant.n):
        low += unit_key(tables.key, LOW, i, s.mode[i], s.timer[i], plant.repair_steps[i])
        high += unit_key(tables.key, HIGH, i, s.mode[i], s.timer[i], plant.repair_steps[i])
    below = above_kwh(plant, s.soc_lo) - need_low_kwh(tables, low, load_kw)
    return below, below_kwh(plant, s.soc_hi) - need_high_kwh(tables, high, load_kw)


@inner
def _see_plant(
    site: Site, s: State, m: Moment, seen: Seen, scale: Scales, out: NDArray[np.float32]
) -> None:
    plant = site.plant
    below, above = _room_kwh(site, s, seen[0])
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
def _mark(
    mask: NDArray[np.bool_], plant: PlantArrays, by_order: bool, m: NDArray[np.int64]
) -> None:
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
def _coming(site: Site, s: State, seen: Seen) -> Outlook:
    """The step that is to be decided on; `seen` is that step where it is known."""
    plant = site.plant
    load_next, renewables_next = np.nan, np.nan
    if plant.step_known:
        load_next, renewables_next = seen[0], seen[1] + seen[2]
    units, belief = (s.mode, s.timer), (s.soc_lo, s.soc_hi)
    return look_ahead(plant, site.tables, units, belief, seen[0], load_next, renewables_next)


@inner
def _mask(site: Site, o: Outlook, m: Moment, mask: NDArray[np.bool_]) -> None:
    """Commands that are legal, and admissible behind the shield; all hold if none is."""
    plant, none = site.plant, True
    for index in range(candidates(plant)):
        if not candidate(plant, index, o, m.scratch):
            continue
        if site.shielded and not is_admissible(plant, site.tables, o, m.scratch):
            continue
        none = False
        _mark(mask, plant, site.by_order, m.scratch)
    if none:
        for i in range(plant.n):
            m.scratch[i] = HOLD
        _mark(mask, plant, site.by_order, m.scratch)


@inner
def _limits(
    site: Site, s: State, m: Moment, load_kw: float, renewables_kw: float
) -> tuple[float, float]:
    """Setpoints that would not be moved in a step of that load if `m.scratch` were commanded."""
    plant = site.plant
    low, high = dispatch.physical_interval(
        plant, s.soc_lo, plant.reserve_soc_min, plant.reserve_soc_max
    )
    if not site.shielded or plant.power_kw == 0.0:
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
    least, most = battery_interval(plant, site.tables, o, 0.0)
    return min(least, most), max(least, most)


@inner
def _see_times(
    sight: Sight, s: State, seen: Seen, true: Bank, source: Bank, out: NDArray[np.float32]
) -> None:
    """Calendar and forecasts; where a forecast ends, the present stands for it."""
    last, scale = len(sight.ahead) - 1, sight.scale
    for k in range(4):
        out[12 + k] = sight.calendar[min(s.step + 1, last), k]
    step = min(s.step, last)
    out[16] = 1.0 if sight.ahead[step, 0] >= 0 else 0.0
    at = len(PLANT_COLUMNS)
    for lead in range(LEADS):
        column = sight.ahead[step, lead]
        truth = seen if column < 0 else true[column]
        told = seen if column < 0 else source[column]
        share = sight.weight[lead]
        out[at] = (truth[0] + share * (told[0] - truth[0])) / scale.load_kw
        out[at + 1] = (truth[1] + share * (told[1] - truth[1])) / scale.wind_kw
        out[at + 2] = (truth[2] + share * (told[2] - truth[2])) / scale.pv_kw
        at += QUANTITIES


@inner
def _see_limits(
    site: Site,
    s: State,
    m: Moment,
    seen: Seen,
    outside_kw: float,
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> None:
    """Limits of the setpoint, per choice of the order interface or while all units hold."""
    plant, there = site.plant, seen[1] + seen[2] + outside_kw
    for choice in range(len(low)):
        which = choice - 1 if len(low) > 1 else HOLD
        order_commands(which, s.mode, s.timer, plant.n, plant.min_run_steps, m.scratch)
        low[choice], high[choice] = _limits(site, s, m, seen[0], there)


@compiled
def observe_all(site: Site, rows: Rows, sight: Sight, shown: Shown) -> None:
    """Write what the controller of every live copy sees; the moments' scratch is written too."""
    plant = site.plant
    for row in range(len(rows.states)):
        fetch(rows, row)
        if not rows.live[row]:
            continue
        s, m, bank, out = rows.states[row], rows.moments[row], rows.bank[row], shown.out[row]
        seen = bank[min(s.step + plant.step_known, len(bank) - 1)]
        for i in range(plant.n):
            _see_unit(plant, s, m, i, out)
        rest = out[plant.n * len(UNIT_COLUMNS) :]
        _see_plant(site, s, m, seen, sight.scale, rest)
        source = sight.foretold[row] if len(sight.foretold) > 1 else sight.foretold[0]
        _see_times(sight, s, seen, bank, source, rest)
        shown.mask[row] = False
        _mask(site, _coming(site, s, seen), m, shown.mask[row])
        _see_limits(site, s, m, seen, sight.outside_kw, shown.low[row], shown.high[row])
