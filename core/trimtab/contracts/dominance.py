"""Pareto dominance: which points no other one beats."""

from __future__ import annotations

import numpy as np

from trimtab.contracts.spec import BoolArray, FloatArray


def non_dominated(points: FloatArray) -> BoolArray:
    """[n] bool: no other point is at least as small everywhere and smaller somewhere.

    Of equal points the first stands for all.

    Args:
        points: [n, K], all minimised, finite.
    """
    kept = np.zeros(len(points), dtype=bool)
    for i in np.lexsort(points.T[::-1]):  # a point can only be dominated by an earlier one
        front = points[kept]
        kept[i] = not (front <= points[i]).all(axis=1).any()
    return kept
