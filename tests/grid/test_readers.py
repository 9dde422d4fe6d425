import gzip
import importlib.util
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandapower as pp
import pytest
from pandapower import networks
from trimtab.contracts.errors import InputFileError, ScenarioError, UnknownNameError
from trimtab_grid.domain import DOMAIN
from trimtab_grid.plant import load_plant
from trimtab_grid.readers import check_files, kind_of, problem_from_files
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series_files import read_series
from trimtab_grid.simbench_files import read_simbench
from trimtab_grid.weather import pv_from_weather, pvlib_folder
from trimtab_grid.weather_files import SAND_POINT, sand_point

PLANT = """name: village
gensets:
- {name: G1, prime_kw: 400, min_kw: 100, fuel: {slope_l_kwh: 0.25, no_load_l_h: 10}}
- {name: G2, prime_kw: 400, min_kw: 100, fuel: {points: [[100, 40], [400, 110]]}}
battery: {power_kw: 100, energy_kwh: 200}
wind: {rated_kw: 200}
pv: {rated_kw: 50}
disturbances: {load_max_kw: 400}
"""


def rows(count=48, header="time_utc,load_kw", value="300"):
    start = datetime(2025, 3, 1, tzinfo=UTC)
    times = [f"{start + timedelta(hours=k):%Y-%m-%d %H:%M}" for k in range(count)]
    return header + "\n" + "".join(f"{time},{value}\n" for time in times)


def write(folder, **texts):
    paths = []
    for name, text in texts.items():
        path = folder / name.replace("_DOT_", ".")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def scenario(made, folder):
    return GridScenario.model_validate(dict(made.problem), context={"folder": folder})


def test_a_table_and_a_plant_become_a_scenario_without_copies(tmp_path):
    paths = write(tmp_path, load_DOT_csv=rows(), plant_DOT_yaml=PLANT)
    made = problem_from_files(paths, tmp_path, "v")
    assert made.problem == {
        "plant_file": "plant.yaml",
        "data": {"kind": "file", "file": "load.csv"},
        "step_min": 60.0,
        "horizon_h": 48.0,
    }
    assert made.notes == ()
    assert DOMAIN.check(scenario(made, tmp_path)) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["load.csv", "plant.yaml"]


def test_a_plant_may_be_json_and_a_table_may_stand_alone(tmp_path):
    from trimtab.run.yaml_document import parse

    text = json.dumps(parse(PLANT, "p").data)
    paths = write(tmp_path, plant_DOT_json=text)
    made = problem_from_files(paths, tmp_path)
    assert made.problem["data"] == {"load": {"mean_kw": 200.0}}
    assert "synthetic" in made.notes[0]
    alone = problem_from_files(write(tmp_path, load_DOT_csv=rows()), tmp_path)
    assert alone.problem["plant"] == "plant-a"
    assert "no plant file" in alone.notes[0]


def test_columns_without_meaning_are_explained_by_a_file(tmp_path):
    table = rows(header="Zeit;Last", value="0,3").replace(",0,3", ";0,3")
    meanings = "columns: {Zeit: time, Last: load_mw}\nzone: Europe/Berlin\n"
    paths = write(tmp_path, t_DOT_csv=table, c_DOT_yaml=meanings, plant_DOT_yaml=PLANT)
    made = problem_from_files(paths, tmp_path, "v")
    assert made.problem["data"] == {
        "kind": "file",
        "file": "t.csv",
        "columns": {"Zeit": "time", "Last": "load_mw"},
        "zone": "Europe/Berlin",
    }
    problem = scenario(made, tmp_path)
    assert np.allclose(read_series(paths[0], problem.data.reading()).load_kw, 300.0)
    assert check_files(problem) == ()


def test_a_plant_without_capacity_is_refused_before_it_is_run(tmp_path):
    paths = write(tmp_path, t_DOT_csv=rows(), plant_DOT_yaml=PLANT)
    problem = scenario(problem_from_files(paths, tmp_path, "v"), tmp_path)
    with pytest.raises(InputFileError, match="worst trip: 10.0 kW missing"):
        check_files(weakened(problem, load_max_kw=410))
    check_files(weakened(problem, load_max_kw=410).model_copy(update={"shield": False}))
    check_files(weakened(problem, load_max_kw=410, unit_trips=False))


def weakened(problem, **limits):
    """The scenario with other disturbances of its plant."""
    plant = load_plant(problem.plant_file)
    changed = plant.disturbances.model_copy(update=limits)
    plant = plant.model_copy(update={"disturbances": changed})
    return problem.model_copy(update={"plant": plant, "plant_file": None})


