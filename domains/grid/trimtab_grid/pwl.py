"""Exact calculus of continuous piecewise linear functions, for costs-to-go over stored energy.

A function is three things: knots `x[:n]` rising, values `y[:n]` and `n`. It is infinite outside
its knots. Every operation is exact up to rounding, except `minorant`, whose error is one-sided and
no larger than it is told: what is computed with it stays a lower bound.

All functions are compiled; output buffers are the caller's, hold `CAPACITY` knots and must not be
the input ones.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.compiled import WITHIN

CAPACITY = 4096
"""Knots a buffer holds; a few dozen are used in practice."""
Triple = tuple[float, float, float]
_F = TypeVar("_F", bound=Callable[..., Any])
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def jitted(function: _F) -> _F:
    """Compile a planning function, which unlike the simulator's may make arrays."""
    return cast("_F", njit(cache=True, **_OPTIONS)(function))


def part(function: _F) -> _F:
    """Compile what only planning functions call: machine code is made within them, once."""
    return cast("_F", njit(**_OPTIONS, **WITHIN)(function))


@part
def push(x: FloatArray, y: FloatArray, n: int, px: float, py: float) -> int:
    """Append a knot and return the new n; a knot on the line through its neighbours is dropped."""
    if n > 0 and px - x[n - 1] < 1e-9:  # noqa: PLR2004
        y[n - 1] = min(y[n - 1], py)
        return n
    if n > 1:
        share = (x[n - 1] - x[n - 2]) / (px - x[n - 2])
        if abs(y[n - 2] + share * (py - y[n - 2]) - y[n - 1]) < 1e-10:  # noqa: PLR2004
            n -= 1
    if n >= x.size:
        msg = "piecewise linear buffer is full"
        raise ValueError(msg)
    x[n], y[n] = px, py
    return n + 1


@jitted
def value(x: FloatArray, y: FloatArray, n: int, at: float) -> float:
    """Value at a point, infinite outside the knots."""
    if at < x[0] - 1e-9 or at > x[n - 1] + 1e-9:
        return np.inf
    low, high = 0, n - 1
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] <= at:
            low = middle
        else:
            high = middle
    if low == high:
        return float(y[0])
    share = min(max((at - x[low]) / (x[high] - x[low]), 0.0), 1.0)
    return float(y[low] + share * (y[high] - y[low]))


@part
def _along(start: float, stop: float, share: float) -> float:
    """Value at a share of a line's way; a line that is infinite stays so."""
    return start + share * (stop - start) if start < np.inf else np.inf


@part
def push_lowest(
    x: FloatArray, y: FloatArray, n: int, left: float, right: float, starts: Triple, stops: Triple
) -> int:
    """Append the lower envelope of three lines over (left, right]; returns the new n.

    Args:
        x: knots, the last of them at `left`.
        y: their values.
        n: their number.
        left: where the interval starts.
        right: where it ends.
        starts: values of the lines at `left`, infinite for a line that is not there.
        stops: values of the lines at `right`.
    """
    first, second = 2.0, 2.0
    for i in range(2):
        for j in range(i + 1, 3):
            d0, d1 = starts[i] - starts[j], stops[i] - stops[j]
            if not (d0 * d1 < 0.0 and abs(d0) < np.inf):
                continue
            share = d0 / (d0 - d1)
            k = 3 - i - j
            third = _along(starts[k], stops[k], share)
            if _along(starts[i], stops[i], share) > third + 1e-9:  # three may meet in one point
                continue
            first, second = min(first, share), min(second, max(first, share))
    for share in (first, second):
        if share < 1.0:
            lowest = np.inf
            for i in range(3):
                lowest = min(lowest, _along(starts[i], stops[i], share))
            n = push(x, y, n, left + share * (right - left), lowest)
    return push(x, y, n, right, min(stops[0], min(stops[1], stops[2])))


@part
def _line(x: FloatArray, y: FloatArray, k: int, slope: float, at: float) -> float:
    """The tilted function `f + slope*s` at a point of the segment that ends in knot k."""
    rise = (y[k] - y[k - 1]) / (x[k] - x[k - 1])
    return float(y[k] + rise * (at - x[k]) + slope * at)


