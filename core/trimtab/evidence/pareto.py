"""Pareto fronts of searches: hypervolume, and its ratio to the true front.

Every function takes costs: points [n, K] whose objectives are all minimised.
"""

from __future__ import annotations

import numpy as np

from trimtab.contracts.dominance import non_dominated
from trimtab.contracts.errors import EvidenceError
from trimtab.contracts.spec import FloatArray

MARGIN = 0.1
"""The worst point lies this share of the spread beyond the true front, so that its ends count."""


def hypervolume(points: FloatArray, worst: FloatArray) -> float:
    """Volume that points dominate below a worst point (Zitzler and Thiele, TEC 1999).

    Exact, by slicing along the last objective (While et al., TEC 2006, HSO).

    Args:
        points: [n, K]; those that do not dominate `worst` add nothing.
        worst: [K], fixed before the data are seen.

    Raises:
        EvidenceError: the shapes do not fit, or a number is not finite.
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, len(worst))
    if not (np.isfinite(array).all() and np.isfinite(worst).all()):
        msg = "hypervolume: expected finite points and a finite worst point. Leave failures out."
        raise EvidenceError(msg)
    inside = array[(array < worst).all(axis=1)]
    return _volume(inside[non_dominated(inside)], np.asarray(worst, dtype=np.float64))


def _volume(front: FloatArray, worst: FloatArray) -> float:
    if not len(front):
        return 0.0
    if len(worst) == 1:
        return float(worst[0] - front[:, 0].min())
    ordered = front[np.argsort(front[:, -1], kind="stable")]
    if len(worst) == 2:
        lowest = np.minimum.accumulate(ordered[:, 0])
        heights = np.diff(np.append(ordered[:, 1], worst[1]))
        return float(((worst[0] - lowest) * heights).sum())
    total, edges = 0.0, np.append(ordered[:, -1], worst[-1])
    for i in range(len(ordered)):
        depth = edges[i + 1] - edges[i]
        if depth > 0.0:
            slab = ordered[: i + 1, :-1]
            total += depth * _volume(slab[non_dominated(slab)], worst[:-1])
    return total


def worst_point(true_front: FloatArray, reference: FloatArray | None = None) -> FloatArray:
    """The worst point that hypervolumes of a problem are measured from.

    It follows from the true front and today's design alone, hence is fixed before any search.

    Args:
        true_front: [n, K].
        reference: [K], today's design, where there is one.
    """
    known = true_front if reference is None else np.concatenate([true_front, reference[None]])
    spread = known.max(axis=0) - known.min(axis=0)
    unit = np.where(spread > 0, spread, np.maximum(np.abs(known.max(axis=0)), 1.0))
    return np.asarray(known.max(axis=0) + MARGIN * unit)


def hypervolume_ratio(points: FloatArray, true_front: FloatArray, worst: FloatArray) -> float:
    """Hypervolume of points in that of the true front; 1 where they reach all of it."""
    return hypervolume(points, worst) / hypervolume(true_front, worst)
