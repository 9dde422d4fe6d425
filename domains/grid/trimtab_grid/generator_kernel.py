"""The loops of generators and forecasts that have memory, compiled."""

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


@njit(cache=True, nogil=True)
def remember(path: FloatArray, kept: float) -> None:
    """Turn every row of draws [N, T] in place into x_t = kept·x_(t-1) + draw_t."""
    for row in range(path.shape[0]):
        for step in range(1, path.shape[1]):
            path[row, step] += kept * path[row, step - 1]
