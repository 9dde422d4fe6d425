import subprocess
import sys

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.registry import manifests
from trimtab.contracts.scenario import Scenario
from trimtab.run.scenario_file import load_scenario
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.plant import FuelCurve, load_plant
from trimtab_grid.scenario import GridScenario

SHIPPED = ("remote-village", "plant-b-year")


def test_the_domain_is_offered_by_an_entry_point():
    assert manifests()["grid.microgrid"][0].title == DOMAIN.title


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_load_and_build(name):
    folder = manifests()["grid.microgrid"][1]
    scenario = load_scenario(folder / "scenarios" / f"{name}.yaml").scenario
    assert isinstance(scenario, Scenario)
    with DOMAIN.build(scenario.problem, 1, "order") as problem:
        assert problem.spec.horizon == scenario.problem.horizon


def test_the_independent_monitor_finds_nothing_behind_the_shield_on_a_free_hourly_plant():
    scenario = GridScenario(plant="plant-b", step_min=60, horizon_h=240)
    with DOMAIN.build(scenario, 1, "default") as problem:
        play(problem, (5,))
        found = DOMAIN.monitor(scenario).check(problem.episode_log(0))
    assert not {name: v.count for name, v in found.items() if v.count}


def test_projecting_outside_the_step_tells_what_the_step_executes():
    with DOMAIN.build(GridScenario(horizon_h=1.0), 2, "order") as problem:
        problem.reset(np.array([1, 2]))
        from trimtab.contracts.spec import Action

        action = Action(np.full((2, 1, 1), 1), np.full((2, 1, 1), 500.0, np.float32))
        projected = DOMAIN.shield(problem.scenario, problem).project(problem, action)
        step = problem.step(action)
    assert np.array_equal(projected.action.box, step.executed.box)
    assert np.array_equal(projected.changed, step.intervened)


def test_a_users_series_is_played_as_it_stands_in_the_file(tmp_path):
    path = tmp_path / "village.csv"
    rows = [f"2024-01-01T{h:02d}:00Z,{200 + h},{50 + h}" for h in range(24)]
    path.write_text("\n".join(["time,load_kw,wind_kw", *rows]), encoding="utf-8")
    scenario = GridScenario(
        plant="plant-b", step_min=60, data={"kind": "file", "file": path}, shield=False
    )
    assert DOMAIN.data_files(scenario) == (path,)
    with DOMAIN.build(scenario, 1, "order") as problem:
        problem.reset(np.array([1]))
        future = problem.resource("future")[0]
    assert list(future[:, 0]) == [200.0 + h for h in range(24)]
    assert list(future[:, 1]) == [50.0 + h for h in range(24)]


def days_of_load(folder, days):
    """A table of hours whose load tells its day."""
    path = folder / "village.csv"
    rows = [f"2024-01-{1 + h // 24:02}T{h % 24:02}:00Z,{200 + h // 24}" for h in range(24 * days)]
    path.write_text("\n".join(["time,load_kw", *rows]), encoding="utf-8")
    return path


def test_an_episode_begins_on_the_day_of_the_users_file_that_is_named(tmp_path):
    data = {"kind": "file", "file": days_of_load(tmp_path, 5), "first_day": 4}
    scenario = GridScenario(plant="plant-b", step_min=60, data=data, shield=False)
    with DOMAIN.build(scenario, 1, "order") as problem:
        problem.reset(np.array([1]))
        assert set(problem.resource("future")[0][:, 0]) == {203.0}
        assert problem.clock_series().time_of(1).day == 4
    assert any("first_day" in note for note in DOMAIN.notes(scenario))


def test_a_series_shorter_than_the_episode_is_refused_when_it_is_checked(tmp_path):
    data = {"kind": "file", "file": days_of_load(tmp_path, 5), "first_day": 6}
    scenario = GridScenario(plant="plant-b", step_min=60, data=data)
    with pytest.raises(InputFileError, match="has 120 steps of 60 min, the episode needs 24 from"):
        DOMAIN.check(scenario)


