import numpy as np
import pytest
from trimtab.contracts.errors import ActionError, NeedNotGrantedError, UnknownNameError
from trimtab.contracts.spec import Action
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario


def _control(copies=1, interface="default", autoreset=False, **settings):
    settings = {"horizon_h": 3.0, **settings}
    return DOMAIN.build(GridScenario(**settings), copies, interface, autoreset)


def _action(problem, choice, setpoint_kw):
    n, width = problem.copies, len(problem.spec.discrete)
    return Action(
        np.full((n, 1, width), choice, np.int64), np.full((n, 1, 1), setpoint_kw, np.float32)
    )


@pytest.mark.parametrize("interface", ["default", "order"])
def test_random_play_behind_the_shield_serves_all_load_and_leaves_no_surplus(interface):
    with _control(3, interface) as problem:
        metrics = play(problem, (1, 2, 3)).moments[-1].step.metrics
    assert not metrics["unserved_kwh"].any()
    assert not metrics["surplus_kwh"].any()
    assert not metrics["degraded_min"].any()


@pytest.mark.parametrize("interface", ["default", "order"])
def test_an_admissible_command_is_never_changed(interface):
    with _control(2, interface) as problem:
        moments = play(problem, (4, 5)).moments
    for moment in moments:
        assert np.array_equal(moment.step.executed.discrete, moment.action.discrete)


def test_power_balances_in_every_step():
    with _control(1, "order") as problem:
        play(problem, (7,))
        log = problem.episode_log(0)
        assert DOMAIN.balances(problem.scenario, log)["power"] < 1e-12


def test_holding_with_all_units_off_and_an_idle_wish_leads_the_shield_to_start_units():
    with _control(1, "order", horizon_h=12.0) as problem:
        problem.reset(np.array([1]))
        changed, reasons = 0, set()
        for _ in range(problem.spec.horizon):
            step = problem.step(_action(problem, 1, 0.0))
            changed += int(step.intervened[0, 0])
            reasons.add(int(step.reason[0, 0]))
    assert changed > 0
    assert step.metrics["interventions"][0] == changed
    assert step.metrics["unserved_kwh"][0] == 0.0
    assert reasons - {0}


def test_without_the_shield_the_same_play_leaves_load_unserved():
    with _control(1, "order", horizon_h=12.0, shield=False) as problem:
        problem.reset(np.array([1]))
        for _ in range(problem.spec.horizon):
            step = problem.step(_action(problem, 1, 0.0))
    assert step.metrics["unserved_kwh"][0] > 0.0
    assert step.metrics["interventions"][0] >= 0.0


def test_rewards_add_up_to_the_headline():
    with _control(1, "order") as problem:
        moments = play(problem, (3,)).moments
    weights = problem.spec.reward_weights.copy()
    weights[problem.spec.reward_index("intervention")] = 0.0
    total = sum(float(m.step.reward[0, 0] @ weights) for m in moments)
    assert -total == pytest.approx(moments[-1].step.metrics["cost_l"][0], rel=1e-5)


def test_a_hand_calculated_hour_of_one_unit_burns_its_affine_curve():
    quiet = {"data": {"load": {"mean_kw": 200.0}}, "shield": False, "horizon_h": 1.0}
    with _control(1, "order", **quiet) as problem:
        problem.reset(np.array([1]), np.array([[1.0, 0.0, 0.5]], np.float32))
        for k in range(60):
            step = problem.step(_action(problem, 2 if k == 0 else 1, 0.0))
        log = problem.episode_log(0)
    powers = log["power_kw"][:, 0]
    assert list(log["mode"][:4, 0]) == [1, 1, 1, 2]
    assert list(powers[:3]) == [100.0] * 3
    expected = (0.25 * powers + 10.0).sum() / 60.0
    assert step.metrics["fuel_l"][0] == pytest.approx(expected)
    assert step.metrics["starts"][0] == 1.0


def test_terminal_term_charges_an_emptier_battery_and_credits_no_fuller_one():
    with _control(1, "order", shield=False, horizon_h=1.0) as problem:
        for setpoint, owes in ((150.0, True), (-150.0, False)):
            problem.reset(np.array([1]))
            problem.step(_action(problem, 2, setpoint))
            for _ in range(59):
                step = problem.step(_action(problem, 1, setpoint))
            assert (step.metrics["terminal_l"][0] > 0.0) == owes


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 1)])
def test_actions_of_a_wrong_shape_are_refused_with_the_expected_one(shape):
    with _control(1, "order") as problem:
        problem.reset(np.array([1]))
        with pytest.raises(ActionError, match="expected"):
            problem.step(Action(np.ones(shape, np.int64), np.zeros((1, 1, 1), np.float32)))


def test_an_unknown_interface_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="order"):
        _control(1, "ordr")


def test_resources_are_model_state_forecast_and_future_and_no_other():
    with _control(1, "order", forecast={"kind": "perfect"}) as problem:
        problem.reset(np.array([1]))
        problem.step(_action(problem, 1, 0.0))
        future = problem.resource("future")
        forecast = problem.resource("forecast").issue(0, 30)
        assert np.allclose(forecast, future[0, 1:31])
        assert problem.resource("state").measured(0).shape == (1, 3)
        assert problem.resource("model").plant.name == "plant-a"
        with pytest.raises(NeedNotGrantedError):
            problem.resource("snapshot")


def test_a_scaled_context_scales_load_and_wind():
    with _control(2, "order") as problem:
        problem.reset(np.array([1, 1]), np.array([[1, 1, 0.5], [0.8, 0.0, 0.5]], np.float32))
        future = problem.resource("future")
    assert np.allclose(future[1, :, 0], 0.8 * future[0, :, 0], rtol=1e-6)
    assert not future[1, :, 1].any()
