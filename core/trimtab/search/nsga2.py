"""NSGA-II: non-dominated sorting and crowding distance over the genetic operators.

Deb, Pratap, Agarwal, Meyarivan: "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE TEC 6(2), 2002. With one objective it is the genetic search itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import FloatArray
from trimtab.search.genetic import Genetic


class Nsga2(Genetic):
    """R searches for a Pareto front; settings as in `Genetic`."""

    def _fitness(self, score: FloatArray, values: FloatArray) -> FloatArray:
        """Front number first, then the emptier neighbourhood."""
        fronts = front_numbers(values)
        crowding = _crowding(values, fronts)
        return np.asarray(fronts + 1.0 / (2.0 + crowding))


def front_numbers(values: FloatArray) -> NDArray[np.int64]:
    """Fronts [R, m] of minimised values [R, m, K]: 0 is dominated by none, 1 by front 0 alone."""
    no_worse = np.ones((*values.shape[:2], values.shape[1]), bool)
    better = np.zeros_like(no_worse)
    for column in np.moveaxis(values, -1, 0):
        no_worse &= column[:, :, None] <= column[:, None, :]
        better |= column[:, :, None] < column[:, None, :]
    dominates = no_worse & better
    count = dominates.sum(axis=1)
    front = np.full(count.shape, -1, np.int64)
    level = 0
    while (front < 0).any():
        now = (count == 0) & (front < 0)
        front[now] = level
        count = count - (dominates & now[:, :, None]).sum(axis=1)
        level += 1
    return front


def _crowding(values: FloatArray, fronts: NDArray[np.int64]) -> FloatArray:
    """[R, m] crowding distance within each front; the ends of a front are infinite."""
    total = np.zeros(fronts.shape)
    for column in np.moveaxis(values, -1, 0):
        order = np.lexsort((column, fronts), axis=-1)
        x, f = (np.take_along_axis(a, order, axis=1) for a in (column, fronts))
        gap = np.full(x.shape, np.inf)
        inner = (f[:, 1:-1] == f[:, :-2]) & (f[:, 1:-1] == f[:, 2:])
        with np.errstate(invalid="ignore"):
            span = np.maximum(x.max(axis=1, keepdims=True) - x.min(axis=1, keepdims=True), 1e-300)
            gap[:, 1:-1] = np.where(inner, (x[:, 2:] - x[:, :-2]) / span, np.inf)
        back = np.empty_like(gap)
        np.put_along_axis(back, order, gap, axis=1)
        total += np.nan_to_num(back, nan=0.0, posinf=np.inf)
    return total
