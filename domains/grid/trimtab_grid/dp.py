"""Dynamic programming with perfect foresight: joint unit states times stored energy, exact in it.

Costs-to-go are piecewise linear in stored energy, not values on a grid: a step's cost is convex in
the energy change, so the best over all changes is a chain of sliding-window minima (`pwl`). After
each step knots are thinned from below by at most `tolerance_l`; so every cost-to-go is a lower
bound of the true one, off by no more than the tolerances that follow. Going forward greedily
against them, with the energy kept continuous, gives a schedule that is feasible as it stands.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_grid.pwl import CAPACITY, clip, jitted, least, minorant, part, value, window
from trimtab_grid.stage import MAX_SEGMENTS, Outputs, Stage, Store, step_cost
from trimtab_grid.unit_graph import Links, UnitGraph

HELD_CAPACITY = 512
MARGIN_KWH, MARGIN_KW = 1e-3, 1e-3
"""What plans leave of the charge window and add to the reserve."""


class CostToGo(NamedTuple):
    """Piecewise linear functions of stored energy per time and node, packed.

    Attributes:
        first: knots of (t, node) are first[t, node]..last[t, node], [T + 1, N].
        last: one past the last knot, [T + 1, N].
        x: stored energy of the knots, kWh.
        y: cost-to-go there, L.
    """

    first: IntArray
    last: IntArray
    x: FloatArray
    y: FloatArray


class Decision(NamedTuple):
    """The best of one step.

    Attributes:
        edge: of the unit graph.
        change_kwh: of stored energy.
        cost_l: of the step and all that follows.
        step_l: of the step alone.
    """

    edge: int
    change_kwh: float
    cost_l: float
    step_l: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """A path through the unit graph.

    Attributes:
        node: observed node at each step and at the end, [T + 1].
        edge: command taken, [T].
        stored_kwh: at the begin of each step and at the end, [T + 1].
        step_l: cost of each step, [T].
        total_l: all steps and the terminal term.
    """

    node: IntArray
    edge: IntArray
    stored_kwh: FloatArray
    step_l: FloatArray
    total_l: float


@dataclass(frozen=True, slots=True)
class Planner:
    """All that a perfect-foresight plan needs of one plant and one series."""

    graph: UnitGraph
    store: Store
    stage: Stage

    def inside(self) -> Planner:
        """The same with a little less window and more reserve: what follows still fits the plant.

        Observations are single floats; a plan to the very edge would be corrected by the shield.
        """
        tank, stage = self.store, self.stage
        low, high = tank.low_kwh + MARGIN_KWH, tank.high_kwh - MARGIN_KWH
        if low >= high:
            return self
        reserve = np.where(stage.reserve_kw > 0.0, stage.reserve_kw + MARGIN_KW, 0.0)
        tank = tank._replace(low_kwh=low, high_kwh=high)
        return Planner(self.graph, tank, stage._replace(reserve_kw=reserve))

    def cost_to_go(self, tolerance_l: float) -> CostToGo:
        """Lower bounds of the cost-to-go from every step, node and stored energy."""
        return backward(self.graph.links, self.graph.outputs, self.store, self.stage, tolerance_l)

    def schedule(self, costs: CostToGo, node: int, stored_kwh: float) -> Schedule:
        """The path that takes the best step against `costs` each time."""
        nodes, edges, stored, step_l = forward(
            self.graph.links, self.graph.outputs, self.store, self.stage, costs, node, stored_kwh
        )
        end = float(np.interp(stored[-1], self.store.end_kwh, self.store.end_l))
        return Schedule(nodes, edges, stored, step_l, float(step_l.sum()) + end)


def value_at(costs: CostToGo, t: int, node: int, stored_kwh: float) -> float:
    """Cost-to-go of one state, L."""
    a, b = costs.first[t, node], costs.last[t, node]
    return float(value(costs.x[a:b], costs.y[a:b], b - a, stored_kwh))


@part
def held_cost(
    knots: tuple[FloatArray, FloatArray],
    after: tuple[FloatArray, FloatArray],
    limits: tuple[float, float],
    buffers: FloatArray,
    queue: IntArray,
    ox: FloatArray,
    oy: FloatArray,
) -> int:
    """`min over δ of step(δ) + after(s + δ)` as knots in ox, oy; their number."""
    sx, sy = knots
    ax, ay = after
    n, here = ax.size, 0
    for k in range(n):  # an assignment of slices costs seconds to compile
        buffers[0, 0, k], buffers[0, 1, k] = ax[k], ay[k]
    for k in range(sx.size - 1):
        run = sx[k + 1] - sx[k]
        slope = (sy[k + 1] - sy[k]) / run
        there = 1 - here
        n = window(
            buffers[here, 0],
            buffers[here, 1],
            n,
            run,
            slope,
            buffers[there, 0],
            buffers[there, 1],
            queue,
        )
        here = there
    return clip(buffers[here, 0], buffers[here, 1], n, (-sx[0], sy[0]), limits, ox, oy)


@part
def _grown(values: FloatArray, need: int) -> FloatArray:
    """The array, or a copy twice as long where it does not hold `need`."""
    if need <= values.size:
        return values
    longer = np.empty(max(2 * values.size, need))
    for k in range(values.size):
        longer[k] = values[k]
    return longer


@part
def node_cost(
    links: Links,
    node: int,
    hx: FloatArray,
    hy: FloatArray,
    hn: IntArray,
    buffers: FloatArray,
) -> tuple[int, int]:
    """Least over the commands of a node: which of two buffers holds it, and its knots."""
    e0, e1 = links.first_edge[node], links.first_edge[node + 1]
    h = int(links.edge_held[e0])
    n, here = int(hn[h]), 0
    for k in range(n):
        buffers[0, 0, k], buffers[0, 1, k] = hx[h, k], hy[h, k] + links.edge_l[e0]
    for e in range(e0 + 1, e1):
        h = int(links.edge_held[e])
        there = 1 - here
        n = least(
            buffers[here, 0],
            buffers[here, 1],
            n,
            hx[h],
            hy[h],
            int(hn[h]),
            links.edge_l[e],
            buffers[there, 0],
            buffers[there, 1],
        )
        here = there
    return here, n


@jitted
def backward(
    links: Links, outputs: Outputs, store: Store, stage: Stage, tolerance_l: float
) -> CostToGo:
    """Costs-to-go from the last step to the first."""
    steps, nodes, helds = stage.load_kw.size, links.first_edge.size - 1, links.held_node.size
    classes = outputs.floor_kw.size
    first = np.empty((steps + 1, nodes), np.int64)
    last = np.empty((steps + 1, nodes), np.int64)
    x, y = np.empty(1 << 16), np.empty(1 << 16)
    hx, hy = np.empty((helds, HELD_CAPACITY)), np.empty((helds, HELD_CAPACITY))
    hn = np.empty(helds, np.int64)
    cx, cy = np.empty((classes, MAX_SEGMENTS)), np.empty((classes, MAX_SEGMENTS))
    cn = np.empty(classes, np.int64)
    buffers, queue = np.empty((2, 2, CAPACITY)), np.empty(CAPACITY, np.int64)
    limits = (store.low_kwh, store.high_kwh)
    used = clip(store.end_kwh, store.end_l, store.end_kwh.size, (0.0, 0.0), limits, x, y)
    first[steps], last[steps] = 0, used
    for t in range(steps - 1, -1, -1):
        for c in range(classes):
            cn[c] = step_cost(outputs, c, store, stage, t, cx[c], cy[c])
        for h in range(helds):
            c, node = links.held_class[h], links.held_node[h]
            a, b = first[t + 1, node], last[t + 1, node]
            knots = (cx[c, : cn[c]], cy[c, : cn[c]])
            hn[h] = held_cost(knots, (x[a:b], y[a:b]), limits, buffers, queue, hx[h], hy[h])
        for node in range(nodes):
            here, n = node_cost(links, node, hx, hy, hn, buffers)
            x, y = _grown(x, used + n), _grown(y, used + n)
            first[t, node] = used
            used += minorant(buffers[here, 0], buffers[here, 1], n, tolerance_l, x[used:], y[used:])
            last[t, node] = used
    return CostToGo(first, last, x[:used].copy(), y[:used].copy())


@jitted
def best_step(
    links: Links,
    outputs: Outputs,
    store: Store,
    stage: Stage,
    t: int,
    after: CostToGo,
    t_after: int,
    node: int,
    stored_kwh: float,
    allowed: BoolArray,
) -> Decision:
    """The command and energy change with least cost of step t plus `after` at row `t_after`.

    The sum is piecewise linear in the change: the least is at a knot of the one or the other.
    Only edges that are `allowed` count, [E]; edge -1 if there is none.
    """
    best = Decision(-1, 0.0, np.inf, np.inf)
    sx, sy = np.empty(MAX_SEGMENTS), np.empty(MAX_SEGMENTS)
    low, high = store.low_kwh - stored_kwh, store.high_kwh - stored_kwh
    for e in range(links.first_edge[node], links.first_edge[node + 1]):
        if not allowed[e]:
            continue
        h = int(links.edge_held[e])
        n = step_cost(outputs, int(links.held_class[h]), store, stage, t, sx, sy)
        a = after.first[t_after, links.held_node[h]]
        b = after.last[t_after, links.held_node[h]]
        vx, vy = after.x[a:b], after.y[a:b]
        for k in range(n + b - a + 2):
            if k < n:
                change = sx[k]
            elif k < n + b - a:
                change = vx[k - n] - stored_kwh
            else:
                change = low if k == n + b - a else high
            if not (max(low, sx[0]) - 1e-9 <= change <= min(high, sx[n - 1]) + 1e-9):
                continue
            step_l = links.edge_l[e] + value(sx, sy, n, change)
            cost = step_l + value(vx, vy, b - a, stored_kwh + change)
            if cost < best.cost_l - 1e-9:  # noqa: PLR2004
                best = Decision(e, change, cost, step_l)
    return best


@jitted
def forward(
    links: Links,
    outputs: Outputs,
    store: Store,
    stage: Stage,
    costs: CostToGo,
    node: int,
    stored_kwh: float,
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Nodes [T + 1], edges [T], stored energy [T + 1] and step costs [T] of the greedy path."""
    steps = stage.load_kw.size
    nodes, edges = np.empty(steps + 1, np.int64), np.empty(steps, np.int64)
    stored, step_l = np.empty(steps + 1), np.empty(steps)
    nodes[0], stored[0] = node, stored_kwh
    allowed = np.ones(links.edge_held.size, np.bool_)
    for t in range(steps):
        best = best_step(
            links, outputs, store, stage, t, costs, t + 1, nodes[t], stored[t], allowed
        )
        edges[t], step_l[t] = best.edge, best.step_l
        nodes[t + 1] = links.held_node[links.edge_held[best.edge]]
        stored[t + 1] = min(max(stored[t] + best.change_kwh, store.low_kwh), store.high_kwh)
    return nodes, edges, stored, step_l
