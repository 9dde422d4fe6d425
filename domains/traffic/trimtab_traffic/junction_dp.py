"""Exact optimum of a `ConflictQueue` by dynamic programming over slots, compiled with Numba.

State at the start of a slot: (mode, queue of every group). A mode is either "group g moves, for a
seconds so far, with l tokens" or "changing to group g, r slots left". Backward in time,
V_t(mode, q) = least over the decisions of (queued vehicles after the slot + V_{t+1}).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trimtab_traffic.conflict_queue import IDLE, ConflictQueue

GROUPS = 3
"""Groups the kernel has loops for; missing ones get a cap of 0 and no arrivals."""
MAX_TABLE = 40_000_000
"""Entries of the decision table above which caps are lowered, bytes."""
MAX_CAP = 60
_MARGIN = 2

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class JunctionOptimum:
    """Least cost of a junction.

    Attributes:
        cost_veh_s: vehicle-seconds waited.
        schedule: group that moves in each slot, or `IDLE`.
    """

    cost_veh_s: int
    schedule: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Modes:
    """Flat numbering of modes: moving ones first, group by group, then changes.

    Attributes:
        group: [moving] the group that moves.
        most: [moving] vehicles that can leave in the slot.
        after: [moving, most + 1] mode of the next slot by vehicles that left.
        free: [moving] another group may follow.
        fresh: [groups] mode of a group that just got green.
        ripe: [groups] mode of a group that has long been moving.
        change: [groups, longest lost time + 1] mode of "changing to g, r slots left".
    """

    group: IntArray
    most: IntArray
    after: IntArray
    free: NDArray[np.bool_]
    fresh: IntArray
    ripe: IntArray
    change: IntArray


def _modes(model: ConflictQueue) -> _Modes:
    ids: dict[tuple[int, int, int], int] = {}
    following: list[list[tuple[int, int, int]]] = []
    run = model.min_run_s
    for group, bucket in enumerate(model.buckets):
        found = [(group, 0, bucket.depth), (group, run, bucket.depth)]
        for mode in found:
            if mode in ids:
                continue
            ids[mode] = len(ids)
            _, age, tokens = mode
            age = min(age + 1, run)
            counts = range(bucket.most(tokens) + 1)
            following.append([(group, age, bucket.refilled(tokens, n)) for n in counts])
            found += following[-1]
    after = np.zeros((len(ids), max(len(row) for row in following)), dtype=np.int64)
    for mode_id, row in enumerate(following):
        after[mode_id, : len(row)] = [ids[mode] for mode in row]
    longest = max(max(row) for row in model.lost_s)
    groups = len(model.buckets)
    return _Modes(
        group=np.array([group for group, _, _ in ids]),
        most=np.array([len(row) - 1 for row in following]),
        after=after,
        free=np.array([age >= run for _, age, _ in ids]),
        fresh=np.array([ids[g, 0, b.depth] for g, b in enumerate(model.buckets)]),
        ripe=np.array([ids[g, run, b.depth] for g, b in enumerate(model.buckets)]),
        change=len(ids) + np.arange(groups * (longest + 1)).reshape(groups, longest + 1),
    )


def _three(model: ConflictQueue) -> tuple[IntArray, IntArray]:
    """Arrivals [GROUPS, slots] and caps [GROUPS], padded with empty groups."""
    arrivals = np.zeros((GROUPS, model.slots), dtype=np.int64)
    arrivals[: len(model.buckets)] = model.arrivals
    caps = np.zeros(GROUPS, dtype=np.int64)
    caps[: len(model.buckets)] = model.caps
    return arrivals, caps


def solve(model: ConflictQueue) -> JunctionOptimum:
    """Least cost and a schedule that attains it, of 1 to `GROUPS` groups."""
    modes = _modes(model)
    arrivals, caps = _three(model)
    lost = np.array(model.lost_s, dtype=np.int64)
    table = (modes.group, modes.most, modes.after, modes.fresh)
    values, decisions = _backward(arrivals, caps, lost, *table, modes.free, modes.change)
    start = int(modes.ripe[np.argmin(values[modes.ripe])])
    schedule = _forward(start, decisions, arrivals, caps, lost, *table)
    return JunctionOptimum(int(values[start]), tuple(schedule.tolist()))


def exhaustive_service(model: ConflictQueue) -> tuple[int, tuple[int, ...]]:
    """Cost of serving each group until it is empty, then the longest queue; no caps.

    Returns:
        Vehicle-seconds (an upper bound of the optimum) and the longest queue of each group.
    """
    modes = _modes(model)
    cost, longest = _exhaustive(
        model.arrivals,
        np.array(model.lost_s, dtype=np.int64),
        modes.most,
        modes.after,
        modes.free,
        modes.fresh,
        modes.ripe,
    )
    return int(cost), tuple(longest.tolist())


def with_fitting_caps(model: ConflictQueue) -> ConflictQueue:
    """The model with caps just above the queues of exhaustive service, and a table that fits.

    Lower caps only lower the cost, so the bound stays a bound.
    """
    _, longest = exhaustive_service(model)
    caps = np.minimum(np.array(longest) + _MARGIN, MAX_CAP)
    per_state = model.slots * len(_modes(model).group)
    while per_state * int(np.prod(caps + 1)) > MAX_TABLE:
        caps[np.argmax(caps)] -= 1
    return ConflictQueue(
        model.arrivals, model.buckets, model.lost_s, model.min_run_s, tuple(caps.tolist())
    )


@njit(cache=True, nogil=True)
def _exhaustive(
    arrivals: IntArray,
    lost: IntArray,
    most: IntArray,
    after: IntArray,
    free: NDArray[np.bool_],
    fresh: IntArray,
    ripe: IntArray,
) -> tuple[int, IntArray]:
    groups, slots = arrivals.shape
    longest = np.zeros(groups, dtype=np.int64)
    queue = np.zeros(groups, dtype=np.int64)
    group, mode, wait, cost = 0, ripe[0], 0, 0
    for t in range(slots):
        queue += arrivals[:, t]
        if wait == 0 and queue[group] == 0 and free[mode]:
            target = int(np.argmax(queue))
            if queue[target] > 0:
                wait = lost[group, target]
                group, mode = target, fresh[target]
        if wait > 0:
            wait -= 1
        else:
            served = min(queue[group], most[mode])
            queue[group] -= served
            mode = after[mode, served]
        longest = np.maximum(longest, queue)
        cost += queue.sum()
    return cost, longest


@njit(cache=True, nogil=True)
def _backward(
    arrivals: IntArray,
    caps: IntArray,
    lost: IntArray,
    group: IntArray,
    most: IntArray,
    after: IntArray,
    fresh: IntArray,
    free: NDArray[np.bool_],
    change: IntArray,
) -> tuple[IntArray, NDArray[np.int8]]:
    """Value of every moving mode at slot 0 with empty queues, and the decision of every state."""
    groups, slots, moving = len(fresh), arrivals.shape[1], len(group)
    n0, n1, n2 = caps[0] + 1, caps[1] + 1, caps[2] + 1
    ahead = np.zeros((moving + change.size, n0, n1, n2), dtype=np.int32)
    now = np.zeros_like(ahead)
    decisions = np.zeros((slots, moving, n0, n1, n2), dtype=np.int8)
    q = np.zeros(GROUPS, dtype=np.int64)
    serve = np.zeros(moving, dtype=np.int64)
    idle = np.zeros((groups, change.shape[1]), dtype=np.int64)
    best = np.zeros(groups, dtype=np.int64)
    target = np.zeros(groups, dtype=np.int8)
    for t in range(slots - 1, -1, -1):
        for x0 in range(n0):
            for x1 in range(n1):
                for x2 in range(n2):
                    q[0], q[1], q[2] = x0 + arrivals[0, t], x1 + arrivals[1, t], x2 + arrivals[2, t]
                    c0, c1, c2 = min(q[0], caps[0]), min(q[1], caps[1]), min(q[2], caps[2])
                    for g in range(groups):
                        for r in range(1, change.shape[1]):
                            mode = change[g, r - 1] if r > 1 else fresh[g]
                            idle[g, r] = c0 + c1 + c2 + ahead[mode, c0, c1, c2]
                            now[change[g, r], x0, x1, x2] = idle[g, r]
                    for m in range(moving):
                        g = group[m]
                        served = min(q[g], most[m])
                        rest = min(q[g] - served, caps[g])
                        d0 = rest if g == 0 else c0
                        d1 = rest if g == 1 else c1
                        d2 = rest if g == 2 else c2
                        serve[m] = d0 + d1 + d2 + ahead[after[m, served], d0, d1, d2]
                    for g in range(groups):
                        best[g] = np.int64(2**40)
                        for h in range(groups):
                            wait = lost[g, h]
                            value = idle[h, wait] if wait > 0 else serve[fresh[h]]
                            if h != g and value < best[g]:
                                best[g], target[g] = value, h
                    for m in range(moving):
                        g = group[m]
                        leave = free[m] and best[g] < serve[m]
                        now[m, x0, x1, x2] = best[g] if leave else serve[m]
                        decisions[t, m, x0, x1, x2] = target[g] if leave else g
        ahead, now = now, ahead
    return ahead[:moving, 0, 0, 0].astype(np.int64), decisions


@njit(cache=True, nogil=True)
def _forward(
    start: int,
    decisions: NDArray[np.int8],
    arrivals: IntArray,
    caps: IntArray,
    lost: IntArray,
    group: IntArray,
    most: IntArray,
    after: IntArray,
    fresh: IntArray,
) -> IntArray:
    """Follow the decisions from empty queues in mode `start`."""
    slots = arrivals.shape[1]
    schedule = np.full(slots, IDLE, dtype=np.int64)
    q = np.zeros(GROUPS, dtype=np.int64)
    mode, wait = start, 0
    for t in range(slots):
        if wait == 0:
            chosen = decisions[t, mode, q[0], q[1], q[2]]
            if chosen != group[mode]:
                wait = lost[group[mode], chosen]
                mode = fresh[chosen]
        q += arrivals[:, t]
        if wait > 0:
            wait -= 1
        else:
            g = group[mode]
            schedule[t] = g
            served = min(q[g], most[mode])
            q[g] -= served
            mode = after[mode, served]
        q = np.minimum(q, caps)
    return schedule
