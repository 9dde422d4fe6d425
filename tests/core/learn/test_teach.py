from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import Action, Box, Composite, Obs
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Interface, PolicyController
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, clone, dagger
from trimtab.learn.teacher import Teacher
from trimtab.testing.classics.spread import AssignAndPush, SimpleSpread
from trimtab.testing.toys.tank import LevelBand, TankModel, TankProblem

SMALL = DaggerConfig(rounds=3, steps=25, updates=150, batch=256, learning_rate=4e-3, compiled=False)


class Alternate(Controller):
    """Choice 1 at odd steps, with a torque that depends on the step."""

    def act(self, obs: Obs) -> Action:
        odd = obs.obs[..., 1::2].sum(axis=-1) > 0
        return Action(
            discrete=odd[..., None].astype(np.int64),
            box=np.where(odd, 1.0, -0.5)[..., None].astype(np.float32),
        )


def score(problem: SimpleSpread, controller: Controller) -> float:
    seeds = np.arange(problem.copies) + 10_000
    obs = problem.reset(seeds)
    controller.reset(seeds)
    for _ in range(problem.spec.horizon):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return float(step.metrics["episode_return"].mean())


def test_a_student_that_points_at_its_target_comes_close_to_a_teacher_that_assigns_them() -> None:
    problem = SimpleSpread(96, targets=True)
    net = NetSpec.for_problem(problem.spec, hidden=(32, 32), activation="relu", focus="landmarks")
    student = dagger(problem, AssignAndPush(problem), net, replace(SMALL, anneal=True), (0,))
    test = SimpleSpread(128, autoreset=False, targets=True)
    assert score(test, PolicyController(test, student.policy)) > -11.5
    assert student.agreement[-1, 0] > student.agreement[0, 0] + 0.2
    assert student.env_steps == 3 * 25 * 96


def test_same_seed_gives_the_same_student_bit_for_bit() -> None:
    def train() -> np.ndarray:
        problem = SimpleSpread(8)
        net = NetSpec.for_problem(problem.spec, hidden=(16,))
        config = DaggerConfig(rounds=2, steps=10, updates=10, batch=32, compiled=False)
        policy = dagger(problem, AssignAndPush(problem), net, config, (7,)).policy
        return np.concatenate([x.ravel() for x in policy.params.values()])

    assert np.array_equal(train(), train())


def test_cloning_learns_composite_actions_exactly(probe: Callable[..., Any]) -> None:
    box = (Box("torque", "N·m", -1.0, 2.0),)
    problem = probe(
        8,
        reward=lambda t, a: np.zeros(a.box.shape[:2]),
        length=6,
        action=Composite(discrete=(2,), box=box),
    )
    net = NetSpec.for_problem(problem.spec, hidden=(32,))
    config = DaggerConfig(rounds=2, steps=12, updates=300, batch=64, compiled=False)
    student = clone(problem, Alternate(), net, config, (0,))
    controller = PolicyController(problem, student.policy)
    obs = problem.reset(np.arange(8))
    for _ in range(6):
        ours, theirs = controller.act(obs), Alternate().act(obs)
        assert np.array_equal(ours.discrete, theirs.discrete)
        assert ours.box == pytest.approx(theirs.box, abs=0.1)
        obs = problem.step(ours).obs


def test_a_stateful_teacher_is_told_of_new_episodes() -> None:
    problem = TankProblem(TankModel(horizon_h=5), 4, autoreset=True)
    told: list[np.ndarray | None] = []

    class Told(LevelBand):
        def reset(self, seed, context=None, rows=None) -> None:
            told.append(rows)
            super().reset(seed, context, rows)

    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    config = DaggerConfig(rounds=1, steps=11, updates=2, batch=8, compiled=False)
    dagger(problem, Told(problem), net, config, (0,))
    assert told[0] is None
    assert [list(rows) for rows in told[1:]] == [[0, 1, 2, 3]] * 2


def test_a_strong_leash_keeps_the_policy_at_its_teacher() -> None:
    problem = SimpleSpread(32)
    net = NetSpec.for_problem(problem.spec, hidden=(32,))
    student = dagger(problem, AssignAndPush(problem), net, SMALL, (0,)).policy

    def drift(leash: float) -> float:
        config = PPOConfig(
            steps=32 * 25 * 6, rollout=25, learning_rate=3e-3, leash=leash, compiled=False
        )
        ppo = PPO(problem, net, config, (0,), teacher=student, initial=student)
        for _ in ppo.train():
            pass
        interface = Interface(net, problem.spec)
        inputs = interface.inputs(problem.reset(np.arange(32)))
        a = ppo.policy().forward(inputs, interface).logits
        b = student.forward(inputs, interface).logits
        return float(np.abs(a - b).mean())

    assert drift(30.0) < 0.5 * drift(1e-9)


def test_a_policy_as_teacher_gives_its_distribution() -> None:
    problem = SimpleSpread(6)
    net = NetSpec.for_problem(problem.spec, hidden=(8,))
    ppo = PPO(problem, net, PPOConfig(steps=1, rollout=1, compiled=False), (0,))
    interface = Interface(net, problem.spec)
    obs = problem.reset(np.arange(6))
    labels = Teacher(ppo.policy().seed(0), interface).labels(obs, 2)
    assert labels.probs.shape == (2, 3, 3, 5)
    assert labels.probs.sum(-1) == pytest.approx(1.0)
    assert np.array_equal(labels.discrete[..., 0], labels.probs.argmax(-1))


def test_a_leash_without_a_teacher_is_refused() -> None:
    problem = SimpleSpread(2)
    with pytest.raises(ContractError, match="leash > 0 needs a teacher"):
        PPO(problem, NetSpec.for_problem(problem.spec), PPOConfig(leash=1.0), (0,))


def test_a_teacher_that_leaves_out_a_part_is_refused(probe: Callable[..., Any]) -> None:
    class Silent(Controller):
        def act(self, obs: Obs) -> Action:
            return Action()

    problem = probe(2, reward=lambda t, a: np.zeros((2, 1)))
    net = NetSpec.for_problem(problem.spec, hidden=(4,))
    with pytest.raises(ContractError, match="lacks a part"):
        clone(problem, Silent(), net, SMALL, (0,))
