import numpy as np
import pytest
from pydantic import ValidationError
from trimtab_grid.plant import Wind
from trimtab_grid.turbines import hub_speed, turbine_power

WIND = Wind(rated_kw=400.0, cut_in_m_s=3.0, rated_m_s=12.0, cut_out_m_s=25.0)


def test_the_cubic_curve_meets_its_corner_points():
    speeds = np.array([0.0, 3.0, 12.0, 24.9, 25.0, 60.0])
    assert turbine_power(WIND, speeds).tolist() == [0.0, 0.0, 400.0, 400.0, 0.0, 0.0]


def test_between_cut_in_and_rated_the_curve_is_cubic():
    expected = 400.0 * (8.0**3 - 27.0) / (12.0**3 - 27.0)
    assert turbine_power(WIND, np.array([8.0]))[0] == pytest.approx(expected)


def test_a_given_curve_replaces_the_cubic_one():
    wind = Wind(rated_kw=100.0, curve=((4.0, 0.0), (10.0, 60.0), (14.0, 100.0), (20.0, 100.0)))
    assert turbine_power(wind, np.array([7.0, 21.0])).tolist() == [30.0, 0.0]


def test_the_power_law_of_height_is_the_identity_at_the_height_of_measurement():
    wind = Wind(rated_kw=1.0, hub_height_m=10.0)
    assert hub_speed(wind, np.array([5.0]))[0] == 5.0
    tall = Wind(rated_kw=1.0, hub_height_m=80.0, shear_exponent=0.2)
    assert hub_speed(tall, np.array([5.0]))[0] == pytest.approx(5.0 * 8.0**0.2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cut_in_m_s": 12.0, "rated_m_s": 12.0},
        {"curve": ((4.0, 0.0),)},
        {"curve": ((4.0, 0.0), (4.0, 5.0))},
        {"curve": ((4.0, 0.0), (9.0, 500.0))},
    ],
)
def test_curves_out_of_order_are_refused(wrong):
    with pytest.raises(ValidationError, match="need"):
        Wind(rated_kw=400.0, **wrong)
