"""What of an episode is kept for figures: power balance, charge and interventions, thinned out.

Long episodes are cut to their first days and thinned to `POINTS` means, so that a stored record
stays small; totals are of the whole episode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.ageing_lfp import lfp_loss
from trimtab_grid.arrays import OFF, TRIPPED, PlantArrays
from trimtab_grid.compiled import compiled
from trimtab_grid.engine.memory import ALARMS
from trimtab_grid.load_blocks import shed_by_block
from trimtab_grid.model import fuel_l_h
from trimtab_grid.plant import Plant
from trimtab_grid.views import SHOWN_H

POINTS = 192
FLOWS = (
    *("load_kw", "battery_kw", "wind_used_kw", "pv_used_kw", "dump_kw"),
    *("shed_kw", "deficit_kw"),
)
UNIT = "unit."
"""Prefix of the power of a genset among flows."""

Details = dict[str, dict[str, float]]


def episode_details(log: Mapping[str, Any], plant: Plant, arrays: PlantArrays) -> Details:
    """Named series of time (h) → value, and totals per unit, of one episode's log.

    Args:
        log: as `GridControl.episode_log` gives it; empty where none was kept.
        plant: whose units are named.
        arrays: its record at the episode's step.

    Returns:
        FLOWS and ``unit.NAME`` as means, kW; ``soc_low`` and ``soc_high``; ``interventions`` so
        far; ``fuel_l`` and ``energy_kwh`` per unit; ``shed_kwh`` per block of load;
        ``alarm_min`` per alarm that was raised; ``whole_...`` means of an episode that is longer
        than what is shown;
        ``lfp_loss_percent`` of a battery's capacity by the model of `ageing_lfp`, beside the
        metric. Empty without a log.
    """
    if not log:
        return {}
    step_h = float(log["step_min"]) / 60.0
    steps = min(len(log["load_kw"]), round(SHOWN_H / step_h))
    width = math.ceil(steps / POINTS)
    names = [genset.name for genset in plant.gensets]
    found: Details = {}
    for flow in FLOWS:
        found[flow] = _thinned(np.asarray(log[flow], dtype=np.float64)[:steps], width, step_h)
    for k, name in enumerate(names):
        found[UNIT + name] = _thinned(log["power_kw"][:steps, k], width, step_h)
    for name, pick in (("soc_low", np.minimum), ("soc_high", np.maximum)):
        found[name] = _thinned(log["soc"][:steps], width, step_h, pick)
    changed = np.cumsum(np.asarray(log["changed"][:steps]) != 0).astype(np.float64)
    found["interventions"] = _thinned(changed, width, step_h, np.maximum)
    if steps < len(log["load_kw"]):
        found |= _whole(log, step_h)
    found["fuel_l"], found["energy_kwh"] = {}, {}
    for k, name in enumerate(names):
        power = np.ascontiguousarray(log["power_kw"][:, k], dtype=np.float64)
        turning = (log["mode"][:, k] != OFF) & (log["mode"][:, k] != TRIPPED)
        found["fuel_l"][name] = step_h * fuel_of(arrays, k, power, turning.astype(np.float64))
        found["energy_kwh"][name] = float(power.sum() * step_h)
    shed = shed_by_block(plant, log["shed_kw"])
    found["shed_kwh"] = {name: float(kw.sum() * step_h) for name, kw in shed.items()}
    minutes = 60.0 * step_h * np.bincount(log["alarm"], minlength=len(ALARMS))
    found["alarm_min"] = {ALARMS[k]: float(minutes[k]) for k in np.flatnonzero(minutes) if k}
    if plant.battery is not None:
        soc = np.append(log["soc_first"], log["soc"])
        loss = lfp_loss(soc, step_h, plant.battery.temperature_c)
        parts = {"calendar": 100.0 * loss.calendar, "cycling": 100.0 * loss.cycling}
        found["lfp_loss_percent"] = parts
    return found


def _whole(log: Mapping[str, Any], step_h: float) -> Details:
    """Means over the whole of an episode of which figures show the first days only, kW."""
    width = math.ceil(len(log["load_kw"]) / POINTS)
    powers = {
        "whole_units_kw": np.asarray(log["power_kw"], dtype=np.float64).sum(axis=1),
        "whole_renewables_kw": log["wind_used_kw"] + log["pv_used_kw"],
        "whole_load_kw": log["load_kw"],
    }
    return {name: _thinned(power, width, step_h) for name, power in powers.items()}


@compiled
def fuel_of(plant: PlantArrays, unit: int, power_kw: FloatArray, turning: FloatArray) -> float:
    """Sum over steps of a unit's fuel rate while it turns, L/h."""
    total = 0.0
    for step in range(len(power_kw)):
        if turning[step] > 0.0:
            total += fuel_l_h(plant, unit, power_kw[step])
    return total


def _thinned(
    values: FloatArray, width: int, step_h: float, pick: np.ufunc | None = None
) -> dict[str, float]:
    """Means (or extremes) of `width` steps each by their begin, h; four significant digits."""
    starts = np.arange(0, len(values), width)
    sums = (pick or np.add).reduceat(np.asarray(values, dtype=np.float64), starts)
    if pick is None:
        sums = sums / np.diff(np.append(starts, len(values)))
    times = starts * step_h
    return {f"{t:.4g}": float(f"{v:.4g}") for t, v in zip(times, sums, strict=True)}
