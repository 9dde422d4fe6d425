"""Bounds of episodes with faults, an outer grid or the published battery: valid, and tight."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import BoundError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.bound_check import battery_excess_kw
from trimtab_grid.bound_episode import episode_of, fault_margin
from trimtab_grid.bounds import Year, lower_bound, verify_bound
from trimtab_grid.domain import DOMAIN
from trimtab_grid.model import fuel_l_h, soc_after
from trimtab_grid.objective import (
    THROUGHPUT_L_PER_KWH,
    stored_energy_price_l_per_kwh,
    terminal_l,
)
from trimtab_grid.plant import Plant, Reserve, load_plant
from trimtab_grid.scenario import GridScenario
from trimtab_grid.stage import store

OUTER = {"import_kw": 250, "export_kw": 100, "import_price": 0.28, "import_price_peak": 0.42}
TRIP = {"kind": "trip", "at_min": 60, "for_min": 90, "unit": "G1"}
STRUCK = [
    TRIP,
    {"kind": "trip", "at_min": 100, "for_min": 60, "unit": "G2"},
    {"kind": "battery_trip", "at_min": 240, "for_min": 40},
    {"kind": "load_jump", "at_min": 300, "for_min": 30, "size": 250},
]


def published() -> Plant:
    """Plant A with the published battery."""
    plant = load_plant("plant-a")
    assert plant.battery is not None
    return plant.model_copy(
        update={"battery": plant.battery.model_copy(update={"model": "compat"})}
    )


def village(**more: Any) -> GridScenario:
    return GridScenario.model_validate({"plant": "plant-a", "step_min": 5, "horizon_h": 7, **more})


def hours(**more: Any) -> GridScenario:
    climate = {"climate": {"drop_per_min": None}}
    return GridScenario.model_validate(
        {"plant": "plant-b", "step_min": 60, "horizon_h": 72, "data": climate, **more}
    )


def cost_l(scenario: GridScenario, name: str, seed: int) -> float:
    """What a controller pays."""
    entry, seeds = DOMAIN.controllers(scenario)[name], np.array([seed])
    with DOMAIN.build(scenario, 1, entry.interface) as problem:
        controller = entry.factory(problem, **entry.defaults)
        assert isinstance(controller, Controller)
        obs = problem.reset(seeds)
        controller.reset(seeds)
        for _ in range(scenario.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
    assert step.metrics is not None
    return float(step.metrics["cost_l"][0])


@pytest.mark.parametrize(
    ("scenario", "near"),
    [
        (village(faults=STRUCK), 0.1),  # what is shed meanwhile costs far more than fuel
        (village(faults=[TRIP]), 0.5),
        (village(faults=[{"kind": "soc_bias", "at_min": 60, "for_min": 90, "size": 0.2}]), 0.5),
        (village(plant=published()), 0.4),
        (hours(outer_grid=OUTER), 0.6),
        (hours(outer_grid={**OUTER, "outages_per_year": 500, "export_price": 0.1}), 0.6),
    ],
    ids=["faults", "trip", "bias", "published", "outer", "outages"],
)
def test_a_bound_verifies_and_no_controller_beats_it(scenario: GridScenario, near: float) -> None:
    for seed in (1, 2):
        bound = DOMAIN.bound(scenario, seed)
        assert bound is not None
        assert bound.kind == "proven"
        DOMAIN.verify(scenario, seed, bound)
        costs = [cost_l(scenario, n, seed) for n in ("load_following", "combined", "dp_perfect")]
        assert near * min(costs) < bound.value < min(costs)
        with pytest.raises(BoundError, match="above what its certificate proves"):
            DOMAIN.verify(scenario, seed, replace(bound, value=bound.value * 1.001 + 0.01))


def test_faults_of_forecasts_alone_leave_the_bound_as_it_is() -> None:
    stuck = {"kind": "forecast_stuck", "at_min": 10, "for_min": 60}
    assert fault_margin(village(faults=[stuck])) is None
    assert fault_margin(village(faults=[stuck, TRIP])) == 0.0
    values = [DOMAIN.bound(s, 1) for s in (village(), village(faults=[stuck]))]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0].value == values[1].value


def test_what_faults_may_lift_lowers_the_bound_and_nothing_else_does() -> None:
    with DOMAIN.build(village()) as control:
        calm = episode_of(control, 1)
    struck = replace(calm, beyond=0.0)
    assert lower_bound(struck).value < lower_bound(calm).value
    loose = loosened(calm.plant)
    free = replace(calm, plant=loose)
    assert lower_bound(replace(free, beyond=0.0)).value == pytest.approx(
        lower_bound(free).value, rel=1e-6
    )


def loosened(plant: Plant) -> Plant:
    """A plant without any of the limits that faults may lift."""
    assert plant.battery is not None
    off = {"min_kw": 0.0, "warm_up_min": 0, "cool_down_min": 0, "min_run_min": 0}
    units = tuple(unit.model_copy(update=off) for unit in plant.gensets)
    window = {"reserve_soc_min": 0.0, "reserve_soc_max": 1.0}
    battery = plant.battery.model_copy(update=window)
    return plant.model_copy(update={"gensets": units, "battery": battery, "commitment": "free"})


def test_an_outer_grid_that_carries_all_costs_its_price() -> None:
    plant = load_plant("plant-b").model_copy(update={"reserve": Reserve(), "battery": None})
    load, none = np.array([100.0, 250.0, 180.0]), np.zeros(3)
    outer = np.tile([400.0, 0.1, 0.0, 0.0], (3, 1))
    year = Year(plant, 60.0, load, none, none, 0.5, outer=outer)
    bound = lower_bound(year, 0.0)
    verify_bound(year, bound)
    assert bound.value == pytest.approx(0.1 * load.sum(), rel=1e-6)


def test_the_outer_grid_of_the_bound_is_that_of_the_simulator() -> None:
    scenario = hours(outer_grid={**OUTER, "outages_per_year": 900})
    with DOMAIN.build(scenario, 1, "order") as problem:
        series = episode_of(problem, 3).outer
        there = problem.snapshot(np.array([0]))["outer_grid"][0, 1:]
    assert series is not None
    assert 0 < there.sum() < there.size
    assert np.array_equal(series[:, 0] > 0.0, there)
    assert set(np.unique(series[:, 1])) == {0.28 / 1.5, 0.42 / 1.5}


def test_the_bound_pays_the_tariff_of_the_hours_in_the_users_file(tmp_path: Path) -> None:
    table = tmp_path / "load.csv"
    rows = [f"2025-06-01T{hour:02}:00+03:00,300" for hour in range(5, 11)]
    table.write_text("\n".join(["time,load_kw", *rows]) + "\n", encoding="utf-8")
    scenario = hours(horizon_h=6, data={"kind": "file", "file": table}, outer_grid=OUTER)
    with DOMAIN.build(scenario, 1, "default") as problem:
        outer = episode_of(problem, 1).outer
    assert outer is not None
    assert (outer[:, 1] * 1.5).round(6).tolist() == [0.28, 0.28, 0.42, 0.42, 0.42, 0.42]


@pytest.mark.parametrize("step_min", [1, 5, 60])
def test_the_assumed_battery_is_never_worse_than_the_published_one(step_min: float) -> None:
    record = plant_arrays(published(), step_min)
    tank = store(record, stored_energy_price_l_per_kwh(published()), 0.5)
    assert battery_excess_kw(record, tank) <= 1e-6
    worse = tank._replace(grid_kw=tank.grid_kw + 5.0)
    assert battery_excess_kw(record, worse) > 1.0


def test_the_bound_of_the_published_battery_is_below_brute_force_and_near_it() -> None:
    at_once = {"warm_up_min": 0.0, "cool_down_min": 0.0}
    plant = published()
    unit = plant.gensets[0].model_copy(update=at_once)
    plant = plant.model_copy(update={"gensets": (unit,)})
    record, price = plant_arrays(plant, 30.0), stored_energy_price_l_per_kwh(plant)
    load, none = np.array([420.0, 260.0, 500.0]), np.zeros(3)
    year = Year(plant, 30.0, load, none, none, 0.5)
    bound = lower_bound(year, 0.0)
    verify_bound(year, bound)
    powers = np.concatenate([np.linspace(-150.0, 500.0, 27), load])
    plans = itertools.product(powers, repeat=3)
    best = min(played_l(record, load, plan, price) for plan in plans)
    assert bound.value < best < 1.02 * bound.value


def played_l(record: Any, load: Any, plan: Any, price: float) -> float:
    """Cost of given battery powers, one unit carrying the rest while there is any."""
    soc, total, h = 0.5, 0.0, float(record.step_h)
    for need, power in zip(load, plan, strict=True):
        given, soc = need - power, soc_after(record, soc, power, h)
        if not (given == 0.0 or 120.0 <= given <= 440.0) or not 0.05 <= soc <= 0.95:
            return np.inf
        total += h * fuel_l_h(record, 0, given) if given > 0.0 else 0.0
        total += h * THROUGHPUT_L_PER_KWH * abs(power)
    return total + terminal_l(0.5, soc, float(record.energy_kwh), price)
