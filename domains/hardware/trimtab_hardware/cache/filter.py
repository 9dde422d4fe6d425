"""A cache in front of memory: which references reach it, as line fills and write-backs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from trimtab.contracts.errors import ContractError

from trimtab_hardware.cache.level import LRU, WAYS, Level, empty_level, fill, find, soil, touch

LINE_SHIFT = 6


class Filter(NamedTuple):
    """A level and what passed it.

    Attributes:
        level: 8-way LRU, lines of 64 bytes.
        counts: [2] int64, references so far and requests so far.
        requests: [limit, 2] int64: number of the reference that caused each request, and
            2·line + 1 for a write-back, 2·line for a fill.
    """

    level: Level
    counts: NDArray[np.int64]
    requests: NDArray[np.int64]


def new_filter(size_bytes: int, limit: int, ways: int = 8) -> Filter:
    """A cold filter that keeps at most `limit` requests.

    Raises:
        ContractError: the size is not a power of two of at least `ways` lines.
    """
    sets = size_bytes // (ways << LINE_SHIFT)
    if sets < 1 or sets & (sets - 1) or sets * (ways << LINE_SHIFT) != size_bytes:
        msg = f"cache filter: {size_bytes} bytes do not make a power of two of {ways}-way sets"
        raise ContractError(msg)
    return Filter(
        empty_level(sets, ways, LRU),
        np.zeros(2, dtype=np.int64),
        np.zeros((limit, 2), dtype=np.int64),
    )


def new_recorder(limit: int) -> Filter:
    """A filter that keeps nothing: every reference passes as 2·address + is-write."""
    return Filter(
        empty_level(1, 0), np.zeros(2, dtype=np.int64), np.zeros((limit, 2), dtype=np.int64)
    )


@njit(cache=True, nogil=True)
def _emit(out: Filter, request: int) -> None:
    k = out.counts[1]
    if k < len(out.requests):
        out.requests[k, 0] = out.counts[0]
        out.requests[k, 1] = request
        out.counts[1] = k + 1


@njit(cache=True, nogil=True)
def reference(out: Filter, address: int, write: bool) -> bool:
    """Play one reference; return whether there is room for the requests of another."""
    line = address >> LINE_SHIFT
    level = out.level
    way = find(level, line)
    if level.head[WAYS] == 0:
        _emit(out, 2 * address + (1 if write else 0))
    elif way >= 0:
        touch(level, line, way, False)
        if write:
            soil(level, line, way)
    else:
        _emit(out, 2 * line)
        old = fill(level, line, write)
        if old >= 0 and old & 1:
            _emit(out, old)
    out.counts[0] += 1
    return bool(out.counts[1] + 2 <= len(out.requests))


@njit(cache=True, nogil=True)
def play_timed(out: Filter, references: NDArray[np.int64]) -> None:
    """Play rows of (time, byte address, is-write); requests carry the time of their reference."""
    for k in range(len(references)):
        out.counts[0] = references[k, 0]
        reference(out, references[k, 1], references[k, 2] == 1)
