"""The few array operations that the networks need, written once for NumPy and once for torch.

Networks are described once (`nets`) and run on either library: NumPy inside rollouts and in
deployed controllers, torch inside the learning step (`trimtab.learn.nets.TorchOps`). Leading
axes are always S training seeds, B joint samples.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = Any  # numpy.ndarray or torch.Tensor
NEGATIVE = -1.0e9  # masked logit: finite, so that entropies stay finite; exp() of it is exactly 0


class Ops(Protocol):
    """Operations whose spelling differs between the two libraries."""

    def affine(self, x: Array, w: Array, b: Array) -> Array:
        """[S, M, i] @ [S, i, o] + [S, 1, o]."""

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""

    def concat(self, parts: list[Array]) -> Array:
        """Concatenate along the last axis."""

    def where(self, mask: Array, x: Array, other: float) -> Array:
        """`x` where mask, else the constant."""

    def as_float(self, mask: Array) -> Array:
        """0.0 and 1.0 in float32."""

    def repeat_agents(self, x: Array, agents: int) -> Array:
        """[S, B, Z] seen by every agent: [S, B, A, Z]."""

    def softmax(self, x: Array) -> Array:
        """Softmax over the last axis."""

    def gather_rows(self, x: Array, index: Array) -> Array:
        """[S, B, A, h] at [S, B, L] of axis 2, giving [S, B, L, h]."""

    def scatter_rows(self, x: Array, index: Array, size: int) -> Array:
        """Sum [S, B, L, h] into rows `index` [S, B, L], giving [S, B, size, h]."""


class NumpyOps:
    """NumPy spelling; a deployed policy needs nothing else."""

    def affine(self, x: Array, w: Array, b: Array) -> Array:
        """[S, M, i] @ [S, i, o] + [S, 1, o]."""
        out = x @ w
        out += b
        return out

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""
        return np.tanh(x)

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return np.maximum(x, np.float32(0.0))

    def concat(self, parts: list[Array]) -> Array:
        """Concatenate along the last axis."""
        return np.concatenate(parts, axis=-1)

    def where(self, mask: Array, x: Array, other: float) -> Array:
        """`x` where mask, else the constant."""
        return np.where(mask, x, np.float32(other))

    def as_float(self, mask: Array) -> Array:
        """0.0 and 1.0 in float32."""
        return mask.astype(np.float32)

    def repeat_agents(self, x: Array, agents: int) -> Array:
        """[S, B, Z] seen by every agent: [S, B, A, Z]."""
        return np.repeat(x[:, :, None], agents, axis=2)

    def softmax(self, x: Array) -> Array:
        """Softmax over the last axis."""
        weights = np.exp(x - x.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    def gather_rows(self, x: Array, index: Array) -> Array:
        """[S, B, A, h] at [S, B, L] of axis 2, giving [S, B, L, h]."""
        return np.take_along_axis(x, index[..., None], axis=2)

    def scatter_rows(self, x: Array, index: Array, size: int) -> Array:
        """Sum [S, B, L, h] into rows `index` [S, B, L], giving [S, B, size, h]."""
        seeds, batch, _, width = x.shape
        out = np.zeros((seeds * batch * size, width), dtype=x.dtype)
        offset = np.arange(seeds * batch).reshape(seeds, batch, 1) * size
        np.add.at(out, (index + offset).ravel(), x.reshape(-1, width))
        return out.reshape(seeds, batch, size, width)
