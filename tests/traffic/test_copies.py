"""Copies of SUMO, one a process, behind one control problem."""

from collections.abc import Iterator

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Obs
from trimtab.run.copies import process_copies
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.scenario import SignalsProblem

TOWN = SignalsProblem.model_validate(
    {"network": {"generated": {"columns": 2, "rows": 1, "block_m": 120}}, "horizon_s": 60}
)


def legal(obs: Obs, turn: int) -> Action:
    """Another legal stage at every decision; depends on the copy's own mask alone."""
    assert obs.action_mask is not None
    order = np.roll(obs.action_mask, -turn, axis=-1).argmax(axis=-1)
    return Action(discrete=((order + turn) % obs.action_mask.shape[-1])[..., None])


def played(problem: ControlProblem, seeds: list[int]) -> Iterator[tuple[np.ndarray, float]]:
    """Rewards of each copy's episode, [T, A, K], and its delay."""
    obs, rewards = problem.reset(np.array(seeds)), []
    for turn in range(problem.spec.horizon):
        step = problem.step(legal(obs, turn))
        obs = step.obs
        rewards.append(step.reward)
    for row in range(len(seeds)):
        yield np.stack(rewards)[:, row], float(step.metrics["true_delay_s"][row])


def test_each_copy_of_sumo_equals_a_lone_run() -> None:
    seeds = [1, 2, 3, 4]
    with process_copies(DOMAIN, TOWN, len(seeds), "graph", autoreset=False) as batch:
        together = list(played(batch, seeds))
    with DOMAIN.build(TOWN, 1, "graph") as lone:
        alone = [next(played(lone, [seed])) for seed in seeds]
    for (reward, delay_s), (reward_alone, delay_alone_s) in zip(together, alone, strict=True):
        np.testing.assert_array_equal(reward, reward_alone)
        assert delay_s == delay_alone_s
