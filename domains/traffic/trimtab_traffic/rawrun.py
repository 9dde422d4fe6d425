"""Runs a scenario by the raw ``sumo`` binary: no controller, no second libsumo in the process.

Bounds and plans are judged this way, so that they cost one child process and touch nothing of a
simulation that is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab_traffic.delay import Delay, demand_delay
from trimtab_traffic.demand import Demand, read_demand
from trimtab_traffic.inputs import compiled_network, resolve
from trimtab_traffic.plans import write_programs
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.signals import Program, TrafficNetwork
from trimtab_traffic.simulation import Outputs, RunOptions, command_line
from trimtab_traffic.toolchain import run_binary
from trimtab_traffic.trips import read_trips


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario on one seed, ready for the raw binary.

    Attributes:
        folder: private folder for everything that is written.
        options: the run with shipped signal programs.
        begin_s: begin of the evaluated horizon; the run may begin earlier.
    """

    folder: Path
    network: TrafficNetwork
    demand: Demand
    options: RunOptions
    begin_s: float

    @property
    def slots(self) -> int:
        """Whole seconds of the evaluated horizon."""
        return int(self.options.end_s - self.begin_s)


def prepare(problem: SignalsProblem, seed: int, folder: Path) -> Case:
    """Resolve a scenario's files and read its network and demand.

    Raises:
        TrimtabError: a file is missing or inconsistent.
    """
    inputs = resolve(problem)
    options = RunOptions(
        net=inputs.net,
        routes=inputs.routes,
        additional=inputs.additional,
        begin_s=inputs.start_s,
        end_s=inputs.end_s,
        seed=seed,
        teleport_s=problem.teleport_s,
        extra=inputs.options,
    )
    return Case(
        folder=folder,
        network=compiled_network(inputs.net, inputs.additional),
        demand=read_demand((*inputs.additional, *inputs.routes), inputs.start_s, inputs.end_s),
        options=options,
        begin_s=inputs.begin_s,
    )


def simulate(case: Case, options: RunOptions) -> Delay:
    """Run and measure; the outputs lie in the case's folder.

    Raises:
        TrimtabError: SUMO refused its input or died.
    """
    outputs = Outputs(case.folder)
    run_binary("sumo", command_line(options, outputs), source=options.net)
    return demand_delay(read_trips(outputs.trips), case.demand, case.begin_s, options.end_s)


def simulate_plan(case: Case, programs: Mapping[str, Program], seed: int) -> float:
    """True delay of fixed programs (shipped ones where a signal has none), s per vehicle.

    Raises:
        TrimtabError: SUMO refused its input or died.
    """
    path = write_programs(case.folder / "plan.add.xml", programs)
    additional = (*case.options.additional, path) if programs else case.options.additional
    return simulate(case, replace(case.options, additional=additional, seed=seed)).mean_s
