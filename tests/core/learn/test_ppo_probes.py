"""Probes: problems so small that values, probabilities and gradients are known exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from trimtab.contracts.shield import Projection, Shield
from trimtab.contracts.spec import Action, Box, Composite, CostChannel
from trimtab.deploy.arrays import NumpyOps
from trimtab.deploy.network import NetSpec, actor, critic
from trimtab.deploy.policy import Policy
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.run.shielding import ShieldedProblem

OPS = NumpyOps()
FAST: dict[str, Any] = {
    "rollout": 16,
    "epochs": 8,
    "minibatches": 1,
    "learning_rate": 1e-2,
    "normalise_obs": False,
    "compiled": False,
}


def learn(problem, steps=3000, seeds=(0,), central=False, squash=False, **config) -> PPO:
    net = NetSpec.for_problem(
        problem.spec, hidden=(16,), central=central, squash=squash, initial_std=0.4
    )
    ppo = PPO(problem, net, PPOConfig(steps=steps, **{**FAST, **config}), seeds)
    for _ in ppo.train():
        pass
    return ppo


def one_hot_inputs(ppo: PPO) -> dict[str, np.ndarray]:
    """Each step's observation once, as network inputs [S, length, 1, length]."""
    length = ppo.problem.spec.obs_dim
    eye = np.eye(length, dtype=np.float32)[None, :, None]
    inputs = {"obs": np.repeat(eye, len(ppo.seeds), axis=0)}
    if ppo.net.state_dim:
        inputs["state"] = inputs["obs"][:, :, 0]
    return inputs


def values(ppo: PPO) -> np.ndarray:
    return critic(ppo.net, ppo.learner.weights, one_hot_inputs(ppo), OPS)[0, :, 0]


def probabilities(policy: Policy, inputs: dict[str, np.ndarray]) -> np.ndarray:
    logits = actor(policy.net, policy.params, inputs, OPS).logits
    return np.asarray(torch.softmax(torch.from_numpy(logits), -1))


def chosen(action: Action) -> np.ndarray:
    return action.discrete[..., 0]


def test_constant_reward_of_one_step_has_value_one(probe: Callable[..., Any]) -> None:
    ppo = learn(probe(8, reward=lambda t, a: np.ones(chosen(a).shape)))
    assert values(ppo)[0, 0] == pytest.approx(1.0, abs=0.02)


def test_one_step_bandit_is_solved(probe: Callable[..., Any]) -> None:
    ppo = learn(probe(8, reward=lambda t, a: chosen(a) == 1))
    assert probabilities(ppo.policy(), one_hot_inputs(ppo))[0, 0, 0, 1] > 0.98


def test_two_step_credit_has_value_gamma(probe: Callable[..., Any]) -> None:
    def late(t: np.ndarray, action: Action) -> np.ndarray:
        return np.repeat(t[:, None] == 1, chosen(action).shape[1], axis=1)

    ppo = learn(probe(8, reward=late, length=2), discount=0.5, steps=6000)
    assert values(ppo)[:, 0] == pytest.approx([0.5, 1.0], abs=0.03)


def test_event_time_discount_is_gamma_to_the_elapsed_time(probe: Callable[..., Any]) -> None:
    def late(t: np.ndarray, action: Action) -> np.ndarray:
        return np.repeat(t[:, None] == 1, chosen(action).shape[1], axis=1)

    ppo = learn(probe(8, reward=late, length=2, elapsed=2.0), discount=0.5, steps=6000)
    assert values(ppo)[0, 0] == pytest.approx(0.25, abs=0.03)


def test_masked_action_has_probability_exactly_zero(probe: Callable[..., Any]) -> None:
    problem = probe(
        8,
        reward=lambda t, a: chosen(a) == 1,
        action=Composite(discrete=(3,)),
        mask=(True, True, False),
    )
    ppo = learn(problem)
    inputs = one_hot_inputs(ppo) | {"action_mask": np.array([[[[True, True, False]]]])}
    p = probabilities(ppo.policy(), inputs)[0, 0, 0]
    assert p[2] == 0.0
    assert p[1] > 0.98
    assert all((chosen(a) != 2).all() for a in problem.actions)


def test_truncation_bootstraps_so_value_is_the_infinite_sum(probe: Callable[..., Any]) -> None:
    problem = probe(
        8,
        reward=lambda t, a: np.ones(chosen(a).shape),
        length=4,
        truncates=True,
        constant_obs=True,
    )
    ppo = learn(problem, discount=0.5, steps=6000)
    assert values(ppo)[0, 0] == pytest.approx(2.0, abs=0.05)


def test_truncation_bootstraps_from_the_last_observation_not_from_the_restart(
    probe: Callable[..., Any],
) -> None:
    """Two steps, the second pays 1: V₁ = 1 + γV₁ and V₀ = γV₁; from the restart V₁ = 1 + γV₀."""

    def late(t: np.ndarray, action: Action) -> np.ndarray:
        return np.repeat(t[:, None] == 1, chosen(action).shape[1], axis=1)

    ppo = learn(probe(8, reward=late, length=2, truncates=True), discount=0.5, steps=8000)
    assert values(ppo)[:, 0] == pytest.approx([1.0, 2.0], abs=0.05)


