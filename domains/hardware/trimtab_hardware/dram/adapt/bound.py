"""A proven lower bound of the mean latency, whatever the controller does."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.traces import Trace

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CLAIM = (
    "the larger of two relaxations. Bus: data start RL or WL after their column command, RCD later "
    "for the first request to a row, and one burst after another. Banks: no row opens before its "
    "first request, a bank opens its rows RC apart, and each row's first request waits for that. "
    "Equal jobs in order of release have the least sum of completion times"
)


def first_of_rows(trace: Trace, part: Part) -> tuple[BoolArray, IntArray]:
    """Whether a request is the first to its row, and its bank; each of shape [requests]."""
    place = part.map.decode(trace.address & -part.burst_bytes)
    row = place.bank * part.rows + place.row
    opens = np.zeros(len(trace), bool)
    opens[np.unique(row, return_index=True)[1]] = True
    return opens, np.asarray(place.bank, np.int64)


def bus_spacing_ck(part: Part) -> int:
    """Least cycles between the starts of two bursts of data."""
    t = part.timing
    return min(part.burst_ck, t.ccd_s, t.rdwr + t.wl - t.rl)


def served_in_turn(release: IntArray, spacing: int) -> IntArray:
    """Starts of equal jobs on one machine in order of release, `release` sorted, cycles."""
    order = np.arange(len(release)) * spacing
    return np.asarray(np.maximum.accumulate(release - order) + order, np.int64)


def bus_wait_ck(trace: Trace, part: Part) -> int:
    """Cycles that requests wait for the data bus, at least, beyond column latency and burst."""
    opens, _ = first_of_rows(trace, part)
    latency = np.where(trace.is_write, part.timing.wl, part.timing.rl)
    ready = trace.arrival + latency
    start = served_in_turn(np.sort(ready + part.timing.rcd * opens), bus_spacing_ck(part))
    return int(start.sum() - ready.sum())


def bank_wait_ck(trace: Trace, part: Part) -> int:
    """Cycles that requests wait for their rows, at least, beyond column latency and burst."""
    opens, bank = first_of_rows(trace, part)
    total = part.timing.rcd * int(opens.sum())
    for own in range(part.banks):
        release = trace.arrival[opens & (bank == own)]
        total += int((served_in_turn(release, part.timing.rc) - release).sum())
    return total


def least_latency_ns(trace: Trace, part: Part, wait_ck: int) -> float:
    """Mean latency where requests wait so many cycles in all, ns."""
    latency = np.where(trace.is_write, part.timing.wl, part.timing.rl) + part.burst_ck
    return float((latency.sum() + wait_ck) / len(trace)) * part.tck_ns


def latency_bound(trace: Trace, part: Part) -> Bound:
    """The bound of one episode."""
    waits = {"bus_wait_ck": bus_wait_ck(trace, part), "bank_wait_ck": bank_wait_ck(trace, part)}
    value = least_latency_ns(trace, part, max(waits.values()))
    return Bound(value, "proven", CLAIM, {"requests": len(trace), **waits})


def verify_latency_bound(trace: Trace, part: Part, bound: Bound) -> None:
    """Serve both relaxations request by request.

    Raises:
        BoundError: the value is another one.
    """
    t, opened = part.timing, set()
    ready_bank: dict[int, int] = defaultdict(int)
    bank_wait, releases, latency = 0, [], 0
    place = part.map.decode(trace.address & -part.burst_bytes)
    rows = zip(place.bank.tolist(), place.row.tolist(), strict=True)
    for at, write, row in zip(trace.arrival.tolist(), trace.is_write.tolist(), rows, strict=True):
        column = t.wl if write else t.rl
        latency += column + part.burst_ck
        first = row not in opened
        opened.add(row)
        releases.append((at + column + t.rcd * first, at + column))
        if first:
            act = max(at, ready_bank[row[0]])
            ready_bank[row[0]] = act + t.rc
            bank_wait += act - at + t.rcd
    free, bus_wait = 0, 0
    for release, ready in sorted(releases):
        start = max(free, release)
        free = start + bus_spacing_ck(part)
        bus_wait += start - ready
    value = (latency + max(bus_wait, bank_wait)) / len(trace) * part.tck_ns
    if abs(value - bound.value) > 1e-9 * value:
        msg = f"hardware.dramadapt: bound {bound.value} ns, but serving in order gives {value} ns"
        raise BoundError(msg)
