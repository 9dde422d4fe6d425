"""The published interface: each observed column and each term of the reward by hand."""

import math

import numpy as np
import pytest
from trimtab.contracts.errors import ContractError, InputFileError, UnknownNameError
from trimtab.contracts.spec import Action
from trimtab.run.grants import make_controller
from trimtab.testing.subject import play
from trimtab_grid import scu
from trimtab_grid.domain import DOMAIN
from trimtab_grid.islands.domain import DOMAIN as ISLANDS
from trimtab_grid.islands.scenario import IslandsScenario
from trimtab_grid.plant import load_plant
from trimtab_grid.scenario import GridScenario

STOP, NONE, START = 0, 1, 2
FUEL, DEGRADATION, NEGATIVE, POSITIVE = range(4)


def _compat_plant():
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": "compat"})
    return plant.model_copy(update={"battery": battery})


def _control(interface="scu", **settings):
    scenario = GridScenario(**{"plant": _compat_plant(), "horizon_h": 2.0, **settings})
    return DOMAIN.build(scenario, 1, interface)


def _step(control, choice, battery_kw):
    box = np.full((1, 1, 1), battery_kw, np.float32)
    return control.step(Action(np.full((1, 1, 1), choice, np.int64), box))


def _seen(control, obs):
    return dict(zip(control.columns, obs.obs[0, 0].tolist(), strict=True))


@pytest.mark.parametrize(("plant", "units"), [("plant-a", 2), ("plant-b", 3)])
def test_the_observation_has_fifteen_scalars_eleven_per_unit_and_two_forecasts(plant, units):
    shield = plant == "plant-a"
    with _control(plant=plant, shield=shield) as control:
        assert control.spec.obs_dim == 15 + 11 * units + 30 + 30
        assert len(set(control.columns)) == control.spec.obs_dim
        assert control.spec.actions[0].discrete == (3,)
        assert control.spec.actions[0].box[0].unit == "kW"


def test_a_minute_of_one_unit_is_observed_as_published():
    settings = {"first_units": [{"unit": "G1", "mode": "running", "minutes": 12, "mean_kw": 250}]}
    with _control(shield=False, **settings) as control:
        control.reset(np.array([3]))
        _step(control, NONE, 20.0)
        seen = _seen(control, _step(control, NONE, 30.0).obs)
        log = control.episode_log(0)
    power, load = log["power_kw"][1, 0], log["load_kw"][1]
    assert seen["group_power"] == pytest.approx(2 * power / 880 - 1)
    assert seen["group_fuel"] == pytest.approx(2 * (0.25 * power + 10) / 240 - 1)
    assert (seen["turning[0]"], seen["warming[0]"], seen["overload[0]"]) == (1, -1, -1)
    assert (seen["turning[1]"], seen["fuel[1]"], seen["power[1]"]) == (-1, -1, -1)
    assert seen["since_start[0]"] == pytest.approx(2 * 14 / 30 - 1)
    assert seen["power[0]"] == pytest.approx(2 * power / 440 - 1)
    assert seen["fuel[0]"] == pytest.approx(2 * (0.25 * power + 10) / 120 - 1)
    first = max(log["power_kw"][0, 0], 120.0)
    mean = (2879 * 250 + first) / 2880
    available = min(440.0, 2880 * 280 - 2879 * mean)
    assert seen["available[0]"] == pytest.approx(2 * available / 440 - 1)
    assert seen["mean_power[0]"] == pytest.approx(
        2 * (2879 * mean + max(power, 120)) / 2880 / 440 - 1
    )
    assert seen["soc"] == pytest.approx(2 * log["soc"][1] - 1)
    assert seen["battery"] == pytest.approx(log["battery_kw"][1] / 600)
    assert seen["wind_available"] == pytest.approx(2 * log["wind_kw"][1] / 400 - 1)
    assert seen["wind_used"] == pytest.approx(2 * log["wind_used_kw"][1] / 400 - 1)
    assert seen["load"] == pytest.approx(2 * load / 1480 - 1)
    assert seen["command_battery"] == pytest.approx(30 / 600)
    assert seen["done_units"] == pytest.approx(2 * power / 880 - 1)
    assert seen["done_wind"] == pytest.approx(2 * (load - 120) / 400 - 1)


