"""The recount of fuel and charge on logs that one can count by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trimtab_grid.arrays import OFF, RUN, TRIPPED
from trimtab_grid.plant import FuelCurve, Plant, load_plant
from trimtab_grid.recount import recounted


def log_of(mode: int, power_kw: float, battery_kw: float, soc: float) -> dict[str, Any]:
    """One step of an hour: the first unit in a mode at a power, the second one off."""
    return {
        "step_min": 60.0,
        "mode": np.array([[mode, OFF]]),
        "power_kw": np.array([[power_kw, 0.0]]),
        "battery_kw": np.array([battery_kw]),
        "soc_first": 0.5,
        "soc": np.array([soc]),
    }


def with_curve(points: tuple[tuple[float, float], ...]) -> Plant:
    plant = load_plant("plant-a")
    first = plant.gensets[0].model_copy(update={"fuel": FuelCurve(points=points)})
    return plant.model_copy(update={"gensets": (first, plant.gensets[1])})


def test_a_unit_that_turns_burns_by_its_affine_curve() -> None:
    found = recounted(load_plant("plant-a"), log_of(RUN, 200.0, 0.0, 0.5))
    assert found["fuel_l"] == pytest.approx(0.25 * 200 + 10)


@pytest.mark.parametrize("mode", [OFF, TRIPPED])
def test_a_unit_that_stands_burns_nothing(mode: int) -> None:
    assert recounted(load_plant("plant-a"), log_of(mode, 200.0, 0.0, 0.5))["fuel_l"] == 0.0


@pytest.mark.parametrize(("power_kw", "fuel_l"), [(50.0, 30.0), (150.0, 50.0), (250.0, 90.0)])
def test_datasheet_points_are_joined_and_continued_by_lines(power_kw: float, fuel_l: float) -> None:
    plant = with_curve(((100.0, 40.0), (200.0, 60.0), (220.0, 72.0)))
    assert recounted(plant, log_of(RUN, power_kw, 0.0, 0.5))["fuel_l"] == pytest.approx(fuel_l)


def test_the_charge_that_is_given_equals_the_circuits_energy() -> None:
    plant = load_plant("plant-a")
    battery = plant.battery
    assert battery is not None
    assert battery.quadratic is not None
    circuit = battery.quadratic
    found = recounted(plant, log_of(OFF, 0.0, 1e-3, 0.5))
    volts = circuit.voltage_slope_v * 0.5 + circuit.voltage_base_v
    expected = 1.0 / battery.discharge_efficiency / volts / circuit.capacity_ah
    assert found["charge_moved"] == pytest.approx(expected, rel=1e-5)
