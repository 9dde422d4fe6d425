"""Action values of composite actions: Q(s, box action) for every joint discrete choice at once.

Box components enter the network beside the observation, in units of their legal half range
(which may depend on the observation and on the choice); the outputs are one row of channels per
joint choice, as in hybrid SAC (Delalleau et al. 2019). So expectations over the discrete part of
a policy are exact sums, and masked choices drop out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from trimtab.contracts.errors import ContractError
from trimtab.deploy.arrays import Array
from trimtab.deploy.network import Inputs, NetSpec, encode, layer
from trimtab.learn.heads import log_softmax_parts
from trimtab.learn.nets import TorchOps, init_values
from trimtab.learn.step import TARGET, Tensors

MOST_CHOICES = 512  # joint discrete choices; beyond, factor the action over agents
TWINS = ("q0", "q1")
_OPS = TorchOps()


@dataclass(frozen=True, slots=True)
class ActionValues:
    """Twin networks Q(s, a) → `channels` per joint choice, and their targets.

    Attributes:
        net: of the policy; the Q networks have its widths and read the box action besides.
        sizes: choices of each discrete component.
        channels: outputs per choice: the scalarised reward, then each cost.
    """

    net: NetSpec
    sizes: tuple[int, ...]
    channels: int = 1

    def __post_init__(self) -> None:
        if self.net.action_block is not None:
            msg = "action values need fixed discrete sizes: build the net without action_block"
            raise ContractError(msg)
        if self.choices > MOST_CHOICES:
            msg = (
                f"{self.choices} joint discrete choices ({self.sizes}) exceed {MOST_CHOICES}: "
                "use PPO, or give each component an agent of its own"
            )
            raise ContractError(msg)
        if self.net.box and not self.net.squash:
            msg = "off-policy learners need NetSpec.for_problem(..., squash=True) for box actions"
            raise ContractError(msg)

    @property
    def choices(self) -> int:
        """J, joint discrete choices (1 for pure box actions)."""
        return int(np.prod(self.sizes)) if self.sizes else 1

    @property
    def reading(self) -> NetSpec:
        """The description of the Q networks: the observation is joined by the box action."""
        return replace(self.net, obs_dim=self.net.obs_dim + self.net.box)

    def init(self, rngs: Sequence[np.random.Generator]) -> dict[str, Array]:
        """Parameters of both networks, and targets equal to them."""
        params = init_values(self.reading, TWINS, self.choices * self.channels, rngs)
        return params | {TARGET + name: x.copy() for name, x in params.items()}

    def both(
        self, weights: Tensors, inputs: Inputs, unit: torch.Tensor | None, prefix: str = ""
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[S, B, A, J, channels] of both networks.

        Args:
            weights: all parameters.
            inputs: normalised network inputs.
            unit: box actions in [−1, 1], [S, B, A, b], or None.
            prefix: `TARGET` for the target networks.
        """
        obs = inputs["obs"]
        if unit is not None:
            obs = torch.cat([obs, unit], dim=-1)
        seen = {**inputs, "obs": obs}
        first, second = (self._one(weights, seen, prefix + side) for side in TWINS)
        return first, second

    def _one(self, weights: Tensors, inputs: Inputs, side: str) -> torch.Tensor:
        hidden, _ = encode(self.reading, weights, inputs, _OPS, side)
        out: torch.Tensor = layer(weights, f"{side}.value", hidden, _OPS)
        return out.reshape(*out.shape[:-1], self.choices, self.channels)

    def joint(self, discrete: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """Joint choice [S, B, A] int64 of components [S, B, A, d]; zeros shaped as `like`."""
        index = torch.zeros_like(like, dtype=torch.int64)
        if discrete is not None:
            for i, size in enumerate(self.sizes):
                index = index * size + discrete[..., i]
        return index

    def log_probs(self, logits: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """Log-probability of every joint choice, [S, B, A, J]; 0 for pure box actions."""
        if logits is None:
            return torch.zeros_like(like)[..., None]
        parts = log_softmax_parts(logits, self.sizes)
        joint = parts[0]
        for part in parts[1:]:
            joint = (joint[..., :, None] + part[..., None, :]).flatten(-2)
        return joint


def at_choice(values: torch.Tensor, joint: torch.Tensor) -> torch.Tensor:
    """[S, B, A, channels] of [S, B, A, J, channels] at the joint choice [S, B, A]."""
    index = joint[..., None, None].expand(*joint.shape, 1, values.shape[-1])
    return values.gather(-2, index)[..., 0, :]


def mean_alive(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean [S] of [S, B, A]; 0 where nothing has weight."""
    return (x * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1.0)
