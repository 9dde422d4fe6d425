"""Least number of changes between reads and writes that a controller of limited memory makes.

A controller that holds at most W requests serves them in runs of one direction. While it reads,
the writes that arrive wait; once W of them do, nothing more is admitted and it must turn. Serving
every run as long as possible is best: by induction, after k runs it has served whatever any other
order with the same first direction has served after k runs. So the runs of that greedy order are
the fewest of all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.timing import Timing

BoolArray = NDArray[np.bool_]


def column_distances(t: Timing, burst_ck: int) -> tuple[int, int, int]:
    """Cycles between column commands of a rank: same direction, read to write, write to read."""
    same = max(burst_ck, t.ccd_s)
    return same, max(same, t.rdwr), max(same, t.wl + burst_ck + t.wtr_s)


def least_runs(is_write: BoolArray, window: int, first_writes: bool) -> list[bool]:
    """Directions (True: write) of the fewest runs that serve a trace, by the first of them."""
    runs: list[bool] = []
    waiting, place, writing = 0, 0, first_writes
    positions = {d: np.flatnonzero(is_write == d) for d in (False, True)}
    while place < len(is_write) or waiting:
        runs.append(writing)
        other = positions[not writing]
        known = int(np.searchsorted(other, place))
        # With `window` requests of the other direction inside, no further one is admitted.
        last = known + window
        end = int(other[last - 1]) + 1 if last <= len(other) else len(is_write)
        waiting = int(np.searchsorted(other, end)) - known
        place, writing = end, not writing
    return runs


def least_turning_cycles(is_write: BoolArray, window: int, distances: tuple[int, int, int]) -> int:
    """Cycles that turning the bus adds at least to column commands at distance `same`."""
    same, to_write, to_read = distances
    if len(np.unique(is_write)) < 2:
        return 0
    costs = []
    for first_writes in (False, True):
        runs = least_runs(is_write, window, first_writes)
        to_reads = sum(1 for a, b in zip(runs, runs[1:], strict=False) if a and not b)
        to_writes = len(runs) - 1 - to_reads
        costs.append(to_reads * (to_read - same) + to_writes * (to_write - same))
    return min(costs)