def test_a_file_may_say_the_time_zone_alone(tmp_path):
    zone = write(tmp_path, z_DOT_yaml="zone: UTC-09:00\n")
    plain = write(tmp_path, t_DOT_csv=rows().replace("time_utc", "time").replace("Z,", ","))
    made = problem_from_files([*plain, *zone], tmp_path, "v")
    assert made.problem["data"]["zone"] == "UTC-09:00"
    assert scenario(made, tmp_path).data.columns == {}


def test_weather_beside_a_table_brings_wind_and_pv_of_the_same_hours(tmp_path):
    paths = write(tmp_path, load_DOT_csv=rows(), plant_DOT_yaml=PLANT)
    made = problem_from_files([*paths, pvlib_folder() / SAND_POINT], tmp_path, "v")
    series = read_series(tmp_path / made.problem["data"]["file"])
    whole = pv_from_weather(load_plant(paths[1]).pv, sand_point())
    first = 59 * 24 - 9  # 1 March in UTC is 15 o'clock of 28 February at Sand Point
    np.testing.assert_allclose(series.pv_kw, whole[first : first + 48], rtol=1e-9)
    assert series.wind_kw.max() > 0.0
    assert "wind_kw and pv_kw computed from it" in made.notes[0]


def test_wind_speed_in_a_table_becomes_power_of_the_plants_turbines(tmp_path):
    table = rows(header="time_utc,load_kw,wind_speed_m_s", value="300,30")
    made = problem_from_files(write(tmp_path, t_DOT_csv=table, p_DOT_yaml=PLANT), tmp_path, "v")
    series = read_series(tmp_path / made.problem["data"]["file"])
    assert series.wind_kw.tolist() == [0.0] * 48  # above cut-out
    assert "computed from wind speed" in made.notes[0]


def test_a_network_is_checked_and_named(tmp_path):
    net = pp.to_json(networks.create_cigre_network_lv())
    paths = write(tmp_path, net_DOT_json=net, p_DOT_yaml=PLANT, load_DOT_csv=rows())
    assert problem_from_files(paths, tmp_path).problem["network"] == {"file": "net.json"}


def test_weather_alone_gives_generated_load(tmp_path):
    made = problem_from_files([pvlib_folder() / SAND_POINT], tmp_path)
    assert made.problem["data"]["kind"] == "weather"
    assert any("synthetic" in note for note in made.notes)


MICROGRID = """!Microgrid
final_step: 3
modules:
- - load
  - !LoadModule
    cls_params: {time_series: !NDArray 'data/load.csv.gz'}
- - pv
  - !RenewableModule
    cls_params: {time_series: [0, 5, 9, 0]}
- - genset
  - !Genset
    cls_params: {genset_cost: 0.4, running_max_production: 100, running_min_production: 5,
      start_up_time: 1, wind_down_time: 0}
- - battery
  - !BatteryModule
    cls_params: {efficiency: 0.9, init_charge: null, init_soc: 0.3, max_capacity: 50,
      max_charge: 20, max_discharge: 15, min_capacity: 10,
      battery_transition_model: !BatteryTransitionModel {}}
"""


def microgrid(folder, text=MICROGRID, table=b",0\n0,-40.0\n1,-50.0\n2,-60.5\n3,-45\n"):
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "load.csv.gz").write_bytes(gzip.compress(table))
    path = folder / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_python_microgrid_becomes_plant_and_series_with_all_that_was_assumed(tmp_path):
    made = problem_from_files([microgrid(tmp_path)], tmp_path, "v")
    plant = load_plant(tmp_path / made.problem["plant_file"])
    series = read_series(tmp_path / made.problem["data"]["file"])
    assert series.load_kw.tolist() == [40.0, 50.0, 60.5, 45.0]
    assert series.pv_kw.tolist() == [0.0, 5.0, 9.0, 0.0]
    assert plant.gensets[0].warm_up_min == 60.0
    assert (plant.battery.soc_min, plant.battery.soc_initial) == (0.2, 0.3)
    assert plant.battery.discharge_kw == 15.0
    said = " ".join(made.notes)
    assert "no time zone" in said
    assert "no no-load fuel" in said
    assert "load_max_kw 60.5" in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.replace("!NDArray 'data", "!!python/object/apply:os.system 'data"),
         "m.yaml:6:31: tag tag:yaml.org,2002:python/object/apply:os.system is not read"),
        (lambda t: t.replace("'data/load", "'../load"), "lies outside the folder"),
        (lambda t: t.replace("efficiency: 0.9", "efficiency: 1.2"), "charge_efficiency"),
        (lambda t: t.replace("running_min_production: 5", "running_min_production: 500"),
         "min_kw 500.0 is above prime_kw"),
        (lambda t: t.replace("genset_cost: 0.4", "genset_cost: x"), "genset_cost is 'x'"),
        (lambda t: t.replace("!Genset", "!GridModule"), "has no genset"),
        (lambda t: t.replace("!LoadModule", "!GridModule"), "has no LoadModule"),
        (lambda t: t.replace("[0, 5, 9, 0]", "&a [0, 5, 9, 0]\n- *a"), "m.yaml"),
        (lambda t: t + "  - {", "is no YAML"),
        (lambda t: t.replace("efficiency: 0.9", f"efficiency: {'9' * 5000}"), "5000 digits"),
        (lambda t: t.replace("efficiency: 0.9", f"efficiency: {'9' * 400}"), "write a number"),
        (lambda t: "!Microgrid\nmodules: " + "[" * 200, "levels; cut it"),
    ],
)  # fmt: skip
def test_a_bad_or_hostile_microgrid_is_refused(tmp_path, change, told):
    with pytest.raises(InputFileError, match=told):
        problem_from_files([microgrid(tmp_path, change(MICROGRID))], tmp_path, "v")
    assert not (tmp_path / "v-files").exists()


