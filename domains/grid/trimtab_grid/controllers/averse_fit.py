"""Costs-to-go of a day that fears its worst days: what is left of the day's fuel is part of them.

The goal is E[C] + κ·CVaR of the day's fuel F. With b the day's stock of fuel it is the least over b
of κ·b + E[C + κ/α·(F - b)⁺] (Rockafellar and Uryasev 2000), and for a given b the state of an
ordinary program need only hold what is left of the stock, c = b - fuel so far (Bäuerle and Ott
2011). So the values of `value_fit` get one more axis: c less the mean fuel of what is left of the
day, in equal cells, so that the fuel of a step shifts a whole row by one and the same share of a
cell. Everything else, samples, expected net load and terminal term, is as there.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from trimtab.contracts.spec import BoolArray, Float32Array, FloatArray, IntArray

from trimtab_grid.controllers.value_fit import Past, block_of, foretold, knots_of
from trimtab_grid.dp import Planner
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH
from trimtab_grid.pwl import jitted, part, value
from trimtab_grid.stage import MAX_SEGMENTS, Outputs, Stage, Store, grid_kw, step_cost
from trimtab_grid.unit_graph import Links

KNOTS: Final = 12
LEVELS: Final = 17
CELLS: Final = 200
_STEP_FUEL = MAX_SEGMENTS + LEVELS + 2


class AverseValues(NamedTuple):
    """Fitted costs-to-go.

    Attributes:
        weights: of the regression of the next net load on `features`, [F].
        knots: expected net loads, rising, kW, [K].
        levels: stored energies, kWh, [S].
        left_l: mean fuel of the day after each block, L, [B].
        cell_l: width of a cell of the stock axis, L; its middle is a stock of `left_l`.
        slope: κ/α, what a litre beyond the stock costs, L/L.
        cost: cost-to-go after a block, L, [B, K, nodes, S, Q] float32.
        first: the same before the first block, whatever the wind, [nodes, S, Q].
        first_left_l: mean fuel of the whole day, L.
    """

    weights: FloatArray
    knots: FloatArray
    levels: FloatArray
    left_l: FloatArray
    cell_l: float
    slope: float
    cost: Float32Array
    first: FloatArray
    first_left_l: float


def fit_averse(
    planner: Planner, past: Past, last_hour: float, slope: float, samples: int, seed: int
) -> AverseValues:
    """Costs-to-go of an episode of at most a day that ends after the step at `last_hour`.

    Args:
        planner: graph, battery, and the past's steps as its stage.
        past: the same steps.
        last_hour: hour of the day of the last step.
        slope: κ/α.
        samples: steps drawn per block.
        seed: of the draws.
    """
    blocks = round(24.0 / planner.stage.step_h)
    weights, expected = foretold(past, np.ones(past.day.size, bool))
    knots = knots_of(expected, KNOTS)
    levels = np.linspace(planner.store.low_kwh, planner.store.high_kwh, LEVELS)
    block = block_of(past.hour, blocks)
    last = int(block_of(np.array([last_hour]), blocks)[0])
    left, day = _mean_fuel(planner, past, block, last)
    cell = 2.0 * max(float(day), 1.0) / CELLS
    nodes = len(planner.graph.states)
    cost = np.empty((blocks, knots.size, nodes, LEVELS, CELLS + 1), np.float32)
    end = np.interp(levels, planner.store.end_kwh, planner.store.end_l)
    beyond = slope * np.maximum(0.0, -cell * (np.arange(CELLS + 1) - CELLS // 2))
    cost[:] = end[:, None] + beyond
    found = AverseValues(
        weights, knots, levels, left, cell, slope, cost, np.empty(cost.shape[2:]), day
    )
    _backwards(planner, found, expected, block, last, samples, seed)
    return found


def _mean_fuel(
    planner: Planner, past: Past, block: IntArray, last: int
) -> tuple[FloatArray, float]:
    """Mean fuel of the day after each block, and of the whole day: the middle of the stock axis.

    Any guess serves; this one is the net load at the marginal consumption of the first unit.
    """
    blocks = int(block.max()) + 1
    rate = float(planner.graph.outputs.slope_l_kwh.max()) * planner.stage.step_h
    net = np.maximum(0.0, past.load_kw - past.free_kw) * rate
    mean = np.bincount(block, net, blocks) / np.maximum(np.bincount(block, minlength=blocks), 1)
    order = (last - np.arange(blocks)) % blocks
    left = np.empty(blocks)
    left[order] = np.concatenate([[0.0], np.cumsum(mean[order])[:-1]])
    return left, float(mean.sum())


def _backwards(
    planner: Planner,
    values: AverseValues,
    expected: FloatArray,
    block: IntArray,
    last: int,
    samples: int,
    seed: int,
) -> None:
    """From the last block to before the first one."""
    at = np.interp(expected, values.knots, np.arange(values.knots.size))
    at = np.minimum(at, values.knots.size - 1 - 1e-9)
    before, rng, blocks = np.roll(block, 1), np.random.default_rng(seed), len(values.cost)
    later = np.arange(block.size) > 0
    for k in range(1, blocks + 1):
        b = (last - k) % blocks
        left = values.left_l[b] if k < blocks else values.first_left_l
        steps = rng.permutation(np.flatnonzero((before == b) & later))[:samples]
        total, weight = averse_sweep(
            planner.graph.links,
            planner.graph.outputs,
            planner.store,
            planner.stage,
            values,
            at,
            block,
            steps,
            left,
        )
        if k == blocks:
            values.first[:] = total.sum(axis=0) / weight.sum()
            return
        filled = weight > 1e-6  # noqa: PLR2004
        values.cost[b, filled] = total[filled] / weight[filled, None, None, None]
        _fill(values.cost[b], filled)


def _fill(cost: Float32Array, filled: BoolArray) -> None:
    """Knots that no sample came near get the costs of the nearest that has some."""
    known = np.flatnonzero(filled)
    for k in np.flatnonzero(~filled):
        cost[k] = cost[known[np.abs(known - k).argmin()]]


@part
def _moves(
    outputs: Outputs,
    c: int,
    store: Store,
    stage: Stage,
    t: int,
    levels: FloatArray,
    stored_kwh: float,
    x: FloatArray,
    cost: FloatArray,
    fuel: FloatArray,
) -> int:
    """Energy changes worth trying from `stored_kwh`, what each costs and burns; their number."""
    sx, sy = np.empty(MAX_SEGMENTS), np.empty(MAX_SEGMENTS)
    n = step_cost(outputs, c, store, stage, t, sx, sy)
    low = max(sx[0], store.low_kwh - stored_kwh)
    high = min(sx[n - 1], store.high_kwh - stored_kwh)
    m = 0
    for k in range(n + levels.size + 2):
        if k < n:
            change = sx[k]
        elif k < n + levels.size:
            change = levels[k - n] - stored_kwh
        else:
            change = low if k == n + levels.size else high
        if change < low - 1e-9 or change > high + 1e-9:
            continue
        x[m] = change
        cost[m] = value(sx, sy, n, change)
        drawn = abs(grid_kw(store, change))
        fuel[m] = max(0.0, cost[m] - THROUGHPUT_L_PER_KWH * drawn * stage.step_h)
        m += 1
    return m


@jitted
def _between(levels: FloatArray, stored_kwh: float) -> tuple[int, float]:
    """Level below and share of the way to the next."""
    step = levels[1] - levels[0]
    at = min(max((stored_kwh - levels[0]) / step, 0.0), levels.size - 1 - 1e-9)
    return int(at), at - int(at)


@part
def _on_axis(row: FloatArray, at: float, past_l: float) -> float:
    """Value at a place of the stock axis; below it each missing cell costs `past_l`."""
    if at <= 0.0:
        return row[0] - at * past_l
    if at >= row.size - 1:
        return row[row.size - 1]
    k = int(at)
    return row[k] + (at - k) * (row[k + 1] - row[k])


@part
def _lower(best: Float32Array, row: Float32Array, shift: float, paid: float, past_l: Any) -> None:
    """Take `paid` and the row, shifted by so many cells, where that is less."""
    whole = int(np.floor(shift))
    top, share, less = row.size - 1, np.float32(shift - whole), np.float32(paid)
    first = min(max(-whole, 0), row.size)
    last = min(max(top - whole, first), row.size)
    for q in range(first):
        best[q] = min(best[q], less + row[0] - (np.float32(q + whole) + share) * past_l)
    for q in range(first, last):
        low, high = row[q + whole], row[q + whole + 1]
        best[q] = min(best[q], less + low + share * (high - low))
    for q in range(last, row.size):
        best[q] = min(best[q], less + row[top])


@jitted
def averse_sweep(
    links: Links,
    outputs: Outputs,
    store: Store,
    stage: Stage,
    values: AverseValues,
    at: FloatArray,
    block: IntArray,
    steps: IntArray,
    left_l: float,
) -> tuple[FloatArray, FloatArray]:
    """Weighted sums of costs-to-go before the samples [K, nodes, S, Q], and the weights [K]."""
    nodes, helds, levels = links.first_edge.size - 1, links.held_node.size, values.levels
    count, cells = levels.size, values.cost.shape[4]
    total = np.zeros((values.knots.size, nodes, count, cells))
    weight = np.zeros(values.knots.size)
    held, best = np.empty((helds, count, cells), np.float32), np.empty(cells, np.float32)
    after = np.empty((nodes, count, cells), np.float32)
    x, cost, fuel = np.empty(_STEP_FUEL), np.empty(_STEP_FUEL), np.empty(_STEP_FUEL)
    row, past_l = np.empty(cells, np.float32), np.float32(values.slope * values.cell_l)
    for j in steps:
        k = int(at[j])
        share = np.float32(at[j] - k)
        here, there = values.cost[block[j], k], values.cost[block[j], k + 1]
        for node in range(nodes):  # slices, here and below, cost seconds to compile
            for s in range(count):
                for q in range(cells):
                    first = here[node, s, q]
                    after[node, s, q] = first + share * (there[node, s, q] - first)
        saved = left_l - values.left_l[block[j]]
        for h in range(helds):
            c, node = links.held_class[h], links.held_node[h]
            for s in range(count):
                n = _moves(outputs, c, store, stage, j, levels, levels[s], x, cost, fuel)
                held[h, s] = np.inf
                for i in range(n):
                    a, up = _between(levels, levels[s] + x[i])
                    low, high, way = after[node, a], after[node, a + 1], np.float32(up)
                    for q in range(cells):
                        row[q] = low[q] + way * (high[q] - low[q])
                    shift = (saved - fuel[i]) / values.cell_l
                    _lower(held[h, s], row, shift, cost[i], past_l)
        k = int(at[j - 1])
        share = at[j - 1] - k
        weight[k] += 1.0 - share
        weight[k + 1] += share
        for node in range(nodes):
            for s in range(count):
                for q in range(cells):
                    best[q] = np.inf
                for e in range(links.first_edge[node], links.first_edge[node + 1]):
                    paid = links.edge_l[e]
                    for q in range(cells):
                        row[q] = held[links.edge_held[e], s, q]
                    _lower(best, row, -paid / values.cell_l, paid, past_l)
                for q in range(cells):
                    total[k, node, s, q] += (1.0 - share) * best[q]
                    total[k + 1, node, s, q] += share * best[q]
    return total, weight


@jitted
def averse_step(
    links: Links,
    outputs: Outputs,
    store: Store,
    stage: Stage,
    values: AverseValues,
    block: int,
    at: float,
    node: int,
    stored_kwh: float,
    stock_l: float,
    allowed: BoolArray,
) -> tuple[int, float]:
    """Best edge (-1: none) and energy change, kWh, with so much fuel left before the step."""
    best, edge, change = np.inf, -1, 0.0
    x, cost, fuel = np.empty(_STEP_FUEL), np.empty(_STEP_FUEL), np.empty(_STEP_FUEL)
    past_l, k = values.slope * values.cell_l, int(at)
    share, middle = at - k, values.cost.shape[4] // 2
    t = block - block  # 0, but not a literal: Numba would compile `_moves` for that again
    for e in range(links.first_edge[node], links.first_edge[node + 1]):
        if not allowed[e]:
            continue
        h = links.edge_held[e]
        to = links.held_node[h]
        n = _moves(
            outputs, links.held_class[h], store, stage, t, values.levels, stored_kwh, x, cost, fuel
        )
        for i in range(n):
            a, up = _between(values.levels, stored_kwh + x[i])
            left = stock_l - links.edge_l[e] - fuel[i] - values.left_l[block]
            q = middle + left / values.cell_l
            found = links.edge_l[e] + cost[i]
            for dk in range(2):
                for da in range(2):
                    weight = (share if dk else 1.0 - share) * (up if da else 1.0 - up)
                    found += weight * _on_axis(values.cost[block, k + dk, to, a + da], q, past_l)
            if found < best - 1e-9:  # noqa: PLR2004
                best, edge, change = found, e, x[i]
    return edge, change


def best_stock_l(values: AverseValues, node: int, stored_kwh: float, weight: float) -> float:
    """The stock b of the day with the least κ·b + cost-to-go, L; `weight` is κ."""
    a, up = _between(values.levels, stored_kwh)
    row = (1.0 - up) * values.first[node, a] + up * values.first[node, a + 1]
    cells = np.arange(row.size) - row.size // 2
    stocks = values.first_left_l + values.cell_l * cells
    return float(stocks[np.argmin(weight * stocks + row)])
