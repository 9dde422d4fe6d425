"""Independent check of a lower bound: any costs-to-go will do, as long as no step beats them.

Functions Φ prove `Φ(0, start) - Σ excess` if in every step, for every command and every energy
change, Φ now is no more than the step's cost plus Φ then, but for an excess that is subtracted.
All three are piecewise linear, so the worst case is a corner: where two of "s is a knot of Φ now",
"s' is a knot of Φ then" and "s' - s is a bend of the step's cost" meet. Corners are simply tried.
Where the functions come from is of no concern; the step cost is written again, from the record.
"""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.arrays import COOL, NO_BATTERY, RUN, WARM, PlantArrays
from trimtab_grid.dp import CostToGo
from trimtab_grid.model import fuel_l_h, soc_after
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH, terminal_l
from trimtab_grid.pwl import jitted, part
from trimtab_grid.stage import Stage, Store, stored_kwh
from trimtab_grid.unit_graph import Links, UnitGraph


def proven_l(
    plant: PlantArrays,
    graph: UnitGraph,
    store: Store,
    stage: Stage,
    costs: CostToGo,
    start: tuple[int, float],
) -> float:
    """What the functions prove about the cost from `start = (node, stored kWh)`, L."""
    bends = [_class_cost(plant, row, store, stage) for row in graph.modes]
    width = max(change.shape[1] for change, _ in bends)
    x, y = (np.array([_widened(bend[k], width) for bend in bends]) for k in range(2))
    node, stored = start
    a, b = costs.first[0, node], costs.last[0, node]
    first = float(np.interp(stored, costs.x[a:b], costs.y[a:b]))
    excess = float(total_excess(graph.links, x, y, costs, np.empty(3)))
    return first - excess