def test_a_forecast_or_tariff_that_ends_too_early_is_refused_when_it_is_checked(tmp_path):
    settings = {"plant": "plant-b", "step_min": 60, "horizon_h": 72}
    data = {"kind": "file", "file": days_of_load(tmp_path, 3)}
    short = tmp_path / "short.csv"
    times = [f"2024-01-01T{h:02}:00Z,0.3" for h in range(12)]
    short.write_text("\n".join(["time,import_price", *times]), encoding="utf-8")
    outer = {"import_kw": 100, "file": short}
    with pytest.raises(InputFileError, match=r"short\.csv: .* do not cover the episode"):
        DOMAIN.check(GridScenario(**settings, data=data, outer_grid=outer))
    told = tmp_path / "told.csv"
    told.write_text(short.read_text().replace("import_price", "load_kw"), encoding="utf-8")
    forecast = {"kind": "file", "file": told}
    with pytest.raises(InputFileError, match=r"told\.csv: foretells nothing for 2024-01-01 12:00"):
        DOMAIN.check(GridScenario(**settings, data=data, forecast=forecast))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"columns": {"a": "load_kw"}}, "how a file is read, and there is none"),
        ({"zone": "UTC"}, "how a file is read, and there is none"),
        ({"kind": "file", "file": "a.csv", "weather_file": "b.epw"}, "leave weather_file out"),
    ],
)
def test_what_would_change_nothing_is_refused(data, told):
    with pytest.raises(ValueError, match=told):
        GridScenario(data=data)


def test_a_plant_that_only_bears_a_shipped_name_is_checked_and_has_no_shipped_weights():
    plant = load_plant("plant-a")
    larger = plant.disturbances.model_copy(update={"load_max_kw": 900.0})
    own = GridScenario(plant=plant.model_copy(update={"disturbances": larger}))
    assert not any("ppo" in note for note in DOMAIN.notes(GridScenario()))
    with pytest.raises(InputFileError, match="kW missing"):
        DOMAIN.check(own)
    assert "no weights" in DOMAIN.controllers(own)["ppo"].help


def test_a_series_beyond_the_plants_limits_is_noted_before_it_is_played(tmp_path):
    path = tmp_path / "village.csv"
    rows = [f"2024-01-01T{h:02d}:00Z,{650 + 10 * h}" for h in range(24)]
    path.write_text("\n".join(["time,load_kw", *rows]), encoding="utf-8")
    scenario = GridScenario(plant="plant-b", step_min=60, data={"kind": "file", "file": path})
    assert any("above load_max_kw" in note for note in DOMAIN.check(scenario))


def test_notes_say_what_is_synthetic():
    assert "synthetic" in DOMAIN.notes(GridScenario())[0]


def test_a_plant_without_learned_weights_says_which_controllers_play_a_rule():
    other = GridScenario.model_validate({"plant": "plant-a", "step_min": 5})
    assert not any("ppo" in note for note in DOMAIN.notes(GridScenario()))
    assert any("ppo" in note and "play a rule" in note for note in DOMAIN.notes(other))


def test_checking_a_scenario_and_listing_its_controllers_loads_no_heavy_library():
    code = (
        "import sys\n"
        "from trimtab_grid.domain import DOMAIN\n"
        "from trimtab_grid.scenario import GridScenario\n"
        "DOMAIN.check(GridScenario()), DOMAIN.controllers(GridScenario())\n"
        "print([m for m in ('numba', 'scipy', 'pandas', 'highspy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_notes_tell_what_an_affine_fuel_curve_would_miss():
    plant = load_plant("plant-a")
    points = ((125.0, 41.9), (250.0, 71.3), (375.0, 110.5), (500.0, 137.0))
    unit = plant.gensets[0].model_copy(update={"fuel": FuelCurve(points=points)})
    own = plant.model_copy(update={"gensets": (unit, *plant.gensets[1:])})
    notes = DOMAIN.notes(GridScenario(plant=own, shield=False))
    assert [note for note in notes if note.startswith(f"{unit.name} burns")][0].endswith(
        "would miss them by up to 3.7 %"
    )
    assert not any("burns" in note for note in DOMAIN.notes(GridScenario(shield=False)))
