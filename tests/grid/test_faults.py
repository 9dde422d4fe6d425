import numpy as np
import pytest
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.engine.memory import (
    ALARMS,
    BATTERY_OUT,
    CALM,
    OVERLOADED,
    SECOND_TRIP,
    SENSOR_FAULT,
)
from trimtab_grid.scenario import GridScenario


def _played(faults, horizon_h=6.0, forecast="persistence", **settings):
    scenario = GridScenario(
        faults=faults, horizon_h=horizon_h, forecast={"kind": forecast}, **settings
    )
    with DOMAIN.build(scenario, 1, "order") as problem:
        moments = play(problem, (2,)).moments
        log = problem.episode_log(0)
        found = DOMAIN.monitor(scenario).check(log)
        metrics = {k: float(v[0]) for k, v in moments[-1].step.metrics.items()}
        observed = np.stack([m.seen.obs[0, 0] for m in moments])
        columns = problem.resource("model").columns
    broken = {name for name, v in found.items() if v.count and name != "outside_declared"}
    return metrics, log, broken, dict(zip(columns, observed.T, strict=True))


def _during(log, name, begin_min, end_min):
    return log[name][begin_min:end_min]


def test_a_single_trip_lies_inside_the_promise_and_load_beyond_the_rest_is_shed_within_it():
    metrics, log, broken, _ = _played([{"kind": "trip", "at_min": 60, "unit": "G1"}])
    assert metrics["trips"] == 1.0
    assert metrics["degraded_min"] == 0.0
    assert not broken
    assert log["shed_kw"].max() <= 170.0
    assert not log["deficit_kw"].any()
    assert (_during(log, "mode", 60, 100)[:, 0] == 4).all()


def test_a_failed_start_counts_as_an_unavailable_unit_until_repaired():
    fault = {"kind": "failed_start", "at_min": 0, "for_min": 360, "unit": "G1"}
    metrics, log, broken, _ = _played([fault])
    assert metrics["alarms"] == 0.0
    assert not broken
    failed = np.flatnonzero(log["start_failed"][:, 0])
    assert len(failed) == 1
    assert (log["mode"][failed[0] :, 0] == 4).all()


def test_a_second_trip_raises_the_alarm_and_sheds_what_nothing_can_serve():
    faults = [{"kind": "trip", "at_min": 30, "unit": unit} for unit in ("G1", "G2")]
    metrics, log, _, _ = _played(faults, horizon_h=12.0)
    assert ALARMS[SECOND_TRIP] in {ALARMS[a] for a in log["alarm"]}
    assert metrics["alarms"] >= 1.0
    assert metrics["unserved_kwh"] > 0.0
    assert metrics["soc_relaxed_min"] > 0.0


def test_load_above_its_limit_degrades_only_while_it_lasts():
    jump = {"kind": "load_jump", "at_min": 120, "for_min": 30, "size": 500.0}
    metrics, log, broken, _ = _played([jump])
    assert set(_during(log, "alarm", 120, 121)) == {OVERLOADED}
    assert log["alarm"][-1] == CALM
    assert 1.0 <= metrics["degraded_min"] < 120.0
    assert not broken


def test_a_battery_trip_raises_the_alarm_and_its_power_is_zero_until_it_returns():
    fault = {"kind": "battery_trip", "at_min": 100, "for_min": 40}
    metrics, log, _, _ = _played([fault])
    assert not _during(log, "battery_kw", 100, 140).any()
    assert set(_during(log, "alarm", 100, 140)) == {BATTERY_OUT}
    assert log["battery_kw"][141:].any()
    assert metrics["degraded_min"] >= 40.0


def test_a_biased_reading_is_noticed_and_the_charge_is_then_reckoned_from_power():
    fault = {"kind": "soc_bias", "at_min": 50, "for_min": 60, "size": 0.2}
    metrics, log, broken, _ = _played([fault])
    assert SENSOR_FAULT in _during(log, "alarm", 50, 112)
    assert np.abs(log["soc_lo"] - log["soc"]).max() < 1e-9
    assert metrics["unserved_kwh"] == 0.0
    assert not broken


