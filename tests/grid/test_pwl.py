"""Piecewise linear calculus against evaluation on a fine set of points."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from trimtab_grid import pwl

Knots = tuple[NDArray[np.float64], NDArray[np.float64]]


@st.composite
def functions(draw: st.DrawFn, low: float = 0.0, high: float = 10.0) -> Knots:
    """Knots on tenths between low and high, values small."""
    inner = draw(st.lists(st.integers(1, 99), max_size=8, unique=True))
    x = np.array([low, *(low + (high - low) * k / 100 for k in sorted(inner)), high])
    y = np.array(draw(st.lists(st.integers(-50, 50), min_size=x.size, max_size=x.size))) / 10
    return x, y


def buffers() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.empty(pwl.CAPACITY), np.empty(pwl.CAPACITY)


def sample(f: Knots, at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(at, *f)


@settings(max_examples=150, deadline=None)
@given(functions(), st.integers(1, 150), st.integers(-30, 30))
def test_a_window_takes_the_least_of_what_it_sees(f: Knots, tenths: int, slope10: int) -> None:
    (x, y), length, slope = f, tenths / 10, slope10 / 10
    ox, oy = buffers()
    m = pwl.window(x, y, x.size, length, slope, ox, oy, np.empty(pwl.CAPACITY, np.int64))
    assert ox[0] == -length
    assert ox[m - 1] == 10.0
    assert np.all(np.diff(ox[:m]) > 0)
    for s in np.linspace(-length, 10.0, 37):
        z = np.concatenate([np.linspace(s, s + length, 5), x, [s, s + length]])
        z = np.unique(np.clip(z, max(s, 0.0), min(s + length, 10.0)))
        expected = np.min(slope * (z - s) + sample(f, z))
        assert abs(np.interp(s, ox[:m], oy[:m]) - expected) < 1e-8


def test_a_window_bends_where_a_line_meets_two_others_at_once() -> None:
    x, y = np.array([0.0, 0.2, 0.3, 0.6, 10.0]), np.array([-0.4, 0.0, -0.1, -0.1, 0.0])
    ox, oy = buffers()
    m = pwl.window(x, y, x.size, 0.4, 0.0, ox, oy, np.empty(pwl.CAPACITY, np.int64))
    np.testing.assert_allclose(np.interp([0.1, 0.15, 0.18], ox[:m], oy[:m]), [-0.2, -0.1, -0.1])


@settings(max_examples=150, deadline=None)
@given(functions(), functions(), st.integers(-20, 20))
def test_the_least_of_two_functions_is_below_both_and_touches_one(
    f: Knots, g: Knots, raised: int
) -> None:
    ox, oy = buffers()
    m = pwl.least(*f, f[0].size, *g, g[0].size, raised / 10, ox, oy)
    at = np.linspace(0, 10, 201)
    expected = np.minimum(sample(f, at), sample(g, at) + raised / 10)
    np.testing.assert_allclose(np.interp(at, ox[:m], oy[:m]), expected, atol=1e-8)


@settings(max_examples=150, deadline=None)
@given(functions(), st.floats(0.0, 3.0))
def test_a_minorant_stays_in_its_tube_and_has_no_more_knots(f: Knots, tolerance: float) -> None:
    ox, oy = buffers()
    m = pwl.minorant(*f, f[0].size, tolerance, ox, oy)
    at = np.union1d(np.linspace(0, 10, 101), f[0])
    below = sample(f, at) - np.interp(at, ox[:m], oy[:m])
    assert m <= f[0].size
    assert below.min() > -1e-9
    assert below.max() < tolerance + 1e-9


@settings(max_examples=100, deadline=None)
@given(functions(), st.integers(-40, 40), st.integers(-20, 20))
def test_clipping_moves_and_restricts(f: Knots, dx10: int, dy10: int) -> None:
    dx, dy = dx10 / 10, dy10 / 10
    ox, oy = buffers()
    low, high = max(2.0, dx), min(8.0, 10.0 + dx)
    m = pwl.clip(*f, f[0].size, (dx, dy), (low, high), ox, oy)
    at = np.linspace(low, high, 51)
    np.testing.assert_allclose(np.interp(at, ox[:m], oy[:m]), sample(f, at - dx) + dy, atol=1e-8)
    assert ox[0] == low
    assert abs(ox[m - 1] - high) < 1e-9


def test_a_function_is_infinite_outside_its_knots() -> None:
    x, y = np.array([0.0, 2.0]), np.array([1.0, 3.0])
    assert pwl.value(x, y, 2, 1.0) == 2.0
    assert pwl.value(x, y, 2, 2.1) == np.inf
    assert pwl.value(x, y, 2, -0.1) == np.inf
