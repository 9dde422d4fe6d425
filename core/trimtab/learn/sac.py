"""Soft actor-critic (Haarnoja et al. 2018) for box, discrete and composite actions.

Box part: a tanh-squashed Gaussian whose gradient flows through the critics. Discrete part: exact
expectations over the joint choices (Christodoulou 2019; hybrid SAC, Delalleau et al. 2019), so
that masks are exact. Twin critics with slow targets take the smaller value; each part has a
temperature of its own, moved towards a target entropy. Cost channels get critics of their own,
and their Lagrange multipliers enter the actor's loss (`lagrangian`).

One function makes critic, actor and temperature step at once: their gradients touch disjoint
parameters, so it is one update of `step.Learner`, compiled whole.

    net = NetSpec.for_problem(problem.spec, squash=True, state_std=True, activation="relu")
    sac = SAC(problem, net, SACConfig(steps=20_000), seeds=(0, 1, 2))
    for report in sac.train():
        ...
    save_policy(path, sac.policy().seed(0), problem.spec)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from trimtab.deploy.arrays import Array
from trimtab.deploy.network import actor
from trimtab.deploy.policy import Policy
from trimtab.learn.action_values import ActionValues, at_choice, mean_alive
from trimtab.learn.heads import box_log_prob, log_softmax_parts, teacher_loss
from trimtab.learn.nets import TorchOps
from trimtab.learn.offpolicy import OffPolicy, OffPolicyConfig
from trimtab.learn.replay import NEXT
from trimtab.learn.step import TARGET, Learner, Tensors

_OPS = TorchOps()
_TEMPERATURES = "log_temperature"  # [S, 1, 2]: of the discrete and of the box part


@dataclass(frozen=True, slots=True)
class SACConfig(OffPolicyConfig):
    """Hyper-parameters beyond `OffPolicyConfig`.

    Attributes:
        temperature: α of both parts at the start, and for good if not `automatic`.
        automatic: move the temperatures towards the target entropies.
        box_entropy: target entropy per box component (of the action in units of the half range).
        discrete_entropy: target as a share of log(number of legal joint choices).
        critic_warmup: first iterations that train the critics only, so that an actor that was
            taught is not moved by critics that know nothing.
        leash: weight of the divergence from the policy that it began as, where it was given one.
    """

    temperature: float = 0.1
    automatic: bool = True
    box_entropy: float = -1.0
    discrete_entropy: float = 0.2
    critic_warmup: int = 0
    leash: float = 0.0


class Draw(NamedTuple):
    """An action distribution and a draw from its box part, [S, B, A, ...].

    Attributes:
        log_probs: [..., J] of the joint discrete choices.
        probs: [..., J], exactly 0 where masked.
        unit: [..., b] box action in units of the half range, or None.
        density: [...] log-density of `unit`.
    """

    log_probs: torch.Tensor
    probs: torch.Tensor
    unit: torch.Tensor | None
    density: torch.Tensor


def draw_action(
    values: ActionValues, weights: Tensors, inputs: Tensors, noise: Tensors, name: str
) -> Draw:
    """The policy in normalised `inputs`, its box part drawn with the noise called `name`."""
    out = actor(values.net, weights, inputs, _OPS)
    like = inputs["obs"][..., 0]
    log_probs = values.log_probs(out.logits, like)
    unit, density = None, torch.zeros_like(like)
    if out.mean is not None and out.log_std is not None:
        raw = out.mean + torch.exp(out.log_std) * noise[name]
        each = box_log_prob(out.mean, out.log_std, raw, squash=True)
        unit, density = torch.tanh(raw), (each * noise["box_used"]).sum(-1)
    return Draw(log_probs, log_probs.exp(), unit, density)


def what_follows(batch: Tensors) -> dict[str, torch.Tensor]:
    """The inputs after the decision, under the names of those before it."""
    return {k.removeprefix(NEXT): x for k, x in batch.items() if k.startswith(NEXT)}


def taken(values: ActionValues, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Joint choice [S, B, A] and box action [S, B, A, b] in [−1, 1] of the transitions."""
    unit = torch.tanh(batch["raw"]) if "raw" in batch else None
    return values.joint(batch.get("discrete"), batch["alive"]), unit


