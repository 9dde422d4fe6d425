"""Plants whose unit states are too many for tables are refused with what to change."""

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.exact import exact_plant
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.safety import safe_tables
from trimtab_grid.table_size import at_step, fitting_step_min, table_sizes


def slow_units(count):
    """Units of different sizes with 5 to 10 min of warm-up and an hour of minimum run."""
    fuel = {"slope_l_kwh": 0.25, "no_load_l_h": 8}
    gensets = [
        {
            "name": f"G{i}",
            "prime_kw": 200.0 + 50.0 * i,
            "min_kw": 60.0,
            "fuel": fuel,
            "warm_up_min": 5.0 + i,
            "min_run_min": 60.0,
        }
        for i in range(count)
    ]
    plant = {
        "name": "slow",
        "gensets": gensets,
        "battery": {"power_kw": 900, "energy_kwh": 2000},
        "disturbances": {"load_max_kw": 600, "load_rise_kw_per_min": 60},
    }
    return plant_arrays(Plant.model_validate(plant), 1.0)


def test_six_slow_units_at_one_minute_are_refused_with_the_timer_to_change_and_a_step_that_fits():
    with pytest.raises(InputFileError) as refusal:
        safe_tables(slow_units(6))
    told = str(refusal.value)
    assert "69 x 70 x 71 x 72 x 73 x 74" in told
    assert "shorten min_run_min of genset 6" in told
    assert "set step_min to 30" in told


def test_the_step_that_is_named_is_the_shortest_usual_one_at_which_the_tables_fit():
    record = slow_units(4)
    step_min = fitting_step_min(record)
    assert step_min == 5.0
    assert all(size.fits for size in table_sizes(exact_plant(at_step(record, step_min))))
    assert not all(size.fits for size in table_sizes(exact_plant(at_step(record, 2.0))))


def test_a_plant_at_a_longer_step_has_the_timers_that_step_gives_it():
    plant = load_plant("plant-a")
    longer, built = at_step(plant_arrays(plant, 1.0), 5.0), plant_arrays(plant, 5.0)
    for name in ("warm_steps", "cool_steps", "min_down_steps", "repair_steps"):
        assert list(longer[name]) == list(built[name]), name
    assert longer.load_rise_kw == built.load_rise_kw
