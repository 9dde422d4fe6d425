"""Webster's cycle and green splits, and the HCM control delay that judges them.

Sources: F. V. Webster, "Traffic signal settings", Road Research Technical Paper 39, 1958 (cycle
and equal saturation of the critical movements); Highway Capacity Manual 2000, chapter 16 (control
delay). Stages may share movements, so splits come from a small linear program whose solution is
Webster's rule where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.spec import FloatArray

Number = TypeVar("Number", float, FloatArray)

MAX_FLOW_RATIO = 0.95
"""Sum of critical flow ratios above which Webster's cycle diverges: the longest cycle is used."""


@dataclass(frozen=True, slots=True)
class CycleLimits:
    """Shortest and longest cycle a plan may have, s."""

    shortest_s: int = 40
    longest_s: int = 120


def cycle_s(lost_s: float, flow_ratio: float, limits: CycleLimits) -> float:
    """Webster's cycle of least delay, (1.5 L + 5) / (1 - Y), clipped to the limits.

    Args:
        lost_s: lost time L of one cycle, s.
        flow_ratio: Y, sum of the critical flow ratios.
        limits: shortest and longest cycle.
    """
    if flow_ratio > MAX_FLOW_RATIO:
        return float(limits.longest_s)
    best = (1.5 * lost_s + 5.0) / (1.0 - flow_ratio)
    return float(min(max(best, limits.shortest_s), limits.longest_s))


def critical_flow_ratios(serves: FloatArray, flow_ratios: FloatArray) -> FloatArray:
    """Least share of time each stage needs so that every movement gets its flow ratio.

    Args:
        serves: [stages, movements] share of its saturation flow a movement discharges in a
            stage: 1 protected, 0 red, between for permissive greens.
        flow_ratios: [movements] flow / saturation flow.

    Returns:
        y_i per stage, [stages]; their sum is Y. With one critical movement per stage that is its
        flow ratio. Movements that no stage serves are left out.
    """
    from scipy.optimize import linprog  # 0.3 s to import

    served = serves.max(axis=0) > 0
    result = linprog(
        np.ones(len(serves)), A_ub=-serves[:, served].T, b_ub=-flow_ratios[served], method="highs"
    )
    return np.asarray(result.x, dtype=np.float64)


def green_splits_s(
    serves: FloatArray,
    flow_ratios: FloatArray,
    available_s: float,
    min_green_s: FloatArray,
    max_green_s: FloatArray | None = None,
) -> FloatArray:
    """Greens that share out a cycle so that the highest degree of saturation is least.

    For exclusive stages this is Webster's g_i = (C - L) y_i / Y, raised to the minimum greens.

    Args:
        serves: as in `critical_flow_ratios`.
        flow_ratios: [movements].
        available_s: C - L, green time of one cycle, s.
        min_green_s: [stages] s.
        max_green_s: [stages] s; None: no limit.

    Returns:
        [stages] s, adding up to `available_s`.

    Raises:
        TrimtabError: the minimum greens alone do not fit, or the maximum greens do not fill it.
    """
    from scipy.optimize import linprog

    spare = available_s - float(min_green_s.sum())
    if spare < -1e-9:
        msg = (
            f"green time {available_s:g} s is less than the minimum greens "
            f"({min_green_s.sum():g} s): use a longer cycle"
        )
        raise TrimtabError(msg)
    stages = len(serves)
    longest = np.full(stages, np.inf) if max_green_s is None else max_green_s
    if longest.sum() < available_s - 1e-9:
        msg = (
            f"green time {available_s:g} s is more than the maximum greens ({longest.sum():g} s): "
            "use a shorter cycle"
        )
        raise TrimtabError(msg)
    needs = (serves.max(axis=0) > 0) & (flow_ratios > 0)
    if not needs.any() and max_green_s is None:
        return np.asarray(min_green_s + spare / stages, dtype=np.float64)
    coverage = np.hstack([-serves[:, needs].T, flow_ratios[needs, None]])
    result = linprog(
        np.append(np.full(stages, 0.0), -1.0),
        A_ub=coverage,
        b_ub=np.zeros(int(needs.sum())),
        A_eq=np.append(np.ones(stages), 0.0)[None, :],
        b_eq=[available_s],
        bounds=[*zip(min_green_s, longest, strict=True), (0, 1e6)],
        method="highs",
    )
    return np.asarray(result.x[:stages], dtype=np.float64)


def whole_seconds(greens_s: FloatArray, total_s: int) -> list[int]:
    """Round greens to whole seconds that add up to `total_s` (largest remainders first)."""
    floors = np.floor(greens_s + 1e-9).astype(int)
    missing = total_s - int(floors.sum())
    order = np.argsort(-(greens_s - floors), kind="stable")
    floors[order[:missing]] += 1
    return [int(g) for g in floors]


def uniform_delay_s(cycle: Number, green: Number, saturation: Number) -> Number:
    """HCM d1: delay of uniform arrivals, s per vehicle.

    Args:
        cycle: cycle C, s.
        green: effective green g, s.
        saturation: degree of saturation X.
    """
    ratio = green / cycle
    unserved = 1.0 - np.minimum(1.0, saturation) * ratio
    delay: Number = 0.5 * cycle * (1.0 - ratio) ** 2 / unserved  # pyright: ignore[reportAssignmentType]
    return delay


def incremental_delay_s(
    saturation: Number, capacity_veh_h: Number, period_h: float, k: float = 0.5, i: float = 1.0
) -> Number:
    """HCM d2: delay of random arrivals and of oversaturation, s per vehicle.

    Args:
        saturation: degree of saturation X.
        capacity_veh_h: capacity c, veh/h.
        period_h: analysis period T, h.
        k: controller term, 0.5 for fixed-time control.
        i: upstream filtering, 1 for an isolated junction.
    """
    excess = saturation - 1.0
    root = np.sqrt(excess**2 + 8.0 * k * i * saturation / (capacity_veh_h * period_h))
    delay: Number = 900.0 * period_h * (excess + root)  # pyright: ignore[reportAssignmentType]
    return delay


def control_delay_s(
    cycle: Number,
    green: Number,
    flow_veh_h: Number,
    saturation_veh_h: Number,
    period_h: float = 1.0,
) -> Number:
    """HCM control delay d1 + d2 of random arrivals at a fixed-time signal, s per vehicle.

    Args:
        cycle: cycle C, s.
        green: effective green g, s.
        flow_veh_h: arrivals, veh/h.
        saturation_veh_h: saturation flow of the lane group, veh/h.
        period_h: analysis period T, h.
    """
    capacity = saturation_veh_h * green / cycle
    x = flow_veh_h / capacity
    return uniform_delay_s(cycle, green, x) + incremental_delay_s(x, capacity, period_h)
