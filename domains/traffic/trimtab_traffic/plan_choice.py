"""Chooses a fixed-time plan for a scenario: designed in the queue model, proved in the simulator.

Candidates are Webster plans on several common cycles and the shipped plan, each improved on the
platoon model. The best few and the shipped plan as it is are simulated on seeds of their own, and
the shipped plan is only left for one that is better on every seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from trimtab_traffic.conflict_groups import read_drivers
from trimtab_traffic.corridors import band_offsets
from trimtab_traffic.floor import run_floor
from trimtab_traffic.inputs import cache_folder
from trimtab_traffic.offsets import COARSE_STEPS, FINE_STEPS, PlanClimber
from trimtab_traffic.plan_design import (
    CycleTemplate,
    Programs,
    SplitDesigner,
    common_cycle_programs,
    templates,
    webster_cycle_s,
)
from trimtab_traffic.plans import read_programs, write_programs
from trimtab_traffic.queue_model import (
    QueueNetwork,
    build_queue_network,
    model_delay,
    timetable,
)
from trimtab_traffic.rawrun import Case, prepare, simulate_plan
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.signals import Program
from trimtab_traffic.toolchain import sumo_version
from trimtab_traffic.webster import CycleLimits

OffsetMethod = Literal["platoon", "maxband"]
PROVING_SEEDS = (900_001, 900_002)
"""Seeds on which plans are simulated; scenarios are evaluated on others."""
NONE_PROVED = (
    "plays the shipped plan with fixed greens: no plan designed for this demand was better in SUMO "
    f"on each of seeds {', '.join(map(str, PROVING_SEEDS))}"
)
"""Note of a plan that is today's."""
CYCLES_S = (40, 50, 60, 70, 80, 90, 100, 110, 120)
FINALISTS = 2
"""Designed plans that are improved on the whole horizon and simulated."""
MODEL_WORK = 60_000_000
"""Movement-seconds of the queue model that improving one plan may take."""
VERSION = 3
"""Raised when the planner changes, so that plans made before are made anew."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan with its delay in the model, veh·s."""

    programs: Programs
    delay_veh_s: float


def chosen_plan(
    problem: SignalsProblem, today: Mapping[str, Program], method: OffsetMethod = "platoon"
) -> Programs:
    """The plan of a scenario by signal id, made once per machine and scenario.

    Args:
        problem: the scenario.
        today: the shipped plan with fixed greens; signals left out are shipped with one.
        method: how offsets are found.

    Raises:
        TrimtabError: the scenario's files are missing or inconsistent.
    """
    with TemporaryDirectory(prefix="trimtab-plan-") as folder:
        case = prepare(problem, PROVING_SEEDS[0], Path(folder))
        path = cache_folder() / "plans" / f"{_key(problem, case, method)}.add.xml"
        if not path.is_file():
            found = designed_plans(problem, case, today, method)
            plan = proved_plan(case, today, [candidate.programs for candidate in found])
            _store(path, plan, case.folder)
    return {name: programs[-1] for name, programs in read_programs(path).items()}


def is_designed(plan: Programs, today: Mapping[str, Program]) -> bool:
    """Whether a chosen plan is not today's."""
    return {n: p.id for n, p in plan.items()} != {n: p.id for n, p in today.items()}


def _key(problem: SignalsProblem, case: Case, method: OffsetMethod) -> str:
    digest = hashlib.sha256(f"{VERSION} {method} {sumo_version()} {problem!r}".encode())
    for file in (case.options.net, *case.options.routes, *case.options.additional):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _store(path: Path, plan: Programs, folder: Path) -> None:
    """Write whole or not at all: other processes may look for the same plan."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{folder.name}.part")
    part.write_bytes(write_programs(folder / "chosen.add.xml", plan).read_bytes())
    part.replace(path)


def designed_plans(
    problem: SignalsProblem, case: Case, today: Mapping[str, Program], method: OffsetMethod
) -> list[Candidate]:
    """Plans that the model finds better than today's, best first."""
    floor = run_floor(case)
    drivers = read_drivers((*case.options.additional, *case.options.routes))
    queues = build_queue_network(
        case.network, floor.passages, case.slots, drivers.tau_s, drivers.space_m
    )
    if not queues.turns:
        return []
    present = {s.id: s.program for s in case.network.controllable} | dict(today)
    cycles = templates(case.network, problem.profile)
    designer = PlanDesigner(queues, cycles, present, round(case.begin_s), method)
    plans = [designer.improved(c.programs) for c in designer.common_cycles()[:FINALISTS]]
    if problem.profile.name == "resco" and method == "platoon":
        plans.append(designer.improved(present))
    limit = designer.delay_veh_s(present)
    better = [
        Candidate(_installable(plan.programs, present, today), plan.delay_veh_s)
        for plan in plans
        if plan.delay_veh_s < limit
    ]
    return sorted(better, key=lambda plan: plan.delay_veh_s)


