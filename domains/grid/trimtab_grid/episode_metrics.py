"""Metrics of an episode, from the sums that the simulator keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray

from trimtab_grid.ageing import capacity_loss, finish_counting, summed_stress
from trimtab_grid.arrays import NO_BATTERY, PlantArrays
from trimtab_grid.engine.memory import MEAN_POWER, MIN_LOAD, OVERLOAD_TIME, SOC_RESERVE
from trimtab_grid.model import CO2_KG_PER_L
from trimtab_grid.objective import scalar_l, terminal_l


def cvar(values: FloatArray, share: float = 0.05) -> FloatArray:
    """Mean of the largest `share` of values per row, [N, days] → [N]; at least one value.

    Rockafellar and Uryasev's estimator: the value at the edge counts in part.
    """
    days = values.shape[1]
    worst = -np.sort(-values, axis=1)
    tail = max(share * days, 1.0)
    weight = np.clip(tail - np.arange(days), 0.0, 1.0)
    total = np.zeros(len(values))
    for k in range(days):
        total += weight[k] * worst[:, k]
    return np.asarray(total / tail)


def episode_metrics(
    plant: PlantArrays,
    price_l_per_kwh: float,
    fuel_price: float,
    states: NDArray[Any],
    daily_l: FloatArray,
) -> dict[str, FloatArray]:
    """Metrics of finished copies.

    Args:
        plant: its record.
        price_l_per_kwh: of stored energy (`objective.stored_energy_price_l_per_kwh`).
        fuel_price: per litre.
        states: [M] of `STATE`.
        daily_l: [M, days] fuel per day.
    """
    energy = 0.0 if plant.battery_model == NO_BATTERY else float(plant.energy_kwh)
    owed = [terminal_l(s["soc_first"], s["soc"], energy, price_l_per_kwh) for s in states]
    terminal = np.array(owed)
    served = states["load_kwh"] - states["unserved_kwh"]
    burned = states["fuel_l"] + states["start_l"]
    paid = (burned + states["exchange_cost_l"]) * fuel_price
    pairs = zip(states, owed, strict=True)
    cost = np.array([_cost_l(state, end) for state, end in pairs])
    relaxed = states["relaxed_min"]
    available = np.maximum(states["renewable_kwh"], 1e-9)
    wear = states["unit_h"][:, : plant.n] / plant.overhaul_h[: plant.n]
    return {
        "cost_l": cost + states["exchange_cost_l"],
        "terminal_l": terminal,
        "exchange_l": states["exchange_cost_l"].copy(),
        "curtailed_pct": np.round(100.0 * states["curtailed_kwh"] / available, 9),
        "efc": states["throughput_kwh"] / (2.0 * plant.energy_kwh),
        "capacity_loss_pct": np.array([_loss_pct(plant, s) for s in states]),
        "co2_kg": CO2_KG_PER_L * burned,
        "lcoe": paid / np.maximum(served, 1e-9),
        "intervention_kw": states["intervention_kw"] / np.maximum(states["interventions"], 1.0),
        "cvar95_daily_l": cvar(daily_l),
        "end_soc": states["soc"].copy(),
        "mean_power_min": relaxed[:, MEAN_POWER].copy(),
        "overload_relaxed_min": relaxed[:, OVERLOAD_TIME].copy(),
        "soc_relaxed_min": relaxed[:, SOC_RESERVE].copy(),
        "min_load_min": relaxed[:, MIN_LOAD].copy(),
        "overhaul_share_pct": 100.0 * wear.max(axis=1),
        **{name: states[name].copy() for name in _PLAIN},
    }


_PLAIN = (
    *("fuel_l", "start_l", "genset_h", "genset_kwh", "starts", "unserved_kwh", "surplus_kwh"),
    *("dumped_kwh", "throughput_kwh", "interventions", "reserve_short_min", "lowest_hz"),
    *("steepest_hz_s", "degraded_min", "alarms", "trips", "ufls_kwh", "ufls_events"),
)


def _cost_l(state: Any, owed_l: float) -> float:
    throughput, unserved = state["throughput_kwh"], state["unserved_kwh"]
    return scalar_l(state["fuel_l"], state["start_l"], throughput, unserved, owed_l)


def _loss_pct(plant: PlantArrays, state: Any) -> float:
    if plant.battery_model == NO_BATTERY:
        return 0.0
    hours = state["step"] * plant.step_h
    flow = np.array([state["flow"]]).view(np.recarray)[0]
    finish_counting(flow)
    mean_soc = state["soc_hours"] / hours
    stress = summed_stress(flow.stress, hours * 3600.0, mean_soc, plant.temperature_c)
    return 100.0 * capacity_loss(stress)
