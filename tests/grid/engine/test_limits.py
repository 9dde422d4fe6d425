"""Limits of units and what is done in which order, each by hand on a plant of one or two units."""

import numpy as np
import pytest
from trimtab_grid.arrays import RUN, TRIPPED
from trimtab_grid.plant import Plant


def _plant(**more):
    genset = {
        "name": "G1",
        "prime_kw": 400,
        "min_kw": 120,
        "overload_kw": 440,
        "fuel": {"slope_l_kwh": 0.25, "no_load_l_h": 10},
        **more.pop("genset", {}),
    }
    return Plant.model_validate(
        {
            "name": "lone",
            "gensets": [genset],
            "commitment": "free",
            "disturbances": {"load_max_kw": 440},
            **more,
        }
    )


def _played(fleet, plant, load_kw, steps, step_min=1.0, **draws):
    bank = np.zeros((1, steps + 1, 3))
    bank[0, :, 0] = load_kw
    ours = fleet(plant, step_min, bank, shield=False)
    for k in range(steps):
        chance = {name: values[k] for name, values in draws.items()}
        ours.step(np.array([[1 if k == 0 else 0]]), 0.0, **chance)
    return ours


def test_overload_lasts_for_one_hour_in_twelve(fleet):
    ours = _played(fleet, _plant(), 430.0, steps=160, step_min=5.0)
    over = ours.series("power_kw")[:, 0, 0] > 400.0 + 1e-9
    assert over[:12].all()
    assert not over[12 : 12 * 12].any()
    for k in range(len(over)):
        assert over[max(0, k - 143) : k + 1].sum() <= 12
    assert over[12 * 12 :].any()
    assert ours.series("deficit_kw")[20, 0] == pytest.approx(30.0)


def test_the_mean_of_a_day_stays_at_seventy_percent_until_the_rule_is_relaxed(fleet):
    rule = {"mean_power_share": 0.7, "mean_power_window_min": 1440}
    soft = _played(fleet, _plant(genset=rule), 350.0, steps=40, step_min=60.0)
    assert soft.series("relaxed")[:, 0, 6].any()
    battery = {"power_kw": 200, "energy_kwh": 4000}
    ours = _played(fleet, _plant(genset=rule, battery=battery), 300.0, steps=20, step_min=60.0)
    means = ours.series("mean_kw")[:, 0, 0]
    assert means.max() <= 0.7 * 400.0 + 1e-9


def test_a_ramp_limits_the_change_of_power_and_the_rest_is_missing(fleet):
    bank = np.zeros((1, 7, 3))
    bank[0, :, 0] = [150, 150, 150, 300, 300, 300, 300]
    ours = fleet(_plant(genset={"ramp_kw_per_min": 50}), 1.0, bank, shield=False)
    for k in range(6):
        ours.step(np.array([[1 if k == 0 else 0]]), 0.0)
    power = ours.series("power_kw")[:, 0, 0]
    assert np.abs(np.diff(power[1:])).max() <= 50.0 + 1e-9
    assert ours.series("deficit_kw")[2, 0] == pytest.approx(300.0 - power[2])


def test_surplus_goes_to_curtailment_then_battery_then_dump_then_is_left(fleet):
    battery = {"power_kw": 30, "energy_kwh": 60, "soc_initial": 0.5}
    bank = np.zeros((1, 3, 3))
    bank[0, :, 0], bank[0, :, 1] = 40.0, 25.0
    ours = fleet(
        _plant(battery=battery, dump_kw=20, wind={"rated_kw": 50}), 1.0, bank, shield=False
    )
    for k in range(2):
        m = ours.step(np.array([[1 if k == 0 else 0]]), 0.0)[0]
    assert m.wind_used_kw == 0.0
    assert m.battery_kw == pytest.approx(-30.0)
    assert m.dump_kw == pytest.approx(20.0)
    assert m.surplus_kw == pytest.approx(120.0 - 40.0 - 30.0 - 20.0)


def test_starts_fail_as_often_as_declared(fleet):
    copies, rng = 4000, np.random.default_rng(3)
    bank = np.zeros((copies, 2, 3))
    bank[:, :, 0] = 200.0
    plant = _plant(genset={"start_failure_probability": 0.1})
    ours = fleet(plant, 1.0, bank, shield=False)
    ours.step(np.ones((copies, 1), int), 0.0, draws=rng.random((copies, 16)))
    failed = ours.moments["mode"][:, 0] == TRIPPED
    assert (failed | (ours.moments["mode"][:, 0] == RUN)).all()
    assert failed.mean() == pytest.approx(0.1, abs=0.015)
    assert ours.states["failed_starts"].sum() == failed.sum()


def test_missing_reserve_never_counts_a_units_own_headroom_for_its_own_trip(fleet):
    """The unit gives 300 of 400 kW: the battery's 200 kW are all that covers its trip."""
    more = {"reserve": {"load_share": 0.1, "largest_unit": True}}
    battery = {"power_kw": 200, "energy_kwh": 400}
    ours = _played(fleet, _plant(battery=battery, **more), 300.0, steps=3)
    assert ours.series("reserve_missing_kw")[2, 0] == pytest.approx(300.0 - 200.0)
