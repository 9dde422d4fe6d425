"""Loop nests of real programs, played through a cache so that only its misses reach memory.

Each nest issues its loads and stores one by one in program order into `reference`; it stops when
enough requests have passed the cache or its work is done, whichever comes first. Arrays lie one
after another, each on a 4 KiB page boundary.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trimtab_hardware.cache.filter import Filter, reference

PAGE = 4096
DOUBLE = 8


@njit(cache=True, nogil=True)
def _next_random(state: int) -> int:
    """Lehmer's generator modulo the Mersenne prime 2³¹ − 1."""
    return state * 48271 % 2147483647


@njit(cache=True, nogil=True)
def _after(base: int, size: int) -> int:
    """First page boundary after an array."""
    return base + (size + PAGE - 1) // PAGE * PAGE


@njit(cache=True, nogil=True)
def triad(out: Filter, elements: int) -> None:
    """STREAM triad, a[i] = b[i] + s·c[i] on doubles, repeated (McCalpin 1995)."""
    b = _after(0, elements * DOUBLE)
    c = _after(b, elements * DOUBLE)
    room = True
    while room:
        for i in range(elements):
            reference(out, b + i * DOUBLE, False)
            reference(out, c + i * DOUBLE, False)
            room = reference(out, i * DOUBLE, True)
            if not room:
                return


@njit(cache=True, nogil=True)
def gemm(out: Filter, size: int, tile: int) -> None:
    """C += A·B on doubles, square tiles, innermost along rows of B and C; one pass."""
    a = _after(0, size * size * DOUBLE)
    b = _after(a, size * size * DOUBLE)
    for i0 in range(0, size, tile):
        for k0 in range(0, size, tile):
            for j0 in range(0, size, tile):
                for i in range(i0, i0 + tile):
                    for k in range(k0, k0 + tile):
                        reference(out, a + (i * size + k) * DOUBLE, False)
                        for j in range(j0, j0 + tile):
                            reference(out, b + (k * size + j) * DOUBLE, False)
                            reference(out, (i * size + j) * DOUBLE, False)
                            if not reference(out, (i * size + j) * DOUBLE, True):
                                return


@njit(cache=True, nogil=True)
def spmv(out: Filter, rows: int, per_row: int, seed: int) -> None:
    """Sparse y = A·x, repeated: compressed rows, uniform columns, doubles, 4-byte indices."""
    x = _after(0, rows * DOUBLE)
    column = _after(x, rows * DOUBLE)
    value = _after(column, rows * per_row * 4)
    room = True
    while room:
        state = seed
        for i in range(rows):
            for j in range(i * per_row, (i + 1) * per_row):
                state = _next_random(state)
                reference(out, column + j * 4, False)
                reference(out, value + j * DOUBLE, False)
                room = reference(out, x + state % rows * DOUBLE, False)
                if not room:
                    return
            room = reference(out, i * DOUBLE, True)
            if not room:
                return


@njit(cache=True, nogil=True)
def pointer_chase(out: Filter, following: NDArray[np.int64]) -> None:
    """Walk a cycle through nodes of one line each."""
    node = 0
    while reference(out, node * 64, False):
        node = following[node]


@njit(cache=True, nogil=True)
def gups(out: Filter, elements: int, seed: int) -> None:
    """HPC Challenge RandomAccess: t[r] ^= r at uniform places (Luszczek et al. 2006)."""
    state = seed
    while True:
        state = _next_random(state)
        place = state % elements * DOUBLE
        reference(out, place, False)
        if not reference(out, place, True):
            return


