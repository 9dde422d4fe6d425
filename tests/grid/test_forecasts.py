from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from trimtab.contracts.errors import ContractError, InputFileError
from trimtab.contracts.spec import Action
from trimtab_grid.domain import DOMAIN
from trimtab_grid.episodes import Episodes, lead_steps
from trimtab_grid.forecasts import (
    ForecastSettings,
    FromFile,
    Issue,
    Noisy,
    Perfect,
    Persistence,
    SeasonalNaive,
    forecaster,
)
from trimtab_grid.problem import GridControl
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series import load_series

START = datetime(2025, 1, 1, tzinfo=UTC)
VALUES = arrays(np.float64, 40, elements=st.floats(0.0, 1000.0))
BLIND = [Persistence(), SeasonalNaive(season_h=6.0), SeasonalNaive(season_h=1.0)]
FILE = FromFile(load_series(START, 60.0, np.arange(40.0)))


def issue(method, values, asked, quantity="load_kw"):
    return method.issue(load_series(START, 60.0, values, values), quantity, asked)


def at(now, horizon, known=0, seed=0):
    return Issue(np.array([now]), horizon, seed, known)


@pytest.mark.parametrize("method", [*BLIND, FILE])
@given(VALUES, VALUES, st.integers(0, 20), st.integers(1, 15), st.integers(0, 2))
def test_no_value_after_the_last_known_one_changes_a_forecast(
    method, values, other, now, horizon, known
):
    changed = values.copy()
    changed[now + known + 1 :] = other[now + known + 1 :]
    asked = at(now, horizon, known)
    np.testing.assert_array_equal(issue(method, values, asked), issue(method, changed, asked))


@pytest.mark.parametrize("method", [*BLIND, FILE, Noisy(0.5), Perfect()])
@settings(deadline=None)
@given(VALUES, st.integers(0, 20), st.integers(1, 15), st.integers(1, 3))
def test_known_steps_are_foretold_as_measured(method, values, now, horizon, known):
    told = issue(method, values, at(now, horizon, known))
    seen = min(known, horizon)
    np.testing.assert_array_equal(told[0, :seen], values[now + 1 : now + 1 + seen])


def test_only_methods_that_read_the_future_say_so():
    assert [m.sees_future for m in (*BLIND, FILE, Noisy(), Perfect())] == [False] * 4 + [True] * 2


def test_persistence_repeats_the_last_measurement():
    assert issue(Persistence(), np.arange(40.0), at(5, 3)).tolist() == [[5.0] * 3]


def test_seasonal_naive_repeats_the_last_season_as_often_as_needed():
    told = issue(SeasonalNaive(season_h=4.0), np.arange(40.0), at(9, 6))
    assert told.tolist() == [[6.0, 7.0, 8.0, 9.0, 6.0, 7.0]]


def test_seasonal_naive_persists_until_there_is_a_season():
    assert issue(SeasonalNaive(), np.arange(40.0), at(3, 2)).tolist() == [[3.0, 3.0]]


@settings(deadline=None)
@given(VALUES, st.integers(0, 20))
def test_without_noise_the_noisy_forecast_is_perfect(values, now):
    np.testing.assert_array_equal(
        issue(Noisy(sigma=0.0), values, at(now, 10)), issue(Perfect(), values, at(now, 10))
    )


def test_the_error_of_the_noisy_forecast_grows_to_sigma_and_stays():
    values = np.full(5000, 100.0)
    told = issue(Noisy(sigma=0.2, memory_h=3.0), values, Issue(np.arange(4000), 24))
    deviation = told.std(axis=0) / 100.0
    expected = 0.2 * np.sqrt(1 - np.exp(-2 * np.arange(1, 25) / 3.0))
    np.testing.assert_allclose(deviation, expected, rtol=0.06)


def test_noise_is_fixed_by_seed_step_and_quantity():
    values, method = np.full(40, 10.0), Noisy(0.3)
    both = issue(method, values, Issue(np.array([3, 8]), 5, seed=1))
    np.testing.assert_array_equal(both[1:], issue(method, values, at(8, 5, seed=1)))
    assert not np.array_equal(both[1:], issue(method, values, at(8, 5, seed=2)))
    assert not np.array_equal(both[1:], issue(method, values, at(8, 5, seed=1), "wind_kw"))