def _widened(values: FloatArray, width: int) -> FloatArray:
    """Columns repeated at the end, [T, width]."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), mode="edge")


def end_excess_l(
    plant: PlantArrays, costs: CostToGo, price_l_per_kwh: float, soc_first: float
) -> float:
    """By how much the last functions exceed the terminal term anywhere on a fine set of points."""
    if plant.battery_model == NO_BATTERY:
        return float(max(0.0, costs.y[costs.first[-1].min() : costs.last[-1].max()].max()))
    worst = 0.0
    for soc in np.linspace(plant.reserve_soc_min, plant.reserve_soc_max, 501):
        owed = terminal_l(soc_first, soc, plant.energy_kwh, price_l_per_kwh)
        at = stored_kwh(plant, soc)
        for a, b in set(zip(costs.first[-1].tolist(), costs.last[-1].tolist(), strict=True)):
            worst = max(worst, float(np.interp(at, costs.x[a:b], costs.y[a:b])) - owed)
    return worst


def battery_excess_kw(plant: PlantArrays, store: Store) -> float:
    """By how much the assumed grid power exceeds the true one anywhere on a set of steps."""
    worst = 0.0
    if plant.battery_model == NO_BATTERY:
        return worst
    hours = plant.step_h
    for soc in np.linspace(plant.reserve_soc_min, plant.reserve_soc_max, 21):
        for power in np.linspace(-plant.power_kw, plant.power_kw, 81):
            after = soc_after(plant, soc, power, hours)
            if not plant.reserve_soc_min <= after <= plant.reserve_soc_max:
                continue
            change = stored_kwh(plant, after) - stored_kwh(plant, soc)
            assumed = float(np.interp(change, store.change_kwh, store.grid_kw))
            worst = max(worst, assumed + power)
    return worst


def _class_cost(
    plant: PlantArrays, modes: tuple[int, ...], store: Store, stage: Stage
) -> tuple[FloatArray, FloatArray]:
    """Bends [T, J] (kWh, rising) and costs there (L) of holding `modes`."""
    floor, rate, carried, lengths, slopes = _merit_order(plant, modes)
    used, hours = 1.0 - stage.used_share, stage.step_h
    demand, base, firm, lengths, slopes = _with_outer(stage, rate, lengths, slopes)
    need = demand + stage.reserve_kw - carried - firm - stage.battery_kw
    shed = np.clip(need - used * stage.renewable_kw, 0.0, demand)
    load = demand - shed
    least_free = np.minimum(np.maximum(need, need / max(used, 1e-12)), stage.renewable_kw)
    lowest = floor + np.maximum(least_free, -stage.dump_kw)
    steps = load.size
    levels = np.concatenate([np.zeros((steps, 1)), np.cumsum(lengths, axis=1)], axis=1)
    grid = np.concatenate(
        [
            np.broadcast_to(store.grid_kw, (steps, store.grid_kw.size)),
            (lowest - load)[:, None],
            (floor + stage.renewable_kw - load)[:, None] + levels,
        ],
        axis=1,
    )
    grid = np.sort(np.clip(grid, store.grid_kw[0], store.grid_kw[-1]), axis=1)
    change = np.interp(grid, store.grid_kw, store.change_kwh)
    net = np.maximum(load[:, None] + grid, lowest[:, None])
    above = net - floor - stage.renewable_kw[:, None]
    fuel = np.broadcast_to(base[:, None], above.shape).copy()
    for k in range(lengths.shape[1]):
        part = np.clip(above - levels[:, k, None], 0.0, lengths[:, k, None])
        fuel += slopes[:, k, None] * part
    unserved = np.maximum(above - levels[:, -1:], 0.0) + shed[:, None]
    hourly = fuel + UNSERVED_L_PER_KWH * unserved + THROUGHPUT_L_PER_KWH * np.abs(grid)
    legal = np.interp(lowest - load, store.grid_kw, store.change_kwh)
    beyond = np.maximum(0.0, lowest - load - store.grid_kw[-1]) * hours
    missing = np.maximum(0.0, (legal + beyond)[:, None] - change)
    return change, hours * hourly + UNSERVED_L_PER_KWH * missing


def _with_outer(
    stage: Stage, rate: float, lengths: FloatArray, slopes: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Demand [T], cost rate at the floor [T], firm import [T], lengths and slopes [T, S].

    All that may be exported is sold as demand; keeping some back costs what it would have earned.
    """
    steps = stage.load_kw.size
    wide = [np.broadcast_to(row, (steps, row.size)) for row in (lengths, slopes)]
    if len(stage.outer) == 0:
        return stage.load_kw, np.full(steps, rate), np.zeros(steps), wide[0], wide[1]
    bought, price, sold, paid = stage.outer.T
    most = UNSERVED_L_PER_KWH
    length = np.concatenate([wide[0], bought[:, None], sold[:, None]], axis=1)
    slope = np.concatenate(
        [wide[1], np.minimum(price, most)[:, None], np.minimum(paid, most)[:, None]], axis=1
    )
    order = np.argsort(slope, axis=1, kind="stable")
    length, slope = (np.take_along_axis(a, order, axis=1) for a in (length, slope))
    return stage.load_kw + sold, rate - sold * paid, bought + sold, length, slope


def _merit_order(
    plant: PlantArrays, modes: tuple[int, ...]
) -> tuple[float, float, float, FloatArray, FloatArray]:
    """Floor kW, its fuel L/h, carried kW, then lengths kW and marginal L/kWh, rising."""
    floor = rate = carried = 0.0
    steps: list[tuple[float, float]] = []
    for i, mode in enumerate(modes):
        if mode not in (WARM, RUN, COOL):
            continue
        low = (plant.warm_kw, plant.min_kw, plant.cool_kw)[mode - 1][i]
        floor, rate = floor + low, rate + fuel_l_h(plant, i, low)
        carried += plant.prime_kw[i] if mode == RUN else low
        if mode == RUN:
            steps += _convex_parts(plant, i)
    steps.sort(key=lambda part: part[1])
    lengths, slopes = np.array([s[0] for s in steps]), np.array([s[1] for s in steps])
    return floor, rate, carried, lengths, slopes


