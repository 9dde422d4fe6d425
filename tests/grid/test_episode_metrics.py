"""Metrics of an episode by hand, from the sums that the simulator keeps."""

import numpy as np
import pytest
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.engine.memory import MEAN_POWER, MIN_LOAD, OVERLOAD_TIME, SOC_RESERVE, STATE
from trimtab_grid.episode_metrics import cvar, episode_metrics
from trimtab_grid.metrics import METRICS
from trimtab_grid.network_watch import fresh, network_metrics
from trimtab_grid.plant import load_plant


def _metrics(**sums):
    state = np.zeros(1, STATE).view(np.recarray)
    state["step"], state["soc_hours"] = 24, 12.0
    for name, value in sums.items():
        state[name] = value
    plant = plant_arrays(load_plant("plant-b"), 60.0)
    found = episode_metrics(plant, 0.3, 1.5, state, np.array([[700.0, 300.0]]))
    return {name: float(value[0]) for name, value in found.items()}


def test_the_tail_of_forty_days_is_the_mean_of_the_worst_two():
    days = np.arange(1.0, 41.0)[None]
    assert cvar(days)[0] == pytest.approx(39.5)


def test_the_tail_of_few_days_is_the_worst_one_and_edges_count_in_part():
    assert cvar(np.array([[3.0, 9.0, 5.0]]))[0] == 9.0
    thirty = np.arange(1.0, 31.0)[None]
    assert cvar(thirty)[0] == pytest.approx((30.0 + 0.5 * 29.0) / 1.5)


def test_a_kwh_costs_the_fuel_and_the_exchange_per_served_kwh():
    found = _metrics(
        fuel_l=900.0, start_l=20.0, exchange_cost_l=80.0, load_kwh=4000.0, unserved_kwh=1000.0
    )
    assert found["lcoe"] == pytest.approx(1000.0 * 1.5 / 3000.0)
    assert found["co2_kg"] == pytest.approx(2.68 * 920.0)
    assert found["cvar95_daily_l"] == 700.0


def test_shares_are_of_what_was_there_and_of_the_most_worn_unit():
    hours = np.zeros(8)
    hours[:3] = 100.0, 5000.0, 20.0
    found = _metrics(renewable_kwh=200.0, curtailed_kwh=50.0, unit_h=hours, throughput_kwh=1200.0)
    assert found["curtailed_pct"] == pytest.approx(25.0)
    assert found["overhaul_share_pct"] == pytest.approx(100.0 * 5000.0 / 20_000.0)
    assert found["efc"] == pytest.approx(1.0)


def test_interventions_are_counted_with_their_mean_move():
    assert _metrics(interventions=4.0, intervention_kw=100.0)["intervention_kw"] == 25.0
    assert _metrics()["intervention_kw"] == 0.0


def test_what_the_end_owes_is_the_missing_charge_at_its_price():
    found = _metrics(soc_first=0.5, soc=0.4, fuel_l=10.0)
    assert found["terminal_l"] == pytest.approx(600.0 * 0.1 * 0.3)
    assert found["cost_l"] == pytest.approx(10.0 + found["terminal_l"])
    assert found["end_soc"] == 0.4


def test_time_per_relaxed_limit_and_of_missing_reserve_is_reported():
    relaxed = np.zeros(7)
    relaxed[[MEAN_POWER, OVERLOAD_TIME, SOC_RESERVE, MIN_LOAD]] = 1.0, 2.0, 3.0, 4.0
    found = _metrics(relaxed_min=relaxed, reserve_short_min=15.0, lowest_hz=59.1)
    names = ("mean_power_min", "overload_relaxed_min", "soc_relaxed_min", "min_load_min")
    assert [found[name] for name in names] == [1.0, 2.0, 3.0, 4.0]
    assert (found["reserve_short_min"], found["lowest_hz"]) == (15.0, 59.1)


def test_every_metric_of_the_table_is_computed():
    assert {metric.name for metric in METRICS} == set(_metrics()) | set(network_metrics(fresh(1)))