def test_a_perfect_forecast_beyond_the_series_is_refused():
    with pytest.raises(ContractError, match="shorter horizon"):
        issue(Perfect(), np.ones(10), at(5, 6))


def test_a_file_is_matched_by_time_and_must_cover_what_is_asked():
    told = FromFile(load_series(START - timedelta(hours=2), 60.0, np.arange(10.0)))
    assert issue(told, np.ones(40), at(1, 3)).tolist() == [[4.0, 5.0, 6.0]]
    with pytest.raises(InputFileError, match="foretells nothing for 2025-01-01 08:00"):
        issue(told, np.ones(40), at(6, 3))


def test_a_file_of_another_step_is_refused():
    with pytest.raises(InputFileError, match="15 min steps"):
        issue(FromFile(load_series(START, 15.0, np.ones(9))), np.ones(40), at(1, 1))


def test_the_scenario_names_the_method_and_a_file_where_it_needs_one(tmp_path):
    assert isinstance(forecaster(ForecastSettings(kind="noisy"), lambda *_: None), Noisy)
    given = load_series(START, 60.0, np.ones(3))
    asked = ForecastSettings(kind="file", file=tmp_path / "f.csv")
    assert forecaster(asked, lambda *_: given) == FromFile(given)
    with pytest.raises(ValidationError, match="belong together"):
        ForecastSettings(kind="file")


def test_a_forecast_file_has_columns_and_a_zone_of_its_own(tmp_path):
    mine, told = tmp_path / "mine.csv", tmp_path / "told.csv"
    hours = [f"2025-01-01 {hour:02}:00" for hour in range(24)]
    mine.write_text("\n".join(["Zeit,Last", *(f"{t},0.3" for t in hours)]), encoding="utf-8")
    told.write_text("\n".join(["when,kW", *(f"{t},310" for t in hours)]), encoding="utf-8")
    ours = {"kind": "file", "file": mine, "columns": {"Zeit": "time", "Last": "load_mw"}}
    theirs = {"kind": "file", "file": told, "columns": {"when": "time", "kW": "load_kw"}}
    scenario = GridScenario(
        plant="plant-b",
        step_min=60,
        data={"zone": "UTC", **ours},
        forecast={"zone": "UTC", **theirs},
    )
    assert DOMAIN.check(scenario) == ()
    with DOMAIN.build(scenario) as problem:
        problem.reset(np.array([1]))
        assert problem.resource("forecast").issue(0, 3)[1:, 0].tolist() == [310.0, 310.0]


def shown(problem, obs):
    """Forecasts in the observation [leads, 3], kW, and the resource's of the same steps."""
    model = problem.resource("model")
    leads = lead_steps(float(model.arrays.step_min))
    scale = np.array([model.scales.load_kw, model.scales.wind_kw, model.scales.pv_kw])
    seen = obs.obs[0, 0, -3 * len(leads) :].reshape(-1, 3) * scale
    told = problem.resource("forecast").issue(0, max(leads))
    return seen, told[np.array(leads) - 1]


@pytest.mark.parametrize("kind", ["persistence", "seasonal", "noisy", "perfect", "file"])
def test_observation_and_resource_show_the_same_forecast(kind, tmp_path):
    forecast = {"kind": kind} | ({"file": tmp_path / "f.csv"} if kind == "file" else {})
    scenario = GridScenario.model_validate(
        {"plant": "plant-b", "step_min": 60, "horizon_h": 60, "forecast": forecast}
    )
    start = Episodes(scenario, scenario.resolved_plant()).start
    mine = load_series(start, 60.0, np.arange(100.0) + 200.0, np.arange(100.0))
    with GridControl(scenario, 1, "default", autoreset=False, read=lambda *_: mine) as problem:
        obs = problem.reset(np.array([3]))
        for _ in range(30):
            np.testing.assert_allclose(*shown(problem, obs), atol=1e-3)
            idle = Action(np.ones((1, 1, 3), np.int64), np.zeros((1, 1, 1), np.float32))
            obs = problem.step(idle).obs


def test_forecasts_of_one_step_come_nearer_to_the_truth():
    values = np.full(3000, 100.0)
    told = issue(Noisy(sigma=0.3), values, Issue(np.arange(2900), 12))
    errors = np.abs(told - 100.0)
    same_step = np.array([errors[k + 11 - np.arange(12), np.arange(12)] for k in range(2000)])
    assert np.all(np.diff(same_step, axis=1) >= -1e-9)
