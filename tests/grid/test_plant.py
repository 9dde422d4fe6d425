import pytest
from trimtab.contracts.errors import ScenarioError, UnknownNameError
from trimtab_grid.plant import load_plant, shipped_plants


@pytest.mark.parametrize("name", shipped_plants())
def test_every_shipped_plant_loads_under_its_own_name(name):
    assert load_plant(name).name == name


def test_an_unknown_plant_is_named_with_a_suggestion():
    with pytest.raises(UnknownNameError, match="plant-a"):
        load_plant("plant-aa")


def test_all_faults_of_a_plant_file_are_told_at_once(tmp_path):
    text = (
        "name: p\ngensets:\n- {name: G, prime_kw: 10, min_kw: 20,\n"
        "   fuel: {points: [[0, 1]]}}\nbattery: {power_kw: -1, energy_kwh: 5}\n"
        "disturbances: {load_max_kw: 5}\n"
    )
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_plant(path)
    places = [(fault.line, fault.key) for fault in caught.value.faults]
    assert (5, "battery.power_kw") in places
    assert any("two different powers" in fault.message for fault in caught.value.faults)
