import numpy as np
import pytest
from trimtab.contracts.errors import ActionError, BoundError, SimulatorError
from trimtab.contracts.problem import Bound, ControlProblem
from trimtab.contracts.registry import load_domain
from trimtab.contracts.spec import Action
from trimtab.testing.toys.queue import QueueModel, QueueProblem
from trimtab.testing.toys.tank import DOMAIN as TANK
from trimtab.testing.toys.tank import TankModel, TankProblem


def random_actions(problem: ControlProblem, steps: int, seed: int) -> list[Action]:
    rng = np.random.default_rng(seed)
    shape = (problem.copies, problem.spec.n_agents, 1)
    return [Action(discrete=rng.integers(0, 2, shape)) for _ in range(steps)]


@pytest.mark.parametrize("copies", [1, 7, 64])
def test_a_copy_is_bit_identical_for_any_number_of_neighbours(copies: int) -> None:
    tanks = TankProblem(TankModel(), 64, autoreset=False)
    few = TankProblem(TankModel(), copies, autoreset=False)
    seeds = np.arange(64)
    tanks.reset(seeds)
    few.reset(seeds[:copies])
    for action in random_actions(tanks, 24, 0):
        assert action.discrete is not None
        step = tanks.step(action)
        step_few = few.step(Action(discrete=action.discrete[:copies]))
        assert np.array_equal(step.obs.obs[:copies], step_few.obs.obs)
    assert np.array_equal(step.metrics["pumping_cost"][:copies], step_few.metrics["pumping_cost"])


def test_evaluation_keeps_ended_rows_dead_and_training_restarts_them() -> None:
    for autoreset in (False, True):
        tanks = TankProblem(TankModel(horizon_h=3), 2, autoreset=autoreset)
        tanks.reset(np.array([1, 2]))
        step = [tanks.step(a) for a in random_actions(tanks, 3, 0)][-1]
        assert step.truncated.all()
        assert step.obs.alive.all() == autoreset
        assert (step.final_obs is not None) == autoreset


def test_a_restored_snapshot_continues_to_the_same_bits() -> None:
    tanks = TankProblem(TankModel(), 3, autoreset=False)
    tanks.reset(np.array([5, 6, 7]))
    actions = random_actions(tanks, 10, 1)
    rows = np.arange(3)
    for action in actions[:5]:
        tanks.step(action)
    kept = tanks.snapshot(rows)
    first = [tanks.step(a).obs.obs for a in actions[5:]]
    tanks.restore(kept, rows)
    second = [tanks.step(a).obs.obs for a in actions[5:]]
    assert np.array_equal(np.stack(first), np.stack(second))


def test_the_shield_is_the_identity_on_its_own_output_and_keeps_levels_inside() -> None:
    tanks = TankProblem(TankModel(horizon_h=200), 16, autoreset=False)
    tanks.reset(np.arange(16), context=np.ones((16, 1), np.float32))
    shield, monitor = TANK.shield(tanks.model, tanks), TANK.monitor(tanks.model)
    for proposed in random_actions(tanks, 200, 2):
        safe = shield.project(tanks, proposed)
        assert not shield.project(tanks, safe.action).changed.any()
        tanks.step(safe.action)
    for row in range(16):
        assert all(v.count == 0 for v in monitor.check(tanks.episode_log(row)).values())


def test_the_monitor_sees_what_an_unshielded_idle_plant_does() -> None:
    tanks = TankProblem(TankModel(horizon_h=50), 1, autoreset=False)
    tanks.reset(np.array([0]))
    for _ in range(50):
        tanks.step(Action(discrete=np.zeros((1, 2, 1), np.int64)))
    assert TANK.monitor(tanks.model).check(tanks.episode_log(0))["overflow"].count > 0


def test_a_wrong_certificate_does_not_verify() -> None:
    bound = TANK.bound(TankModel(), 3)
    TANK.verify(TankModel(), 3, bound)
    with pytest.raises(BoundError, match="certificate"):
        TANK.verify(TankModel(), 3, Bound(bound.value + 1, bound.kind, "", bound.certificate))


def test_a_dying_simulator_is_a_named_error() -> None:
    with QueueProblem(QueueModel(crash_at_min=3), autoreset=False) as counter:
        counter.reset(np.array([1]))
        action = Action(discrete=np.zeros((1, 1, 1), np.int64))
        counter.step(action)
        counter.step(action)
        with pytest.raises(SimulatorError, match="code 7 in minute 3"):
            counter.step(action)


def test_ill_shaped_actions_are_refused_by_name() -> None:
    tanks = TankProblem(TankModel(), 2, autoreset=False)
    tanks.reset(np.array([1, 2]))
    with pytest.raises(ActionError, match=r"\(2, 2, 1\)"):
        tanks.step(Action(discrete=np.zeros((2, 1, 1), np.int64)))


def test_domains_are_found_through_their_manifests() -> None:
    assert load_domain("toy.tank") is TANK
