"""The scalar C and its terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab_grid.objective import (
    best_specific_fuel_l_per_kwh,
    scalar_l,
    stored_energy_price_l_per_kwh,
    terminal_l,
)
from trimtab_grid.plant import FuelCurve, Genset, load_plant


def test_the_scalar_adds_wear_and_unserved_load_in_litres() -> None:
    assert scalar_l(100.0, 5.0, 200.0, 3.0, 1.5) == pytest.approx(100 + 5 + 2 + 9 + 1.5)


def test_plant_b_prices_stored_energy_at_its_largest_unit_through_the_charging_losses() -> None:
    assert stored_energy_price_l_per_kwh(load_plant("plant-b")) == pytest.approx(
        (0.25 + 10 / 400) / 0.95
    )


def test_a_plant_without_battery_has_no_price_of_stored_energy() -> None:
    plant = load_plant("plant-b").model_copy(update={"battery": None})
    assert stored_energy_price_l_per_kwh(plant) == 0.0


def test_a_datasheet_curve_is_best_at_its_cheapest_point() -> None:
    # Cat C15 GC 500 ekW, LEHE2011-04
    curve = FuelCurve(points=((125, 41.9), (250, 71.3), (375, 110.5), (500, 137.0)))
    genset = Genset(name="C15", prime_kw=500, fuel=curve)
    assert best_specific_fuel_l_per_kwh(genset) == pytest.approx(137.0 / 500)


@given(
    st.lists(st.floats(0.1, 300), min_size=3, max_size=5, unique=True),
    st.floats(0, 200),
    st.floats(0, 1),
)
def test_no_load_between_minimum_and_prime_burns_less_per_kwh(
    fuels: list[float], minimum: float, where: float
) -> None:
    points = tuple((100.0 * (k + 1), f) for k, f in enumerate(sorted(fuels)))
    genset = Genset(name="G", prime_kw=points[-1][0], min_kw=minimum, fuel=FuelCurve(points=points))
    power = max(minimum, 1e-6) + where * (points[-1][0] - max(minimum, 1e-6))
    k = max(i for i, (kw, _) in enumerate(points[:-1]) if i == 0 or kw <= power)
    (p0, f0), (p1, f1) = points[k], points[k + 1]
    rate = max(0.0, f0 + (f1 - f0) / (p1 - p0) * (power - p0))
    assert best_specific_fuel_l_per_kwh(genset) <= rate / power + 1e-9


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_terminal_term_charges_an_emptier_battery_and_pays_no_fuller_one(
    first: float, last: float
) -> None:
    owed = terminal_l(first, last, 600.0, 0.3)
    assert owed == pytest.approx(max(0.0, first - last) * 180.0)
