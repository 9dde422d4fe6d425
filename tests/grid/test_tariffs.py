"""Prices and outages of a public grid from a table, and from files of python-microgrid."""

from datetime import UTC, datetime

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.readers import problem_from_files
from trimtab_grid.scenario import GridScenario
from trimtab_grid.tariffs import read_tariff

HOURS = 6
TARIFF = "time_utc,import_price,export_price,grid_there\n" + "".join(
    f"2001-01-01T{k:02d}:00Z,{0.2 + 0.1 * k:.1f},{0.01 * k:.2f},{int(k != 2)}\n"
    for k in range(HOURS)
)


def _write(folder, text, name="tariff.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _series(folder):
    rows = "".join(f"2001-01-01T{k:02d}:00Z,{300 + 10 * k},0\n" for k in range(HOURS))
    return _write(folder, "time_utc,load_kw,wind_kw\n" + rows, "load.csv")


def _scenario(folder, tariff=TARIFF, **outer):
    return GridScenario(
        plant="plant-b",
        step_min=60,
        horizon_h=HOURS,
        data={"kind": "file", "file": _series(folder)},
        outer_grid={
            "import_kw": 250,
            "export_kw": 100,
            "file": _write(folder, tariff),
            **outer,
        },
        fuel_price=1.0,
    )


def test_each_step_has_its_own_prices_and_outages(tmp_path):
    with DOMAIN.build(_scenario(tmp_path), 1, "order") as control:
        metrics = play(control, (1,)).moments[-1].step.metrics
        log = control.episode_log(0)
    bought = np.maximum(log["exchange_kw"], 0.0)
    prices = 0.2 + 0.1 * np.arange(HOURS)
    sold = np.maximum(-log["exchange_kw"], 0.0) @ (0.01 * np.arange(HOURS))
    assert log["exchange_kw"][2] == 0.0
    assert bought.sum() > 0.0
    assert metrics["exchange_l"][0] == pytest.approx(bought @ prices - sold)


def test_a_table_of_hours_holds_for_the_minutes_of_an_hour(tmp_path):
    told = read_tariff(_write(tmp_path, TARIFF))
    fine = told.at(datetime(2001, 1, 1, 0, 59, tzinfo=UTC), 1.0, 62)
    assert fine.import_price.tolist() == pytest.approx([0.3] * 61 + [0.4])
    assert fine.there.tolist() == [True] * 61 + [False]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.replace("import_price", "price"), "has no column import_price"),
        (lambda t: t.replace("0.3,0.01", "-0.3,0.01"), "tariff.csv:3: import_price is -0.3"),
        (lambda t: t.replace("0.3,0.01", ",0.01"), "tariff.csv:3: import_price is missing"),
        (lambda t: t.replace("0.01,1", "0.01,2"), "tariff.csv:3: grid_there is 2; write 1 or 0"),
        (lambda t: t.replace("time_utc", "when"), "has no time column"),
        (lambda t: "\n".join(t.splitlines()[:4]), "do not cover the episode"),
    ],
)
def test_a_bad_table_is_refused_with_its_row(tmp_path, change, told):
    with pytest.raises(InputFileError, match=told):
        DOMAIN.build(_scenario(tmp_path, change(TARIFF)))


def test_the_table_belongs_to_the_scenarios_files_and_is_checked(tmp_path):
    scenario = _scenario(tmp_path)
    assert tmp_path / "tariff.csv" in DOMAIN.data_files(scenario)
    bad = _scenario(tmp_path, TARIFF.replace("0.01,1", "0.01,7"))
    with pytest.raises(InputFileError, match="grid_there is 7"):
        DOMAIN.check(bad)


MICROGRID = """!Microgrid
modules:
- - load
  - !LoadModule
    cls_params: {time_series: [40, 50, 60, 45]}
- - genset
  - !Genset
    cls_params: {genset_cost: 0.4, running_max_production: 100, running_min_production: 5}
- - grid
  - !GridModule
    cls_params: {max_import: 70, max_export: 30, cost_per_unit_co2: 0.1,
      time_series: !NDArray 'data/grid.csv'}
"""
GRID = ",0,1,2,3\n0,0.15,0.02,0.3,1.0\n1,0.25,0.03,0.3,0.0\n2,0.5,0.0,0.3,1.0\n3,0.1,0.0,0.3,1.0\n"


def _microgrid(folder, text=MICROGRID, grid=GRID):
    (folder / "data").mkdir(exist_ok=True)
    _write(folder / "data", grid, "grid.csv")
    return _write(folder, text, "m.yaml")


def test_the_grid_connection_of_python_microgrid_becomes_limits_prices_and_outages(tmp_path):
    made = problem_from_files([_microgrid(tmp_path)], tmp_path, "v")
    outer = made.problem["outer_grid"]
    assert (outer["import_kw"], outer["export_kw"]) == (70.0, 30.0)
    assert made.problem["fuel_price"] == 1.0
    told = read_tariff(tmp_path / outer["file"])
    assert told.import_price.tolist() == [0.15, 0.25, 0.5, 0.1]
    assert told.export_price.tolist() == [0.02, 0.03, 0.0, 0.0]
    assert told.there.tolist() == [True, False, True, True]
    said = " ".join(made.notes)
    assert "70 kW import, 30 kW export, 1 steps without it" in said
    assert "price of CO2 left out" in said


def test_such_a_file_plays_with_its_prices_and_its_outage(tmp_path):
    made = problem_from_files([_microgrid(tmp_path)], tmp_path, "v")
    problem = {**made.problem, "plant_file": tmp_path / made.problem["plant_file"]}
    problem["data"] = {"kind": "file", "file": tmp_path / made.problem["data"]["file"]}
    problem["outer_grid"] = {**problem["outer_grid"], "file": tmp_path / "v-files/tariff.csv"}
    scenario = GridScenario.model_validate({**problem, "shield": False})
    with DOMAIN.build(scenario, 1, "default") as control:
        metrics = play(control, (1,)).moments[-1].step.metrics
        exchange = control.episode_log(0)["exchange_kw"]
    assert exchange[1] == 0.0
    paid = exchange.clip(0) @ [0.15, 0.25, 0.5, 0.1] - (-exchange).clip(0) @ [0.02, 0.03, 0, 0]
    assert metrics["exchange_l"][0] == pytest.approx(paid)


@pytest.mark.parametrize(
    ("text", "grid", "told"),
    [
        (MICROGRID, GRID.replace("1,0.25,0.03,0.3,0.0", "1,0.25,0.03,0.3,0.5"), "status 0 or 1"),
        (MICROGRID, GRID.replace("0.25", "-0.25"), "prices must be 0 or more"),
        (MICROGRID, GRID.replace("3,0.1,0.0,0.3,1.0\n", ""), "grid has 3 steps, load has 4"),
        (MICROGRID, ",0\n0,0.1\n", "three or four columns"),
        (MICROGRID.replace("max_import: 70", "max_import: x"), GRID, "max_import is 'x'"),
        (MICROGRID + MICROGRID[MICROGRID.index("- - grid") :], GRID, "2 grid connections"),
    ],
)
def test_a_bad_grid_connection_is_refused(tmp_path, text, grid, told):
    with pytest.raises(InputFileError, match=told):
        problem_from_files([_microgrid(tmp_path, text, grid)], tmp_path, "v")


def test_a_connection_that_only_exports_is_left_out_and_said(tmp_path):
    text = MICROGRID.replace("max_import: 70", "max_import: 0")
    made = problem_from_files([_microgrid(tmp_path, text)], tmp_path, "v")
    assert "outer_grid" not in made.problem
    assert "imports nothing" in " ".join(made.notes)
