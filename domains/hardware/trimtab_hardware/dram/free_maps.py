"""Least number of activations under any address map of space C, by search over column bits.

In space C every page (bank, row) is a class of lines that agree in all bits outside the column:
row bits that are XORed into bank bits only rename the banks. So the pages that a trace touches
depend on the set of column bits alone, and there are few such sets.

Counting pages of the whole trace bounds the activations from below. A controller that holds at
most W requests gives a better count: cut the trace into blocks. When the first request of a block
is admitted, at most W − 1 earlier ones are unserved. So between two such moments the pages of the
block, less W − 1 that may still wait and one a bank that may be open already, are activated; the
sum over blocks is a bound, for any block length.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.traces import Trace

IntArray = NDArray[np.int64]
BLOCKS = (128, 256, 512, 1024, 4096, 1 << 40)
"""Lengths of blocks that are tried; the last one is the whole trace."""
MOST_BITS = 22
MOST_WORK = 3 * 10**10
"""Requests times sets of column bits up to which the search is exact."""


def varying_bits(trace: Trace, part: Part) -> tuple[int, ...]:
    """Free address bits, counted from the line, that differ between requests of the trace."""
    lines = trace.address // part.burst_bytes
    changed = int(np.bitwise_or.reduce(lines ^ lines[0]))
    free = part.map.bits - (part.burst_bytes.bit_length() - 1)
    return tuple(bit for bit in range(free) if changed >> bit & 1)


def compressed(trace: Trace, part: Part) -> IntArray:
    """Lines as the number that their varying bits make."""
    lines = trace.address // part.burst_bytes
    packed = np.zeros_like(lines)
    for k, bit in enumerate(varying_bits(trace, part)):
        packed |= (lines >> bit & 1) << k
    return packed


def column_choice(trace: Trace, part: Part) -> tuple[int, int]:
    """Varying bits, and how many of them the column can take."""
    bits = len(varying_bits(trace, part))
    return bits, min(bits, (part.columns // part.burst_length).bit_length() - 1)


def least_activations(trace: Trace, part: Part, window: int) -> tuple[int, int]:
    """Activations that every map of space C needs, and the set of column bits that needs them.

    Args:
        trace: the requests.
        part: memory of one channel with one rank.
        window: requests that the controller holds at most.

    Returns:
        The count, and the set as a mask over `varying_bits` (-1: too many sets, the count is the
        number of distinct lines over the lines of a row).
    """
    bits, columns = column_choice(trace, part)
    if bits > MOST_BITS or math.comb(bits, columns) * len(trace) > MOST_WORK:
        lines = len(np.unique(trace.address // part.burst_bytes))
        return -(-lines * part.burst_length // part.columns), -1
    if columns == bits:
        return 1, (1 << bits) - 1
    count, mask = _search(
        compressed(trace, part), bits, columns, window, part.banks, np.array(BLOCKS)
    )
    return int(count), int(mask)


def activations_of(lines: IntArray, mask: int, window: int, banks: int) -> int:
    """The count of one set of column bits, by plain sets (for verification)."""
    pages = (lines & ~mask).tolist()
    best = 0
    for length in BLOCKS:
        total = 0
        for first in range(0, len(pages), length):
            distinct = len(set(pages[first : first + length]))
            last = first + length >= len(pages)
            spare = (0 if first == 0 else banks) + (0 if last else window - 1)
            total += max(0, distinct - spare)
        best = max(best, total)
    return best


@njit(cache=True, nogil=True)
def _search(
    lines: IntArray, bits: int, columns: int, window: int, banks: int, blocks: IntArray
) -> tuple[int, int]:
    """Least count over all sets of `columns` of `bits` bits, and its set."""
    seen = np.zeros(1 << bits, dtype=np.int64)
    stamp = 0
    best, best_mask, mask = 1 << 60, 0, (1 << columns) - 1
    while mask < 1 << bits:
        count = 0
        for length in blocks:
            total, stamp = _count(lines, ~mask, length, window, banks, seen, stamp, best)
            count = max(count, total)
            if count >= best:
                break
        if count < best:
            best, best_mask = count, mask
        # The next set of as many bits (Gosper's hack).
        low = mask & -mask
        ripple = mask + low
        mask = (((ripple ^ mask) >> 2) // low) | ripple
    return best, best_mask


@njit(cache=True, nogil=True)
def _count(
    lines: IntArray,
    keep: int,
    length: int,
    window: int,
    banks: int,
    seen: IntArray,
    stamp: int,
    enough: int,
) -> tuple[int, int]:
    """Sum over blocks (it stops at `enough`), and the last stamp used in `seen`."""
    total, n = 0, len(lines)
    first = 0
    while first < n:
        stamp += 1
        end = min(n, first + length)
        spare = (0 if first == 0 else banks) + (0 if end == n else window - 1)
        distinct = 0
        for k in range(first, end):
            page = lines[k] & keep
            if seen[page] != stamp:
                seen[page] = stamp
                distinct += 1
                if total + distinct - spare >= enough:
                    return enough, stamp
        total += max(0, distinct - spare)
        first = end
    return total, stamp
