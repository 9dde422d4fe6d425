"""What a simulation returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COMMANDS = (
    "NOP", "RD", "WR", "RDA", "WRA", "ACT", "PRE", "PREAB", "REF", "REFPB", "REFSB", "PDE", "PDX",
    "RFMSB",
)  # fmt: skip
"""Names of the command codes in a `CommandTrace`."""
NOP, RD, WR, RDA, WRA, ACT, PRE, PREAB, REF, REFPB, REFSB, PDE, PDX, RFMSB = range(len(COMMANDS))


LIMITS = {
    "request_buffer_size": "size_met",
    "refresh_max_postponed": "postponed_met",
    "refresh_max_pulled_in": "pulled_in_met",
    "max_active_transactions": "active_met",
}
"""Parameters that the controller compares with in one place each, and the engine's mark for it."""


@dataclass(frozen=True, slots=True, eq=False)
class CommandTrace:
    """Commands in order of channel and time; all arrays have shape [commands].

    Attributes:
        time: Clock cycle of issue, int64.
        code: Index into `COMMANDS`, int8.
        channel: Channel, int8.
        rank: Rank, int8.
        bank: Bank of the rank (group · banks/group + bank); -1 for commands to a whole rank,
            and for REFSB and RFMSB the bank within every group, int16.
        row: Row, -1 where the command names none, int32.
        request: Index of the request in the trace, -1 for refresh, int64.
    """

    time: NDArray[np.int64]
    code: NDArray[np.int8]
    channel: NDArray[np.int8]
    rank: NDArray[np.int8]
    bank: NDArray[np.int16]
    row: NDArray[np.int32]
    request: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Totals, energies and latencies of one trace on one part under one configuration.

    Attributes:
        requests: Requests served.
        total_ck: Cycle at which the source got the last response.
        tck_ns: Clock period, ns.
        counts: Commands by name.
        energy_pj: Energy of all devices, pJ.
        energy_parts_pj: The same by cause: activate, precharge, read, write, refresh,
            active_background, precharged_background, power_down.
        average_power_mw: Energy over the time that is accounted for (background cycles), mW.
        latency_ck: Response time minus the front end's time stamp per request, shape [requests].
        arrival_latency_ck: Response at the source minus arrival in the trace, shape [requests].
        refresh_gap_ck: Longest time without a refresh of a rank (of a bank where banks refresh
            alone), from cycle 0 to the end.
        row_hits: Column commands that needed no activation of their own.
        row_conflicts: Precharges that made room for another row.
        bus_utilisation: Share of the data bus' cycles that carried data, mean over channels.
        limits_met: Those of `LIMITS` that the controller came up against. A limit that was never
            met could be any higher: the run would be the same to the cycle.
        commands: Every command, if asked for.
    """

    requests: int
    total_ck: int
    tck_ns: float
    counts: dict[str, int]
    energy_pj: float
    energy_parts_pj: dict[str, float]
    average_power_mw: float
    latency_ck: NDArray[np.int64]
    arrival_latency_ck: NDArray[np.int64]
    refresh_gap_ck: int
    row_hits: int
    row_conflicts: int
    bus_utilisation: float
    limits_met: frozenset[str] = frozenset()
    commands: CommandTrace | None = None

    @property
    def total_ns(self) -> float:
        """Time to the last response, ns."""
        return self.total_ck * self.tck_ns
