"""Batched Z-bus fixed point, compiled: v ← w + Z·conj(s/v), Z applied by a sparse LU.

Many operating points advance side by side: the innermost loop runs over the points of a block, so
that the processor works on several at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray

from trimtab_grid.pwl import jitted, part

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


@part
def _currents(
    p: FloatArray, q: FloatArray, v_re: FloatArray, v_im: FloatArray, re: FloatArray, im: FloatArray
) -> None:
    """I = conj(s / v) of one bus, all points of the block."""
    for k in range(p.shape[0]):
        inverse = 1.0 / (v_re[k] * v_re[k] + v_im[k] * v_im[k])
        re[k] = (p[k] * v_re[k] + q[k] * v_im[k]) * inverse
        im[k] = (p[k] * v_im[k] - q[k] * v_re[k]) * inverse


@part
def _subtract(
    a_re: float, a_im: float, re: FloatArray, im: FloatArray, to_re: FloatArray, to_im: FloatArray
) -> None:
    """Take a·x off y for one pair of buses, all points of the block."""
    for k in range(re.shape[0]):
        to_re[k] -= a_re * re[k] - a_im * im[k]
        to_im[k] -= a_re * im[k] + a_im * re[k]


@part
def _scale(a_re: float, a_im: float, re: FloatArray, im: FloatArray) -> None:
    for k in range(re.shape[0]):
        real = a_re * re[k] - a_im * im[k]
        im[k] = a_re * im[k] + a_im * re[k]
        re[k] = real


@part
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


@part
def _move(
    w_re: float,
    w_im: float,
    step: Batch,
    row: int,
    first: int,
    moved: FloatArray,
    open_points: FloatArray,
) -> None:
    """New voltages of one bus (p, q of `step` hold Z·i) of open points; square of each step."""
    size = moved.shape[0]
    re, im = step.re[row, first : first + size], step.im[row, first : first + size]
    for k in range(size):
        d_re = open_points[k] * (w_re + step.p[row, k] - re[k])
        d_im = open_points[k] * (w_im + step.q[row, k] - im[k])
        square = d_re * d_re + d_im * d_im
        moved[k] = square if square > moved[k] else moved[k]
        re[k] += d_re
        im[k] += d_im


@jitted
def fixed_point(
    factors: Factors, batch: Batch, tolerance: float, limit: int, iterations: Int32Array
) -> None:
    """Iterate every point until no voltage moves by more than `tolerance` per unit.

    A point that has settled is left as it is, so that its result is the same in any batch.

    Args:
        factors: of the network.
        batch: powers and start values; voltages are written here.
        tolerance: per unit.
        limit: iterations after which a block is given up.
        iterations: [M] out; `limit` + 1 where a point did not settle.
    """
    buses, points = batch.p.shape
    re, im = np.empty((buses, LANES)), np.empty((buses, LANES))
    moved, open_points = np.empty(LANES), np.empty(LANES)
    busy = np.empty(buses, np.bool_)
    for row in range(buses):
        busy[row] = batch.p[row].any() or batch.q[row].any()
    for first in range(0, points, LANES):
        size = min(LANES, points - first)
        last = first + size
        iterations[first:last] = limit + 1
        open_points[:] = 1.0
        for iteration in range(1, limit + 1):
            for row in range(buses):
                if not busy[row]:
                    re[row, :size], im[row, :size] = 0.0, 0.0
                    continue
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
                _move(
                    factors.open_re[row],
                    factors.open_im[row],
                    step,
                    row,
                    first,
                    moved[:size],
                    open_points[:size],
                )
            still = 0
            for k in range(size):
                if open_points[k] > 0.0 and moved[k] <= tolerance * tolerance:
                    open_points[k] = 0.0
                    iterations[first + k] = iteration
                still += open_points[k] > 0.0
            if not still:
                break


class Ports(NamedTuple):
    """Branches as two-ports.

    Attributes:
        ends: [2, K] from and to bus.
        re: [4, K] real part of y_ff, y_ft, y_tf, y_tt, per unit.
        im: [4, K] imaginary part.
        percent: [2, K] 100 over the current that is full load at each end; 0 without rating.
    """

    ends: Int32Array
    re: FloatArray
    im: FloatArray
    percent: FloatArray


@jitted
def loadings(ports: Ports, re: FloatArray, im: FloatArray, out: FloatArray) -> None:
    """Larger end current of every branch over its rating, %, into `out` [K, M].

    Args:
        ports: of the network.
        re: [B, M] real part of voltages.
        im: [B, M] imaginary part.
        out: [K, M].
    """
    for branch in range(out.shape[0]):
        first, last = ports.ends[0, branch], ports.ends[1, branch]
        f_re, f_im, t_re, t_im = re[first], im[first], re[last], im[last]
        target = out[branch]
        for end in range(2):
            a_re, a_im = ports.re[2 * end, branch], ports.im[2 * end, branch]
            b_re, b_im = ports.re[2 * end + 1, branch], ports.im[2 * end + 1, branch]
            scale = ports.percent[end, branch]
            for k in range(out.shape[1]):
                i_re = a_re * f_re[k] - a_im * f_im[k] + b_re * t_re[k] - b_im * t_im[k]
                i_im = a_re * f_im[k] + a_im * f_re[k] + b_re * t_im[k] + b_im * t_re[k]
                load = scale * np.sqrt(i_re * i_re + i_im * i_im)
                target[k] = load if end == 0 or load > target[k] else target[k]