@njit(cache=True, nogil=True)
def attention(out: Filter, block_table: NDArray[np.int64], head_bytes: int, heads: int) -> None:
    """Decode steps over a paged key-value cache, one token after another.

    Per step and sequence, every head reads its keys of all tokens so far, then its values; the
    new token's key and value are written. A block holds 16 tokens of one layer, keys then values
    (Kwon et al., "PagedAttention", SOSP 2023).

    Args:
        out: the cache.
        block_table: [sequences, blocks] physical block of each 16 tokens.
        head_bytes: bytes of one head's key.
        heads: number of heads.
    """
    sequences, blocks = block_table.shape
    token = heads * head_bytes
    for step in range(blocks * 16 - 1):
        for s in range(sequences):
            for head in range(heads):
                for part in range(2):
                    for t in range(step + 1):
                        base = (block_table[s, t // 16] * 2 + part) * 16 + t % 16
                        for byte in range(0, head_bytes, 16):
                            place = base * token + head * head_bytes + byte
                            if not reference(out, place, False):
                                return
            new = block_table[s, (step + 1) // 16] * 2
            for part in range(2):
                base = (new + part) * 16 + (step + 1) % 16
                for byte in range(0, token, 16):
                    if not reference(out, base * token + byte, True):
                        return


@njit(cache=True, nogil=True)
def histogram(out: Filter, bins: int, seed: int) -> None:
    """Count 4-byte samples into 4-byte bins; samples stream, bins are hit at random."""
    samples = _after(0, bins * 4)
    state, i = seed, 0
    while True:
        state = _next_random(state)
        reference(out, samples + i * 4, False)
        place = state % bins * 4
        reference(out, place, False)
        if not reference(out, place, True):
            return
        i += 1


@njit(cache=True, nogil=True)
def transpose(out: Filter, size: int) -> None:
    """B = Aᵀ on doubles, row by row of A, repeated."""
    b = _after(0, size * size * DOUBLE)
    room = True
    while room:
        for i in range(size):
            for j in range(size):
                reference(out, (i * size + j) * DOUBLE, False)
                room = reference(out, b + (j * size + i) * DOUBLE, True)
                if not room:
                    return


@njit(cache=True, nogil=True)
def stencil(out: Filter, size: int) -> None:
    """Jacobi sweeps of the five-point stencil on doubles, two arrays that change places."""
    arrays = np.array([0, _after(0, size * size * DOUBLE)])
    sweep = 0
    while True:
        source, target = arrays[sweep % 2], arrays[1 - sweep % 2]
        for i in range(1, size - 1):
            for j in range(1, size - 1):
                centre = i * size + j
                for k in (centre - size, centre - 1, centre, centre + 1, centre + size):
                    reference(out, source + k * DOUBLE, False)
                if not reference(out, target + centre * DOUBLE, True):
                    return
        sweep += 1


@njit(cache=True, nogil=True)
def fft(out: Filter, size: int) -> None:
    """Radix-2 transform in place by decimation in frequency, complex doubles, repeated.

    Butterflies join elements size/2 apart in the first stage, neighbours in the last (Gentleman
    and Sande 1966).
    """
    while True:
        half = size // 2
        while half:
            for first in range(0, size, 2 * half):
                for k in range(first, first + half):
                    reference(out, k * 2 * DOUBLE, False)
                    reference(out, (k + half) * 2 * DOUBLE, False)
                    reference(out, k * 2 * DOUBLE, True)
                    if not reference(out, (k + half) * 2 * DOUBLE, True):
                        return
            half //= 2


@njit(cache=True, nogil=True)
def stencil_3d(out: Filter, size: int) -> None:
    """Jacobi sweeps of the seven-point stencil on doubles, two arrays that change places."""
    plane = size * size
    arrays = np.array([0, _after(0, plane * size * DOUBLE)])
    sweep = 0
    while True:
        source, target = arrays[sweep % 2], arrays[1 - sweep % 2]
        for i in range(1, size - 1):
            for j in range(1, size - 1):
                for k in range(1, size - 1):
                    centre = i * plane + j * size + k
                    for off in (-plane, -size, -1, 0, 1, size, plane):
                        reference(out, source + (centre + off) * DOUBLE, False)
                    if not reference(out, target + centre * DOUBLE, True):
                        return
        sweep += 1
