"""What a policy may know of a trace before any simulation: features of order one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.traces import LINE_BYTES, Trace

FEATURES = (
    "row_hit_in_order",
    "row_hit_windowed",
    "read_share",
    "turnaround_share",
    "bank_entropy",
    "sequential_share",
    "load",
    "burstiness",
    "idle_share",
    "reuse_distance",
    "write_row_hit_windowed",
    "read_row_hit_windowed",
)
"""Names, in order: share of requests whose row is that of the bank's previous request, and of one
of its previous eight; share of reads; share of direction changes; entropy of banks over its
maximum; share of successive lines; bus cycles needed per cycle (capped at 2, halved); share of
gaps of at most one cycle; share of time in gaps over 32 bursts; log of the median reuse distance
over the log of the length (1 where lines do not return); the windowed row hits of writes alone and
of reads alone (those of all where there are none)."""

WINDOW = 8
IDLE_BURSTS = 32


def features(
    trace: Trace,
    bank: NDArray[np.int64],
    row: NDArray[np.int64],
    banks: int,
    burst_cycles: int = 4,
) -> NDArray[np.float64]:
    """Features of a trace on a part, [12] float64, each in [0, 1].

    Args:
        trace: the requests.
        bank: [n] bank of each request, 0 ≤ bank < banks.
        row: [n] row of each request.
        banks: number of banks.
        burst_cycles: data-bus cycles of a request.
    """
    n = len(trace)
    in_order, windowed = _row_hits(bank, row)
    gaps = np.diff(trace.arrival)
    span = float(trace.arrival[-1] - trace.arrival[0] + burst_cycles)
    lines = trace.address // LINE_BYTES
    return np.array(
        [
            in_order,
            windowed,
            1.0 - float(trace.is_write.mean()),
            float(np.mean(np.diff(trace.is_write.astype(np.int8)) != 0)) if n > 1 else 0.0,
            _entropy(bank, banks),
            float(np.mean(np.diff(lines) == 1)) if n > 1 else 0.0,
            min(2.0, n * burst_cycles / span) / 2.0,
            float(np.mean(gaps <= 1)) if n > 1 else 0.0,
            float(gaps[gaps > IDLE_BURSTS * burst_cycles].sum()) / span,
            _reuse(lines),
            _windowed_hits(bank, row, trace.is_write),
            _windowed_hits(bank, row, ~trace.is_write),
        ]
    )


def _windowed_hits(
    bank: NDArray[np.int64], row: NDArray[np.int64], which: NDArray[np.bool_]
) -> float:
    """Windowed row hits among some of the requests; among all where those are none."""
    chosen = which if which.any() else np.ones(len(which), dtype=bool)
    return _row_hits(bank[chosen], row[chosen])[1]


def _row_hits(bank: NDArray[np.int64], row: NDArray[np.int64]) -> tuple[float, float]:
    order = np.argsort(bank, kind="stable")
    banks, rows = bank[order], row[order]
    hit = np.zeros(len(rows), dtype=bool)
    first = 0.0
    for back in range(1, min(WINDOW, len(rows) - 1) + 1):
        same = (banks[back:] == banks[:-back]) & (rows[back:] == rows[:-back])
        hit[back:] |= same
        if back == 1:
            first = float(same.sum()) / len(rows)
    return first, float(hit.mean())


def _entropy(bank: NDArray[np.int64], banks: int) -> float:
    share = np.bincount(bank, minlength=banks) / len(bank)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum() / np.log(max(banks, 2)))


def _reuse(lines: NDArray[np.int64]) -> float:
    """Median distance in requests to the last use of the same line, on a log scale."""
    order = np.argsort(lines, kind="stable")
    again = lines[order][1:] == lines[order][:-1]
    distance = np.full(len(lines), len(lines), dtype=np.float64)
    distance[1:][again] = np.diff(order)[again]
    return float(np.log(np.median(distance)) / np.log(max(len(lines), 2)))
