"""Under-frequency relays: each figure by hand, the last resort within D, counted outside it."""

import numpy as np
import pytest
from pydantic import ValidationError
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Action
from trimtab.testing.subject import play
from trimtab_grid.arrays import RUN, TRIPPED, plant_arrays
from trimtab_grid.domain import DOMAIN
from trimtab_grid.engine.rows import BATTERY_AWAY, FAULT_COLUMNS, TRIPS
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.safe_start import lowest_within_hz
from trimtab_grid.scenario import GridScenario

STAGES = [
    {"threshold_hz": 59.0, "load_share": 0.1, "delay_s": 0.2},
    {"threshold_hz": 58.6, "load_share": 0.2, "delay_s": 0.2},
]


def _plant(stages=STAGES, **more):
    """Two like units of 300 kW, droop 2 Hz and inertia 1 s; no battery."""
    genset = {
        "prime_kw": 300,
        "min_kw": 30,
        "fuel": {"slope_l_kwh": 0.25, "no_load_l_h": 5},
        "droop_hz": 2.0,
        "inertia_s": 1.0,
    }
    return Plant.model_validate(
        {
            "name": "pair",
            "gensets": [{**genset, "name": name} for name in ("G1", "G2")],
            "shed_kw": 200,
            "shed_delay_min": 5,
            "commitment": "free",
            "ufls": {"stages": stages, "hold_min": 3},
            "disturbances": {"load_max_kw": 600},
            **more,
        }
    )


def _played(fleet, plant, load_kw, steps=8, **trips):
    """Both units start in the first step; `G1=3` trips that unit in step 3."""
    bank = np.zeros((1, steps + 1, 3))
    bank[0, :, 0] = load_kw
    faults = np.zeros((steps, FAULT_COLUMNS))
    for name, step in trips.items():
        faults[step, TRIPS + int(name[1]) - 1] = 1.0
    ours = fleet(plant, 1.0, bank, shield=False, faults=faults)
    for k in range(steps):
        ours.step(np.array([[1 if k == 0 else 0] * 2]), 0.0)
    return ours


def test_a_loss_below_the_first_threshold_makes_one_stage_act(fleet):
    """155 of 310 kW are lost: 60 - 155 / 150 = 58.97 Hz; a tenth of the load leaves 59.17 Hz."""
    ours = _played(fleet, _plant(), 310.0, steps=5, G1=3)
    assert ours.series("ufls_kw")[3, 0] == pytest.approx(31.0)
    assert ours.series("shed_kw")[3, 0] == pytest.approx(31.0)
    assert ours.series("power_kw")[3, 0, 1] == pytest.approx(310.0 - 31.0)
    assert ours.states["ufls_events"][0] == 1.0
    assert ours.series("frequency_hz")[3, 0] == pytest.approx(60 - 155 / 150)


def test_until_the_breaker_opens_the_frequency_falls_at_its_first_rate(fleet):
    """155·60 / (2·20·300) = 0.775 Hz/s: in 0.2 s from 59.5 to 59.345 Hz, not to 58.97 Hz."""
    plant = _plant([{"threshold_hz": 59.5, "load_share": 0.3, "delay_s": 0.2}])
    heavy = tuple(g.model_copy(update={"inertia_s": 20.0}) for g in plant.gensets)
    ours = _played(fleet, plant.model_copy(update={"gensets": heavy}), 310.0, G1=3)
    assert ours.series("frequency_hz")[3, 0] == pytest.approx(59.345)


def test_stages_act_in_their_order_until_the_frequency_holds(fleet):
    """250 kW lost: 58.33 Hz; 50 kW less 58.67 Hz, which the second stage at 58.6 lets be."""
    ours = _played(fleet, _plant(), 500.0, steps=4, G1=3)
    lost = 250.0
    assert 60 - (lost - 50.0) / 150 > 58.6
    assert ours.series("ufls_kw")[3, 0] >= 50.0
    steep = [{**STAGES[0], "load_share": 0.02}, STAGES[1]]
    more = _played(fleet, _plant(steep), 500.0, steps=4, G1=3)
    assert more.states["ufls_events"][0] == 2.0


def test_a_shortage_is_shed_at_once_up_to_what_stages_and_declaration_hold(fleet):
    """One unit of 300 kW is left for 500 kW: stages of 50 and 100 kW act, 50 kW stay missing."""
    low = [{**s, "threshold_hz": 57.0 - k} for k, s in enumerate(STAGES)]
    ours = _played(fleet, _plant(low), 500.0, steps=5, G1=3)
    assert ours.series("ufls_kw")[3, 0] == pytest.approx(150.0)
    assert ours.series("deficit_kw")[3, 0] == pytest.approx(50.0)
    assert ours.series("shed_kw")[3, 0] == pytest.approx(150.0)
    bounded = _played(fleet, _plant(low, shed_kw=60), 500.0, steps=5, G1=3)
    assert bounded.series("ufls_kw")[3, 0] == pytest.approx(60.0)
    assert bounded.states["ufls_kwh"][0] == pytest.approx(2 * 60.0 / 60.0)


def test_only_what_is_missing_is_shed_by_the_last_stage(fleet):
    low = [{**s, "threshold_hz": 57.0 - k} for k, s in enumerate(STAGES)]
    ours = _played(fleet, _plant(low), 380.0, steps=4, G1=3)
    assert ours.series("ufls_kw")[3, 0] == pytest.approx(80.0)
    assert ours.series("deficit_kw")[3, 0] == pytest.approx(0.0)


def test_load_returns_after_the_time_it_is_held_off(fleet):
    ours = _played(fleet, _plant(), 400.0, steps=8, G1=3)
    shed = ours.series("ufls_kw")[:, 0]
    assert (shed[3:6] > 0.0).all()
    assert ours.series("mode")[3:, 0, 1].tolist() == [RUN] * 5