def test_a_bad_number_in_a_table_of_a_microgrid_is_named_with_its_row(tmp_path):
    path = microgrid(tmp_path, table=b",0\n0,-40.0\n1,nan\n")
    with pytest.raises(InputFileError, match="load.csv.gz:3: 'nan' is no finite number"):
        problem_from_files([path], tmp_path, "v")


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        (("min_kw: 100, fuel: {sl", "min_kw: 500, fuel: {sl"), "gensets[0]", "above prime_kw"),
        (("[100, 40], [400, 110]", "[100, 40]"), "gensets[1].fuel", "two different powers"),
        (("energy_kwh: 200", "energy_kwh: -200"), "battery.energy_kwh", "greater than 0"),
        (("energy_kwh: 200", "energy_kwh: 200, charge_efficiency: 1.05"),
         "battery.charge_efficiency", "less than or equal to 1"),
        (("energy_kwh: 200", "energy_kwh: 200, soc_initial: 0.95"), "battery", "outside the"),
        (("disturbances: {load_max_kw: 400}", ""), "disturbances", "missing"),
        (("prime_kw: 400", "prime_mw: 0.4"), "gensets[0].prime_mw", "prime_kw"),
        (("prime_kw: 400", "timer: -3, prime_kw: 400"), "gensets[0].timer", "timer"),
    ],
)  # fmt: skip
def test_a_bad_plant_is_refused_with_line_key_and_fix(tmp_path, change, key, told):
    paths = write(tmp_path, p_DOT_yaml=PLANT.replace(*change, 1))
    with pytest.raises(ScenarioError) as caught:
        problem_from_files(paths, tmp_path)
    faults = [fault for fault in caught.value.faults if fault.key == key]
    assert faults
    assert any(told in str(fault) and fault.line > 0 for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"a_DOT_csv": rows(), "b_DOT_csv": rows()}, "a second file of the kind 'series'"),
        ({"a_DOT_yaml": "foo: 1\n"}, "is no plant"),
        ({"a_DOT_json": '{"foo": 1}'}, "is no plant"),
        ({"a_DOT_json": '{"foo": '}, "is no JSON"),
        ({"a_DOT_csv": rows(value="300000")}, "if the column is in W"),
        ({"a_DOT_csv": "\x00"}, "holds a NUL"),
        ({"a_DOT_yaml": "columns: {a: load_kw}\n"}, "no table is given"),
    ],
)
def test_sets_of_files_that_make_no_scenario_are_refused(tmp_path, texts, told):
    with pytest.raises(InputFileError, match=told):
        problem_from_files(write(tmp_path, **texts), tmp_path)


def test_an_empty_or_missing_file_is_refused(tmp_path):
    (tmp_path / "e.csv").touch()
    with pytest.raises(InputFileError, match="is empty"):
        kind_of(tmp_path / "e.csv")
    with pytest.raises(InputFileError, match="cannot be read"):
        kind_of(tmp_path / "none.csv")
    with pytest.raises(InputFileError, match="no files given"):
        problem_from_files([], tmp_path)


def test_what_was_converted_before_is_not_overwritten(tmp_path):
    path = microgrid(tmp_path)
    problem_from_files([path], tmp_path, "v")
    with pytest.raises(InputFileError, match="of another name, such as v-2.yaml"):
        problem_from_files([path], tmp_path, "v")


@pytest.mark.skipif(importlib.util.find_spec("simbench") is None, reason="simbench is optional")
def test_an_unknown_simbench_code_is_refused():
    with pytest.raises(UnknownNameError, match="SimBench code"):
        read_simbench("1-LV-nowhere--0-sw")
    with pytest.raises(InputFileError, match="is no code"):
        read_simbench("../x")
