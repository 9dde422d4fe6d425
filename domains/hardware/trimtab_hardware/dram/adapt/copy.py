"""One copy of the adaptation problem: an engine under way, and what its counters tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.adapt.scenario import PAGES, SCHEDULERS, AdaptScenario
from trimtab_hardware.dram.adapt.traffic import episode_traffic
from trimtab_hardware.dram.configuration import SCHEDULERS as ALL_SCHEDULERS
from trimtab_hardware.dram.metrics import measure
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.result import ACT, COMMANDS, PRE, PREAB, RD, WRA
from trimtab_hardware.dram.simulation import ChannelResult, Engine, collect
from trimtab_hardware.dram.traces import Trace

FEATURES = (
    "repeated_row_share", "row_hit_share", "conflict_share", "write_share", "queue_occupancy",
    "bus_utilisation", "mean_latency_us", *(f"page_{name}" for name in PAGES),
    *(f"scheduler_{name}" for name in SCHEDULERS),
)  # fmt: skip
"""What is observed, of the last epoch; shares of its requests, latency in µs, then the policies.

`repeated_row_share` is told by one register a bank that holds its last row: the hits that an open
page would have had, whatever the policy was.
"""

COUNTED = 7
"""Features that are counted; the others say which policy is in force."""


class EngineCopy:
    """A controller on the traffic of one seed, epoch by epoch."""

    def __init__(
        self, scenario: AdaptScenario, part: Part, recorded: Trace | None, load: float, seed: int,
        episode: int,
    ) -> None:  # fmt: skip
        from trimtab_hardware.dram.channel import ChannelRun

        self.scenario, self.part = scenario, part
        self.traffic = (load, seed, episode)
        self.trace = episode_traffic(scenario, part, recorded, load, seed, episode)
        index, records = Engine(self.trace, part).split(1, 1)[0]
        self._index = index
        self._run = ChannelRun(part, scenario.configuration(), records.copy())
        self._repeats = np.cumsum(repeated_rows(records))
        self._bursts = len(self.trace) // scenario.requests
        self.epoch = 0
        self.policy = (0, SCHEDULERS.index("FrFcfs"))
        self.told = np.zeros(7, np.int64)
        self.observed = np.zeros(len(FEATURES))
        self.history = np.zeros((scenario.epochs, 2 + COUNTED))

    def advance(self, page: int, scheduler: int) -> float:
        """Serve one epoch under a policy; its mean latency from arrival, ns."""
        self.policy = (page, scheduler)
        self._run.switch(page, ALL_SCHEDULERS.index(SCHEDULERS[scheduler]))
        self.epoch += 1
        self._run.serve(self.epoch * self.scenario.epoch_requests * self._bursts)
        return self._observe()

    def _observe(self) -> float:
        counts = self._counted()
        changes = counts - self.told
        self.told = counts
        served = self.scenario.epoch_requests * self._bursts
        latency, acts, columns, conflicts, writes, repeats, cycles = changes.tolist()
        state = self._run.state
        size = self.scenario.request_buffer_size
        latency_ns = float(latency / served * self.part.tck_ns)
        self.observed[:] = 0.0
        self.observed[:COUNTED] = (
            repeats / served, max(0.0, 1.0 - acts / max(columns, 1)), conflicts / served,
            writes / served,
            (int(state["reads"][0]) + int(state["writes"][0])) / size,
            served * self.part.burst_ck / max(cycles, 1), latency_ns * 1e-3,
        )  # fmt: skip
        self.observed[COUNTED + self.policy[0]] = 1.0
        self.observed[COUNTED + len(PAGES) + self.policy[1]] = 1.0
        self.history[self.epoch - 1] = (*self.policy, *self.observed[:COUNTED])
        return latency_ns

    def _counted(self) -> NDArray[np.int64]:
        """Totals so far: latency, ACT, columns, precharges, writes and repeats issued, cycles."""
        issued = int(self._run.state["issued"][0])
        requests = self._run.requests[:issued]
        ended = requests["end"] > 0
        latency = int((requests["end"] - requests["arrival"])[ended].sum())
        counts = np.bincount(self._run.log["code"], minlength=len(COMMANDS))
        return np.array([
            latency, counts[ACT], counts[RD : WRA + 1].sum(), counts[PRE] + counts[PREAB],
            int(requests["write"].sum()), int(self._repeats[issued - 1]), self.now_ck,
        ])  # fmt: skip

    @property
    def now_ck(self) -> int:
        """The present cycle."""
        return int(self._run.state["now"][0])

    def metrics(self) -> dict[str, float]:
        """Every metric of the finished episode."""
        run = self._run
        whole = ChannelResult(self._index, run.requests, run.state, run.parameters, run.log)
        result = collect(self.trace, self.part, [whole])
        return measure(result, self.trace, self.part, self.scenario.configuration())

    def log(self) -> Mapping[str, Any]:
        """What happened epoch by epoch, and every command and request."""
        from trimtab_hardware.dram.simulation import command_trace

        run = self._run
        whole = ChannelResult(self._index, run.requests, run.state, run.parameters, run.log)
        history = self.history[: self.epoch]
        return {
            "page": history[:, 0].astype(np.int64),
            "scheduler": history[:, 1].astype(np.int64),
            **{name: history[:, 2 + k] for k, name in enumerate(FEATURES[:COUNTED])},
            "commands": command_trace(self.part, [whole]),
            "bursts": len(self.trace),
            "column_commands": int(((run.log["code"] >= RD) & (run.log["code"] <= WRA)).sum()),
        }

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that changes, by name; arrays of shape [entries]."""
        own = {name: np.array(getattr(self, name)) for name in _OWN}
        return {**self._run.snapshot(), **own}

    def restore(self, taken: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a snapshot of a copy with the same traffic."""
        self._run.restore(taken)
        self.epoch = int(taken["epoch"])
        self.policy = (int(taken["policy"][0]), int(taken["policy"][1]))
        self.told, self.observed = taken["told"].copy(), taken["observed"].copy()
        self.history = taken["history"].copy()


_OWN = ("epoch", "policy", "told", "observed", "history")


def repeated_rows(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each request goes to the row that its bank's last request went to, [requests]."""
    order = np.argsort(records["bank"], kind="stable")
    bank, row = records["bank"][order], records["row"][order]
    again = np.zeros(len(records), bool)
    again[1:] = (bank[1:] == bank[:-1]) & (row[1:] == row[:-1])
    repeated = np.empty(len(records), bool)
    repeated[order] = again
    return repeated
