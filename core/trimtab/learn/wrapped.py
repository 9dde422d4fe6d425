"""Problems that learners put around another one, so that it means what they are to learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, CostChannel, Step
from trimtab.contracts.wrapped import Wrapped


class LimitedProblem(Wrapped):
    """A reward channel that counts as the only cost, with a limit: what a Lagrangian is to keep.

    Problems name what must never happen as costs; what a user wants to spend no more than so much
    of (starts, wear of a battery) is usually measured already, as a channel of the vector reward.
    The multiplier that `lagrangian` finds is then the channel's price. The cost is the sum of the
    channel over all agents.

        problem = LimitedProblem(problem, "throughput", limit=1.2)   # kWh a decision
        sac = SAC(problem, net, SACConfig(reward_weights=..., cost_rate=0.01), seeds=(0,))

    Args:
        problem: measures the channel.
        channel: name of the reward channel.
        limit: of its mean per decision, in the channel's unit.

    Raises:
        UnknownNameError: no reward channel has that name.
    """

    def __init__(self, problem: ControlProblem, channel: str, limit: float) -> None:
        super().__init__(problem)
        self._index = problem.spec.reward_index(channel)
        unit = problem.spec.rewards[self._index].unit
        self.spec = replace(problem.spec, costs=(CostChannel(channel, unit, limit),))

    def step(self, action: Action | None) -> Step:
        """As the inner problem, with the channel as the cost."""
        step = self.inner.step(action)
        spent = step.reward[:, :, self._index].sum(axis=1, keepdims=True, dtype=np.float32)
        return replace(step, cost=spent)


class TeamProblem(Wrapped):
    """Every agent is paid the mean of all; episodes that are cut count as ended.

    Agents that are paid their own rewards alone have no reason to help each other.
    """

    def step(self, action: Action | None) -> Step:
        """As the inner problem, with the rewards shared."""
        step = self.inner.step(action)
        mean = step.reward.mean(axis=1, keepdims=True)
        reward = np.ascontiguousarray(np.broadcast_to(mean, step.reward.shape))
        ended = np.zeros_like(step.done)
        return replace(step, reward=reward, terminated=step.done, truncated=ended)
