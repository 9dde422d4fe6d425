"""How running units share a power: equal shares of prime, or cheapest first."""

from __future__ import annotations

import math

from trimtab_grid.arrays import RUN, PlantArrays
from trimtab_grid.compiled import inner
from trimtab_grid.engine.memory import Moment


@inner
def share(plant: PlantArrays, m: Moment, need_kw: float) -> None:
    """Set the power of running units to sum to `need_kw`, which their limits allow."""
    if plant.economic:
        _cheapest_first(plant, m, need_kw)
    else:
        _equal_shares(plant, m, need_kw)


@inner
def _equal_shares(plant: PlantArrays, m: Moment, need_kw: float) -> None:
    """One load factor for all, but for units that it would push over a limit."""
    rest, prime, level = need_kw, 0.0, 0.0
    for i in range(plant.n):
        m.pinned[i] = m.mode[i] != RUN
        if m.mode[i] == RUN:
            prime += plant.prime_kw[i]
    while prime > 0.0:
        level = rest / prime
        above, below = 0.0, 0.0
        for i in range(plant.n):
            if not m.pinned[i]:
                power = level * plant.prime_kw[i]
                above += max(0.0, power - m.cap_kw[i])
                below += max(0.0, m.floor_kw[i] - power)
        if above == 0.0 and below == 0.0:
            break
        for i in range(plant.n):
            if not m.pinned[i]:
                power = level * plant.prime_kw[i]
                limit = m.cap_kw[i] if above >= below else m.floor_kw[i]
                if (above >= below and power > limit) or (above < below and power < limit):
                    m.pinned[i] = 1
                    m.power_kw[i] = limit
                    rest -= limit
                    prime -= plant.prime_kw[i]
    for i in range(plant.n):
        if not m.pinned[i]:
            m.power_kw[i] = level * plant.prime_kw[i]


@inner
def _cheapest_first(plant: PlantArrays, m: Moment, need_kw: float) -> None:
    """Floors, then the least marginal fuel first; curves that are not convex by their hull."""
    rest = need_kw
    for i in range(plant.n):
        if m.mode[i] == RUN:
            m.power_kw[i] = m.floor_kw[i]
            rest -= m.floor_kw[i]
    while rest > 0.0:
        best, best_slope, best_end = -1, math.inf, 0.0
        for i in range(plant.n):
            if m.mode[i] == RUN and m.power_kw[i] < m.cap_kw[i]:
                k = 0
                while k < plant.parts[i] - 1 and m.power_kw[i] >= plant.part_end_kw[i, k]:
                    k += 1
                if plant.part_slope[i, k] < best_slope:
                    best, best_slope = i, plant.part_slope[i, k]
                    best_end = min(plant.part_end_kw[i, k], m.cap_kw[i])
        if best < 0:
            break
        if rest < best_end - m.power_kw[best]:
            m.power_kw[best] += rest
            break
        rest -= best_end - m.power_kw[best]
        m.power_kw[best] = best_end