def test_no_stages_no_relays(fleet):
    ours = _played(fleet, _plant([]), 500.0, G1=3)
    assert not ours.series("ufls_kw").any()
    assert ours.series("deficit_kw")[3, 0] == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stages": STAGES[::-1]}, "thresholds must fall"),
        ({"stages": [{**STAGES[0], "threshold_hz": 61.0}]}, "is not below frequency_hz"),
        ({"stages": STAGES, "shed_kw": 0}, "declare some"),
        ({"stages": [{**STAGES[0], "delay_s": 3}]}, "less than or equal to 1"),
    ],
)
def test_illegal_relays_are_refused_by_name(change, told):
    with pytest.raises(ValidationError, match=told):
        _plant(**change)


def _village(first_hz):
    stages = [{"threshold_hz": first_hz - 0.4 * k, "load_share": 0.15} for k in range(3)]
    return Plant.model_validate({**load_plant("plant-a").model_dump(), "ufls": {"stages": stages}})


def test_the_lowest_frequency_within_the_declared_set_is_that_of_the_worst_step():
    """A unit at 400 kW trips, the load rises by 80, 400 kW of wind vanish: 880 of 600 kW/Hz."""
    record = plant_arrays(load_plant("plant-a"), 1.0)
    assert lowest_within_hz(record) == pytest.approx(60.0 - 880.0 / 600.0)
    hourly = plant_arrays(load_plant("plant-b"), 60.0)
    assert lowest_within_hz(hourly) == 60.0


def test_relays_that_are_no_last_resort_are_refused_behind_the_shield():
    with pytest.raises(InputFileError, match=r"59 Hz, lies above 58\.53 Hz"):
        DOMAIN.build(GridScenario(plant=_village(59.0), horizon_h=1.0))


@pytest.mark.parametrize("seed", [1, 2])
def test_within_the_declared_set_no_relay_acts(seed):
    faults = [{"kind": "trip", "at_min": 60, "unit": "G1"}]
    scenario = GridScenario(plant=_village(58.5), horizon_h=4.0, faults=faults)
    with DOMAIN.build(scenario, 1, "order") as control:
        metrics = play(control, (seed,)).moments[-1].step.metrics
        counted = DOMAIN.monitor(scenario).check(control.episode_log(0))
    assert (metrics["ufls_kwh"][0], metrics["ufls_events"][0]) == (0.0, 0.0)
    assert (counted["ufls"].count, counted["ufls"].exposure) == (0, 240)


def test_outside_it_relays_shed_at_once_and_are_counted_beside_the_alarm():
    """A second loss in the minute of a trip: the battery goes too, and 400 kW serve 500."""
    at = {"at_min": 20}
    faults = [{"kind": "battery_trip", "for_min": 30, **at}, {"kind": "trip", "unit": "G2", **at}]
    running = {"mode": "running", "power_kw": 250}
    first = [{"unit": "G1", "minutes": 6, **running}, {"unit": "G2", "minutes": 5, **running}]
    plant = _village(58.5)
    load = {"mean_kw": 500, "daily_share": 0, "half_daily_share": 0, "annual_share": 0}
    scenario = GridScenario(
        plant=plant, horizon_h=1.0, faults=faults, first_units=first, data={"load": load}
    )
    with DOMAIN.build(scenario, 1, "order") as control:
        control.reset(np.array([1]), np.array([[1.0, 0.0, 0.5]], np.float32))
        hold = Action(np.ones((1, 1, 1), np.int64), np.zeros((1, 1, 1), np.float32))
        for _ in range(60):
            step = control.step(hold)
        log = control.episode_log(0)
        counted = DOMAIN.monitor(scenario).check(log)
    assert log["load_kw"][20] > 440.0
    assert (log["mode"][20, 0], log["mode"][20, 1], log["alarm"][20]) == (RUN, TRIPPED, 4)
    lack = log["load_kw"][20] - 440.0
    assert not log["ufls_kw"][:20].any()
    assert log["ufls_kw"][20] == pytest.approx(min(lack, 170.0, 0.45 * log["load_kw"][20]))
    assert step.metrics["ufls_events"][0] >= 1.0
    assert step.metrics["ufls_kwh"][0] == pytest.approx(log["ufls_kw"].sum() / 60.0)
    assert counted["ufls"].count == 0
    assert counted["outside_declared"].count > 0


def test_the_monitor_finds_relays_that_act_within_the_declared_set():
    scenario = GridScenario(plant=_village(58.5), horizon_h=1.0)
    with DOMAIN.build(scenario, 1, "order") as control:
        play(control, (1,))
        log = dict(control.episode_log(0))
    log["ufls_kw"] = log["ufls_kw"].copy()
    log["ufls_kw"][30:34] = 20.0
    log["shed_kw"] = log["shed_kw"] + log["ufls_kw"]
    assert DOMAIN.monitor(scenario).check(log)["ufls"].count >= 1


def test_the_battery_column_of_the_fault_plan_is_the_one_relays_ask(fleet):
    """Without its battery the village's lone unit holds 2 Hz per 400 kW against 100 kW."""
    bank = np.zeros((1, 5, 3))
    bank[0, :, 0], bank[0, :3, 1] = 300.0, 150.0
    faults = np.zeros((4, FAULT_COLUMNS))
    faults[:, BATTERY_AWAY] = 1.0
    ours = fleet(_village(59.4), 1.0, bank, shield=False, faults=faults)
    ours.states["mode"][0, 0] = RUN
    for _ in range(4):
        ours.step(np.array([0]), 0.0)
    assert ours.series("ufls_kw")[2, 0] == pytest.approx(45.0)
