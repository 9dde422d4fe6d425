"""Stochastic dynamic programming on past data: costs-to-go by season, hour and expected net load.

The exogenous state is one number, the net load (load less renewables) that a linear regression
expects for the next step, interpolated between `knots` of it, and the block of the day. Samples
are steps of past, generated years: the cost-to-go before a sample is the exact least over commands
and energy changes (`dp`) of its step and the cost-to-go after it; their means are the next values
(fitted value iteration with averagers, Gordon, ICML 1995). What a sample brings is known when it
is decided, as in the plant; what follows it is not.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_grid.dp import HELD_CAPACITY, Planner, held_cost, node_cost
from trimtab_grid.pwl import CAPACITY, jitted, value
from trimtab_grid.stage import MAX_SEGMENTS, Outputs, Stage, Store, step_cost
from trimtab_grid.unit_graph import Links

BLOCKS: Final = 24
KNOTS: Final = 20
LEVELS: Final = 25
FIRST_PASSES, MORE_PASSES, AROUND_DAYS = 3, 1, 20.0
"""Passes through the day in the first season and from there to the next; days around the middle of
a season that teach it."""
_DAYS: Final = 365.0


class Values(NamedTuple):
    """Fitted costs-to-go.

    Attributes:
        weights: of the regression of the next net load on `features`, [F].
        knots: expected net loads, rising, kW, [K].
        levels: stored energies, kWh, [S].
        cost: cost-to-go less its least, L, [blocks of the day, K, nodes, S].
    """

    weights: FloatArray
    knots: FloatArray
    levels: FloatArray
    cost: FloatArray


@dataclass(frozen=True, slots=True)
class Past:
    """Past steps in time order.

    Attributes:
        load_kw: [T].
        free_kw: available renewables, [T].
        hour: hour of the day, [T].
        day: day of the year, [T].
    """

    load_kw: FloatArray
    free_kw: FloatArray
    hour: FloatArray
    day: FloatArray


def smoothed(values: FloatArray, kept: float) -> FloatArray:
    """Exponential mean of each step's value and those before it."""
    from scipy.signal import lfilter, lfiltic

    start = lfiltic([1.0 - kept], [1.0, -kept], [values[0]])
    return np.asarray(lfilter([1.0 - kept], [1.0, -kept], values, zi=start)[0])


def features(
    load_kw: FloatArray, free_kw: FloatArray, slow_kw: FloatArray, hour: FloatArray
) -> FloatArray:
    """What the next net load is regressed on, [T, F]; `slow_kw` is the smoothed `free_kw`."""
    angle = 2.0 * np.pi * hour / 24.0
    waves = [f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)]
    bent = free_kw * free_kw / 1000.0
    columns = [np.ones_like(hour), load_kw, free_kw, slow_kw, bent, *waves]
    return np.stack(columns, axis=1)


def block_of(hour: FloatArray, blocks: int) -> IntArray:
    """Block of the day, [T], of so many."""
    return np.floor(hour * blocks / 24.0 + 1e-6).astype(np.int64) % blocks


def place(values: Values, expected_kw: FloatArray) -> FloatArray:
    """Where expected net loads lie between the knots: whole part and share, [T]."""
    at = np.interp(expected_kw, values.knots, np.arange(values.knots.size))
    return np.minimum(at, values.knots.size - 1 - 1e-9)


def season_of(day: FloatArray, seasons: int) -> IntArray:
    """Season, [T], of so many equal ones, that days of the year lie in."""
    return np.floor(day * seasons / _DAYS + 1e-9).astype(np.int64) % seasons


def fit(
    planner: Planner,
    past: Past,
    price_l_kwh: float,
    samples: int,
    seed: int,
    seasons: int,
    state: FloatArray | None = None,
) -> tuple[Values, ...]:
    """Costs-to-go of each season, for long episodes: within one, every day is alike.

    Args:
        planner: graph, battery, and the past's steps as its stage.
        past: the same steps.
        price_l_kwh: first guess of what stored energy is worth.
        samples: steps drawn per block and pass.
        seed: of the draws.
        seasons: how many, of equal length.
        state: what stands for the expected net load, [T]; `weights` are then of it alone.
    """
    found: list[Values] = []
    for season in range(seasons):
        apart = np.abs((past.day / _DAYS - (season + 0.5) / seasons + 0.5) % 1.0 - 0.5)
        near = apart * _DAYS <= AROUND_DAYS if seasons > 1 else np.ones(past.day.size, bool)
        values, expected = _start(planner, past, BLOCKS, near, state)
        guess = -price_l_kwh * (values.levels - values.levels[0])
        values.cost[:] = found[-1].cost if _alike(found, values) else guess
        passes = MORE_PASSES if _alike(found, values) else FIRST_PASSES
        order = list(range(BLOCKS - 1, -1, -1)) * passes
        _backwards(planner, past, values, expected, order, samples, seed, near)
        found.append(values)
    return tuple(found)


def _alike(found: list[Values], values: Values) -> bool:
    """Whether the last season's costs can be gone on from."""
    return bool(found) and found[-1].cost.shape == values.cost.shape


def fit_day(planner: Planner, past: Past, last_hour: float, samples: int, seed: int) -> Values:
    """Costs-to-go of an episode of at most a day that ends after the step at `last_hour`.

    One block per step, the terminal term after the last.
    """
    blocks = round(24.0 / planner.stage.step_h)
    everywhere = np.ones(past.day.size, bool)
    values, expected = _start(planner, past, blocks, everywhere)
    values.cost[:] = np.interp(values.levels, planner.store.end_kwh, planner.store.end_l)
    last = int(block_of(np.array([last_hour]), blocks)[0])
    order = [(last - k) % blocks for k in range(1, blocks)]
    _backwards(planner, past, values, expected, order, samples, seed, everywhere)
    return values


