"""Batched Z-bus fixed point, compiled: v ← w + Z·conj(s/v), Z applied by a sparse LU.

Many operating points advance side by side: the innermost loop runs over the points of a block, so
that the processor works on several at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray

LANES = 32
"""Points of a block; its arrays then stay in the first cache for some 40 buses."""

Int32Array = NDArray[np.int32]


class Factors(NamedTuple):
    """Sparse LU of Y_LL in elimination order, and the voltages without load.

    Attributes:
        lower: [2, l] row and column of the entries of L below its unit diagonal, by column.
        lower_re: [l] real parts.
        upper: [2, u] row and column of the entries of U above its diagonal, by falling row.
        pivot_re: [n] real part of the inverse diagonal of U.
        open_re: [n] real part of w, the voltages without load, per unit.
    """

    lower: Int32Array
    lower_re: FloatArray
    lower_im: FloatArray
    upper: Int32Array
    upper_re: FloatArray
    upper_im: FloatArray
    pivot_re: FloatArray
    pivot_im: FloatArray
    open_re: FloatArray
    open_im: FloatArray


class Batch(NamedTuple):
    """Operating points; every array is [n, M], per unit, in elimination order.

    Attributes:
        p: active power fed in.
        q: reactive power fed in.
        re: real part of voltages, start values in, results out.
        im: imaginary part.
    """

    p: FloatArray
    q: FloatArray
    re: FloatArray
    im: FloatArray


@njit(cache=True, nogil=True, error_model="numpy")
def _currents(
    p: FloatArray, q: FloatArray, v_re: FloatArray, v_im: FloatArray, re: FloatArray, im: FloatArray
) -> None:
    """I = conj(s / v) of one bus, all points of the block."""
    for k in range(p.shape[0]):
        inverse = 1.0 / (v_re[k] * v_re[k] + v_im[k] * v_im[k])
        re[k] = (p[k] * v_re[k] + q[k] * v_im[k]) * inverse
        im[k] = (p[k] * v_im[k] - q[k] * v_re[k]) * inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract(
    a_re: float, a_im: float, re: FloatArray, im: FloatArray, to_re: FloatArray, to_im: FloatArray
) -> None:
    """Take a·x off y for one pair of buses, all points of the block."""
    for k in range(re.shape[0]):
        to_re[k] -= a_re * re[k] - a_im * im[k]
        to_im[k] -= a_re * im[k] + a_im * re[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _scale(a_re: float, a_im: float, re: FloatArray, im: FloatArray) -> None:
    for k in range(re.shape[0]):
        real = a_re * re[k] - a_im * im[k]
        im[k] = a_re * im[k] + a_im * re[k]
        re[k] = real


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(factors: Factors, re: FloatArray, im: FloatArray) -> None:
    """Solve Y_LL·v = i in place, [n, lanes]."""
    for entry in range(factors.lower.shape[1]):
        row, column = factors.lower[0, entry], factors.lower[1, entry]
        a_re, a_im = factors.lower_re[entry], factors.lower_im[entry]
        _subtract(a_re, a_im, re[column], im[column], re[row], im[row])
    entry = 0
    for row in range(re.shape[0] - 1, -1, -1):
        while entry < factors.upper.shape[1] and factors.upper[0, entry] == row:
            column = factors.upper[1, entry]
            a_re, a_im = factors.upper_re[entry], factors.upper_im[entry]
            _subtract(a_re, a_im, re[column], im[column], re[row], im[row])
            entry += 1
        _scale(factors.pivot_re[row], factors.pivot_im[row], re[row], im[row])


@njit(cache=True, nogil=True, error_model="numpy")
def _move(w_re: float, w_im: float, step: Batch, row: int, first: int, moved: FloatArray) -> None:
    """New voltages of one bus (currents in p, q of `step` hold Z·i); square of each step."""
    size = moved.shape[0]
    re, im = step.re[row, first : first + size], step.im[row, first : first + size]
    for k in range(size):
        new_re, new_im = w_re + step.p[row, k], w_im + step.q[row, k]
        d_re, d_im = new_re - re[k], new_im - im[k]
        square = d_re * d_re + d_im * d_im
        moved[k] = square if square > moved[k] else moved[k]
        re[k] = new_re
        im[k] = new_im


@njit(cache=True, nogil=True, error_model="numpy")
def fixed_point(
    factors: Factors, batch: Batch, tolerance: float, limit: int, iterations: Int32Array
) -> None:
    """Iterate every point until no voltage moves by more than `tolerance` per unit.

    Args:
        factors: of the network.
        batch: powers and start values; voltages are written here.
        tolerance: per unit.
        limit: iterations after which a block is given up.
        iterations: [M] out; `limit` + 1 where a point did not settle.
    """
    buses, points = batch.p.shape
    re, im = np.empty((buses, LANES)), np.empty((buses, LANES))
    moved = np.empty(LANES)
    for first in range(0, points, LANES):
        size = min(LANES, points - first)
        last = first + size
        iterations[first:last] = limit + 1
        for iteration in range(1, limit + 1):
            for row in range(buses):
                _currents(
                    batch.p[row, first:last],
                    batch.q[row, first:last],
                    batch.re[row, first:last],
                    batch.im[row, first:last],
                    re[row, :size],
                    im[row, :size],
                )
            _solve(factors, re[:, :size], im[:, :size])
            moved[:] = 0.0
            step = Batch(re, im, batch.re, batch.im)
            for row in range(buses):
                _move(factors.open_re[row], factors.open_im[row], step, row, first, moved[:size])
            settled = 0
            for k in range(size):
                if moved[k] <= tolerance * tolerance:
                    settled += 1
                    if iterations[first + k] > limit:
                        iterations[first + k] = iteration
            if settled == size:
                break
