"""Equations of gensets, batteries and frequency, compiled; what they are made of and from where.

Powers are kW on the grid side, battery discharge positive; energies kWh; fuel litres. Constant
inputs give the same result at any step length, but for the published battery (`COMPAT`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trimtab_grid.arrays import COMPAT, LINEAR, NO_BATTERY, PlantArrays
from trimtab_grid.compiled import shared

CO2_KG_PER_L = 2.68
"""Diesel; the figure of the specification, close to 10.19 kg per US gallon (EIA)."""
_VOLTS_NEAR = 1e-5


class AffineFit(NamedTuple):
    """Least-squares affine fuel curve and how far it misses its points.

    Attributes:
        slope_l_kwh: F1.
        no_load_l_h: F0 times prime power.
        worst_share: largest residual as a share of the point's own fuel rate.
    """

    slope_l_kwh: float
    no_load_l_h: float
    worst_share: float


def affine_fit(points: Sequence[tuple[float, float]]) -> AffineFit:
    """The affine curve nearest to datasheet points (kW, L/h)."""
    power, fuel = np.array(points, dtype=np.float64).T
    slope, no_load = np.polyfit(power, fuel, 1)
    residual = np.abs(slope * power + no_load - fuel) / fuel
    return AffineFit(float(slope), float(no_load), float(residual.max()))


@shared
def fuel_l_h(plant: PlantArrays, unit: int, power_kw: float) -> float:
    """Fuel rate of a turning unit, affine or linear through datasheet points, never below 0."""
    points = plant.curve_points[unit]
    if points == 0:
        return plant.slope_l_kwh[unit] * power_kw + plant.no_load_l_h[unit]
    k = 1
    while k < points - 1 and power_kw > plant.curve_kw[unit, k]:
        k += 1
    x0, x1 = plant.curve_kw[unit, k - 1], plant.curve_kw[unit, k]
    y0, y1 = plant.curve_l_h[unit, k - 1], plant.curve_l_h[unit, k]
    return max(0.0, y0 + (y1 - y0) * ((power_kw - x0) / (x1 - x0)))


@shared
def mean_power_cap_kw(plant: PlantArrays, unit: int, mean_kw: float) -> float:
    """Power at which the running mean meets its limit at the end of the step (spec 2.4)."""
    window, step = plant.mean_window_min[unit], plant.step_min
    limit = plant.mean_share[unit] * plant.prime_kw[unit]
    return (window * limit - (window - step) * mean_kw) / step


@shared
def mean_power_next_kw(plant: PlantArrays, unit: int, mean_kw: float, power_kw: float) -> float:
    """Running mean after a step at `power_kw`, counted as at least 30 % of prime (ISO 8528-1)."""
    window, step = plant.mean_window_min[unit], plant.step_min
    counted = max(power_kw, 0.3 * plant.prime_kw[unit])
    return ((window - step) * mean_kw + step * counted) / window


@shared
def dc_power_w(plant: PlantArrays, power_kw: float) -> float:
    """Power on the cells' side of the inverter for a grid-side power; standby loss included."""
    standby = plant.standby_kw
    if power_kw > 0.0:
        return (power_kw / plant.discharge_efficiency + standby) * 1000.0
    return (power_kw * plant.charge_efficiency + standby) * 1000.0


@shared
def quadratic_soc(plant: PlantArrays, soc: float, dc_w: float, hours: float) -> float:
    """Charge state after constant DC power behind a resistance, exact in time.

    With V = A·s + B and P = (V − R·I)·I, time is −Q/(2PA)·[V²/2 + (V/2)√(V²−4RP)
    − 2RP·ln(V+√(V²−4RP))] between two voltages. Newton finds the end voltage from a guess of
    second order in time; it converges quadratically, so that a move of `_VOLTS_NEAR` is the last.
    """
    if dc_w == 0.0:
        return soc
    slope, rp = plant.voltage_slope_v, plant.resistance_ohm * dc_w
    v0 = slope * soc + plant.voltage_base_v
    r0 = math.sqrt(v0 * v0 - 4.0 * rp)
    moved = -2.0 * dc_w * slope * hours / plant.capacity_ah
    rate = moved / (v0 + r0)
    v1 = v0 + rate - 0.5 * rate * rate / r0
    move = 1.0
    while abs(move) > _VOLTS_NEAR:  # Numba runs a counted loop to its end: five times slower
        r1 = math.sqrt(v1 * v1 - 4.0 * rp)
        squares = 0.5 * (v1 - v0) * (v1 + v0) + 0.5 * (v1 * r1 - v0 * r0)
        logarithm = math.log((v1 + r1) / (v0 + r0))
        move = (squares - 2.0 * rp * logarithm - moved) / (v1 + r1)
        v1 -= move
    return (v1 - plant.voltage_base_v) / slope


@shared
def compat_soc(plant: PlantArrays, soc: float, dc_w: float, hours: float) -> float:
    """The published plant's one quadratic a step, R' = R + A·Δ/Q (arXiv 2512.01046)."""
    slope = plant.voltage_slope_v
    voltage = slope * soc + plant.voltage_base_v
    resistance = plant.resistance_ohm + slope * hours / plant.capacity_ah
    root = math.sqrt(voltage * voltage - 4.0 * resistance * dc_w)
    current = (voltage - root) / (2.0 * resistance)
    return soc - current * hours / plant.capacity_ah


@shared
def soc_after(plant: PlantArrays, soc: float, power_kw: float, hours: float) -> float:
    """Charge state after constant grid-side power."""
    if plant.battery_model == NO_BATTERY:
        return soc
    dc_w = dc_power_w(plant, power_kw)
    if plant.battery_model == LINEAR:
        return soc - dc_w / 1000.0 * hours / plant.energy_kwh
    if plant.battery_model == COMPAT:
        return compat_soc(plant, soc, dc_w, hours)
    return quadratic_soc(plant, soc, dc_w, hours)


@shared
def discharge_limit_kw(plant: PlantArrays, soc: float, floor: float, hours: float) -> float:
    """Most discharge for a step that keeps the charge state at `floor`, by the envelope E.

    The envelope holds no more energy than the true battery, so a true battery keeps it too.
    """
    room_kw = (soc - floor) * plant.energy_kwh / hours - plant.standby_kw
    return min(plant.discharge_kw, max(0.0, room_kw * plant.discharge_efficiency))


@shared
def charge_limit_kw(plant: PlantArrays, soc: float, ceiling: float, hours: float) -> float:
    """Most charge (positive kW) for a step that keeps the charge state at `ceiling`."""
    room_kw = (ceiling - soc) * plant.energy_kwh / hours + plant.standby_kw
    return min(plant.charge_kw, max(0.0, room_kw / plant.charge_efficiency))


@shared
def published_discharge_limit_kw(plant: PlantArrays, soc: float) -> float:
    """AC discharge at the stack's largest current: 577 kW at 0.05 to 599.9 kW at 0.95."""
    voltage = plant.voltage_slope_v * soc + plant.voltage_base_v
    current = plant.current_max_a
    dc_kw = (voltage - plant.resistance_ohm * current) * current / 1000.0
    return min(plant.power_kw, dc_kw * plant.discharge_efficiency)


@shared
def rocof_hz_s(lost_kw: float, stored_kws: float, frequency_hz: float) -> float:
    """First rate of change of frequency after losing power, ΔP·f0 / (2·Σ H·S)."""
    return lost_kw * frequency_hz / (2.0 * stored_kws)
