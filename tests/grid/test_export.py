import csv
import json

import numpy as np
import pytest
from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.spec import Action
from trimtab_grid.domain import DOMAIN
from trimtab_grid.export import Named, export
from trimtab_grid.plant import load_plant
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series_files import read_series

SCENARIO = GridScenario(plant="plant-b", step_min=60, horizon_h=48)


class Starter(Controller):
    """Asks for every unit and an idle battery."""

    def __init__(self, problem, battery_kw=0.0):
        self._shape = (problem.copies, 1, len(problem.spec.discrete))
        self._battery_kw = battery_kw

    def act(self, obs):
        box = np.full((*self._shape[:2], 1), self._battery_kw, np.float32)
        return Action(np.full(self._shape, 2, np.int64), box)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    entry = Entry("classical", Starter, "starts all")
    with DOMAIN.build(SCENARIO, 1, entry.interface) as control:
        files = export(control, Named("starter", entry, {"battery_kw": 5.0}), out, seeds=(1, 2))
        series = control.clock_series()
    return out, files, series


def rows(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_the_schedule_balances_in_every_step_and_keeps_its_times(written):
    out, _, _ = written
    schedule = rows(out / "schedule.csv")
    assert len(schedule) == 48
    for row in schedule:
        value = {name: float(cell) for name, cell in row.items() if name != "time"}
        given = value["G1_kw"] + value["G2_kw"] + value["G3_kw"] + value["battery_kw"]
        given += value["wind_used_kw"] + value["pv_used_kw"]
        taken = value["load_kw"] - value["shed_kw"] - value["deficit_kw"] + value["dump_kw"]
        assert given == pytest.approx(taken + value["surplus_kw"], abs=1e-6)
    assert read_series(out / "schedule.csv").step_min == 60.0


def test_commands_are_the_starts_and_stops_of_the_schedule(written):
    out, _, _ = written
    commands = rows(out / "commands.csv")
    assert {row["unit"] for row in commands} <= {"G1", "G2", "G3"}
    assert [row["command"] for row in commands][0] == "start"
    times = [row["time"] for row in rows(out / "schedule.csv")]
    assert all(row["time"] in times for row in commands)


def test_the_decision_table_counts_every_step_of_every_seed(written):
    out, _, _ = written
    table = rows(out / "decisions.csv")
    assert sum(int(row["visits"]) for row in table) == 2 * 48
    assert all(0.0 < float(row["agreement"]) <= 1.0 for row in table)
    assert any(row["units_online"] == "G1+G2+G3" for row in table)


def test_plant_parameters_and_standing_of_the_shield_lie_beside_it(written):
    out, files, _ = written
    assert load_plant(out / "plant.json") == load_plant("plant-b")
    about = json.loads((out / "controller.json").read_text(encoding="utf-8"))
    assert about["parameters"] == {"battery_kw": 5.0}
    safety = json.loads((out / "safety.json").read_text(encoding="utf-8"))
    assert safety["standing"].startswith(("proven", "not proven"))
    assert safety["facts"]["conditions"]
    assert {path.name for path in files} >= {"schedule.csv", "safety.json", "plant.json"}


def test_a_controller_that_is_not_offered_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="nobody"):
        DOMAIN.export(SCENARIO, "nobody", {}, tmp_path)