@pytest.mark.parametrize("normalise", [False, True])
def test_nothing_that_a_dead_agent_sees_or_is_paid_changes_a_weight(
    probe: Callable[..., Any], normalise: bool
) -> None:
    def weights(wage: float, sight: float) -> np.ndarray:
        def pay(t: np.ndarray, action: Action) -> np.ndarray:
            return (chosen(action) == 1) + np.array([0.0, wage])

        problem = probe(4, reward=pay, agents=2, dead=(1,), dead_see=sight)
        ppo = learn(problem, steps=256, normalise_obs=normalise, normalise_reward=normalise)
        assert ppo.learner.active.all()
        assert ppo.env_steps.tolist() == [256 + 64 * normalise]
        return ppo.learner.flat.numpy().copy()

    blind = weights(0.0, np.nan)
    assert np.array_equal(blind, weights(1000.0, np.nan))
    assert np.array_equal(blind, weights(0.0, 7.0))


def test_squashed_gaussian_bandit_finds_the_best_torque(probe: Callable[..., Any]) -> None:
    problem = probe(
        16,
        reward=lambda t, a: -np.abs(a.box[..., 0] - 1.0),
        action=Composite(box=(Box("torque", "N·m", -2.0, 2.0),)),
    )
    ppo = learn(problem, squash=True, steps=12000, epochs=4)
    mean = actor(ppo.net, ppo.learner.weights, one_hot_inputs(ppo), OPS).mean
    assert 2.0 * np.tanh(mean[0, 0, 0, 0]) == pytest.approx(1.0, abs=0.1)


def test_plain_gaussian_bandit_finds_the_best_torque(probe: Callable[..., Any]) -> None:
    problem = probe(
        16,
        reward=lambda t, a: -np.abs(a.box[..., 0] - 1.0),
        action=Composite(box=(Box("torque", "N·m", -2.0, 2.0),)),
    )
    ppo = learn(problem, steps=12000, epochs=4)
    mean = actor(ppo.net, ppo.learner.weights, one_hot_inputs(ppo), OPS).mean
    assert 2.0 * mean[0, 0, 0, 0] == pytest.approx(1.0, abs=0.1)


def test_composite_bandit_solves_both_parts(probe: Callable[..., Any]) -> None:
    problem = probe(
        16,
        reward=lambda t, a: (chosen(a) == 1) - np.abs(a.box[..., 0] - 0.5),
        action=Composite(discrete=(2, 3), box=(Box("share", "1", 0.0, 1.0),)),
    )
    ppo = learn(problem, steps=12000, epochs=4)
    out = actor(ppo.net, ppo.learner.weights, one_hot_inputs(ppo), OPS)
    assert out.logits[0, 0, 0, 1] - out.logits[0, 0, 0, 0] > 3.0
    assert out.mean[0, 0, 0, 0] == pytest.approx(0.0, abs=0.1)


class Refuse(Shield):
    """Projects every action to choice 0."""

    def project(self, problem: Any, action: Action) -> Projection:
        zero = Action(discrete=np.zeros_like(action.discrete))
        changed = action.discrete[..., 0] != 0
        return Projection(zero, changed, changed.astype(np.int16))


def test_shielded_bandit_keeps_the_ratio_of_the_proposed_action_at_one(
    probe: Callable[..., Any],
) -> None:
    problem = ShieldedProblem(probe(64, reward=lambda t, a: np.ones(chosen(a).shape)), Refuse())
    net = NetSpec.for_problem(problem.spec, hidden=(16,))
    ppo = PPO(problem, net, PPOConfig(**{**FAST, "steps": 1024, "epochs": 1}), (0,))
    (report,) = list(ppo.train())
    assert (ppo.collector._rest.arrays["discrete"] == 1).any()
    assert report.diagnostics["kl"][0] == pytest.approx(0.0, abs=1e-9)
    assert report.diagnostics["clipped"][0] == 0.0


def test_vector_critic_learns_each_reward_channel(probe: Callable[..., Any]) -> None:
    def two(t: np.ndarray, action: Action) -> np.ndarray:
        one = np.ones(chosen(action).shape)
        return np.stack([one, 3.0 * one], axis=-1)

    ppo = learn(probe(8, reward=two, channels=2))
    assert values(ppo)[0] == pytest.approx([1.0, 3.0], abs=0.05)


def test_lagrange_multiplier_holds_the_cost_at_its_limit(probe: Callable[..., Any]) -> None:
    problem = probe(
        64,
        reward=lambda t, a: chosen(a) == 1,
        costs=(CostChannel("wear", "1", 0.3),),
        cost=lambda a: chosen(a)[:, 0] == 1,
    )
    net = NetSpec.for_problem(problem.spec, hidden=(16,))
    changes = {"steps": 50_000, "rollout": 4, "epochs": 2, "learning_rate": 2e-3}
    config = PPOConfig(**{**FAST, **changes, "entropy_weight": 0.05, "cost_rate": 0.05})
    ppo = PPO(problem, net, config, (0,))
    costs = [np.mean([e.cost[0] for e in report.episodes]) for report in ppo.train()]
    assert max(costs) > 0.6
    assert np.mean(costs[len(costs) // 2 :]) == pytest.approx(0.3, abs=0.1)
    assert ppo.multipliers[0, 0] > 1.0


def test_central_critic_reads_the_state(probe: Callable[..., Any]) -> None:
    problem = probe(8, reward=lambda t, a: np.ones(chosen(a).shape), state=True, agents=3)
    ppo = learn(problem, central=True)
    assert ppo.net.state_dim == 1
    assert values(ppo)[0, 0] == pytest.approx(1.0, abs=0.02)


def test_stacked_seeds_differ_and_all_learn(probe: Callable[..., Any]) -> None:
    ppo = learn(probe(24, reward=lambda t, a: chosen(a) == 1), seeds=(0, 1, 2))
    p = probabilities(ppo.policy(), one_hot_inputs(ppo))[:, 0, 0, 1]
    assert (p > 0.98).all()
    assert len(set(p.tolist())) == 3