class SAC(OffPolicy):
    """Soft actor-critic; see `OffPolicy` for its arguments."""

    config: SACConfig
    _began: dict[str, torch.Tensor]

    def _build_learner(self, initial: Policy | None) -> Learner:
        given = {} if initial is None else initial.repeat(len(self.seeds)).params
        self._began = {name: torch.from_numpy(np.array(x)) for name, x in given.items()}
        return super()._build_learner(initial)

    def _further(self, rngs: Sequence[np.random.Generator]) -> dict[str, Array]:
        start = np.log(self.config.temperature)
        return {_TEMPERATURES: np.full((len(rngs), 1, 2), start, dtype=np.float32)}

    def _draw_noise(self) -> dict[str, torch.Tensor]:
        actor_on = {"actor": torch.tensor(float(self.iteration >= self.config.critic_warmup))}
        if not self.net.box:
            return actor_on
        box = self.net.box
        return actor_on | {"now": self._normal(box), "after": self._normal(box)}

    def _loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Critic + actor + temperature, per seed [S]."""
        fixed = {name: x.detach() for name, x in weights.items()}
        alpha = torch.exp(fixed[_TEMPERATURES])
        target = self._targets(fixed, batch, coefficients, alpha)
        critic_loss = self._critic_loss(weights, batch, target)
        drawn = draw_action(self.values, weights, batch, coefficients, "now")
        actor_loss = self._actor_loss(fixed, batch, coefficients, drawn, alpha)
        actor_loss = actor_loss + self._leash_loss(weights, batch, coefficients)
        heat_loss, entropies = self._temperature_loss(weights, batch, coefficients, drawn)
        diagnostics = {
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "value": mean_alive(target[..., 0], batch["alive"]),
            "temperature_discrete": alpha[:, 0, 0],
            "temperature_box": alpha[:, 0, 1],
        }
        moved = coefficients["actor"] * (actor_loss + heat_loss)
        return critic_loss + moved, diagnostics | entropies

    def _targets(
        self, fixed: Tensors, batch: Tensors, coefficients: Tensors, alpha: torch.Tensor
    ) -> torch.Tensor:
        """Bootstrapped targets [S, B, A, 1 + C]: soft for the reward, plain for the costs."""
        after = what_follows(batch)
        drawn = draw_action(self.values, fixed, after, coefficients, "after")
        first, second = self.values.both(fixed, after, drawn.unit, TARGET)
        soft = torch.minimum(first[..., 0], second[..., 0])
        soft = soft - alpha[..., :1, None] * drawn.log_probs
        value = (drawn.probs * soft).sum(-1) - alpha[..., 1:] * drawn.density
        parts = [(batch["reward"] + batch["discount"] * value)[..., None]]
        if self.values.channels > 1:
            cost = (drawn.probs[..., None] * 0.5 * (first + second)[..., 1:]).sum(-2)
            parts.append(batch["cost"][:, :, None] + batch["discount"][..., None] * cost)
        return torch.cat(parts, dim=-1).detach()

    def _critic_loss(self, weights: Tensors, batch: Tensors, target: torch.Tensor) -> torch.Tensor:
        """Squared errors of both critics at the actions taken, [S]."""
        joint, unit = taken(self.values, batch)
        errors = [at_choice(q, joint) - target for q in self.values.both(weights, batch, unit)]
        squared = sum(((e * e).sum(-1) for e in errors), torch.zeros_like(batch["alive"]))
        return mean_alive(0.5 * squared, batch["alive"])

    def _actor_loss(
        self,
        fixed: Tensors,
        batch: Tensors,
        coefficients: Tensors,
        drawn: Draw,
        alpha: torch.Tensor,
    ) -> torch.Tensor:
        """E[α log π − Q + Σ λ_c Q_c], divided by 1 + Σ λ_c so that its step keeps its size."""
        first, second = self.values.both(fixed, batch, drawn.unit)
        worth = torch.minimum(first[..., 0], second[..., 0])
        if self.values.channels > 1:
            price = coefficients["multipliers"]
            costs = 0.5 * (first + second)[..., 1:]
            worth = worth - (costs * price[:, None, None, None]).sum(-1)
            worth = worth / (1.0 + price.sum(-1))[:, None, None, None]
        each = (drawn.probs * (alpha[..., :1, None] * drawn.log_probs - worth)).sum(-1)
        return mean_alive(each + alpha[..., 1:] * drawn.density, batch["alive"])

    def _leash_loss(self, weights: Tensors, batch: Tensors, coefficients: Tensors) -> torch.Tensor:
        """Weighted divergence from the policy at the start, [S]."""
        if not (self.config.leash and self._began):
            return torch.zeros_like(batch["alive"][:, 0, 0])
        first = actor(self.net, self._began, batch, _OPS)
        asked = {"box_used": coefficients["box_used"]}
        if first.logits is not None:
            parts = log_softmax_parts(first.logits, self.interface.discrete)
            asked["teacher_probs"] = torch.cat(parts, dim=-1).exp()
        if first.mean is not None:
            asked["teacher_raw"] = first.mean
        out = actor(self.net, weights, batch, _OPS)
        apart = teacher_loss(out, asked, self.interface.discrete)
        return self.config.leash * mean_alive(apart, batch["alive"])

    def _temperature_loss(
        self, weights: Tensors, batch: Tensors, coefficients: Tensors, drawn: Draw
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """−log α · (target − entropy) of both parts, and the entropies."""
        alive = batch["alive"]
        discrete = -(drawn.probs * drawn.log_probs).sum(-1).detach()
        legal = (drawn.log_probs.detach() > -1e8).to(alive.dtype).sum(-1)
        goal = self.config.discrete_entropy * torch.log(legal)
        box = -drawn.density.detach()
        missing = [mean_alive(goal - discrete, alive)]
        missing.append(
            mean_alive(self.config.box_entropy * coefficients["box_used"].sum(-1) - box, alive)
        )
        entropies = {"entropy_discrete": mean_alive(discrete, alive)}
        entropies["entropy_box"] = mean_alive(box, alive)
        if not self.config.automatic:
            return torch.zeros_like(missing[0]), entropies
        heat = weights[_TEMPERATURES][:, 0]
        return -(heat[:, 0] * missing[0] + heat[:, 1] * missing[1]), entropies

    def adopt(self, weights: Mapping[str, Array]) -> None:
        """Start from the networks of another learner: the names that both have.

        For the switch from a data set to play: `sac.adopt(cql.learner.weights)`.
        """
        for name, own in self.learner.weights.items():
            if name in weights and weights[name].shape == own.shape:
                own[...] = weights[name]
