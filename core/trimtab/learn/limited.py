"""A reward channel that counts as a cost with a limit: what a Lagrangian learner is to keep.

Problems name what must never happen as costs; what a user wants to spend no more than so much of
(starts, wear of a battery) is usually measured already, as a channel of the vector reward.
`LimitedProblem` puts such a channel in place of the costs, with a limit per decision, and leaves
everything else as it is. The multiplier that `lagrangian` finds is then the channel's price.

    problem = LimitedProblem(problem, "throughput", limit=1.2)   # kWh a decision
    sac = SAC(problem, net, SACConfig(reward_weights=..., cost_rate=0.01), seeds=(0,))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, CostChannel, Float32Array, IntArray, Obs, Step


class LimitedProblem(ControlProblem):
    """See the module. Its one cost is the sum of the channel over all agents.

    Args:
        problem: measures the channel.
        channel: name of the reward channel.
        limit: of its mean per decision, in the channel's unit.
    """

    def __init__(self, problem: ControlProblem, channel: str, limit: float) -> None:
        self.inner, self._index = problem, problem.spec.reward_index(channel)
        self.copies, self.autoreset = problem.copies, problem.autoreset
        unit = problem.spec.rewards[self._index].unit
        self.spec = replace(problem.spec, costs=(CostChannel(channel, unit, limit),))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """As the inner problem."""
        return self.inner.reset(seed, context, rows)

    def step(self, action: Action | None) -> Step:
        """As the inner problem, with the channel as the cost."""
        step = self.inner.step(action)
        spent = step.reward[:, :, self._index].sum(axis=1, keepdims=True, dtype=np.float32)
        return replace(step, cost=spent)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """As the inner problem."""
        return self.inner.snapshot(rows)

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """As the inner problem."""
        self.inner.restore(snapshot, rows)

    def resource(self, need: Need) -> Any:
        """As the inner problem."""
        return self.inner.resource(need)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """As the inner problem."""
        return self.inner.episode_log(row)

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """As the inner problem."""
        return self.inner.details(row)

    def close(self) -> None:
        """Close the inner problem."""
        self.inner.close()
