import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.model import (
    affine_fit,
    charge_limit_kw,
    compat_soc,
    discharge_limit_kw,
    fuel_l_h,
    mean_power_cap_kw,
    mean_power_next_kw,
    published_discharge_limit_kw,
    quadratic_soc,
    rocof_hz_s,
    soc_after,
)
from trimtab_grid.plant import load_plant

PLANT_A = plant_arrays(load_plant("plant-a"), 1.0)
CAT_C15 = ((125.0, 41.9), (250.0, 71.3), (375.0, 110.5), (500.0, 137.0))  # LEHE2011-04
STEPS_H = {"1 s": 1.0 / 3600.0, "1 min": 1.0 / 60.0, "15 min": 0.25, "1 h": 1.0}


def _battery(model):
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": model, "standby_kw": 1.5})
    return plant_arrays(plant.model_copy(update={"battery": battery}), 1.0)


def test_the_affine_fit_of_a_datasheet_misses_it_by_up_to_3_7_percent():
    fit = affine_fit(CAT_C15)
    assert fit.worst_share == pytest.approx(0.037, abs=5e-4)
    assert fit.slope_l_kwh == pytest.approx(0.2596)


def test_a_datasheet_curve_is_linear_between_its_points_and_beyond_them():
    plant = load_plant("plant-b")
    fuel = {
        "fuel": plant.gensets[0].fuel.model_copy(
            update={"slope_l_kwh": None, "no_load_l_h": None, "points": CAT_C15}
        )
    }
    gensets = (plant.gensets[0].model_copy(update=fuel), *plant.gensets[1:])
    packed = plant_arrays(plant.model_copy(update={"gensets": gensets}), 60.0)
    rates = [fuel_l_h(packed, 0, kw) for kw in (125.0, 187.5, 500.0, 0.0, 625.0)]
    assert rates == pytest.approx([41.9, 56.6, 137.0, 12.5, 163.5])


def test_the_published_quadratic_depends_on_the_step_and_the_exact_one_does_not():
    def after(step, n):
        soc = 0.8
        for _ in range(n):
            soc = step(PLANT_A, soc, 300e3, 1.0 / n)
        return round(soc, 5)

    assert [after(compat_soc, 60), after(compat_soc, 1)] == [0.32441, 0.31950]
    assert [after(quadratic_soc, n) for n in (1, 60, 3600)] == [0.32449] * 3


def test_the_exact_quadratic_solves_its_differential_equation():
    from scipy.integrate import solve_ivp

    def fall(_, soc, watt):
        volt = 39.6 * soc + 929.16
        return -(volt - np.sqrt(volt * volt - 4 * 0.039375 * watt)) / (2 * 0.039375) / 672

    for watt in (-550e3, -10.0, 40e3, 500e3):
        solved = solve_ivp(fall, (0, 0.5), [0.55], args=(watt,), rtol=1e-12, atol=1e-13)
        assert quadratic_soc(PLANT_A, 0.55, watt, 0.5) == pytest.approx(solved.y[0, -1], abs=1e-10)


@pytest.mark.parametrize("model", ["linear", "quadratic"])
@pytest.mark.parametrize("power_kw", [-250.0, -0.5, 0.0, 90.0, 230.0])
def test_constant_power_leads_to_the_same_charge_at_every_step_length(model, power_kw):
    plant = _battery(model)
    ends = []
    for step_h in STEPS_H.values():
        soc = 0.5
        for _ in range(round(1.0 / step_h)):
            soc = soc_after(plant, soc, power_kw, step_h)
        ends.append(soc)
    assert np.ptp(ends) < 1e-9


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.sampled_from(["linear", "quadratic"]))
def test_the_envelopes_limits_keep_the_true_battery_in_its_window(soc, edge, model):
    plant = _battery(model)
    low, high = min(soc, edge), max(soc, edge)
    down = soc_after(plant, high, discharge_limit_kw(plant, high, low, 0.25), 0.25)
    up = soc_after(plant, low, -charge_limit_kw(plant, low, high, 0.25), 0.25)
    drift = 1.5 * 0.25 / 600.0
    assert down >= low - drift - 1e-9
    assert up <= high + 1e-9


def test_the_published_current_limit_caps_discharge_at_577_kw_when_nearly_empty():
    assert published_discharge_limit_kw(PLANT_A, 0.05) == pytest.approx(577.5, abs=0.1)
    assert published_discharge_limit_kw(PLANT_A, 0.95) == pytest.approx(600.0, abs=0.5)


def test_running_at_the_mean_power_cap_ends_the_step_at_the_limit():
    cap = mean_power_cap_kw(PLANT_A, 0, 279.99)
    assert mean_power_next_kw(PLANT_A, 0, 279.99, cap) == pytest.approx(280.0)


def test_light_load_counts_as_thirty_percent_of_prime():
    assert mean_power_next_kw(PLANT_A, 0, 120.0, 0.0) == pytest.approx(120.0)


def test_the_first_rate_of_change_follows_the_swing_equation():
    assert rocof_hz_s(100.0, 2.0 * 500.0, 60.0) == pytest.approx(3.0)
