"""Ageing once more, to check the first two models by: a large prismatic LFP cell, over 250 Ah.

Calendar and cycle loss follow power laws of time and of full cycles, whose rates change from day
to day. Equations and parameters as published with BLAST-Lite 1.1.1 (NREL, model "LFP-Gr 250Ah"),
fitted to cells of doi.org/10.1016/j.est.2023.109042 at 10 to 45 °C, depths of 0.8 to 1, charging up
to 0.65 C: outside of that it extrapolates. Anode potential: Safari and Delacourt,
doi.org/10.1149/1.3567007; its lithiation: Schimpe et al., doi.org/10.1149/2.1181714jes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.ageing import KELVIN

CALENDAR_FACTOR, CALENDAR_HEAT_K, CALENDAR_ANODE_K_V = 8.37e4, -5.21e3, -3.56e3
CALENDAR_POWER, CYCLE_POWER = 0.526, 0.828
CYCLE_BASE, CYCLE_DEPTH, CYCLE_C_RATE = 4.38e-8, 1.55e-8, 1.68e-7
CYCLE_HEAT_K, CYCLE_COLD_K = 2.19e3, 1.55e5
EMPTY_LITHIATION, FULL_LITHIATION = 8.5e-3, 0.78
REST_PER_H = 0.01
"""Changes of charge below this, in 1/h, count as rest."""


@dataclass(frozen=True, slots=True)
class LfpLoss:
    """Share of a new cell's capacity that is lost, 0..1."""

    calendar: float
    cycling: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.calendar + self.cycling


def anode_potential_v(soc: FloatArray) -> FloatArray:
    """Potential of the graphite anode against lithium at a charge state, V."""
    x = EMPTY_LITHIATION + soc * (FULL_LITHIATION - EMPTY_LITHIATION)
    return np.asarray(
        0.6379
        + 0.5416 * np.exp(-305.5309 * x)
        + 0.044 * np.tanh((0.1958 - x) / 0.1088)
        - 0.1978 * np.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * np.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * np.tanh((x - 0.5692) / 0.0875)
    )


def lfp_loss(soc: FloatArray, step_h: float, temperature_c: float = 25.0) -> LfpLoss:
    """Loss of a cell that is new at the begin of a history.

    Args:
        soc: [T + 1] charge states at even steps, two or more.
        step_h: hours; a day is a whole number of steps.
        temperature_c: of the cell.
    """
    per_day, calendar, cycling = round(24.0 / step_h), 0.0, 0.0
    for begin in range(0, len(soc) - 1, per_day):
        day = soc[begin : begin + per_day + 1]
        health = 1.0 - calendar - cycling
        days = (len(day) - 1) * step_h / 24.0
        cycles = health * float(np.abs(np.diff(day)).sum()) / 2.0
        storing, turning = _rates(day, step_h, days, temperature_c + KELVIN, health)
        calendar += _growth(calendar, days, storing, CALENDAR_POWER)
        cycling += _growth(cycling, cycles, turning, CYCLE_POWER)
    return LfpLoss(calendar, cycling)


def _rates(
    day: FloatArray, step_h: float, days: float, kelvin: float, health: float
) -> tuple[float, float]:
    """Factors of the two power laws over one day."""
    storing = np.exp((CALENDAR_HEAT_K + CALENDAR_ANODE_K_V * anode_potential_v(day)) / kelvin)
    pace = np.abs(np.diff(day)) / step_h
    pace = np.where(pace < REST_PER_H, 0.0, pace)
    c_rate = health * float(np.trapezoid(pace, dx=step_h / 24.0)) / days
    stress = CYCLE_BASE + CYCLE_DEPTH * float(np.ptp(day)) + CYCLE_C_RATE * c_rate
    heat = np.exp(CYCLE_HEAT_K / kelvin) + np.exp(-CYCLE_COLD_K / kelvin)
    mean = float(np.trapezoid(storing)) / (len(day) - 1)
    return CALENDAR_FACTOR * mean, stress * float(heat)


def _growth(lost: float, amount: float, rate: float, power: float) -> float:
    """Increase of lost = rate·x^power as x grows by an amount; the rate may have changed."""
    if amount == 0.0:
        return 0.0
    if lost == 0.0:
        return float(rate * amount**power)
    return float(rate * power * (lost / rate) ** ((power - 1.0) / power) * amount)
