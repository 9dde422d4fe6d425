"""Compiled receding-horizon search of one signal's stages on its queue model."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MOST_CHOICES = 32
"""Decisions within one horizon."""
_OPPOSED_VEH = 0.3
"""Opposing queue from which a permissive green stands still, vehicles."""


@njit(cache=True, nogil=True)
def _serve(
    q: FloatArray,
    arrivals: FloatArray,
    rate: FloatArray,
    lane: IntArray,
    weight: FloatArray,
    green: BoolArray,
    before: int,
    stage: int,
    foes: IntArray,
    n_foes: IntArray,
    on_lane: FloatArray,
    begin: int,
    opens: int,
    until: int,
    cost: float,
    bound: float,
) -> float:
    """Let the queues `q` run over seconds `begin` to `until` of one stage; the cost by then.

    Links that stage `before` served too are green throughout, the others from second `opens` on.
    Ends early once the cost reaches `bound`.
    """
    links = len(q)
    for t in range(begin, until):
        on_lane[:] = 0.0
        for j in range(links):
            q[j] += arrivals[j, t]
            on_lane[lane[j]] += q[j]
        for j in range(links):
            if q[j] <= 0.0 or not green[stage, j] or (t < opens and not green[before, j]):
                continue
            opposed = False
            for k in range(n_foes[j]):
                i = foes[j, k]
                if green[stage, i] and q[i] > _OPPOSED_VEH:
                    opposed = True
                    break
            if not opposed:
                q[j] -= min(q[j], rate[j] * q[j] / on_lane[lane[j]])
        for j in range(links):
            cost += weight[j] * q[j]
        if cost >= bound:
            break
    return cost


@njit(cache=True, nogil=True)
def _foes(yields: BoolArray) -> tuple[IntArray, IntArray]:
    """Links that each link gives way to, [links, links] padded with 0, and how many, [links]."""
    links = len(yields)
    foes, n_foes = np.zeros((links, links), dtype=np.int64), np.zeros(links, dtype=np.int64)
    for j, i in np.argwhere(yields):
        foes[j, n_foes[j]] = i
        n_foes[j] += 1
    return foes, n_foes


@njit(cache=True, nogil=True)
def _length_s(change: int, min_green_s: int, interval_s: int) -> int:
    """Time until the next decision after one for another stage, s: whole intervals."""
    blocks = (change + min_green_s + interval_s - 1) // interval_s
    return int(max(interval_s, blocks * interval_s))


@njit(cache=True, nogil=True)
def _with_left_over(cost: float, q: FloatArray, weight: FloatArray, tail_s: float) -> float:
    """The cost with the charge for the vehicles left at the horizon, weighted veh·s."""
    for j in range(len(q)):
        cost += weight[j] * q[j] * tail_s
    return cost


@njit(cache=True, nogil=True)
def _copy(source: FloatArray, target: FloatArray) -> None:
    """Copy [links]; an assignment of slices would cost seconds to compile."""
    for j in range(source.size):
        target[j] = source[j]


@njit(cache=True, nogil=True)
def _search(
    costs: FloatArray,
    queue: FloatArray,
    arrivals: FloatArray,
    rate: FloatArray,
    lane: IntArray,
    weight: FloatArray,
    green: BoolArray,
    foes: IntArray,
    n_foes: IntArray,
    change_s: IntArray,
    min_green_s: IntArray,
    legal: BoolArray,
    present: int,
    interval_s: int,
    start_loss_s: int,
    tail_s: float,
    margin: float,
) -> None:
    """Depth first over sequences of stages; fills `costs`, see `stage_costs`."""
    (stages, links), horizon = green.shape, arrivals.shape[1]
    held, spent = np.zeros((MOST_CHOICES + 1, links)), np.zeros(MOST_CHOICES + 1)
    time, shown, option = np.zeros((3, MOST_CHOICES + 1), dtype=np.int64)
    on_lane = np.zeros(lane.max() + 1)
    shown[0] = present
    _copy(queue, held[0])
    best, bound, depth, first = np.inf, np.inf, 0, present
    while depth >= 0:
        if option[depth] >= stages or depth == MOST_CHOICES:
            depth -= 1
            continue
        k = option[depth]
        option[depth] += 1
        chosen = shown[depth] if k == 0 else (k - 1 if k <= shown[depth] else k)
        if depth == 0:
            first = chosen
            if not legal[chosen]:
                continue
            bound = best + margin
        change, length = int(change_s[shown[depth], chosen]), interval_s
        if chosen != shown[depth]:
            length = _length_s(change, int(min_green_s[chosen]), interval_s)
        until, opens = min(horizon, time[depth] + length), time[depth] + change + start_loss_s
        q = held[depth + 1]
        _copy(held[depth], q)
        cost = _serve(
            q, arrivals, rate, lane, weight, green, shown[depth], chosen, foes, n_foes, on_lane,
            time[depth], opens, until, spent[depth], bound,
        )  # fmt: skip
        if cost >= bound:
            continue
        if until >= horizon:
            cost = _with_left_over(cost, q, weight, tail_s)
            if cost < bound:
                costs[first] = cost
                best = min(best, cost)
                bound = min(cost, best + margin)
            continue
        depth += 1
        spent[depth], time[depth], shown[depth], option[depth] = cost, until, chosen, 0


@njit(cache=True, nogil=True)
def stage_costs(
    queue: FloatArray,
    arrivals: FloatArray,
    rate: FloatArray,
    lane: IntArray,
    weight: FloatArray,
    green: BoolArray,
    yields: BoolArray,
    change_s: IntArray,
    min_green_s: IntArray,
    legal: BoolArray,
    present: int,
    interval_s: int,
    start_loss_s: int,
    tail_s: float,
    margin: float,
) -> FloatArray:
    """Cost of the cheapest sequence of stages over the horizon that begins with each stage.

    Args:
        queue: [links] vehicles at the stop line now.
        arrivals: [links, horizon] vehicles that reach it per second.
        rate: [links] discharge of the link's lane, veh/s; 0 where there is no room beyond.
        lane: [links] lane the link starts on.
        weight: [links] worth of a second waited.
        green: [stages, links].
        yields: [links, links] row gives way to column.
        change_s: [stages, stages] transition, s; 0 on the diagonal.
        min_green_s: [stages] s.
        legal: [stages] allowed now; later every stage is.
        present: stage shown.
        interval_s: time between decisions, s.
        start_loss_s: green in which nothing leaves, s.
        tail_s: seconds that every vehicle left at the horizon is charged.
        margin: a stage is given up once it is so much dearer than the cheapest, weighted veh·s.

    Returns:
        [stages] weighted veh·s; infinite where the stage is illegal or was given up.
    """
    costs = np.full(len(green), np.inf)
    foes, n_foes = _foes(yields)
    _search(
        costs, queue, arrivals, rate, lane, weight, green, foes, n_foes, change_s, min_green_s,
        legal, present, interval_s, start_loss_s, tail_s, margin,
    )  # fmt: skip
    return costs
