"""The one loop of the generators that has memory, compiled."""

from __future__ import annotations

from numba import njit
from trimtab.contracts.spec import FloatArray


@njit(cache=True, nogil=True)
def follow(path: FloatArray, rise: float, fall: float) -> None:
    """Limit the steps of every row of `path` [N, T] in place to [-fall, +rise]."""
    for row in range(path.shape[0]):
        last = path[row, 0]
        for step in range(1, path.shape[1]):
            last = min(max(path[row, step], last - fall), last + rise)
            path[row, step] = last
