"""Small changes of designs, shared by the methods that walk or breed.

Ordered values step up or down, categories are redrawn, continuous values move by the polynomial
mutation of Deb and Goyal 1996, orders are changed by reversing or shifting a stretch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import BoolArray, FloatArray
from trimtab.search.grid import Grid


def moved(
    grid: Grid, points: FloatArray, chosen: BoolArray, draws: FloatArray, reach: FloatArray
) -> FloatArray:
    """Change the chosen columns of points, each to another value; not yet snapped.

    Args:
        grid: the space's columns.
        points: [R, m, width].
        chosen: [R, m, width] bool; for a permutation, any chosen key moves the whole order.
        draws: [R, m, width + 3] uniforms.
        reach: [R] share of a range that an ordered or continuous value may jump.
    """
    u, extra = draws[..., : grid.width], draws[..., grid.width :]
    reach = reach[:, None, None]
    index = grid.index(points)
    stepped = _stepped(grid, index, u, reach)
    jump = 1.0 + np.floor(u * np.maximum(grid.counts - 1, 1))
    other = (index + jump.astype(np.int64)) % np.maximum(grid.counts, 1)
    discrete = grid.centre(np.where(grid.ordered, stepped, other), points)
    continuous = (grid.counts == 0) & ~grid.keys
    out = np.where(continuous, _polynomial(points, u, reach), discrete)
    out = np.where(chosen & ~grid.keys, out, points)
    for s in grid.permutations:
        out[..., s] = np.where(
            chosen[..., s].any(axis=-1, keepdims=True),
            reordered(points[..., s], extra),
            out[..., s],
        )
    return np.asarray(out)


def _stepped(
    grid: Grid, index: NDArray[np.int64], u: FloatArray, reach: FloatArray
) -> NDArray[np.int64]:
    """Up or down by 1 to reach · range, mirrored at the ends."""
    last = np.maximum(grid.counts - 1, 1)
    v = 2.0 * u - 1.0
    step = np.ceil(np.abs(v) * np.maximum(1.0, reach * last))
    target = np.abs(index + np.sign(v) * step)
    target = np.where(target > last, 2 * last - target, target)
    target = np.where(target == index, np.where(index < last, index + 1, index - 1), target)
    return np.asarray(np.clip(target, 0, last).astype(np.int64))


def _polynomial(x: FloatArray, u: FloatArray, reach: FloatArray) -> FloatArray:
    """Polynomial mutation with index 1/reach on [0, 1]."""
    power = 1.0 / (1.0 / reach + 1.0)
    low = (2 * u + (1 - 2 * u) * (1 - x) ** (1 / power)) ** power - 1
    high = 1 - (2 * (1 - u) + (2 * u - 1) * x ** (1 / power)) ** power
    return np.asarray(np.clip(x + np.where(u < 0.5, low, high), 0.0, 1.0))


def reordered(keys: FloatArray, extra: FloatArray) -> FloatArray:
    """Reverse, or rotate by one, the stretch between two positions of an order.

    Args:
        keys: [..., size] canonical keys of orders.
        extra: [..., 3] uniforms.
    """
    size = keys.shape[-1]
    rank = np.floor(keys * size)
    ends = np.sort(np.floor(extra[..., :2] * size), axis=-1)
    first, last = ends[..., :1], ends[..., 1:]
    last = np.where(last == first, np.minimum(first + 1, size - 1), last)
    first = np.where(last == first, first - 1, first)
    inside = (rank >= first) & (rank <= last)
    turned = first + last - rank
    shifted = np.where(rank == last, first, rank + 1)
    chosen = np.where(extra[..., 2:3] < 0.5, turned, shifted)
    return np.asarray((np.where(inside, chosen, rank) + 0.5) / size)
