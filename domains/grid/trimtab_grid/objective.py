"""The default scalar of the domain: litres of fuel, and what everything else counts in litres.

`C = fuel + starts + 0.01 L/kWh of battery throughput + 3 L/kWh unserved + terminal term`. The
kernel, the MILP, the DP and the bounds take it from here, so that they cannot differ. The two
scalar functions are plain arithmetic: compiled code may compile them.
"""

from __future__ import annotations

from typing import Final

from trimtab_grid.plant import Genset, Plant

THROUGHPUT_L_PER_KWH: Final = 0.01
"""Wear of the battery, per kWh charged and per kWh discharged on the grid side."""

UNSERVED_L_PER_KWH: Final = 3.0
"""Load that was not served."""


def scalar_l(
    fuel_l: float, start_l: float, throughput_kwh: float, unserved_kwh: float, terminal: float
) -> float:
    """The objective C, L.

    Args:
        fuel_l: fuel of turning units, L.
        start_l: fuel of starts, L.
        throughput_kwh: charged plus discharged energy at the grid side, kWh.
        unserved_kwh: load that was not served, kWh.
        terminal: what `terminal_l` says of the last state of charge, L.
    """
    wear = THROUGHPUT_L_PER_KWH * throughput_kwh
    return fuel_l + start_l + wear + UNSERVED_L_PER_KWH * unserved_kwh + terminal


def terminal_l(
    soc_first: float, soc_last: float, energy_kwh: float, price_l_per_kwh: float
) -> float:
    """What an episode owes for a battery emptier than at its start, L; a fuller one earns nothing.

    Args:
        soc_first: state of charge at the start of the episode, 0..1.
        soc_last: state of charge at its end, 0..1.
        energy_kwh: E, energy of the battery's linear envelope, kWh; 0 without a battery.
        price_l_per_kwh: `stored_energy_price_l_per_kwh` of the plant.
    """
    return energy_kwh * max(0.0, soc_first - soc_last) * price_l_per_kwh


def stored_energy_price_l_per_kwh(plant: Plant) -> float:
    """Litres per stored kWh: the best unit at its best load, through the charging losses."""
    if plant.battery is None:
        return 0.0
    best = min(best_specific_fuel_l_per_kwh(genset) for genset in plant.gensets)
    return best / plant.battery.charge_efficiency


def best_specific_fuel_l_per_kwh(genset: Genset) -> float:
    """Least litres per kWh of one unit at any load from its minimum to prime power.

    An affine curve is best at prime power. A piecewise one is best at one of its points or at an
    end of the range, because on a straight line through none but the origin L/kWh is monotone.
    """
    curve = genset.fuel
    if not curve.points:
        return (curve.slope_l_kwh or 0.0) + (curve.no_load_l_h or 0.0) / genset.prime_kw
    low, high = max(genset.min_kw, 1e-9), genset.prime_kw
    ends = [(kw, _on_points(curve.points, kw)) for kw in (low, high)]
    inner = [(kw, l_h) for kw, l_h in curve.points if low < kw < high]
    return min(l_h / kw for kw, l_h in (*ends, *inner) if kw > 0)


def _on_points(points: tuple[tuple[float, float], ...], power_kw: float) -> float:
    """L/h on straight lines through the points, the outer ones prolonged, never below 0."""
    k = 0
    while k < len(points) - 2 and points[k + 1][0] < power_kw:
        k += 1
    (p0, f0), (p1, f1) = points[k], points[k + 1]
    return max(0.0, f0 + (f1 - f0) / (p1 - p0) * (power_kw - p0))
