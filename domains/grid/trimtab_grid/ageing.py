"""Battery ageing: rainflow counting as the charge moves, and Xu et al.'s capacity loss.

Rainflow is ASTM E1049-85, three points at a time. Stress and loss are those of Xu, Oudalov,
Ulbig, Andersson, Kirschen: "Modeling of lithium-ion battery degradation for cell life
assessment", IEEE Trans. Smart Grid 9(2), 2018. The composition, stress factors multiplied within
a cycle and summed over cycles and calendar time, is the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from trimtab_grid.compiled import shared

DEPTH = 40
"""Turning points kept; at more, the oldest range counts as a half cycle (never met in practice)."""
K_DEPTH_1, K_DEPTH_2, K_DEPTH_3 = 1.40e5, -0.501, -1.23e5  # Xu et al. 2018, LMO cell
K_SOC, SOC_REFERENCE = 1.04, 0.5  # Xu et al. 2018
K_TEMPERATURE, REFERENCE_C = 0.0693, 25.0  # Xu et al. 2018
K_TIME_PER_S = 4.14e-10  # Xu et al. 2018
SEI_SHARE, SEI_RATE = 5.75e-2, 121.0  # Xu et al. 2018; one public code misprints 5.57e-2
KELVIN = 273.15

RAINFLOW = np.dtype(
    [
        ("points", np.int64),
        ("direction", np.int64),
        ("last", np.float64),
        # summed stress of counted cycles, and cycles as full depth (sum of range times count)
        ("stress", np.float64),
        ("full_cycles", np.float64),
        ("turn", np.float64, DEPTH),
    ],
    align=True,
)
"""Counting of one battery: turning points that are still open, the last value, what is counted."""
Rainflow = Any
"""A `numpy.record` of dtype `RAINFLOW`."""


@shared
def depth_stress(depth: float) -> float:
    """S_δ of one full cycle of this depth (0..1)."""
    if depth <= 0.0:
        return 0.0
    return 1.0 / (K_DEPTH_1 * math.pow(depth, K_DEPTH_2) + K_DEPTH_3)


@shared
def soc_stress(mean_soc: float) -> float:
    """S_σ of a mean charge state."""
    return math.exp(K_SOC * (mean_soc - SOC_REFERENCE))


@shared
def temperature_stress(temperature_c: float) -> float:
    """S_T of a cell temperature; the ratio is in kelvin."""
    ratio = (REFERENCE_C + KELVIN) / (temperature_c + KELVIN)
    return math.exp(K_TEMPERATURE * (temperature_c - REFERENCE_C) * ratio)


@shared
def _count(flow: Rainflow, low: float, high: float, cycles: float) -> None:
    depth = abs(high - low)
    flow.full_cycles += cycles * depth
    flow.stress += cycles * depth_stress(depth) * soc_stress(0.5 * (low + high))


@shared
def _close(flow: Rainflow) -> None:
    """Count every range that the newest turning point closes (ASTM E1049-85, 5.4.4)."""
    while flow.points >= 3:
        top = flow.points - 1
        newest = abs(flow.turn[top] - flow.turn[top - 1])
        before = abs(flow.turn[top - 1] - flow.turn[top - 2])
        if newest < before:
            return
        if flow.points == 3:
            _count(flow, flow.turn[0], flow.turn[1], 0.5)
            flow.turn[0], flow.turn[1] = flow.turn[1], flow.turn[2]
            flow.points = 2
        else:
            _count(flow, flow.turn[top - 2], flow.turn[top - 1], 1.0)
            flow.turn[top - 2] = flow.turn[top]
            flow.points -= 2


@shared
def _turn(flow: Rainflow, value: float) -> None:
    if flow.points == DEPTH:
        _count(flow, flow.turn[0], flow.turn[1], 0.5)
        for k in range(DEPTH - 1):
            flow.turn[k] = flow.turn[k + 1]
        flow.points -= 1
    flow.turn[flow.points] = value
    flow.points += 1
    _close(flow)


@shared
def start_counting(flow: Rainflow, soc: float) -> None:
    """Begin at a charge state."""
    flow.points, flow.direction = 1, 0
    flow.last, flow.turn[0] = soc, soc
    flow.stress, flow.full_cycles = 0.0, 0.0


@shared
def follow(flow: Rainflow, soc: float) -> None:
    """Take the next charge state; a turn closes the cycles it completes."""
    if soc == flow.last:
        return
    direction = 1 if soc > flow.last else -1
    if flow.direction == -direction:
        _turn(flow, flow.last)
    flow.direction = direction
    flow.last = soc


@shared
def finish_counting(flow: Rainflow) -> None:
    """End the history: the last value is a turning point, open ranges are half cycles."""
    if flow.direction != 0:
        _turn(flow, flow.last)
    for k in range(flow.points - 1):
        _count(flow, flow.turn[k], flow.turn[k + 1], 0.5)
    flow.points, flow.direction = 1, 0
    flow.turn[0] = flow.last


@shared
def capacity_loss(stress: float) -> float:
    """L of the summed stress f: share of a new battery's capacity that is lost, 0..1."""
    formed = SEI_SHARE * math.exp(-SEI_RATE * stress)
    return 1.0 - formed - (1.0 - SEI_SHARE) * math.exp(-stress)


@shared
def summed_stress(
    cycle_stress: float, seconds: float, mean_soc: float, temperature_c: float
) -> float:
    """F of counted cycles and of calendar time at a mean charge state and one temperature."""
    calendar = K_TIME_PER_S * seconds * soc_stress(mean_soc)
    return (calendar + cycle_stress) * temperature_stress(temperature_c)


def counted(history: Iterable[float]) -> Rainflow:
    """Rainflow counting of a whole history of charge states (at least one)."""
    flow = np.zeros(1, RAINFLOW).view(np.recarray)[0]
    values = iter(history)
    start_counting(flow, next(values))
    for soc in values:
        follow(flow, soc)
    finish_counting(flow)
    return flow