def _installable(
    programs: Programs, present: Mapping[str, Program], today: Mapping[str, Program]
) -> Programs:
    """Without the network's own programs, which SUMO refuses to load a second time."""
    return {
        name: program
        for name, program in programs.items()
        if program.id != present[name].id or name in today
    }


class PlanDesigner:
    """Designs plans of one scenario in the queue model.

    Args:
        queues: the network with its traffic.
        cycles: template by signal id; other signals keep their present program.
        present: today's programs by signal id.
        begin_s: absolute time at which the horizon begins.
        method: how offsets are found.
    """

    def __init__(
        self,
        queues: QueueNetwork,
        cycles: Mapping[str, CycleTemplate],
        present: Mapping[str, Program],
        begin_s: int,
        method: OffsetMethod,
    ) -> None:
        self._queues, self._cycles, self._present = queues, cycles, present
        self._begin_s, self._method = begin_s, method
        self._trials = MODEL_WORK // (queues.slots * len(queues.turns))

    def delay_veh_s(self, programs: Mapping[str, Program]) -> float:
        """Delay over the whole horizon."""
        plan = timetable(self._queues, programs)
        return model_delay(self._queues, plan, begin_s=self._begin_s).total_veh_s

    def common_cycles(self) -> list[Candidate]:
        """Webster's plan and plans on a ladder of cycles, roughly coordinated, best first."""
        designers = {n: SplitDesigner(self._queues, n, t) for n, t in self._cycles.items()}
        if not designers:
            return []
        shortest = max(template.shortest_cycle_s for template in self._cycles.values())
        limits = CycleLimits(max(shortest, CYCLES_S[0]), max(shortest, CYCLES_S[-1]))
        found = []
        for cycle in sorted({webster_cycle_s(designers, limits), *CYCLES_S}):
            start = common_cycle_programs(designers, cycle, self._present)
            if start is not None:
                programs = self._coordinated(start)
                found.append(Candidate(programs, self.delay_veh_s(programs)))
        return sorted(found, key=lambda candidate: candidate.delay_veh_s)

    def improved(self, programs: Mapping[str, Program]) -> Candidate:
        """The programs with splits, and unless bands rule also offsets, climbed to the horizon."""
        climber = self._climber(programs, steady=False)
        climber.climb_splits()
        if self._method == "platoon":
            climber.climb_offsets(FINE_STEPS)
        return Candidate(climber.programs, climber.delay_veh_s)

    def _coordinated(self, programs: Mapping[str, Program]) -> Programs:
        climber = self._climber(programs, steady=True)
        if self._method == "platoon":
            climber.climb_offsets(COARSE_STEPS)
        climber.climb_splits()
        if self._method == "maxband":
            return band_offsets(self._queues, climber.programs)
        return climber.programs

    def _climber(self, programs: Mapping[str, Program], *, steady: bool) -> PlanClimber:
        open_cycles = {
            name: cycle
            for name, cycle in self._cycles.items()
            if len(programs[name].phases) == len(cycle.phases)
        }
        return PlanClimber(
            self._queues, open_cycles, programs, self._begin_s, self._trials, steady=steady
        )


def proved_plan(
    case: Case, today: Mapping[str, Program], candidates: Sequence[Programs]
) -> Programs:
    """The candidate that is best in the simulator, or today's plan if none beats it on all seeds.

    Args:
        case: the scenario.
        today: the plan to beat.
        candidates: the most promising first; all are tried on the first seed, the best on all.
    """
    if not candidates:
        return dict(today)
    first, *others = PROVING_SEEDS
    tried = [(simulate_plan(case, plan, first), k) for k, plan in enumerate(candidates)]
    delay_s, best = min(tried)
    plan = candidates[best]
    if delay_s >= simulate_plan(case, today, first):
        return dict(today)
    for seed in others:
        if simulate_plan(case, plan, seed) >= simulate_plan(case, today, seed):
            return dict(today)
    return plan