def test_warm_up_and_cool_down_count_their_minutes():
    units = [
        {"unit": "G1", "mode": "running", "minutes": 200},
        {"unit": "G2", "mode": "running", "minutes": 200},
    ]
    with _control(shield=False, first_units=units) as control:
        control.reset(np.array([1]))
        cooling = [
            _seen(control, _step(control, STOP if k == 0 else NONE, 0.0).obs) for k in range(7)
        ]
        warming = [
            _seen(control, _step(control, START if k == 0 else NONE, 0.0).obs) for k in range(4)
        ]
    told = [s["since_cool_down[1]"] for s in cooling[:6]]
    assert told == pytest.approx([2 * k / 6 - 1 for k in range(6)])
    assert [s["cooling[1]"] for s in cooling] == [1] * 6 + [-1]
    assert cooling[0]["command_choice"] == cooling[0]["done_choice"] == -1
    assert [s["since_warm_up[1]"] for s in warming[:3]] == pytest.approx([-1, -1 / 3, 1 / 3])
    assert [s["warming[1]"] for s in warming] == [1, 1, 1, -1]
    assert warming[3]["since_start[1]"] == pytest.approx(2 / 30 - 1)


def test_the_time_since_start_ends_a_minute_beyond_the_minimum_run():
    units = [{"unit": "G1", "mode": "running", "minutes": 28}]
    with _control(shield=False, first_units=units) as control:
        control.reset(np.array([1]))
        told = [_seen(control, _step(control, NONE, 0.0).obs)["since_start[0]"] for _ in range(5)]
    assert told == pytest.approx([2 * minutes / 30 - 1 for minutes in (29, 30, 31, 31, 31)])


@pytest.mark.parametrize("kind", ["perfect", "persistence", "noisy"])
def test_forecasts_are_the_scenarios_minute_by_minute(kind):
    with _control(forecast={"kind": kind}, shield=False) as control:
        obs = control.reset(np.array([4]))
        told = control.resource("forecast").issue(0, 30)
        rows = obs.obs[0, 0, -60:].reshape(2, 30)
    assert rows[0] == pytest.approx(2 * told[:, 0] / 1480 - 1, abs=1e-6)
    assert rows[1] == pytest.approx(2 * told[:, 1] / 400 - 1, abs=1e-6)


def test_a_target_number_of_units_becomes_one_start_or_stop():
    units = [
        {"unit": "G1", "mode": "running", "minutes": 200},
        {"unit": "G2", "mode": "running", "minutes": 200},
    ]
    with _control(shield=False, first_units=units) as control:
        obs = control.reset(np.array([1])).obs[:, 0]
        both = [int(scu.choices_of(np.array([a]), obs, 2)[0]) for a in (-1.0, -0.3, 0.3, 0.4, 1.0)]
        cooling = _step(control, STOP, 0.0).obs.obs[:, 0]
        one = [int(scu.choices_of(np.array([a]), cooling, 2)[0]) for a in (-1.0, -0.3, 0.3, 0.4)]
    assert both == [STOP, STOP, STOP, NONE, NONE]
    assert one == [STOP, NONE, NONE, START]


def test_fuel_is_rewarded_as_a_share_of_240_litres_an_hour():
    units = [{"unit": "G1", "mode": "running", "minutes": 60}]
    with _control(shield=False, first_units=units) as control:
        control.reset(np.array([1]))
        reward = _step(control, NONE, 0.0).reward[0, 0]
        power = control.episode_log(0)["power_kw"][0, 0]
        assert reward[FUEL] == pytest.approx((0.25 * power + 10) / 240)
        assert control.spec.reward_weights.tolist() == [-1, -1, -100, -60]


def test_missing_and_surplus_power_cost_a_tenth_and_their_share_of_1480_kw():
    with _control(shield=False, data={"load": {"mean_kw": 300}}) as control:
        control.reset(np.array([[1]])[0], np.array([[1.0, 0.0, 0.1]], np.float32))
        for _ in range(60):
            reward = _step(control, NONE, 600.0).reward[0, 0]
        load, battery = (control.episode_log(0)[name][59] for name in ("load_kw", "battery_kw"))
    assert load - battery > 1.0
    assert reward[NEGATIVE] == pytest.approx(0.1 + (load - battery) / 1480, rel=1e-4)
    assert reward[POSITIVE] == 0.0
    units = [{"unit": n, "mode": "running", "minutes": 60} for n in ("G1", "G2")]
    with _control(shield=False, first_units=units, data={"load": {"mean_kw": 150}}) as control:
        control.reset(np.array([1]), np.array([[0.6, 0.0, 0.9]], np.float32))
        for _ in range(90):
            reward = _step(control, NONE, -600.0).reward[0, 0]
            if reward[POSITIVE] > 0.0:
                break
        k = int(control._states["step"][0]) - 1  # noqa: SLF001 - the step just played
        load, battery = (control.episode_log(0)[name][k] for name in ("load_kw", "battery_kw"))
    assert reward[POSITIVE] == pytest.approx(0.1 + (240 - load + battery) / 1480, rel=1e-4)


