"""The compiled loop of `queue_model`: seconds × movements."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HISTORY_S = 512
"""Seconds of departures that are remembered; longer travel times are cut to it."""
PLATOON_SHARE = 0.9
"""Travel time of a platoon's head over the mean (SUMO's speeds spread by 10 %)."""
CRITICAL_GAP_S = 3.0
"""Gap in the opposing flow that a permissive movement needs, s per opposing vehicle."""
SNEAKERS_VEH = 1.0
"""Vehicles that wait inside the junction and clear it after a permissive green."""


@njit(cache=True, nogil=True)
def _may_leave(
    allowed: int, saturation: float, left: FloatArray, foes: IntArray, foe_range: IntArray
) -> float:
    """Vehicles that the signal lets go in this second; `left` are those of the last one."""
    if allowed == 1:
        return saturation
    if allowed == 2:
        opposing = 0.0
        for k in range(foe_range[0], foe_range[1]):
            opposing += left[int(foes[k])]
        return saturation * max(0.0, 1.0 - CRITICAL_GAP_S * opposing)
    if allowed == 3:
        return SNEAKERS_VEH
    return 0.0


@njit(cache=True, nogil=True)
def _dispersion(travel_s: FloatArray) -> tuple[IntArray, FloatArray]:
    """Robertson's lag, s, and smoothing of each feed."""
    lag, gain = np.empty(len(travel_s), dtype=np.int64), np.empty(len(travel_s))
    for f in range(len(travel_s)):
        lag[f] = max(1, min(HISTORY_S - 1, int(PLATOON_SHARE * travel_s[f] + 0.5)))
        gain[f] = 1.0 / (1.0 + max(0.0, travel_s[f] - lag[f]))
    return lag, gain


@njit(cache=True, nogil=True)
def _mark_blocked(
    blocked: NDArray[np.bool_],
    held: FloatArray,
    storage: FloatArray,
    approach: IntArray,
    feed_first: IntArray,
    feed_from: IntArray,
) -> None:
    """Movements that feed an approach without room."""
    blocked[:] = False
    for m in range(len(approach)):
        if held[approach[m]] >= storage[approach[m]]:
            for f in range(feed_first[m], feed_first[m + 1]):
                blocked[feed_from[f]] = True


@njit(cache=True, nogil=True)
def simulate_queues(
    total: int,
    warm: int,
    begin: int,
    entering: FloatArray,
    saturation: FloatArray,
    approach: IntArray,
    storage: FloatArray,
    feed_first: IntArray,
    feed_from: IntArray,
    feed_share: FloatArray,
    feed_travel: FloatArray,
    foe_first: IntArray,
    foes: IntArray,
    code: NDArray[np.int8],
    cycle: IntArray,
    offset: IntArray,
) -> FloatArray:
    """Vehicle-seconds queued per movement after `warm` seconds, of `total`; see `queue_model`.

    Returns:
        [movements] veh·s.
    """
    movements, bins = entering.shape
    queue = np.zeros(movements)
    left = np.zeros((HISTORY_S, movements))
    spread = np.zeros(len(feed_from))
    held = np.zeros(len(storage))
    waited = np.zeros(movements)
    lag, gain = _dispersion(feed_travel)
    blocked = np.zeros(movements, dtype=np.bool_)
    for t in range(total):
        now, before = t % HISTORY_S, (t - 1) % HISTORY_S
        _mark_blocked(blocked, held, storage, approach, feed_first, feed_from)
        for m in range(movements):
            inflow = entering[m, t * bins // total]
            for f in range(feed_first[m], feed_first[m + 1]):
                then = left[(t - lag[f]) % HISTORY_S, feed_from[f]] if t >= lag[f] else 0.0
                spread[f] += gain[f] * (then * feed_share[f] - spread[f])
                inflow += spread[f]
            queue[m] += inflow
            allowed = code[m, (begin + t - offset[m]) % cycle[m]]
            out = _may_leave(allowed, saturation[m], left[before], foes, foe_first[m : m + 2])
            out = 0.0 if blocked[m] else min(out, queue[m])
            queue[m] -= out
            left[now, m] = out
            held[approach[m]] -= out
            if t >= warm:
                waited[m] += queue[m]
        for m in range(movements):
            for f in range(feed_first[m], feed_first[m + 1]):
                held[approach[m]] += left[now, feed_from[f]] * feed_share[f]
            held[approach[m]] += entering[m, t * bins // total]
    return waited