@jitted
def window(
    x: FloatArray,
    y: FloatArray,
    n: int,
    length: float,
    slope: float,
    ox: FloatArray,
    oy: FloatArray,
    queue: IntArray,
) -> int:
    """`o(s) = min over 0 <= d <= length of slope*d + f(s + d)`; returns the knots of o.

    The tilted function's minimum over the window is at its left edge, its right edge or a knot
    inside. Between two events (an edge meets a knot) these are three lines. `queue` keeps the
    inner knots that can still become the least (sliding-window minimum), rising.
    """
    left, right, head, tail, m = 0, 1, 0, 1, 0
    queue[0] = 0
    at = x[0] - length
    m = push(ox, oy, 0, at, y[0] + slope * x[0])
    while left < n:
        exits = x[left]
        enters = x[right] - length if right < n else np.inf
        nxt = min(exits, enters)
        a0, a1, b0, b1, c = np.inf, np.inf, np.inf, np.inf, np.inf
        if left > 0:
            a0, a1 = _line(x, y, left, slope, at), _line(x, y, left, slope, nxt)
        if right < n:
            b0 = _line(x, y, right, slope, at + length)
            b1 = _line(x, y, right, slope, nxt + length)
        if head < tail:
            k = int(queue[head])
            c = y[k] + slope * x[k]
        if nxt > at:
            m = push_lowest(ox, oy, m, at, nxt, (a0, b0, c), (a1, b1, c))
        at = nxt
        if enters <= exits:
            tilted = y[right] + slope * x[right]
            while tail > head and y[queue[tail - 1]] + slope * x[queue[tail - 1]] >= tilted:
                tail -= 1
            queue[tail] = right
            tail += 1
            right += 1
        else:
            if head < tail and queue[head] == left:
                head += 1
            left += 1
    for k in range(m):
        oy[k] -= slope * ox[k]
    return m


@jitted
def clip(
    x: FloatArray,
    y: FloatArray,
    n: int,
    shift: tuple[float, float],
    bounds: tuple[float, float],
    ox: FloatArray,
    oy: FloatArray,
) -> int:
    """The function moved by `shift = (dx, dy)` and restricted to `bounds`; returns its knots."""
    dx, dy = shift
    low, high = bounds
    m = 0
    if x[0] + dx < low:
        m = push(ox, oy, m, low, value(x, y, n, low - dx) + dy)
    for k in range(n):
        at = x[k] + dx
        if low <= at <= high:
            m = push(ox, oy, m, at, y[k] + dy)
    if x[n - 1] + dx > high:
        m = push(ox, oy, m, high, value(x, y, n, high - dx) + dy)
    return m


@jitted
def least(
    xa: FloatArray,
    ya: FloatArray,
    na: int,
    xb: FloatArray,
    yb: FloatArray,
    n_b: int,
    raised: float,
    ox: FloatArray,
    oy: FloatArray,
) -> int:
    """Pointwise `min(a, b + raised)` of two functions on one interval; returns its knots."""
    m = push(ox, oy, 0, xa[0], min(ya[0], yb[0] + raised))
    at, i, j = xa[0], 1, 1
    while i < na and j < n_b:
        nxt = min(xa[i], xb[j])
        if nxt > at:
            starts = (_line(xa, ya, i, 0.0, at), _line(xb, yb, j, 0.0, at) + raised, np.inf)
            stops = (_line(xa, ya, i, 0.0, nxt), _line(xb, yb, j, 0.0, nxt) + raised, np.inf)
            m = push_lowest(ox, oy, m, at, nxt, starts, stops)
        at = nxt
        if xa[i] <= at + 1e-9:  # noqa: PLR2004
            i += 1
        if xb[j] <= at + 1e-9:  # noqa: PLR2004
            j += 1
    return m


@jitted
def minorant(
    x: FloatArray, y: FloatArray, n: int, tolerance: float, ox: FloatArray, oy: FloatArray
) -> int:
    """Few knots between `f - tolerance` and `f`; returns their number.

    From a point of the tube the line goes on as far as one slope keeps it inside. The tube's
    edges have the same knots as f, so that knots are all that has to be checked.
    """
    ay = y[0] - 0.5 * tolerance
    ox[0], oy[0] = x[0], ay
    m, last = 1, 0
    while last < n - 1:
        low, high = -np.inf, np.inf
        ax, end = x[last], last
        for k in range(last + 1, n):
            run = x[k] - ax
            low_k = max(low, (y[k] - tolerance - ay) / run)
            high_k = min(high, (y[k] - ay) / run)
            if low_k > high_k:
                break
            low, high, end = low_k, high_k, k
        if end == last:  # rounding only: the next knot itself is always in reach
            low, high, end = (y[last + 1] - ay) / (x[last + 1] - ax), np.inf, last + 1
            high = low
        ay += 0.5 * (low + high) * (x[end] - ax)
        ox[m], oy[m] = x[end], ay
        m += 1
        last = end
    return m
