"""Two cache levels over memory: what each reference costs in accesses below it.

Semantics (one line size, write-back, write-allocate, no prefetch):

- *nine* (neither inclusive nor exclusive): a miss fills both levels; what L1 evicts dirty marks
  its L2 copy dirty, or is filled into L2 where L2 has none.
- *inclusive*: as nine, and what L2 evicts leaves L1 too (dirt of either goes to memory).
- *exclusive*: a miss fills L1 only; what L1 evicts, clean or dirty, is filled into L2; an L2 hit
  moves the line up.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trimtab_hardware.cache.level import Level, fill, find, remove, soil, touch, within

Counts = NDArray[np.int64]

NINE, INCLUSIVE, EXCLUSIVE = 0, 1, 2
INCLUSIONS = ("nine", "inclusive", "exclusive")
COUNTS = ("l1_hits", "l2_hits", "memory_reads", "memory_writes", "l2_fills", "l2_dirty_marks")


@within
def _into_l2(l1: Level, l2: Level, line: int, dirty: bool, inclusion: int, counts: Counts) -> None:
    """Fill L2; what falls out goes to memory if dirty, and out of L1 if L2 is inclusive."""
    out = fill(l2, line, dirty)
    counts[4] += 1
    if out < 0:
        return
    out_dirty = out & 1 == 1
    if inclusion == INCLUSIVE and remove(l1, out >> 1):
        out_dirty = True
    if out_dirty:
        counts[3] += 1


@within
def _evicted_from_l1(
    l1: Level, l2: Level, line: int, dirty: bool, inclusion: int, counts: Counts
) -> None:
    if inclusion == EXCLUSIVE:
        _into_l2(l1, l2, line, dirty, inclusion, counts)
    elif dirty:
        way = find(l2, line)
        if way >= 0:
            soil(l2, line, way)
            counts[5] += 1
        else:
            _into_l2(l1, l2, line, True, inclusion, counts)


@within
def _miss(l1: Level, l2: Level, line: int, write: bool, inclusion: int, counts: Counts) -> None:
    way = find(l2, line)
    dirty = write
    if way >= 0:
        counts[1] += 1
        if inclusion == EXCLUSIVE:
            dirty = remove(l2, line) or write
        else:
            touch(l2, line, way, False)
    else:
        counts[2] += 1
        if inclusion != EXCLUSIVE:
            _into_l2(l1, l2, line, False, inclusion, counts)
    out = fill(l1, line, dirty)
    if out >= 0:
        _evicted_from_l1(l1, l2, out >> 1, out & 1 == 1, inclusion, counts)


@njit(cache=True, nogil=True)
def run_hierarchy(
    l1: Level,
    l2: Level,
    inclusion: int,
    line_shift: int,
    address: NDArray[np.int64],
    is_write: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Play references through both levels.

    Args:
            l1: first level; changed in place.
            l2: second level; changed in place.
            inclusion: Counts = NDArray[np.int64]

    NINE, INCLUSIVE or EXCLUSIVE.
            line_shift: log2 of the line size in bytes.
            address: [n] byte address of each reference; it is taken to lie in one line.
            is_write: [n].

    Returns:
            [6] int64, in the order of `COUNTS`.
    """
    counts = np.zeros(6, dtype=np.int64)
    for i in range(len(address)):
        line = address[i] >> line_shift
        way = find(l1, line)
        if way >= 0:
            counts[0] += 1
            touch(l1, line, way, False)
            if is_write[i]:
                soil(l1, line, way)
        else:
            _miss(l1, l2, line, is_write[i], inclusion, counts)
    return counts
