"""Implicit Q-learning (Kostrikov, Nair, Levine 2022): from logs, never asking about other actions.

V is an upper expectile of Q over the actions that the logs hold, Q bootstraps from V, and the
policy imitates logged actions weighted by exp(β (Q − V)). No term ever evaluates an action that
was not taken, so nothing outside the data can be overestimated. Going on online is the same loss
on a mixture of both kinds of data (`OffPolicy.train`).

    iql = IQL(problem, net, IQLConfig(steps=50_000), seeds=(0,), data=logs)
    iql.fit(20_000)              # from the logs alone; problem may be None for this
    for report in iql.train():   # then online, half of each minibatch still from the logs
        ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trimtab.deploy.arrays import Array
from trimtab.deploy.network import Inputs, actor, encode, layer
from trimtab.learn.action_values import at_choice, mean_alive
from trimtab.learn.heads import log_prob_and_entropy
from trimtab.learn.nets import TorchOps, init_values
from trimtab.learn.offpolicy import OffPolicy, OffPolicyConfig
from trimtab.learn.sac import taken, what_follows
from trimtab.learn.step import TARGET, Tensors

_OPS = TorchOps()
_SIDE = "v"


@dataclass(frozen=True, slots=True)
class IQLConfig(OffPolicyConfig):
    """Hyper-parameters beyond `OffPolicyConfig`.

    Attributes:
        expectile: τ of V; 0.5 is the behaviour's own value, towards 1 the best logged action's.
        greed: β, inverse temperature of the advantage weights, per unit of scaled reward.
        most_weight: weights are cut there.
    """

    expectile: float = 0.8
    greed: float = 3.0
    most_weight: float = 100.0


class IQL(OffPolicy):
    """Implicit Q-learning; see `OffPolicy` for its arguments."""

    config: IQLConfig

    def _channels(self) -> int:
        return 1

    def _further(self, rngs: Sequence[np.random.Generator]) -> dict[str, Array]:
        return init_values(self.net, (_SIDE,), 1, rngs)

    def _value(self, weights: Tensors, inputs: Inputs) -> torch.Tensor:
        """V [S, B, A]."""
        hidden, _ = encode(self.net, weights, inputs, _OPS, _SIDE)
        found: torch.Tensor = layer(weights, f"{_SIDE}.value", hidden, _OPS)[..., 0]
        return found

    def _loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Expectile of V + squared error of Q + weighted imitation, per seed [S]."""
        config, alive = self.config, batch["alive"]
        joint, unit = taken(self.values, batch)
        slow = self.values.both(weights, batch, unit, TARGET)
        best = torch.minimum(*(at_choice(q, joint)[..., 0] for q in slow)).detach()
        value = self._value(weights, batch)
        advantage = best - value
        side = torch.where(advantage > 0, config.expectile, 1.0 - config.expectile)
        value_loss = mean_alive(side.detach() * advantage * advantage, alive)

        price = coefficients["multipliers"]
        reward = batch["reward"] - (batch["cost"] * price[:, None]).sum(-1)[..., None]
        after = self._value(weights, what_follows(batch)).detach()
        target = reward + batch["discount"] * after
        errors = [
            at_choice(q, joint)[..., 0] - target for q in self.values.both(weights, batch, unit)
        ]
        critic_loss = mean_alive(0.5 * (errors[0] ** 2 + errors[1] ** 2), alive)

        seen = {**batch, "box_used": coefficients["box_used"]}
        log_prob, _ = log_prob_and_entropy(
            self.net, actor(self.net, weights, batch, _OPS), seen, self.interface.discrete
        )
        weight = torch.exp(config.greed * advantage.detach()).clamp(max=config.most_weight)
        actor_loss = -mean_alive(weight * log_prob, alive)
        diagnostics = {
            "value_loss": value_loss,
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "value": mean_alive(value, alive),
        }
        return value_loss + critic_loss + actor_loss, diagnostics