def test_a_charge_error_within_its_declared_bound_is_no_fault():
    from trimtab_grid.plant import load_plant

    plant = load_plant("plant-a")
    noisy = plant.disturbances.model_copy(update={"soc_error": 0.02})
    plant = plant.model_copy(update={"disturbances": noisy})
    metrics, log, broken, _ = _played([], plant=plant)
    assert metrics["degraded_min"] == 0.0
    assert (log["soc_lo"] <= log["soc"] + 1e-12).all()
    assert (log["soc_hi"] >= log["soc"] - 1e-12).all()
    assert (log["soc_hi"] - log["soc_lo"]).max() <= 0.04 + 1e-12
    assert np.abs(log["soc_reading"] - log["soc"]).max() > 0.005
    assert not broken


def test_a_stuck_forecast_repeats_itself_and_a_missing_one_says_so():
    faults = [
        {"kind": "forecast_stuck", "at_min": 60, "for_min": 30},
        {"kind": "forecast_missing", "at_min": 200, "for_min": 10},
    ]
    metrics, _, broken, seen = _played(faults, forecast="perfect")
    stuck = seen["load+15#0"][61:90]
    assert (stuck == stuck[0]).all()
    assert not (seen["load+15#0"][91:120] == seen["load+15#0"][91]).all()
    assert not seen["forecast_there"][200:210].any()
    assert seen["forecast_there"][:200].all()
    assert np.array_equal(seen["load+15#0"][200:210], seen["load"][200:210])
    assert metrics["unserved_kwh"] == 0.0
    assert not broken


def test_random_trips_depend_on_the_seed_and_not_on_the_actions():
    from trimtab_grid.plant import load_plant

    plant = load_plant("plant-b")
    gensets = tuple(
        g.model_copy(update={"trips_per_year": 200.0, "repair_min": 300.0}) for g in plant.gensets
    )
    plant = plant.model_copy(update={"gensets": gensets})
    scenario = GridScenario(plant=plant, step_min=60, horizon_h=480, shield=False)
    with DOMAIN.build(scenario, 2, "order") as problem:
        trips = play(problem, (1, 2)).moments[-1].step.metrics["trips"]
    assert (trips > 0).all()
    assert trips[0] != trips[1] or trips.sum() > 2


@pytest.mark.parametrize("unit", ["", "G9"])
def test_a_fault_of_a_unit_that_is_not_there_is_refused(unit):
    with pytest.raises(ValueError, match="name one of"):
        GridScenario(faults=[{"kind": "trip", "at_min": 1, "unit": unit}])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "trip", "unit": "G1", "at_min": 1440}, "not before the episode's end, 1440 min"),
        ({"kind": "soc_bias"}, "size is 0, which changes nothing: give a share of capacity"),
        ({"kind": "soc_bias", "size": 20}, "is a share of capacity: -1 to 1"),
        ({"kind": "load_jump"}, "size is 0, which changes nothing: give kW"),
        ({"kind": "battery_trip", "size": 3}, "only soc_bias and load_jump have one"),
        ({"kind": "battery_trip", "unit": "G1"}, "it concerns no unit: leave it out"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_and_not_ignored(fault, told):
    with pytest.raises(ValueError, match=told):
        GridScenario(faults=[{"at_min": 1, **fault}])


def test_a_fault_of_a_battery_that_is_not_there_is_refused():
    from trimtab_grid.plant import load_plant

    plant = load_plant("plant-b").model_copy(update={"battery": None})
    with pytest.raises(ValueError, match="the plant has no battery"):
        GridScenario(plant=plant, step_min=60, faults=[{"kind": "battery_trip", "at_min": 0}])