def _start(
    planner: Planner,
    past: Past,
    blocks: int,
    near: BoolArray,
    state: FloatArray | None = None,
) -> tuple[Values, FloatArray]:
    """Regression, knots and levels with costs still to be filled, and expected net loads [T]."""
    weights, expected = foretold(past, near) if state is None else (np.ones(1), state)
    knots = knots_of(expected[near], KNOTS)
    low, high = planner.store.low_kwh, planner.store.high_kwh
    levels = np.linspace(low, high, LEVELS, dtype=np.float64)
    nodes = len(planner.graph.states)
    cost = np.empty((blocks, knots.size, nodes, LEVELS))
    return Values(weights, knots, levels, cost), expected


def knots_of(expected_kw: FloatArray, count: int) -> FloatArray:
    """At most `count` quantiles of expected net loads, rising, at least two, kW."""
    knots = np.unique(np.quantile(expected_kw, np.linspace(0.0, 1.0, count))).astype(np.float64)
    return knots if knots.size > 1 else knots + np.array([0.0, 1.0])


def foretold(past: Past, near: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Regression of the next net load, fitted to the steps `near`, and what it expects, [T]."""
    slow = smoothed(past.free_kw, float(np.exp(-1.0)))
    seen = features(past.load_kw, past.free_kw, slow, past.hour)
    net, now = past.load_kw - past.free_kw, np.flatnonzero(near[:-1])
    weights = np.asarray(np.linalg.lstsq(seen[now], net[now + 1], rcond=None)[0], np.float64)
    return weights, np.asarray(seen @ weights)


def _backwards(
    planner: Planner,
    past: Past,
    values: Values,
    expected: FloatArray,
    order: list[int],
    samples: int,
    seed: int,
    near: BoolArray,
) -> None:
    """Update the blocks in `order` from steps `near` whose predecessor lies in them."""
    at, block = place(values, expected), block_of(past.hour, len(values.cost))
    before = np.roll(block, 1)
    rng = np.random.default_rng(seed)
    for b in order:
        steps = np.flatnonzero((before == b) & near & (np.arange(block.size) > 0))
        drawn = rng.choice(steps, min(samples, steps.size), replace=False)
        _update(planner, values, at, block, drawn, b)


def _update(
    planner: Planner, values: Values, at: FloatArray, block: IntArray, steps: IntArray, b: int
) -> None:
    total, weight = sweep(
        planner.graph.links,
        planner.graph.outputs,
        planner.store,
        planner.stage,
        values,
        at,
        block,
        steps,
    )
    filled = weight > 1e-6  # noqa: PLR2004
    mean = total[filled] / weight[filled, None, None]
    values.cost[b, filled] = mean - mean.min()
    if filled.any() and not filled.all():
        nearest = np.abs(np.subtract.outer(np.flatnonzero(~filled), np.flatnonzero(filled)))
        source = np.flatnonzero(filled)[nearest.argmin(axis=1)]
        values.cost[b, ~filled] = values.cost[b, source]


@jitted
def blend(values: Values, block: int, at: float, node: int, out: FloatArray) -> None:
    """Cost-to-go of a node over the levels at a place between two knots."""
    k = int(at)
    share = at - k
    for s in range(out.size):
        low, high = values.cost[block, k, node, s], values.cost[block, k + 1, node, s]
        out[s] = (1.0 - share) * low + share * high


@jitted
def sweep(
    links: Links,
    outputs: Outputs,
    store: Store,
    stage: Stage,
    values: Values,
    at: FloatArray,
    block: IntArray,
    steps: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Weighted sums of costs-to-go before the samples [K, nodes, S], and the weights [K]."""
    nodes, helds = links.first_edge.size - 1, links.held_node.size
    classes, levels = outputs.floor_kw.size, values.levels
    total = np.zeros((values.knots.size, nodes, levels.size))
    weight = np.zeros(values.knots.size)
    hx, hy = np.empty((helds, HELD_CAPACITY)), np.empty((helds, HELD_CAPACITY))
    hn, cn = np.empty(helds, np.int64), np.empty(classes, np.int64)
    cx, cy = np.empty((classes, MAX_SEGMENTS)), np.empty((classes, MAX_SEGMENTS))
    buffers, queue = np.empty((2, 2, CAPACITY)), np.empty(CAPACITY, np.int64)
    limits, after = (store.low_kwh, store.high_kwh), np.empty(levels.size)
    for j in steps:
        for c in range(classes):
            cn[c] = step_cost(outputs, c, store, stage, j, cx[c], cy[c])
        for h in range(helds):
            c = links.held_class[h]
            blend(values, int(block[j]), float(at[j]), links.held_node[h], after)
            knots = (cx[c, : cn[c]], cy[c, : cn[c]])
            hn[h] = held_cost(knots, (levels, after), limits, buffers, queue, hx[h], hy[h])
        k = int(at[j - 1])
        share = at[j - 1] - k
        for node in range(nodes):
            here, n = node_cost(links, node, hx, hy, hn, buffers)
            for s in range(levels.size):
                found = value(buffers[here, 0], buffers[here, 1], n, levels[s])
                total[k, node, s] += (1.0 - share) * found
                total[k + 1, node, s] += share * found
        weight[k] += 1.0 - share
        weight[k + 1] += share
    return total, weight
