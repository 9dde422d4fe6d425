"""One channel: parameters and state for the compiled engine, and its growing buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError, SimulatorError

from trimtab_hardware.dram import configuration as choices
from trimtab_hardware.dram.address_map import Coordinates
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.engine import state as layout
from trimtab_hardware.dram.engine.loop import run
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.result import COMMANDS
from trimtab_hardware.dram.traces import Trace

Array = np.ndarray[Any, Any]
IntArray = NDArray[np.int64]

_LANES = {
    "ACT": layout.ACTS,
    "RD": layout.READS,
    "RDA": layout.READS,
    "WR": layout.WRITES,
    "WRA": layout.WRITES,
}


def request_records(trace: Trace, place: Coordinates, part: Part, index: IntArray) -> Array:
    """Initial records of the requests of one channel, shape [requests of the channel]."""
    records = np.zeros(len(index), dtype=layout.REQUEST)
    records["arrival"] = trace.arrival[index]
    records["line"] = trace.address[index] // part.burst_bytes
    records["row"] = place.row[index]
    records["bank"] = place.rank[index] * part.banks + place.bank[index]
    records["write"] = trace.is_write[index]
    return records


def parameter_record(part: Part, design: Configuration, requests: int) -> Array:
    """Part and configuration as the engine's parameters, shape [1]."""
    t = part.timing
    record = np.zeros(1, dtype=layout.WIDER if is_wider(design) else layout.PARAMETERS)
    known = layout.PARAMETERS.names or ()
    for name in t.__dataclass_fields__:
        if name in known:
            record[name] = getattr(t, name)
    record["rp_ab"] = t.rp_ab or t.rp
    record["ccd_l_wr"] = t.ccd_l_wr or t.ccd_l
    record["burst"] = part.burst_ck
    record["wrpre"] = t.wl + part.burst_ck + t.wr
    record["requests"] = requests
    record["banks"] = part.banks * design.ranks
    record["groups"] = part.groups * design.ranks
    record["ranks"] = design.ranks
    record["banks_per_group"] = part.banks // part.groups
    record["banks_per_rank"] = part.banks
    record["groups_per_rank"] = part.groups
    record["lane_of"] = [_LANES.get(name, layout.FREE) for name in COMMANDS]
    same = design.refresh_policy == "SameBank"
    record["units"] = part.banks // part.groups if same else part.banks
    banks = np.arange(part.banks * design.ranks)
    record["rank_of"][0, : len(banks)] = banks // part.banks
    record["group_of"][0, : len(banks)] = banks // (part.banks // part.groups)
    record["managed"] = design.refresh_management
    _choose(record, design)
    return record


def is_wider(design: Configuration) -> bool:
    """Whether the controller goes beyond the ten parameters of the reference (and two ranks)."""
    plain = Configuration()
    beyond = ("command_mux", "power_down", "page_timeout_ck", "row_hit_cap", "starvation_cap_ck")
    return (
        design.refresh_management
        or design.refresh_policy in ("PerBank", "SameBank")
        or choices.SCHEDULERS.index(design.scheduler) >= layout.GRP_FR_FCFS
        or any(getattr(design, name) != getattr(plain, name) for name in beyond)
    )


def _choose(record: Array, design: Configuration) -> None:
    record["page"] = choices.PAGE_POLICIES.index(design.page_policy)
    record["scheduler"] = choices.SCHEDULERS.index(design.scheduler)
    record["buffer"] = choices.BUFFERS.index(design.scheduler_buffer)
    record["size"] = design.request_buffer_size
    record["reorder_responses"] = design.response_queue == "Reorder"
    record["refresh"] = choices.REFRESH_POLICIES.index(design.refresh_policy)
    record["postponed"] = design.refresh_max_postponed
    record["pulled_in"] = design.refresh_max_pulled_in
    record["arbiter"] = choices.ARBITERS.index(design.arbiter)
    record["max_active"] = design.max_active_transactions
    record["strict"] = design.command_mux == "Strict"
    if design.command_mux == "Strict":
        record["scheduler"] = choices.SCHEDULERS.index("Fifo")
    record["high"], record["low"] = design.high_watermark, design.low_watermark
    record["power_down"] = choices.POWER_DOWN_POLICIES.index(design.power_down)
    record["power_down_timeout"] = design.power_down_timeout_ck
    record["page_timeout"] = design.page_timeout_ck
    record["row_hit_cap"] = design.row_hit_cap
    record["starvation_cap"] = design.starvation_cap_ck
    record["gated"] = design.power_down != "NoPowerDown" or design.command_mux == "Strict"
    record["timed"] = design.power_down != "NoPowerDown" or design.starvation_cap_ck > 0
    record["capped"] = design.row_hit_cap > 0 or design.starvation_cap_ck > 0


def initial_state(part: Part, design: Configuration) -> Array:
    """The engine's state at time 0, shape [1]."""
    state = np.zeros(1, dtype=layout.STATE)
    for name in ("row", "current", "head", "tail", "first_hit", "last_hit"):
        state[name] = -1
    for name in ("register", "stalled", "end_time", "accepted_at", "done_at"):
        state[name] = -1
    for name in ("visible", "best_time", "due", "own", "begin_at", "resp_at", "response_at"):
        state[name] = layout.NEVER
    for name in ("act_at", "pre_at", "read_at", "rda_at", "write_at", "wra_at"):
        state[name] = layout.LONG_AGO
    _start(state)
    interval = part.timing.refi if design.refresh_policy == "AllBank" else part.timing.refi_pb
    if design.refresh_policy != "NoRefresh":
        for rank in range(design.ranks):
            state["due"][0, rank] = first_refresh(interval, rank, design.ranks)
    return state


