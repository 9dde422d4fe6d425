import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.conditions import (
    both_fallbacks_fit,
    conditions,
    least_additions,
    require_adequate,
)
from trimtab_grid.guard import guard_of
from trimtab_grid.plant import load_plant
from trimtab_grid.shield_tables import build_tables


def built(plant, step_min=1.0):
    return build_tables(plant_arrays(plant, step_min))


@pytest.fixture(scope="module")
def plant_a():
    return built(load_plant("plant-a"))


def test_all_conditions_of_plant_a_hold_with_the_published_slack(plant_a):
    slack = {condition.name: condition.slack for condition in conditions(plant_a)}
    assert min(slack.values()) >= 0.0
    assert slack["A: highest load"] == 230.0
    assert slack["A: highest load after the worst trip"] == 0.0
    assert slack["P: highest deficit"] == 7.0
    assert slack["P: highest surplus"] == 360.0
    window = slack["W: both worst tubes and one step of battery power"]
    assert window == pytest.approx(540.0 - 79.47 - 122.87 - 577 / 0.95 / 60, abs=0.02)
    assert both_fallbacks_fit(plant_a)


def test_plant_a_without_load_to_shed_is_refused_with_170_kw_missing():
    plant = load_plant("plant-a").model_copy(update={"shed_kw": 0.0})
    with pytest.raises(InputFileError, match=r"after the worst trip: 170\.0 kW missing") as caught:
        require_adequate(built(plant))
    assert "170.0 kW of load that may be shed" in str(caught.value)


def test_too_high_a_load_names_the_capacity_that_mends_it():
    plant = load_plant("plant-a")
    limits = plant.disturbances.model_copy(update={"load_max_kw": 900.0})
    with pytest.raises(InputFileError, match=r"highest load: 100\.0 kW missing"):
        require_adequate(built(plant.model_copy(update={"disturbances": limits})))


def test_a_plant_without_grid_forming_battery_needs_room_for_what_must_run():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"grid_forming": False})
    with pytest.raises(InputFileError, match=r"must run: 240\.0 kW missing"):
        require_adequate(built(plant.model_copy(update={"battery": battery})))


def test_a_small_battery_misses_energy_and_the_programme_says_how_much():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"energy_kwh": 200.0})
    small = built(plant.model_copy(update={"battery": battery}))
    window = conditions(small)[-1]
    assert not window.holds
    assert not both_fallbacks_fit(small)
    assert least_additions(small) == {"kWh of reserve window": pytest.approx(-window.slack)}


def test_a_first_charge_outside_the_safe_set_is_refused_with_the_charges_inside_it():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"soc_initial": 0.08})
    record = plant_arrays(plant.model_copy(update={"battery": battery}), 1.0)
    with pytest.raises(InputFileError, match=r"soc_initial 0\.08 lies outside .* to .*: choose"):
        guard_of(record, shield=True)
    assert guard_of(record, shield=False).soc_window == (0.1, 0.9)
