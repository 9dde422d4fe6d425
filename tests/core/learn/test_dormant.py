from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trimtab.deploy.network import NetSpec
from trimtab.learn.dormant import dormant_share
from trimtab.learn.nets import init_params
from trimtab.learn.ppo import PPO, PPOConfig


@pytest.mark.parametrize(("activation", "dead"), [("relu", -50.0), ("tanh", 0.0)])
def test_units_that_never_answer_are_counted_per_seed(activation: Any, dead: float) -> None:
    net = NetSpec(obs_dim=3, discrete=(2,), hidden=(8, 8), activation=activation)
    params = init_params(net, [np.random.default_rng(seed) for seed in range(2)])
    for side in ("actor", "critic"):
        params[f"{side}.trunk.1.b"][:] = 1.0
    params["actor.trunk.1.w"][1, :, :4] = 0.0
    params["actor.trunk.1.b"][1, :, :4] = dead
    obs = np.random.default_rng(0).standard_normal((2, 400, 1, 3)).astype(np.float32)
    assert dormant_share(net, params, {"obs": obs}, "actor").tolist() == [0.0, 4 / 16]
    assert dormant_share(net, params, {"obs": obs}, "critic").tolist() == [0.0, 0.0]


def test_a_layer_of_which_nothing_is_left_is_dormant_as_a_whole() -> None:
    net = NetSpec(obs_dim=3, discrete=(2,), hidden=(6,))
    params = init_params(net, [np.random.default_rng(0)])
    params["actor.trunk.0.w"][:] = 0.0
    obs = np.ones((1, 5, 1, 3), np.float32)
    assert dormant_share(net, params, {"obs": obs}, "actor").tolist() == [1.0]


def test_every_iteration_of_ppo_reports_the_dormant_units(probe: Callable[..., Any]) -> None:
    problem = probe(4, reward=lambda t, a: a.discrete[..., 0] == 1)
    net = NetSpec.for_problem(problem.spec, hidden=(4,))
    config = PPOConfig(
        steps=16,
        rollout=4,
        minibatches=1,
        learning_rate=0.0,
        normalise_obs=False,
        compiled=False,
    )
    ppo = PPO(problem, net, config, (0,))
    ppo.learner.weights["critic.trunk.0.w"][:, :, 0] = 0.0
    found = ppo.iterate().diagnostics
    assert found["dormant_actor"].tolist() == [0.0]
    assert found["dormant_critic"].tolist() == [0.25]
