"""Values fitted on past data: one set per season, worth more where energy is scarce."""

from __future__ import annotations

import numpy as np
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.controllers.stochastic import coarse_planner
from trimtab_grid.controllers.value_fit import Past, fit, season_of
from trimtab_grid.plant import load_plant

PLANT = load_plant("plant-b")
RECORD = plant_arrays(PLANT, 60.0)


def past(loads: tuple[float, ...]) -> Past:
    """A year of hours with one level of load per equal part of it; renewables come and go."""
    hours = np.arange(8760)
    level = np.array(loads)[season_of(hours / 24.0, len(loads))]
    free = 300.0 + 300.0 * np.sin(hours / 5.0)
    return Past(level + 20.0 * np.sin(hours / 3.0), free, hours % 24.0, hours / 24.0)


def test_days_of_a_year_fall_into_seasons_of_equal_length() -> None:
    found = season_of(np.arange(365) + 0.5, 5)
    np.testing.assert_array_equal(np.bincount(found), [73] * 5)
    assert season_of(np.array([365.0]), 5)[0] == 0


def test_every_season_has_its_own_expected_loads_and_values() -> None:
    taught = past((150.0, 550.0))
    planner = coarse_planner(PLANT, RECORD, taught.load_kw, taught.free_kw)
    low, high = fit(planner, taught, 0.3, 20, seed=0, seasons=2)
    assert np.median(high.knots) > np.median(low.knots) + 200.0
    assert np.isfinite(low.cost).all()
    assert np.isfinite(high.cost).all()


def test_more_stored_energy_never_costs_more() -> None:
    taught = past((350.0,))
    planner = coarse_planner(PLANT, RECORD, taught.load_kw, taught.free_kw)
    (values,) = fit(planner, taught, 0.3, 20, seed=0, seasons=1)
    assert np.all(np.diff(values.cost, axis=-1) <= 1e-9)
