"""Jobs: one (scenario, controller with its parameters, seed), or one bound, named by content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.contracts.domain import Domain
from trimtab.contracts.scenario import StrictModel
from trimtab.run.controllers import Choice, Kind
from trimtab.run.identity import ProblemIdentity, controller_identity

BOUND = "(bound)"
MAX_COPIES = 64


@dataclass(frozen=True, slots=True)
class Job:
    """The unit that is cached; `id` hashes everything that can change the result."""

    id: str
    kind: Kind
    controller: str
    seed: int


@dataclass(frozen=True, slots=True)
class Task:
    """Jobs that one worker does in one go: seeds of one controller, a search, a design, bounds.

    Attributes:
        problem: JSON text of the domain's settings.
        own: what the user gave for an own controller, or empty.
        parameters: JSON text of the overrides of the controller's defaults.
        budget: JSON text of what a search may spend, or empty.
    """

    kind: Kind
    domain: str
    problem: str
    controller: str
    own: str
    parameters: str
    jobs: tuple[Job, ...]
    budget: str = ""

    @property
    def seeds(self) -> list[int]:
        """Seeds of the jobs, in order."""
        return [job.seed for job in self.jobs]

    def split(self) -> list[Task]:
        """The same with one job per task."""
        return [replace(self, jobs=(job,)) for job in self.jobs]


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes jobs and tasks of one scenario."""

    domain: Domain
    problem: StrictModel
    identity: ProblemIdentity

    def jobs(self, choices: Sequence[Choice], seeds: Sequence[int]) -> dict[str, list[Job]]:
        """Controller name → its jobs in the order of seeds; bounds come under `BOUND`."""
        planned = {BOUND: [Job(self._bound_id(s), "bound", BOUND, s) for s in seeds]}
        for choice in choices:
            about = controller_identity(choice.name, choice.entry, choice.parameters, choice.files)
            planned[choice.name] = [
                Job(self.identity.sha256(controller=about, seed=s), "episode", choice.name, s)
                for s in seeds
            ]
        return planned

    def _bound_id(self, seed: int) -> str:
        return self.identity.sha256(kind="bound", seed=seed)

    def tasks(self, choice: Choice | None, jobs: Sequence[Job], workers: int) -> list[Task]:
        """Group jobs of one controller (None: bounds) for `workers` workers.

        Own kernels play several seeds as copies; external simulators one per task. Grouping
        never changes a result.
        """
        alone = self.domain.external or choice is None
        size = 1 if alone else min(MAX_COPIES, -(-len(jobs) // workers))
        return [
            Task(
                kind="bound" if choice is None else "episode",
                domain=self.domain.name,
                problem=self.problem.model_dump_json(by_alias=True),
                controller=BOUND if choice is None else choice.name,
                own="" if choice is None else choice.own,
                parameters="{}" if choice is None else json.dumps(dict(choice.parameters)),
                jobs=tuple(jobs[i : i + size]),
            )
            for i in range(0, len(jobs), max(size, 1))
        ]
