"""The domain `hardware.dram`: memory controllers and address maps on traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Domain, Imported
from trimtab.contracts.figure import Figure
from trimtab.contracts.problem import Bound, DesignProblem
from trimtab.contracts.records import DesignRecord

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.metrics import ENERGY_DELAY, METRICS
from trimtab_hardware.dram.scenario import (
    MOST_REFRESH_GAP,
    Controller,
    DramScenario,
    base_configuration,
    load_scenario_part,
)

REFERENCE = "dramsys_default"
CHECKED = 5_000
"""Requests of a workload whose commands the cross-check looks at."""
COLUMN_COMMANDS = frozenset(("RD", "RDA", "WR", "WRA"))
CACHED_REQUESTS = 100_000
"""Requests from which simulating a design takes longer than looking it up on disk."""


class DramDomain(Domain):
    """Controller parameters, wider controllers, address maps."""

    name = "hardware.dram"
    title = "DRAM memory controllers"
    problem_model = DramScenario
    headline = ENERGY_DELAY
    metrics = METRICS

    def build(
        self,
        problem: DramScenario,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> DesignProblem:
        """See `Domain.build`; from the table of the space, or the cache if traces are long."""
        from trimtab.search.cache import CachedProblem

        from trimtab_hardware.dram.certificates import is_enumerated
        from trimtab_hardware.dram.enumerate import TabledProblem, awaited_table, cache_folder
        from trimtab_hardware.dram.problem import DramProblem

        built = DramProblem(problem)
        if is_enumerated(built):
            table = awaited_table(built, cache_folder())
            if table is not None:
                return TabledProblem(built, table)
        if sum(len(trace) for trace in built.traces) < CACHED_REQUESTS:
            return built
        return CachedProblem(built, cache_folder() / "designs.sqlite")

    def reference_designs(self, problem: DramScenario) -> Mapping[str, Mapping[str, Any]]:
        """The scenario's controller, DRAMSys' default if it sets none; or the published maps."""
        if problem.space != "address-map":
            return {REFERENCE: _stated(base_configuration(problem))}
        from trimtab_hardware.dram.mappings import PUBLISHED_MAPS, published_map
        from trimtab_hardware.dram.scenario import load_scenario_part
        from trimtab_hardware.dram.spaces import design_of_map

        part = load_scenario_part(problem)
        return {name: design_of_map(part, published_map(part, name)) for name in PUBLISHED_MAPS}

    def propose(self, problem: DramScenario) -> Mapping[str, Any]:
        """See `Domain.propose`: by the transfer policy that ships."""
        from trimtab_hardware.dram.proposal import proposed_design

        return proposed_design(problem)

    def bound(self, problem: DramScenario, seed: int) -> Bound:
        """The enumerated optimum of space A, the closed form elsewhere."""
        from trimtab_hardware.dram.certificates import dram_bound

        return dram_bound(problem)

    def verify(self, problem: DramScenario, seed: int, bound: Bound) -> None:
        """See `Domain.verify`."""
        from trimtab_hardware.dram.certificates import verify_dram_bound

        verify_dram_bound(problem, bound)

    def cross_checks(self, problem: DramScenario, seed: int) -> Mapping[str, tuple[float, float]]:
        """Commands of the scenario's controller that the protocol checker lets pass; bursts."""
        from trimtab_hardware.dram.checker import check
        from trimtab_hardware.dram.problem import DramProblem
        from trimtab_hardware.dram.result import COMMANDS
        from trimtab_hardware.dram.simulation import Engine

        built, found = DramProblem(problem), {}
        for k, workload in enumerate(problem.workloads):
            setup = built.setup({})
            trace = built.trace(setup.part, k).prefix(CHECKED)
            commands = (
                Engine(trace, setup.part, setup.address_map)
                .run(setup.configuration, commands=True)
                .commands
            )
            if commands is None:
                continue
            c = setup.configuration
            report = check(
                commands,
                setup.part,
                ranks=c.ranks,
                refreshes=c.refresh_policy != "NoRefresh",
                intervals=1 + c.refresh_max_postponed + c.refresh_max_pulled_in,
                management=c.refresh_management,
            )
            legal = report.commands - report.violations
            columns = sum(COMMANDS[code] in COLUMN_COMMANDS for code in commands.code.tolist())
            found[f"{workload.label}: commands"] = (float(len(commands)), float(legal))
            found[f"{workload.label}: bursts"] = (float(columns), float(len(trace)))
        return found

    def data_files(self, problem: DramScenario) -> tuple[Path, ...]:
        """Traces, part and address map of the user."""
        traces = [path for workload in problem.workloads for path in workload.traces]
        named = (problem.part_file, problem.address_map_file, problem.controller_file)
        return (*traces, *(path for path in named if path is not None))

    def check(self, problem: DramScenario) -> tuple[str, ...]:
        """Read part, map and traces; one note a workload."""
        from trimtab_hardware.dram.problem import DramProblem

        built = DramProblem(problem)
        return (*built.part.timing.warnings, *_workload_notes(problem, built.traces))

    def from_files(self, files: Sequence[Path], folder: Path, name: str) -> Imported:
        """Traces of any known format, and at most one part, address map and controller."""
        from trimtab_hardware.dram.readers import problem_from_files

        return problem_from_files(files, folder)

    def notes(self, problem: DramScenario) -> tuple[str, ...]:
        """What is not modelled, and what the seed workloads are."""
        found = ["energy leaves out data dependence, I/O and termination"]
        if any(w.seed in ("cloud-1", "cloud-2") for w in problem.workloads):
            found.append(
                "cloud-1 and cloud-2 are generated blocks: no data-centre trace is in them"
            )
        if any(path.suffix == ".rstl" for w in problem.workloads for path in w.traces):
            found.append(".rstl times are added up as if each request were accepted on arrival")
        part = load_scenario_part(problem)
        for workload in problem.workloads:
            intervals = workload.requests * part.burst_ck / part.timing.refi
            if workload.seed is not None and intervals < MOST_REFRESH_GAP:
                found.append(
                    f"{workload.label} keeps the bus busy for {intervals:.1f} refresh intervals "
                    "only: a design that postpones 8 refreshes, which is legal, may end before "
                    "the first; hardware/dram-load-sweep judges refresh in the long run"
                )
        return tuple(found)

    def design_views(
        self, problem: DramScenario, records: Sequence[DesignRecord]
    ) -> tuple[Figure, ...]:
        """Latency distribution and command timeline of the reference and of the best design."""
        from trimtab_hardware.dram.views import figures

        return figures(problem, records)

    def log_design(
        self, problem: DramScenario, design: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """Latency of every request and every command, one CSV each a workload."""
        from trimtab_hardware.dram.problem import DramProblem
        from trimtab_hardware.dram.writers import log_design

        return log_design(DramProblem(problem), design, out)

    def export(
        self, problem: DramScenario, controller: str, parameters: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """Controller and address map for DRAMSys, near equivalents for Ramulator and DRAMsim3."""
        from trimtab_hardware.dram.problem import DramProblem
        from trimtab_hardware.dram.writers import export_design

        return export_design(DramProblem(problem), parameters, out)


def _stated(base: Configuration) -> dict[str, Any]:
    """The seed parameters, and what else differs from the default."""
    plain = asdict(Configuration())
    return {k: v for k, v in asdict(base).items() if k in Controller.model_fields or v != plain[k]}


def _workload_notes(problem: DramScenario, traces: Sequence[Any]) -> list[str]:
    return [
        f"{workload.label}: {len(trace)} requests, {trace.is_write.mean():.0%} writes, "
        f"{int(trace.arrival[-1])} cycles"
        for workload, trace in zip(problem.workloads, traces, strict=True)
    ]


DOMAIN = DramDomain()
