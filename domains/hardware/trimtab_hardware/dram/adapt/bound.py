"""A proven lower bound of the mean latency, whatever the controller does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.traces import Trace

IntArray = NDArray[np.int64]

CLAIM = (
    "column commands at best min(RL, WL) before their data, RCD later for the first request to "
    "a row, and one burst after another on the data bus, in order of release"
)


def releases(trace: Trace, part: Part) -> IntArray:
    """Earliest start of each request's data, sorted, cycles.

    No row can be opened before the first request to it arrives, so that this one waits for its
    activation.
    """
    place = part.map.decode(trace.address & -part.burst_bytes)
    row = place.bank * part.rows + place.row
    opens = np.zeros(len(trace), bool)
    opens[np.unique(row, return_index=True)[1]] = True
    t = part.timing
    return np.sort(trace.arrival + min(t.rl, t.wl) + t.rcd * opens)


def bus_spacing_ck(part: Part) -> int:
    """Least cycles between two column commands."""
    return min(part.burst_ck, part.timing.ccd_s)


def least_latency_ns(trace: Trace, part: Part) -> float:
    """Mean latency of the relaxation, ns.

    Equal bursts on one bus: serving them in order of release gives the least sum of completion
    times.
    """
    spacing = bus_spacing_ck(part)
    order = np.arange(len(trace)) * spacing
    ends = np.maximum.accumulate(releases(trace, part) - order) + order + part.burst_ck
    return float((ends.sum() - trace.arrival.sum()) / len(trace)) * part.tck_ns


def latency_bound(trace: Trace, part: Part) -> Bound:
    """The bound of one episode."""
    return Bound(least_latency_ns(trace, part), "proven", CLAIM, {"requests": len(trace)})


def verify_latency_bound(trace: Trace, part: Part, bound: Bound) -> None:
    """Serve the relaxation burst by burst.

    Raises:
        BoundError: the value is another one.
    """
    total, free = -int(trace.arrival.sum()), 0
    for release in releases(trace, part).tolist():
        start = max(free, release)
        free = start + bus_spacing_ck(part)
        total += start + part.burst_ck
    value = total / len(trace) * part.tck_ns
    if abs(value - bound.value) > 1e-9 * value:
        msg = f"hardware.dramadapt: bound {bound.value} ns, but serving in order gives {value} ns"
        raise BoundError(msg)
