"""The domain `hardware.dramadapt`: memory controllers that change policies while they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from trimtab.contracts.controller import Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.contracts.problem import Bound
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor

from trimtab_hardware.dram.adapt.scenario import AdaptScenario
from trimtab_hardware.dram.metrics import LATENCY, METRICS

if TYPE_CHECKING:
    from trimtab_hardware.dram.adapt.problem import AdaptProblem
    from trimtab_hardware.dram.traces import Trace


class AdaptDomain(Domain):
    """Page policy and scheduler by epochs, in the engine that is exact to the cycle."""

    name = "hardware.dramadapt"
    title = "DRAM controllers that adapt at run time"
    problem_model = AdaptScenario
    headline = LATENCY
    metrics = METRICS
    concepts = ("repeated rows", "row hits", "row conflicts", "queue", "bus load")

    def build(
        self,
        problem: AdaptScenario,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> AdaptProblem:
        """See `Domain.build`."""
        from trimtab_hardware.dram.adapt.problem import AdaptProblem

        return AdaptProblem(problem, copies, autoreset=autoreset)

    def controllers(self, problem: AdaptScenario) -> Mapping[str, Entry]:
        """See `Domain.controllers`."""
        from trimtab_hardware.dram.adapt.controllers import ENTRIES
        from trimtab_hardware.dram.adapt.training import learned_entry

        return {**ENTRIES, "epoch_table": learned_entry()}

    def reference(self, problem: AdaptScenario) -> tuple[str, ...]:
        """Page policies with FR-FCFS, grouped or not: the best of them is the static design."""
        from trimtab_hardware.dram.adapt.controllers import REFERENCES

        return REFERENCES

    def train(
        self,
        problem: AdaptScenario,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """Improve the threshold rule on the scenario's traffic; see `training`."""
        from trimtab_hardware.dram.adapt.training import train

        return train(problem, controller, seed, out, cpu_s, progress)

    def bound(self, problem: AdaptScenario, seed: int) -> Bound:
        """What no controller beats: activation of new rows and the data bus alone."""
        from trimtab_hardware.dram.adapt.bound import latency_bound
        from trimtab_hardware.dram.part import load_part

        return latency_bound(_traffic(problem, seed), load_part(problem.part))

    def verify(self, problem: AdaptScenario, seed: int, bound: Bound) -> None:
        """See `Domain.verify`."""
        from trimtab_hardware.dram.adapt.bound import verify_latency_bound
        from trimtab_hardware.dram.part import load_part

        verify_latency_bound(_traffic(problem, seed), load_part(problem.part), bound)

    def data_files(self, problem: AdaptScenario) -> tuple[Path, ...]:
        """Traces of the user."""
        return problem.traces

    def check(self, problem: AdaptScenario) -> tuple[str, ...]:
        """Read the traces; one note on them."""
        from trimtab_hardware.dram.adapt.traffic import recorded_traffic
        from trimtab_hardware.dram.part import load_part

        recorded = recorded_traffic(problem, load_part(problem.part))
        if recorded is None:
            return ()
        windows = len(recorded) - problem.requests + 1
        return (f"{len(recorded)} requests: {windows} windows of {problem.requests}",)

    def monitor(self, problem: AdaptScenario) -> Monitor:
        """The protocol checker, on every command of the episode."""
        from trimtab_hardware.dram.adapt.monitor import ProtocolMonitor

        return ProtocolMonitor(problem.part)

    def balances(self, problem: AdaptScenario, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Every request has its column command."""
        bursts = log["bursts"]
        return {"requests": float(log["column_commands"] / bursts - 1.0)}

    def cross_checks(self, problem: AdaptScenario, seed: int) -> Mapping[str, tuple[float, float]]:
        """Commands under a controller that switches, and those that the checker lets pass."""
        from trimtab.run.grants import make_controller
        from trimtab.run.runner import evaluate

        monitor = self.monitor(problem)
        entry = self.controllers(problem)["locality_threshold"]
        with self.build(problem, 1, entry.interface) as control:
            evaluate(control, make_controller(control, entry), [seed])
            found = monitor.check(control.episode_log(0))["protocol"]
        return {"commands": (float(found.exposure), float(found.exposure - found.count))}

    def notes(self, problem: AdaptScenario) -> tuple[str, ...]:
        """What is switched and what is not."""
        return (
            "page policy and scheduler are switched; buffers, refresh and front end are not",
            "seeds choose where in the traces an episode begins"
            if problem.traces
            else "traffic is generated: walks and uniform lines in turn",
        )

    def views(self, problem: AdaptScenario, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
        """Mean latency per controller."""
        found: dict[str, list[float]] = {}
        for record in records:
            found.setdefault(record.controller, []).append(record.metrics[LATENCY.name])
        bars = tuple(Bar(name, float(np.mean(values))) for name, values in sorted(found.items()))
        alt = "Mean latency: " + ", ".join(f"{bar.label} {bar.value:.1f} ns" for bar in bars)
        axis = Axis("mean latency from arrival", "ns")
        return (Figure("bars", "Latency by controller", alt, axis, bars=bars),)


def _traffic(problem: AdaptScenario, seed: int) -> Trace:
    from trimtab_hardware.dram.adapt.traffic import episode_traffic, recorded_traffic
    from trimtab_hardware.dram.part import load_part

    part = load_part(problem.part)
    recorded = recorded_traffic(problem, part)
    return episode_traffic(problem, part, recorded, problem.load, seed, 0)


DOMAIN = AdaptDomain()
