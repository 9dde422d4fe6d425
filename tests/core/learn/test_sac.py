from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from trimtab.contracts.errors import CheckpointError, ContractError
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import PolicyController
from trimtab.deploy.weights import load_policy, save_policy
from trimtab.learn.sac import SAC, SACConfig
from trimtab.run.checkpoints import part
from trimtab.testing.classics.cartpole import CartPole
from trimtab.testing.classics.pendulum import Pendulum

SMALL = SACConfig(
    steps=400, start=80, rollout=8, update_ratio=0.1, batch=32, capacity=512, compiled=False
)


def build(seeds: tuple[int, ...] = (0,), config: SACConfig = SMALL, **shape: Any) -> SAC:
    problem = Pendulum(8 * len(seeds))
    settings = {"hidden": (16,), "squash": True, "state_std": True, **shape}
    return SAC(problem, NetSpec.for_problem(problem.spec, **settings), config, seeds)


def finish(sac: SAC) -> np.ndarray:
    for _ in sac.train():
        pass
    return sac.learner.flat.numpy().copy()


def test_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    assert np.array_equal(finish(build()), finish(build()))
    assert not np.array_equal(finish(build()), finish(build((1,))))


def test_stacked_seeds_learn_from_their_own_environments() -> None:
    sac = build((0, 1))
    finish(sac)
    first, second = sac.replay.arrays["obs"][:, : sac.replay.filled]
    assert not np.array_equal(first, second)
    assert sac.env_steps.tolist() == [400, 400]


def test_a_warm_up_trains_the_critics_and_leaves_the_actor_alone() -> None:
    sac = build(config=replace(SMALL, critic_warmup=2))
    first = {name: x.copy() for name, x in sac.learner.weights.items()}

    def moved(part: str) -> bool:
        now = sac.learner.weights
        return any(not np.array_equal(x, now[k]) for k, x in first.items() if k.startswith(part))

    for _ in range(2):
        sac.iterate()
    assert not moved("actor.")
    assert not moved("log_temperature")
    assert moved("")
    sac.iterate()
    assert moved("actor.")


def test_going_on_from_a_state_is_bit_identical() -> None:
    through = build((0, 3))
    for _ in range(2):
        through.iterate()
    state = through.state_dict()
    expected = finish(through)
    resumed = build((0, 3))
    resumed.load_state_dict(*state)
    assert resumed.iteration == 2
    assert np.array_equal(finish(resumed), expected)


def test_states_of_another_replay_or_network_are_refused() -> None:
    sac = build()
    sac.iterate()
    state = sac.state_dict()
    with pytest.raises(CheckpointError, match=r"seeds \[0\], this run has \[1\]"):
        build((1,)).load_state_dict(*state)
    with pytest.raises(CheckpointError, match="the network has"):
        build(hidden=(4,)).load_state_dict(*state)
    smaller = SACConfig(steps=400, start=80, capacity=256, compiled=False)
    with pytest.raises(CheckpointError, match="a replay of 512 rows, this one holds 256"):
        build(config=smaller).load_state_dict(*state)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_update_is_traced_whole_and_agrees_with_the_eager_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without machine code, which costs more than the rest; `test_step` has it for all learners."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    weights = []
    for compiled in (True, False):
        config = SACConfig(steps=160, start=80, update_ratio=0.1, batch=32, compiled=compiled)
        weights.append(finish(build(config=config)))
    assert np.abs(weights[0] - weights[1]).max() < 1e-5


def test_the_trained_policy_plays_from_its_file_without_the_learner(tmp_path: Path) -> None:
    sac = build()
    finish(sac)
    save_policy(tmp_path / "p.safetensors", sac.policy().seed(0), sac.spec)
    problem = Pendulum(3, autoreset=False)
    policy = load_policy(tmp_path / "p.safetensors", problem.spec)
    greedy = PolicyController(problem, policy)
    obs = problem.reset(np.arange(3))
    drawn = PolicyController(problem, policy, greedy=False)
    for controller in (greedy, drawn):
        controller.reset(np.arange(3))
    action = greedy.act(obs)
    assert np.abs(action.box).max() <= 2.0
    assert not np.array_equal(action.box, drawn.act(obs).box)


def test_plain_gaussians_and_free_action_counts_are_refused() -> None:
    with pytest.raises(ContractError, match="squash=True"):
        build(squash=False)


def test_more_joint_choices_than_the_critic_can_list_are_refused() -> None:
    problem = CartPole(2)
    net = NetSpec.for_problem(problem.spec)
    spec = replace(problem.spec, actions=(replace(problem.spec.actions[0], discrete=(30, 30)),))
    problem.spec = spec
    net = replace(net, discrete=(30, 30))
    with pytest.raises(ContractError, match=r"900 joint discrete choices.*use PPO"):
        SAC(problem, net, SMALL, (0,))


def test_adopting_keeps_what_both_learners_have() -> None:
    giver, taker = build((0,)), build((1,))
    taker.adopt(giver.learner.weights)
    assert np.array_equal(giver.learner.flat.numpy(), taker.learner.flat.numpy())


def test_a_checkpoint_holds_only_the_filled_part_of_the_replay() -> None:
    sac = build()
    sac.iterate()
    arrays, _ = sac.state_dict()
    assert part(arrays, "replay/")["obs"].shape[1] == sac.replay.filled == 144


def test_a_leash_holds_the_actor_at_the_policy_that_it_began_as() -> None:
    first = build((5,)).policy().seed(0)
    problem, seen = Pendulum(8), np.random.default_rng(0).normal(size=(1, 64, 1, 3))
    apart = []
    for leash in (0.0, 100.0):
        config = replace(SMALL, steps=1600, leash=leash, multi_step=True)
        sac = SAC(problem, first.net, config, (0,), initial=first)
        finish(sac)
        inputs = {"obs": seen.astype(np.float32)}
        mean = [policy.forward(inputs, sac.interface).mean for policy in (first, sac.policy())]
        apart.append(float(np.abs(mean[1] - mean[0]).mean()))
    assert apart[1] < 0.3 * apart[0]