def _start(state: Array) -> None:
    """Ask for a pass of the controller, and then for the first request."""
    state["slot"] = layout.IDLE
    for slot in (layout.SOURCE, layout.WAKE):
        state["slot"][0, slot] = layout.NEXT_ROUND
        state["round_list"] = state["round_list"] << 3 | slot + 1
    state["source_posted"] = layout.ACCEPT


def first_refresh(refi: int, rank: int, ranks: int) -> int:
    """Cycle of a rank's first refresh: ranks take turns (at most two ranks)."""
    return refi - (rank * refi) // ranks


class ChannelRun:
    """One channel under way: it serves requests, pauses, and may go on under other policies.

    Args:
        part: The memory.
        design: The controller.
        requests: Records of the channel's requests; they are filled in.

    Attributes:
        state: State of the engine, shape [1].
        parameters: Part and configuration as the engine's parameters, shape [1].
        requests: As given.

    Raises:
        InputFileError: Part and configuration do not fit.
    """

    def __init__(self, part: Part, design: Configuration, requests: Array) -> None:
        check_fit(part, design)
        n = len(requests)
        self.requests = requests
        self.state = initial_state(part, design)
        self.parameters = parameter_record(part, design, n)
        self._design = design
        self._log = np.empty(4 * n + 1024, dtype=layout.COMMAND)
        self._heap = np.zeros(4096, dtype=layout.HEAP)
        self._responses = np.empty(n, dtype=np.int32)
        self._returns = np.empty(n, dtype=np.int32)

    @property
    def log(self) -> Array:
        """Commands so far, shape [commands]."""
        return self._log[: int(self.state["log_size"][0])]

    def serve(self, completed: int) -> None:
        """Go on until so many requests have had their response.

        Raises:
            SimulatorError: The controller came to a stop with requests left.
        """
        self.state["pause_at"] = completed
        while True:
            ended = run(
                self.state[0], self.parameters[0], self.requests, self._heap,
                self._responses, self._returns, self._log,
            )  # fmt: skip
            if ended == layout.PAUSED:
                return
            if ended == layout.LOG_FULL:
                self._log = np.concatenate([self._log, np.empty_like(self._log)])
            elif ended == layout.HEAP_FULL:
                self._heap = np.concatenate([self._heap, np.zeros_like(self._heap)])
            else:
                self._stuck()

    def _stuck(self) -> None:
        done, n = int(self.state["completed"][0]), len(self.requests)
        msg = (
            f"DRAM controller: stuck at cycle {int(self.state['now'][0])} with {n - done} of {n} "
            f"requests open under {self._design}: please report this configuration"
        )
        raise SimulatorError(msg)

    def switch(self, page: int, scheduler: int) -> None:
        """Serve what follows by another page policy and scheduler, by their positions.

        Nothing changes if both are as before; open rows, queues and times stay.
        """
        c = self.parameters
        if int(c["page"][0]) == page and int(c["scheduler"][0]) == scheduler:
            return
        c["page"], c["scheduler"] = page, scheduler
        if scheduler >= layout.GRP_FR_FCFS:
            self.parameters = c.view(layout.WIDER)
        self.state["switched"] = 1

    def snapshot(self) -> dict[str, Array]:
        """Copies of all that changes, by name; each of shape [entries]."""
        return {
            "state": self.state.copy(),
            "parameters": self.parameters.copy(),
            "requests": self.requests.copy(),
            "commands": self.log.copy(),
            "heap": self._heap.copy(),
            "responses": self._responses.copy(),
            "returns": self._returns.copy(),
        }

    def restore(self, taken: Mapping[str, Array]) -> None:
        """Go back to a snapshot; arrays may be longer than they were."""
        self.state, self.parameters = taken["state"].copy(), taken["parameters"].copy()
        self.requests, self._heap = taken["requests"].copy(), taken["heap"].copy()
        self._responses, self._returns = taken["responses"].copy(), taken["returns"].copy()
        size = int(self.state["log_size"][0])
        self._log = np.empty(size + 4 * len(self.requests) + 1024, dtype=layout.COMMAND)
        self._log[:size] = taken["commands"][:size]


def check_fit(part: Part, design: Configuration) -> None:
    """Refuse configurations that the part or the engine cannot have.

    Raises:
        InputFileError: More banks or groups than the engine has room for, or a refresh that the
            standard lacks.
    """
    if part.banks * design.ranks > layout.BANKS or part.groups * design.ranks > layout.GROUPS:
        msg = (
            f"part {part.id}: {part.banks} banks in {part.groups} groups and {design.ranks} ranks: "
            f"the engine holds {layout.BANKS} banks in {layout.GROUPS} groups of a channel"
        )
        raise InputFileError(msg)
    part.check_refresh(design.refresh_policy, managed=design.refresh_management)


def run_channel(part: Part, design: Configuration, requests: Array) -> tuple[Array, Array, Array]:
    """Simulate one channel; `requests` is filled in.

    Returns:
        State at the end, shape [1]; parameters, shape [1]; command log, shape [commands].

    Raises:
        InputFileError: Part and configuration do not fit.
        SimulatorError: The controller came to a stop with requests left.
    """
    channel = ChannelRun(part, design, requests)
    channel.serve(len(requests))
    return channel.state, channel.parameters, channel.log
