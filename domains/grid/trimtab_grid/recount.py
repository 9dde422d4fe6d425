"""What an episode burnt and moved, counted again from its log: no code of the engine is used.

Fuel comes from the curve as the plant file gives it; the charge state from the circuit's
differential equation by Runge-Kutta, where the engine has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Battery, FuelCurve, Plant

STOPPED = (0, 4)
"""Codes of a unit that is off, and of one that has tripped."""
SUBSTEPS = 40


def recounted(plant: Plant, log: Mapping[str, Any]) -> dict[str, float]:
    """Fuel (L) and charge moved (share of capacity, both ways) of an episode.

    Args:
        plant: that was played.
        log: `ControlProblem.episode_log` of the episode.

    Returns:
        `fuel_l`, and `charge_moved` where the battery has an exact model.
    """
    hours = float(log["step_min"]) / 60.0
    turning = ~np.isin(log["mode"], STOPPED)
    fuel_l = 0.0
    for unit, genset in enumerate(plant.gensets):
        rate = _fuel_l_h(genset.fuel, log["power_kw"][:, unit])
        fuel_l += float((rate * turning[:, unit]).sum() * hours)
    found = {"fuel_l": fuel_l}
    if plant.battery is not None and plant.battery.model != "compat":
        before = np.concatenate([[log["soc_first"]], log["soc"][:-1]])
        after = _charge_after(plant.battery, before, log["battery_kw"], hours)
        found["charge_moved"] = float(np.abs(after - before).sum())
    return found


def _fuel_l_h(curve: FuelCurve, power_kw: FloatArray) -> FloatArray:
    if not curve.points:
        return np.asarray((curve.slope_l_kwh or 0.0) * power_kw + (curve.no_load_l_h or 0.0))
    power, fuel = np.array(curve.points).T
    inside = np.interp(power_kw, power, fuel)
    low = fuel[0] + (power_kw - power[0]) * (fuel[1] - fuel[0]) / (power[1] - power[0])
    high = fuel[-1] + (power_kw - power[-1]) * (fuel[-1] - fuel[-2]) / (power[-1] - power[-2])
    beyond = np.where(power_kw > power[-1], high, inside)
    return np.asarray(np.maximum(0.0, np.where(power_kw < power[0], low, beyond)))


def _charge_after(
    battery: Battery, soc: FloatArray, power_kw: FloatArray, hours: float
) -> FloatArray:
    """Charge state a step later, by the fourth-order Runge-Kutta method."""
    losses = np.where(
        power_kw > 0.0,
        power_kw / battery.discharge_efficiency,
        power_kw * battery.charge_efficiency,
    )
    dc_kw = losses + battery.standby_kw

    def rate_per_h(charge: FloatArray) -> FloatArray:
        circuit = battery.quadratic
        if battery.model == "linear" or circuit is None:
            return np.asarray(-dc_kw / battery.energy_kwh)
        volts = circuit.voltage_slope_v * charge + circuit.voltage_base_v
        root = np.sqrt(volts * volts - 4.0 * circuit.resistance_ohm * dc_kw * 1000.0)
        amperes = 2.0 * dc_kw * 1000.0 / (volts + root)
        return np.asarray(-amperes / circuit.capacity_ah)

    step = hours / SUBSTEPS
    for _ in range(SUBSTEPS):
        first = rate_per_h(soc)
        second = rate_per_h(soc + 0.5 * step * first)
        third = rate_per_h(soc + 0.5 * step * second)
        fourth = rate_per_h(soc + step * third)
        soc = soc + step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth)
    return soc
