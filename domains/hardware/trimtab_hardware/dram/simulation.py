"""`simulate`: a trace on a part under a configuration, to the cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.address_map import AddressMap, Coordinates, read_address_map
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.configuration_files import read_configuration
from trimtab_hardware.dram.part import Part, load_part
from trimtab_hardware.dram.part_files import read_part
from trimtab_hardware.dram.result import (
    ACT,
    COMMANDS,
    LIMITS,
    PRE,
    RD,
    REF,
    REFSB,
    WRA,
    CommandTrace,
    Result,
)
from trimtab_hardware.dram.traces import Trace

Array = np.ndarray[Any, Any]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelResult:
    """What one channel left behind: its requests, by index in the trace, and its commands."""

    index: IntArray
    requests: Array
    state: Array
    parameters: Array
    log: Array


class Engine:
    """A trace on a part, ready to be simulated under many configurations.

    Args:
        trace: The requests, each of one burst; address bits above the capacity are dropped in
            decoding but kept in the test for equal lines, as the reference does.
        part: The memory of one channel.
        address_map: Bits of the address; the part's default if left out.
    """

    def __init__(self, trace: Trace, part: Part, address_map: AddressMap | None = None) -> None:
        self.trace = trace
        self.part = part
        self._map = address_map
        self._shares: dict[tuple[int, int], list[tuple[IntArray, Array]]] = {}
        self._spare: dict[tuple[int, int], list[list[Array]]] = {}

    def run(self, configuration: Configuration, *, commands: bool = False) -> Result:
        """Simulate under one configuration; `commands` asks for the command trace.

        Raises:
            InputFileError: The address map does not fit part, channels and ranks.
            SimulatorError: The controller came to a stop with requests left.
        """
        from trimtab_hardware.dram.channel import run_channel

        shares = self.split(configuration.channels, configuration.ranks)
        spare = self._spare.setdefault((configuration.channels, configuration.ranks), [])
        try:  # records of an earlier run, unless another thread works with them
            records = spare.pop()
        except IndexError:
            records = [first.copy() for _, first in shares]
        runs = []
        for (index, _), requests in zip(shares, records, strict=True):
            state, parameters, log = run_channel(self.part, configuration, requests)
            runs.append(ChannelResult(index, requests, state, parameters, log))
        result = collect(self.trace, self.part, runs, commands=commands)
        spare.append(records)
        return result

    def split(self, channels: int, ranks: int) -> list[tuple[IntArray, Array]]:
        """Indices and initial records of the requests of each channel that has any."""
        from trimtab_hardware.dram.channel import request_records

        if (channels, ranks) not in self._shares:
            place = self._decode(channels, ranks)
            indices = [np.flatnonzero(place.channel == channel) for channel in range(channels)]
            self._shares[channels, ranks] = [
                (index, request_records(self.trace, place, self.part, index))
                for index in indices
                if len(index)
            ]
        return self._shares[channels, ranks]

    def _decode(self, channels: int, ranks: int) -> Coordinates:
        chosen = self._map or self.part.address_map(channels=channels, ranks=ranks)
        self.part.check_map(chosen, channels, ranks)
        return chosen.decode(self.trace.address & -self.part.burst_bytes)


def simulate(
    trace: Trace | Path | str,
    part: Part | Path | str,
    configuration: Configuration | Path | str | None = None,
    *,
    address_map: AddressMap | Path | str | None = None,
    commands: bool = False,
    wrap: bool = False,
) -> Result:
    """Simulate a trace on a part under a controller configuration, to the cycle.

    Args:
        trace: A trace, or the path of one in a standard format.
        part: A part, the id of a shipped one, or the path of a DRAMSys memspec (.json) or a
            DRAMsim3 configuration (.ini).
        configuration: The controller, or the path of a DRAMSys mcconfig file; the reference of
            today's practice if left out.
        address_map: A map, or the path of a DRAMSys address-mapping file; the part's own if
            left out.
        commands: Whether to return every command.
        wrap: Whether addresses beyond the capacity wrap around; they are refused otherwise.

    Raises:
        InputFileError: A file is unreadable, an address is beyond the capacity, or trace, part
            and map do not fit together.
        UnknownNameError: No such part.
        SimulatorError: The controller came to a stop with requests left.
    """
    memory = part if isinstance(part, Part) else _part(part)
    requests = trace if isinstance(trace, Trace) else _read(Path(trace), memory)
    chosen = address_map
    if isinstance(chosen, Path | str):
        chosen = read_address_map(chosen)
    design = configuration or Configuration()
    if isinstance(design, Path | str):
        design = read_configuration(design, memory)
    if not wrap:
        capacity = memory.capacity_bytes * design.channels * design.ranks
        requests.check_capacity(capacity, str(trace) if isinstance(trace, Path | str) else "trace")
    return Engine(requests, memory, chosen).run(design, commands=commands)


def _part(named: Path | str) -> Part:
    """A part by path if it looks like one, else by id."""
    if isinstance(named, Path) or Path(named).suffix.lower() in (".json", ".ini"):
        return read_part(named)
    return load_part(named)


def _read(path: Path, part: Part) -> Trace:
    from trimtab_hardware.dram.trace_files import read_trace

    return read_trace(path, part.clock_mhz)


def collect(
    trace: Trace, part: Part, runs: list[ChannelResult], *, commands: bool = False
) -> Result:
    """Totals, energies and latencies of the channels of a finished run."""
    from trimtab_hardware.dram.energy import energies

    latency, arrival = np.empty(len(trace), np.int64), np.empty(len(trace), np.int64)
    total = max(int(run.state["now"][0]) for run in runs)
    counts = np.zeros(len(COMMANDS), dtype=np.int64)
    parts: dict[str, float] = {}
    powers_mw = 0.0
    for run in runs:
        latency[run.index] = run.requests["ready"] - run.requests["stamp"]
        arrival[run.index] = run.requests["end"] - run.requests["arrival"]
        counts += np.bincount(run.log["code"], minlength=len(COMMANDS))
        causes, cycles = energies(part, run.log, run.parameters)
        parts = {cause: parts.get(cause, 0.0) + energy for cause, energy in causes.items()}
        powers_mw += sum(causes.values()) / (cycles * part.tck_ns)
    columns = int(counts[RD : WRA + 1].sum())
    return Result(
        requests=len(trace),
        total_ck=total,
        tck_ns=part.tck_ns,
        counts=dict(zip(COMMANDS[1:], counts[1:].tolist(), strict=True)),
        energy_pj=sum(parts.values()),
        energy_parts_pj=parts,
        average_power_mw=powers_mw,
        latency_ck=latency,
        arrival_latency_ck=arrival,
        refresh_gap_ck=max(_refresh_gap(run, total) for run in runs),
        row_hits=max(0, columns - int(counts[ACT])),
        row_conflicts=int(counts[PRE]),
        bus_utilisation=columns * part.burst_ck / (total * len(runs)),
        limits_met=frozenset(
            name for name, mark in LIMITS.items() if any(run.state[mark][0] for run in runs)
        ),
        commands=command_trace(part, runs) if commands else None,
    )


def _refresh_gap(run: ChannelResult, total: int) -> int:
    """Longest time without a refresh of a rank (of a bank, if banks refresh alone), 0 to end."""
    log, ranks = run.log, int(run.parameters["ranks"][0])
    refreshes = log[(log["code"] >= REF) & (log["code"] <= REFSB)]
    by_bank = bool(np.any(refreshes["code"] != REF))
    banks = range(int(run.parameters["units"][0])) if by_bank else (-1,)
    unit = refreshes["bank"] % int(run.parameters["banks_per_rank"][0]) if by_bank else -1
    gap = 0
    for rank in range(ranks):
        for bank in banks:
            times = refreshes["time"][(refreshes["rank"] == rank) & (unit == bank)]
            gap = max(gap, int(np.diff(times, prepend=0, append=total).max()))
    return gap


def command_trace(part: Part, runs: list[ChannelResult]) -> CommandTrace:
    """The commands of all channels, with rows and requests as the trace counts them."""
    log = np.concatenate([run.log for run in runs])
    channels = [np.full(len(run.log), k, dtype=np.int8) for k, run in enumerate(runs)]
    request, row = [], []
    for run in runs:
        local = run.log["request"]
        served = local >= 0
        request.append(np.where(served, run.index[local], -1))
        row.append(np.where(served, run.requests["row"][local], -1))
    return CommandTrace(
        time=log["time"].copy(),
        code=log["code"].copy(),
        channel=np.concatenate(channels),
        rank=log["rank"].copy(),
        bank=np.where(log["bank"] >= 0, log["bank"] % part.banks, log["bank"]).astype(np.int16),
        row=np.concatenate(row).astype(np.int32),
        request=np.concatenate(request),
    )
