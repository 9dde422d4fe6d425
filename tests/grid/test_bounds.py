"""Proven bounds: valid, tight, and refused where the certificate does not carry them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from trimtab.contracts.errors import BoundError
from trimtab_grid.bound_check import battery_excess_kw, proven_l
from trimtab_grid.bounds import Year, fuel_floor_l, lower_bound, solve, verify_bound
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.plant import load_plant
from trimtab_grid.stage import store


def episode(plant: str, step_min: float, steps: int, seed: int = 0) -> Year:
    """A small series with slow and fast parts."""
    rng = np.random.default_rng(seed)
    hour = np.arange(steps) * step_min / 60
    load = 300 + 70 * np.sin(hour / 24 * 2 * np.pi) + np.clip(rng.normal(0, 15, steps), -60, 60)
    wind = np.clip(180 + 200 * np.sin(hour / 7.3) + rng.normal(0, 30, steps), 0, 400)
    return Year(load_plant(plant), step_min, load, wind, np.zeros(steps), 0.5)


@pytest.mark.parametrize(("plant", "step_min", "steps"), [("plant-b", 60, 96), ("plant-a", 5, 60)])
def test_a_bound_verifies_and_a_tightened_one_does_not(
    plant: str, step_min: float, steps: int
) -> None:
    year = episode(plant, step_min, steps)
    bound = lower_bound(year)
    assert bound.kind == "proven"
    verify_bound(year, bound)
    with pytest.raises(BoundError, match="above what its certificate proves"):
        verify_bound(year, replace(bound, value=bound.value * 1.001))


def test_a_certificate_of_another_series_is_refused() -> None:
    bound = lower_bound(episode("plant-b", 60, 48))
    with pytest.raises(BoundError, match="another plant or series"):
        verify_bound(episode("plant-b", 60, 48, seed=1), bound)


def test_schedule_and_bound_of_plant_b_meet_within_a_tenth_of_a_percent() -> None:
    solved = solve(episode("plant-b", 60, 240), 0.01)
    assert 0.0 <= solved.gap < 1e-3


def test_the_bound_is_above_the_energy_balance() -> None:
    year = episode("plant-b", 60, 96)
    assert solve(year, 0.01).bound_l > fuel_floor_l(year) > 0.0


def test_functions_that_lie_prove_no_more_than_honest_ones() -> None:
    year = episode("plant-b", 60, 48)
    solved = solve(year, 0.01)
    planner, costs = solved.planner, solved.costs
    lifted = costs.y.copy()
    middle = slice(int(costs.first[24].min()), int(costs.last[24].max()))
    lifted[middle] += 50.0
    proven = [
        proven_l(year.record, planner.graph, planner.store, planner.stage, c, (0, year.first_kwh))
        for c in (costs, costs._replace(y=lifted))
    ]
    assert proven[0] == pytest.approx(solved.bound_l, rel=1e-6)
    assert proven[1] < proven[0] + 1e-6


@pytest.mark.parametrize("plant", ["plant-a", "plant-b"])
def test_the_assumed_battery_is_never_worse_than_the_simulated_one(plant: str) -> None:
    year = episode(plant, 15, 8)
    price = stored_energy_price_l_per_kwh(year.plant)
    tank = store(year.record, price, 0.5)
    assert battery_excess_kw(year.record, tank) <= 1e-6
    worse = tank._replace(grid_kw=tank.grid_kw + 5.0)
    assert battery_excess_kw(year.record, worse) > 1.0