def _degradation(socs):
    """Costs of moves along charge states, by the compiled rule."""
    from trimtab_grid.arrays import plant_arrays
    from trimtab_grid.engine.memory import MOMENT, STATE

    plant = plant_arrays(_compat_plant(), 1.0)
    state, moment = np.zeros(1, STATE).view(np.recarray), np.zeros(1, MOMENT).view(np.recarray)
    track = np.zeros(1, scu.TRACK).view(np.recarray)
    state["soc"] = socs[0]
    scu.begin_tracks(plant, state, np.zeros(8), track)
    costs = []
    for soc in socs[1:]:
        moment["soc"] = soc
        scu.follow_tracks(plant, moment, np.ones(1, bool), track)
        costs.append(float(track["degradation"][0]))
    return costs, track[0]


def test_a_straight_discharge_costs_the_growth_of_five_times_the_exponential_of_its_depth():
    costs, _ = _degradation([0.5, 0.48, 0.45])
    assert costs[0] == pytest.approx(5 * (math.exp(0.02) - 1))
    assert costs[1] == pytest.approx(5 * (math.exp(0.05) - math.exp(0.02)))


def test_after_a_turn_the_depth_counts_from_there():
    costs, track = _degradation([0.5, 0.45, 0.47, 0.49])
    assert costs[1] == pytest.approx(5 * (math.exp(0.02) - 1))
    assert costs[2] == pytest.approx(5 * (math.exp(0.04) - math.exp(0.02)))
    assert track.turn[: track.turns].tolist() == pytest.approx([0.5, 0.45])


def test_a_closed_cycle_is_forgotten_and_the_depth_counts_from_before_it():
    """0.8 → 0.5 → 0.6 → 0.4: passing 0.5 again closes the cycle 0.5-0.6, and 0.8 is last."""
    costs, track = _degradation([0.8, 0.5, 0.6, 0.4])
    assert track.turn[: track.turns].tolist() == pytest.approx([0.8])
    share = 5 * (math.exp(0.01) - 1) / 0.01
    assert costs[1] == pytest.approx(5 * (math.exp(0.1) - 1))
    assert costs[2] == pytest.approx(5 * (math.exp(0.4) - math.exp(0.2)))
    assert share > 5.0


def test_a_move_towards_the_last_turn_costs_its_share_of_a_move_of_one_hundredth():
    """A move of less than the grain is no turn yet: the depth shrinks."""
    costs, _ = _degradation([0.5, 0.4501, 0.4461, 0.4489])
    assert costs[2] == pytest.approx(0.0028 * 5 * (math.exp(0.01) - 1) / 0.01)


def test_the_reward_of_a_random_day_is_never_positive_and_the_shield_leaves_no_imbalance():
    with _control(plant="plant-a", horizon_h=4.0) as control:
        rewards = [m.step.reward[0, 0] for m in play(control, (5,)).moments]
    total = np.array(rewards)
    assert (total >= 0.0).all()
    assert not total[:, [NEGATIVE, POSITIVE]].any()
    assert total[:, DEGRADATION].any()


def test_it_survives_a_snapshot_and_restarts_inside_a_step():
    with _control(plant="plant-a") as control:
        control.reset(np.array([1]))
        for _ in range(40):
            _step(control, START, 100.0)
        kept = control.snapshot(np.array([0]))
        one = _step(control, NONE, -100.0)
        control.restore(kept, np.array([0]))
        again = _step(control, NONE, -100.0)
    assert np.array_equal(one.obs.obs, again.obs.obs)
    assert np.array_equal(one.reward, again.reward)
    scenario = GridScenario(horizon_h=0.5)
    with DOMAIN.build(scenario, 1, "scu", autoreset=True) as control:
        first = control.reset(np.array([1])).obs.copy()
        for _ in range(30):
            last = _step(control, NONE, 100.0)
        assert last.final_obs is not None
        assert last.final_obs.obs[0, 0, control.columns.index("battery")] != 0.0
        assert last.obs.obs[0, 0, control.columns.index("soc")] == first[0, 0, 24]
        assert last.obs.obs[0, 0, control.columns.index("degradation")] == 0.0


def test_other_steps_other_controllers_and_islands_are_refused():
    with pytest.raises(InputFileError, match="steps of 1 min"):
        _control(step_min=5.0)
    with _control(plant="plant-a") as control, pytest.raises(ContractError, match="own interface"):
        make_controller(control, DOMAIN.controllers(control.scenario)["load_following"])
    with pytest.raises(UnknownNameError, match="order"):
        ISLANDS.build(IslandsScenario(), 1, "scu")
