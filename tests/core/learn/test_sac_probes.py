"""Soft actor-critic on problems whose soft-optimal policies and values are known exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from trimtab.contracts.shield import Projection, Shield
from trimtab.contracts.spec import Action, Box, Composite, CostChannel
from trimtab.deploy.arrays import NumpyOps
from trimtab.deploy.network import NetSpec, actor
from trimtab.learn.nets import TorchOps
from trimtab.learn.sac import SAC, SACConfig
from trimtab.run.shielding import ShieldedProblem

OPS = NumpyOps()
FAST: dict[str, Any] = {
    "start": 128,
    "rollout": 4,
    "batch": 64,
    "update_ratio": 0.25,
    "capacity": 4096,
    "learning_rate": 1e-2,
    "polyak": 0.05,
    "normalise_obs": False,
    "compiled": False,
}
TORQUE = Composite(box=(Box("torque", "N·m", -2.0, 2.0),))


def learn(problem: Any, updates: int = 150, seeds: tuple[int, ...] = (0,), **config: Any) -> SAC:
    net = NetSpec.for_problem(
        problem.spec, hidden=(32, 32), squash=True, state_std=True, activation="relu"
    )
    settings = {**FAST, **config}
    steps = settings["start"] + int(updates / settings["update_ratio"])
    sac = SAC(problem, net, SACConfig(**{**settings, "steps": steps}), seeds)
    for _ in sac.train():
        pass
    return sac


def one_hot_inputs(sac: SAC) -> dict[str, np.ndarray]:
    eye = np.eye(sac.spec.obs_dim, dtype=np.float32)[None, :, None]
    return {"obs": np.repeat(eye, len(sac.seeds), axis=0)}


def action_values(sac: SAC, unit: float | None = None) -> np.ndarray:
    """Mean of the twins, [length, J, 1 + C], of the first seed."""
    inputs = {k: torch.from_numpy(x) for k, x in one_hot_inputs(sac).items()}
    box = None if unit is None else torch.full_like(inputs["obs"][..., :1], unit)
    with torch.no_grad():
        first, second = sac.values.both(sac.learner.tensors(), inputs, box)
    return (0.5 * (first + second))[0, :, 0].numpy()


def probabilities(sac: SAC, mask: np.ndarray | None = None) -> np.ndarray:
    inputs = one_hot_inputs(sac)
    if mask is not None:
        inputs["action_mask"] = mask
    logits = actor(sac.net, sac.policy().params, inputs, OPS).logits
    return np.asarray(torch.softmax(torch.from_numpy(logits), -1))[:, :, 0]


def chosen(action: Action) -> np.ndarray:
    return action.discrete[..., 0]


def test_constant_reward_of_one_step_has_value_one(probe: Callable[..., Any]) -> None:
    sac = learn(probe(16, reward=lambda t, a: np.ones(chosen(a).shape)))
    assert action_values(sac)[0, :, 0] == pytest.approx([1.0, 1.0], abs=0.03)


def test_discrete_policy_is_the_softmax_of_reward_over_temperature(
    probe: Callable[..., Any],
) -> None:
    problem = probe(16, reward=lambda t, a: chosen(a) == 1)
    sac = learn(problem, automatic=False, temperature=0.5)
    assert probabilities(sac)[0, 0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.03)


def test_two_step_credit_has_the_soft_value(probe: Callable[..., Any]) -> None:
    """V(s1) = 1 + α log 2, so Q(s0) = γ (1 + α log 2)."""

    def late(t: np.ndarray, action: Action) -> np.ndarray:
        return np.repeat(t[:, None] == 1, chosen(action).shape[1], axis=1)

    problem = probe(16, reward=late, length=2)
    sac = learn(problem, 250, discount=0.5, automatic=False, temperature=0.2)
    soft = 0.5 * (1.0 + 0.2 * np.log(2.0))
    assert action_values(sac)[0, :, 0] == pytest.approx([soft, soft], abs=0.04)


def test_truncation_bootstraps_so_value_is_the_infinite_sum(probe: Callable[..., Any]) -> None:
    problem = probe(
        16,
        reward=lambda t, a: np.ones(chosen(a).shape),
        length=4,
        truncates=True,
        constant_obs=True,
    )
    sac = learn(problem, 250, discount=0.5, automatic=False, temperature=1e-4)
    assert action_values(sac)[0, :, 0] == pytest.approx([2.0, 2.0], abs=0.1)


def test_masked_action_is_never_played_and_has_probability_zero(
    probe: Callable[..., Any],
) -> None:
    problem = probe(
        16,
        reward=lambda t, a: chosen(a) == 1,
        action=Composite(discrete=(3,)),
        mask=(True, True, False),
    )
    sac = learn(problem, automatic=False, temperature=0.2)
    p = probabilities(sac, np.array([[[[True, True, False]]]]))[0, 0]
    assert p[2] == 0.0
    assert p[1] > 0.95
    assert all((chosen(a) != 2).all() for a in problem.actions)


def test_box_policy_finds_the_best_torque(probe: Callable[..., Any]) -> None:
    problem = probe(16, reward=lambda t, a: -np.square(a.box[..., 0] - 1.0), action=TORQUE)
    sac = learn(problem, 250, automatic=False, temperature=0.3)
    mean = actor(sac.net, sac.policy().params, one_hot_inputs(sac), OPS).mean
    assert 2.0 * np.tanh(mean[0, 0, 0, 0]) == pytest.approx(1.0, abs=0.1)


def test_box_spread_is_that_of_the_boltzmann_density(probe: Callable[..., Any]) -> None:
    """π ∝ exp(−4 u²/α) over the unit action u: standard deviation √(α/8)."""
    problem = probe(16, reward=lambda t, a: -np.square(a.box[..., 0]), action=TORQUE)
    sac = learn(problem, 250, automatic=False, temperature=0.1)
    inputs = {k: torch.from_numpy(x) for k, x in one_hot_inputs(sac).items()}
    out = actor(sac.net, sac.learner.tensors(), inputs, TorchOps())
    draws = torch.tanh(out.mean + out.log_std.exp() * torch.randn(1, 4000, 1, 1))
    assert float(draws.std()) == pytest.approx(np.sqrt(0.1 / 8), rel=0.2)


def test_composite_bandit_solves_both_parts(probe: Callable[..., Any]) -> None:
    problem = probe(
        16,
        reward=lambda t, a: (chosen(a) == 1) - np.abs(a.box[..., 0] - 0.5),
        action=Composite(discrete=(2, 3), box=(Box("share", "1", 0.0, 1.0),)),
    )
    sac = learn(problem, 250, automatic=False, temperature=0.05)
    out = actor(sac.net, sac.policy().params, one_hot_inputs(sac), OPS)
    assert out.logits[0, 0, 0, 1] - out.logits[0, 0, 0, 0] > 3.0
    assert np.tanh(out.mean[0, 0, 0, 0]) == pytest.approx(0.0, abs=0.15)


def test_box_limits_follow_the_discrete_choice(probe: Callable[..., Any]) -> None:
    """Choice 0 may play [0, 0.2], choice 1 [0.2, 1]; 0.8 is best, the unit action 0.5."""
    problem = probe(
        16,
        reward=lambda t, a: -10.0 * np.square(a.box[..., 0] - 0.8),
        action=Composite(discrete=(2,), box=(Box("share", "1", 0.0, 1.0),)),
    )
    observe = problem._observe

    def limited() -> Any:
        obs = observe()
        obs.box_low = np.tile(np.float32([[0.0], [0.2]]), (16, 1, 1, 1))
        obs.box_high = np.tile(np.float32([[0.2], [1.0]]), (16, 1, 1, 1))
        return obs

    problem._observe = limited
    sac = learn(problem, 400, automatic=False, temperature=0.1)
    assert probabilities(sac)[0, 0, 1] > 0.95
    mean = actor(sac.net, sac.policy().params, one_hot_inputs(sac), OPS).mean
    assert np.tanh(mean[0, 0, 0, 0]) == pytest.approx(0.5, abs=0.1)
    assert all(np.all((a.box[..., 0] > 0.2) <= (chosen(a) == 1)) for a in problem.actions)


def test_automatic_temperature_reaches_the_target_entropy(probe: Callable[..., Any]) -> None:
    problem = probe(16, reward=lambda t, a: chosen(a) == 1, action=Composite(discrete=(4,)))
    sac = learn(problem, 400, discrete_entropy=0.5, temperature=0.3)
    p = probabilities(sac)[0, 0]
    assert -(p * np.log(p)).sum() == pytest.approx(0.5 * np.log(4.0), abs=0.1)


def test_dead_agents_leave_no_gradient(probe: Callable[..., Any]) -> None:
    problem = probe(16, reward=lambda t, a: chosen(a) == 1, agents=2, dead=(1,))
    sac = learn(problem, 100)
    assert sac.learner.active.all()
    assert np.isfinite(sac.learner.flat.numpy()).all()
    assert sac.replay.arrays["reward"][:, :, 1].max() == 0.0


class Refuse(Shield):
    """Projects every action to choice 0."""

    def project(self, problem: Any, action: Action) -> Projection:
        zero = Action(discrete=np.zeros_like(action.discrete))
        changed = action.discrete[..., 0] != 0
        return Projection(zero, changed, changed.astype(np.int16))


def refused(probe: Callable[..., Any], **config: Any) -> SAC:
    problem = ShieldedProblem(probe(16, reward=lambda t, a: np.ones(chosen(a).shape)), Refuse())
    return learn(problem, **config)


def test_the_replay_holds_what_was_executed_where_that_is_learnt_from(
    probe: Callable[..., Any],
) -> None:
    proposed = refused(probe, updates=20)
    executed = refused(probe, updates=20, learn_from="executed")
    assert (proposed.replay.arrays["discrete"] == 1).any()
    assert (executed.replay.arrays["discrete"] == 0).all()


def test_an_intervention_penalty_teaches_to_propose_what_the_shield_lets_through(
    probe: Callable[..., Any],
) -> None:
    sac = refused(probe, intervention_penalty=0.5, automatic=False, temperature=0.1)
    assert action_values(sac)[0, :, 0] == pytest.approx([1.0, 0.5], abs=0.05)
    assert probabilities(sac)[0, 0, 0] > 0.95
    assert sac.iterate().intervened[0] < 0.25


def test_lagrange_multiplier_holds_the_cost_at_its_limit(probe: Callable[..., Any]) -> None:
    problem = probe(
        64,
        reward=lambda t, a: chosen(a) == 1,
        costs=(CostChannel("wear", "1", 0.3),),
        cost=lambda a: chosen(a)[:, 0] == 1,
    )
    net = NetSpec.for_problem(problem.spec, hidden=(16,), activation="relu")
    changes = {"steps": 64 * 4 * 150, "update_ratio": 1 / 128, "automatic": False}
    changes |= {"temperature": 0.3, "cost_rate": 0.1, "cost_proportional": 0.5}
    sac = SAC(problem, net, SACConfig(**{**FAST, **changes}), (0,))
    costs = [np.mean([e.cost[0] for e in report.episodes]) for report in sac.train()]
    assert max(costs) > 0.6
    assert np.mean(costs[len(costs) // 2 :]) == pytest.approx(0.3, abs=0.05)
    assert sac.lagrange.value[0, 0] > 0.5
