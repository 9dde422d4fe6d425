"""Dormant units (Sokar et al. 2023; threshold of DrM, Xu et al. 2024), logged on every run.

A unit is dormant if the mean of |h| over a sample is at most τ of the mean over its layer. A share
that grows says that the network loses the ability to learn on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trimtab.deploy.arrays import Array, NumpyOps
from trimtab.deploy.network import NetSpec, Params, encode

THRESHOLD = 0.025
SAMPLE = 128
"""Joint samples that are looked at, evenly spaced."""


class _Watching(NumpyOps):
    """Operations that keep what every activation gave."""

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""
        self.seen.append(super().tanh(x))
        return self.seen[-1]

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        self.seen.append(super().relu(x))
        return self.seen[-1]


def dormant_share(
    net: NetSpec, params: Params, inputs: Mapping[str, Array], side: str
) -> NDArray[np.float32]:
    """Share [S] of the hidden units of one side of the network that are dormant.

    Args:
        net: the description.
        params: NumPy arrays, name → [S, in, out].
        inputs: normalised inputs [S, B, A, ...].
        side: prefix of the parameters: `actor`, `critic`, or that of an action value.
    """
    stride = max(1, inputs["obs"].shape[1] // SAMPLE)
    ops = _Watching()
    encode(net, params, {k: x[:, ::stride] for k, x in inputs.items()}, ops, side)
    layers = [np.abs(x).reshape(x.shape[0], -1, x.shape[-1]).mean(axis=1) for x in ops.seen]
    dormant = [x <= THRESHOLD * x.mean(axis=1, keepdims=True) for x in layers]
    return np.asarray(np.concatenate(dormant, axis=1).mean(axis=1, dtype=np.float32))