def _convex_parts(plant: PlantArrays, unit: int) -> list[tuple[float, float]]:
    """Convex minorant of a unit's curve by repeated steepest-least chords."""
    top = max(plant.prime_kw[unit], plant.overload_kw[unit])
    low = plant.min_kw[unit]
    inner = [p for p in plant.curve_kw[unit, : plant.curve_points[unit]] if low < p < top]
    powers = sorted({float(low), *map(float, inner), float(top)})
    rates = [fuel_l_h(plant, unit, p) for p in powers]
    parts, at = [], 0
    while at < len(powers) - 1:
        chords = [
            ((rates[k] - rates[at]) / (powers[k] - powers[at]), k)
            for k in range(at + 1, len(powers))
        ]
        slope, best = min(chords, key=lambda chord: (chord[0], -chord[1]))
        parts.append((powers[best] - powers[at], slope))
        at = best
    return parts


@part
def _at(x: FloatArray, y: FloatArray, at: float) -> float:
    """Linear interpolation, constant outside."""
    k = 1
    step = x.size // 2
    while step > 0:
        while k + step < x.size and x[k + step - 1] < at:
            k += step
        step //= 2
    run = x[k] - x[k - 1]
    share = (at - x[k - 1]) / run if run > 0.0 else 0.0
    return y[k - 1] + min(max(share, 0.0), 1.0) * (y[k] - y[k - 1])


@part
def _corner_excess(
    now: tuple[FloatArray, FloatArray],
    then: tuple[FloatArray, FloatArray],
    step: tuple[FloatArray, FloatArray],
) -> float:
    """Largest of `now(s) - step(s' - s) - then(s')` over all corners."""
    (nx, ny), (tx, ty), (fx, fy) = now, then, step
    low, high = fx[0] - 1e-9, fx[-1] + 1e-9
    worst = -np.inf
    for i in range(nx.size):
        for k in range(tx.size):
            change = tx[k] - nx[i]
            if low <= change <= high:
                worst = max(worst, ny[i] - _at(fx, fy, change) - ty[k])
        for j in range(fx.size):
            after = nx[i] + fx[j]
            if tx[0] - 1e-9 <= after <= tx[-1] + 1e-9:
                worst = max(worst, ny[i] - fy[j] - _at(tx, ty, after))
    for k in range(tx.size):
        for j in range(fx.size):
            before = tx[k] - fx[j]
            if nx[0] - 1e-9 <= before <= nx[-1] + 1e-9:
                worst = max(worst, _at(nx, ny, before) - fy[j] - ty[k])
    return worst


@jitted
def total_excess(
    links: Links, x: FloatArray, y: FloatArray, costs: CostToGo, largest: FloatArray
) -> float:
    """Sum over steps of the largest excess of any command and energy change, at least 0 each.

    Args:
        links: the unit graph.
        x: bends of the step costs, [C, T, J].
        y: costs there.
        costs: the functions.
        largest: written: the largest excess of one step in [0].
    """
    total, largest[0] = 0.0, 0.0
    for t in range(x.shape[1]):
        worst = 0.0
        for node in range(links.first_edge.size - 1):
            a, b = costs.first[t, node], costs.last[t, node]
            for e in range(links.first_edge[node], links.first_edge[node + 1]):
                h = links.edge_held[e]
                c, after = links.held_class[h], links.held_node[h]
                p, q = costs.first[t + 1, after], costs.last[t + 1, after]
                now = (costs.x[a:b], costs.y[a:b] - links.edge_l[e])
                then = (costs.x[p:q], costs.y[p:q])
                worst = max(worst, _corner_excess(now, then, (x[c, t], y[c, t])))
        total += worst
        largest[0] = max(largest[0], worst)
    return total
