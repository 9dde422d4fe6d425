import importlib.util

import pytest
from trimtab.contracts.errors import InputFileError, MissingDependencyError, UnknownNameError
from trimtab_grid.plant import load_plant
from trimtab_grid.readers import kind_of, problem_from_files
from trimtab_grid.wind_curves import library_curve, read_curve

CURVE = "wind_speed_m_s,power_kw\n3,0\n8,300\n13,800\n25,800\n"
HEADS = "time_utc,load_kw\n2025-01-01T00:00Z,210.5\n2025-01-01T01:00Z,204.0\n"


def written(folder, text, name="curve.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_curve_is_scaled_to_the_plants_rated_power(tmp_path):
    load = written(tmp_path, HEADS, "load.csv")
    made = problem_from_files([load, written(tmp_path, CURVE)], tmp_path, "v")
    plant = load_plant(tmp_path / made.problem["plant_file"])
    assert plant.wind.curve == ((3.0, 0.0), (8.0, 150.0), (13.0, 400.0), (25.0, 400.0))
    assert "plant" not in made.problem
    assert "power curve scaled" in " ".join(made.notes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("8,300", "8,x"), "curve.csv:3: 'x' is no finite number"),
        (("8,300", "2,300"), "rising speeds"),
        (("8,300\n13,800\n25,800\n", ""), "no power of the curve is above zero"),
    ],
)
def test_a_wrong_curve_is_refused_with_its_row_or_rule(tmp_path, change, told):
    path = written(tmp_path, CURVE.replace(*change))
    load = written(tmp_path, HEADS, "load.csv")
    with pytest.raises(InputFileError, match=told):
        problem_from_files([load, path], tmp_path, "v")


def test_a_curve_without_turbines_is_refused(tmp_path):
    plant = written(
        tmp_path,
        "name: p\ngensets: [{name: G1, prime_kw: 400, fuel: {slope_l_kwh: 0.3, no_load_l_h: 1}}]\n"
        "disturbances: {load_max_kw: 300}\n",
        "plant.yaml",
    )
    load = written(tmp_path, HEADS, "load.csv")
    with pytest.raises(InputFileError, match="the plant has no wind"):
        problem_from_files([plant, load, written(tmp_path, CURVE)], tmp_path, "v")


def test_a_file_may_name_a_turbine_of_the_library(tmp_path):
    assert kind_of(written(tmp_path, "windpowerlib: E-53/800\n", "turbine.yaml")) == "curve"


@pytest.mark.skipif(
    importlib.util.find_spec("windpowerlib") is not None, reason="windpowerlib is installed"
)
def test_without_the_library_its_turbines_are_refused_with_how_to_install_it(tmp_path):
    path = written(tmp_path, "windpowerlib: E-53/800\n", "turbine.yaml")
    with pytest.raises(MissingDependencyError, match="pip install windpowerlib"):
        read_curve(path)


@pytest.mark.skipif(importlib.util.find_spec("windpowerlib") is None, reason="optional")
def test_an_unknown_turbine_of_the_library_is_refused():
    with pytest.raises(UnknownNameError, match="turbine of windpowerlib"):
        library_curve("E-0/0")
