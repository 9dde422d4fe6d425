"""Problems around others: a channel with a limit, a reward that a team shares."""

from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import UnknownNameError
from trimtab.contracts.spec import Action
from trimtab.learn.wrapped import LimitedProblem, TeamProblem
from trimtab.testing.classics.spread import SimpleSpread


def played(problem: Any, steps: int = 5) -> list[Any]:
    seeds = np.arange(problem.copies)
    problem.reset(seeds)
    still = np.zeros((problem.copies, problem.spec.n_agents, 1), np.int64)
    return [problem.step(Action(still)) for _ in range(steps)]


def test_the_channel_is_the_only_cost_summed_over_agents_and_all_else_is_as_it_was() -> None:
    plain = SimpleSpread(copies=3)
    name = plain.spec.rewards[0].name
    limited = LimitedProblem(SimpleSpread(copies=3), name, limit=1.5)
    (channel,) = limited.spec.costs
    assert (channel.name, channel.unit, channel.limit) == (name, plain.spec.rewards[0].unit, 1.5)
    for one, other in zip(played(plain), played(limited), strict=True):
        assert np.array_equal(one.reward, other.reward)
        assert np.array_equal(one.obs.obs, other.obs.obs)
        assert other.cost[:, 0] == pytest.approx(one.reward[:, :, 0].sum(axis=1), rel=1e-6)


def test_an_unknown_channel_is_named() -> None:
    with pytest.raises(UnknownNameError, match="warmth"):
        LimitedProblem(SimpleSpread(copies=1), "warmth", 1.0)


def test_a_team_is_paid_alike_and_its_cut_episodes_end() -> None:
    plain = SimpleSpread(copies=2)
    steps = plain.spec.horizon
    pairs = zip(
        played(plain, steps), played(TeamProblem(SimpleSpread(copies=2)), steps), strict=True
    )
    for one, team in pairs:
        assert np.ptp(team.reward, axis=1).max() == 0.0
        assert team.reward.mean() == pytest.approx(one.reward.mean(), abs=1e-5)
        assert np.array_equal(team.terminated, one.done)
        assert not team.truncated.any()
    assert team.terminated.all()
