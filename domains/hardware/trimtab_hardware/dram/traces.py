"""Memory traces: what reaches a controller, request by request, in integer clock cycles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

LINE_BYTES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests of 64 bytes in order of arrival.

    Attributes:
        arrival: [n] int64, memory-clock cycle, never decreasing.
        address: [n] int64, byte address, not negative.
        is_write: [n] bool.
        thread: [n] int32, source of each request.
    """

    arrival: NDArray[np.int64]
    address: NDArray[np.int64]
    is_write: NDArray[np.bool_]
    thread: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        arrival: NDArray[np.int64],
        address: NDArray[np.int64],
        is_write: NDArray[np.bool_],
        thread: NDArray[np.int32] | None = None,
    ) -> Trace:
        """Check and freeze a trace; all requests are of thread 0 where `thread` is left out.

        Raises:
            InputFileError: empty, of unequal lengths, decreasing in time, or a negative number.
        """
        n = len(arrival)
        threads = np.zeros(n, dtype=np.int32) if thread is None else thread
        trace = cls(
            np.ascontiguousarray(arrival, dtype=np.int64),
            np.ascontiguousarray(address, dtype=np.int64),
            np.ascontiguousarray(is_write, dtype=np.bool_),
            np.ascontiguousarray(threads, dtype=np.int32),
        )
        for column in (trace.arrival, trace.address, trace.is_write, trace.thread):
            column.flags.writeable = False
        trace._check()
        return trace

    def __len__(self) -> int:
        return len(self.arrival)

    def prefix(self, requests: int) -> Trace:
        """The first `requests` requests (all, if there are fewer)."""
        end = max(1, min(requests, len(self)))
        return Trace.of(
            self.arrival[:end], self.address[:end], self.is_write[:end], self.thread[:end]
        )

    def wrapped(self, capacity_bytes: int) -> Trace:
        """The same trace with addresses taken modulo the capacity of the memory."""
        return Trace.of(self.arrival, self.address % capacity_bytes, self.is_write, self.thread)

    def in_bursts(self, burst_bytes: int) -> Trace:
        """The same bytes for a memory of shorter bursts: each request becomes several."""
        parts = max(1, LINE_BYTES // burst_bytes)
        if parts == 1:
            return self
        start = self.address // LINE_BYTES * LINE_BYTES
        steps = np.arange(parts, dtype=np.int64) * burst_bytes
        return Trace.of(
            np.repeat(self.arrival, parts),
            (start[:, None] + steps).ravel(),
            np.repeat(self.is_write, parts),
            np.repeat(self.thread, parts),
        )

    def rescaled(self, clock_mhz: float, to_mhz: float) -> Trace:
        """The same times in cycles of another clock, rounded up to its next edge."""
        if clock_mhz == to_mhz:
            return self
        ratio = Fraction(str(to_mhz)) / Fraction(str(clock_mhz))
        cycles = -(-self.arrival * ratio.numerator // ratio.denominator)
        return Trace.of(cycles, self.address, self.is_write, self.thread)

    def content_hash(self) -> str:
        """SHA-256 of the four columns."""
        digest = hashlib.sha256(f"trace/1:{len(self)}".encode())
        for column in (self.arrival, self.address, self.is_write, self.thread):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def check_capacity(self, capacity_bytes: int, where: str) -> None:
        """Refuse addresses that the memory does not have.

        Raises:
            InputFileError: the first such request, by number.
        """
        beyond = np.flatnonzero(self.address >= capacity_bytes)
        if len(beyond):
            k = int(beyond[0])
            msg = (
                f"{where}: request {k + 1}: address {int(self.address[k]):#x} is beyond the "
                f"capacity of {capacity_bytes:#x} bytes ({len(beyond)} such requests): "
                "choose a larger part, or let addresses wrap (wrap: true)"
            )
            raise InputFileError(msg)

    def _check(self) -> None:
        n = len(self.arrival)
        if n == 0:
            msg = "trace: no requests: give at least one"
            raise InputFileError(msg)
        if not n == len(self.address) == len(self.is_write) == len(self.thread):
            msg = "trace: arrival, address, is_write and thread must have one entry a request"
            raise InputFileError(msg)
        if self.arrival[0] < 0 or int(self.address.min()) < 0:
            msg = "trace: arrivals and addresses must not be negative"
            raise InputFileError(msg)
        back = np.flatnonzero(np.diff(self.arrival) < 0)
        if len(back):
            k = int(back[0]) + 1
            msg = (
                f"trace: request {k + 1} arrives at cycle {int(self.arrival[k])}, before its "
                f"predecessor at {int(self.arrival[k - 1])}: sort requests by time"
            )
            raise InputFileError(msg)


def merge(traces: Sequence[Trace]) -> Trace:
    """Several traces as one by timestamp (earlier traces first in ties).

    Threads are numbered on, so that each request keeps its source.
    """
    if len(traces) == 1:
        return traces[0]
    offsets = np.cumsum([0, *(int(t.thread.max()) + 1 for t in traces[:-1])])
    arrival = np.concatenate([t.arrival for t in traces])
    order = np.argsort(arrival, kind="stable")
    threads = [t.thread + np.int32(o) for t, o in zip(traces, offsets, strict=True)]
    return Trace.of(
        arrival[order],
        np.concatenate([t.address for t in traces])[order],
        np.concatenate([t.is_write for t in traces])[order],
        np.concatenate(threads)[order],
    )
