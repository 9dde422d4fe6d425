import math

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.arrays import COMPAT, LINEAR, NO_BATTERY, QUADRATIC, plant_arrays, stacked
from trimtab_grid.plant import load_plant


def test_times_become_whole_steps_rounded_up():
    plant = load_plant("plant-a")
    by_minute, by_quarter = plant_arrays(plant, 1.0), plant_arrays(plant, 15.0)
    assert list(by_minute.warm_steps[:2]) == [3, 3]
    assert list(by_minute.min_run_steps[:2]) == [30, 30]
    assert list(by_quarter.cool_steps[:2]) == [1, 1]


def test_ramps_of_the_load_grow_with_the_step_and_are_infinite_where_none_is_named():
    quarter = plant_arrays(load_plant("plant-a"), 15.0)
    assert quarter.load_rise_kw == 1200.0
    assert quarter.load_fall_kw == math.inf
    assert quarter.ramp_kw[0] == math.inf


def test_plant_a_carries_its_published_figures():
    plant = plant_arrays(load_plant("plant-a"), 1.0)
    assert (plant.n, plant.order, plant.economic, plant.battery_model) == (2, 1, 0, QUADRATIC)
    assert (plant.discharge_kw, plant.charge_kw, plant.energy_kwh) == (577.0, 600.0, 600.0)
    assert (plant.reserve_soc_min, plant.soc_min, plant.soc_max) == (0.05, 0.1, 0.9)
    assert (plant.voltage_slope_v, plant.resistance_ohm) == (39.6, 0.039375)


def test_a_battery_without_reserve_window_uses_its_normal_one():
    plant = plant_arrays(load_plant("plant-b"), 60.0)
    assert (plant.reserve_soc_min, plant.reserve_soc_max) == (0.1, 0.9)
    assert plant.battery_model == LINEAR
    assert list(plant.min_run_steps[: plant.n]) == [1, 1, 1]


def test_a_plant_without_battery_has_no_power_and_divides_by_no_zero():
    plant = load_plant("plant-b").model_copy(update={"battery": None})
    packed = plant_arrays(plant, 60.0)
    assert (packed.battery_model, packed.power_kw, packed.energy_kwh) == (NO_BATTERY, 0.0, 1.0)


def test_the_published_battery_brings_the_published_rounding():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": "compat"})
    packed = plant_arrays(plant.model_copy(update={"battery": battery}), 1.0)
    assert (packed.battery_model, packed.published) == (COMPAT, 1)


def test_datasheet_points_are_kept_and_units_are_padded():
    plant = load_plant("plant-b")
    fuel = plant.gensets[0].fuel.model_copy(
        update={"slope_l_kwh": None, "no_load_l_h": None, "points": ((0.0, 8.0), (400.0, 100.0))}
    )
    first = plant.gensets[0].model_copy(update={"fuel": fuel})
    packed = plant_arrays(plant.model_copy(update={"gensets": (first, *plant.gensets[1:])}), 60.0)
    assert list(packed.curve_points) == [2, 0, 0, 0, 0, 0, 0, 0]
    assert list(packed.curve_l_h[0, :2]) == [8.0, 100.0]


@pytest.mark.parametrize("step_min", [0.01, 61.0])
def test_step_lengths_out_of_range_are_refused(step_min):
    with pytest.raises(InputFileError, match="1 s"):
        plant_arrays(load_plant("plant-a"), step_min)


def test_several_plants_stack_into_one_array():
    both = stacked((load_plant("plant-a"), load_plant("plant-b")), 1.0)
    assert np.array_equal(both.n, [2, 3])
