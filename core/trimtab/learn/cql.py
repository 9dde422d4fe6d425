"""Conservative Q-learning (Kumar et al. 2020): soft actor-critic that distrusts unlogged actions.

To the critic's loss it adds, for each of the twins,

    c · E_s [ log Σ_a exp Q(s, a) − Q(s, a logged) ],

which pushes the values of actions that the logs do not hold below those that they do. The sum
over discrete choices is exact; over box actions it is an importance-weighted sample of the
policy's and of uniform actions. With conservatism 0 it is SAC; to go on online, either `train`
with balanced samples, or let a `SAC` adopt the networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from trimtab.deploy.arrays import NEGATIVE
from trimtab.learn.action_values import at_choice, mean_alive
from trimtab.learn.sac import SAC, SACConfig, draw_action, taken
from trimtab.learn.step import Tensors


@dataclass(frozen=True, slots=True)
class CQLConfig(SACConfig):
    """Hyper-parameters beyond `SACConfig`.

    Attributes:
        conservatism: c.
        samples: box actions drawn from the policy, and as many uniform ones.
    """

    conservatism: float = 1.0
    samples: int = 4


class CQL(SAC):
    """Conservative Q-learning; see `OffPolicy` for its arguments."""

    config: CQLConfig  # pyright: ignore[reportIncompatibleVariableOverride]  # never assigned

    def _draw_noise(self) -> dict[str, torch.Tensor]:
        noise = super()._draw_noise()
        if self.net.box:
            normal = [self._normal(self.net.box) for _ in range(2 * self.config.samples)]
            noise |= {f"wide{i}": x for i, x in enumerate(normal)}
        return noise

    def _loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """SAC's loss plus the conservative term, per seed [S]."""
        loss, diagnostics = super()._loss(weights, batch, coefficients)
        joint, unit = taken(self.values, batch)
        logged = [at_choice(q, joint)[..., 0] for q in self.values.both(weights, batch, unit)]
        wide = self._log_sum_exp(weights, batch, coefficients)
        gap = sum((w - q for w, q in zip(wide, logged, strict=True)), torch.zeros_like(logged[0]))
        conservative = mean_alive(gap, batch["alive"])
        diagnostics["conservative"] = conservative
        return loss + self.config.conservatism * conservative, diagnostics

    def _log_sum_exp(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> list[torch.Tensor]:
        """Log Σ exp Q over all legal actions, [S, B, A] of both twins."""
        shut = torch.zeros(())
        if "action_mask" in batch and self.interface.discrete:
            flat = torch.where(batch["action_mask"], 0.0, NEGATIVE)
            shut = self.values.log_probs(flat, batch["alive"])
            shut = torch.where(shut < 0.5 * NEGATIVE, NEGATIVE, 0.0)
        if not self.net.box:
            both = self.values.both(weights, batch, None)
            return [torch.logsumexp(q[..., 0] + shut, dim=-1) for q in both]
        parts: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
        for unit, density in self._wide_actions(weights, batch, coefficients):
            for found, q in zip(parts, self.values.both(weights, batch, unit), strict=True):
                found.append(q[..., 0] + shut - density[..., None])
        count = math.log(2 * self.config.samples)
        return [torch.logsumexp(torch.cat(found, dim=-1), dim=-1) - count for found in parts]

    def _wide_actions(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Box actions [S, B, A, b] with their log-densities: the policy's, then uniform ones."""
        fixed = {name: x.detach() for name, x in weights.items()}
        found: list[tuple[torch.Tensor, torch.Tensor]] = []
        for i in range(2 * self.config.samples):
            name = f"wide{i}"
            if i < self.config.samples:
                drawn = draw_action(self.values, fixed, batch, coefficients, name)
                if drawn.unit is not None:
                    found.append((drawn.unit, drawn.density))
            else:
                uniform = torch.erf(coefficients[name] / math.sqrt(2.0))
                flat = torch.full_like(uniform[..., 0], -self.net.box * math.log(2.0))
                found.append((uniform, flat))
        return found
