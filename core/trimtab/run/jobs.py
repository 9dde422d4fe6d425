"""Jobs: one (scenario, controller with its parameters, seed), or one bound, named by content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.domain import Domain
from trimtab.contracts.scenario import StrictModel
from trimtab.run.controllers import Choice, Kind
from trimtab.run.identity import ProblemIdentity, controller_identity

BOUND = "(bound)"


@dataclass(frozen=True, slots=True)
class Job:
    """The unit that is cached; `id` hashes everything that can change the result."""

    id: str
    kind: Kind
    controller: str
    seed: int


@dataclass(frozen=True, slots=True)
class Planner:
    """Names the jobs of one scenario, and says what is to be done for them."""

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

    def task(self, choice: Choice | None) -> str:
        """JSON text of what a worker needs for the jobs of one controller (None: bounds).

        Jobs with the same text differ in their seed alone. `batch` lets a worker play several
        seeds as copies, which never changes a result; external simulators and bounds take one.
        """
        return json.dumps(
            {
                "domain": self.domain.name,
                "problem": self.problem.model_dump_json(by_alias=True),
                "controller": BOUND if choice is None else choice.name,
                "own": "" if choice is None else choice.own,
                "parameters": "{}" if choice is None else json.dumps(dict(choice.parameters)),
                "batch": choice is not None and not self.domain.external,
                "versions": dict(self.identity.versions),
                "folder": str(Path.cwd()) if choice is not None and choice.own else "",
            }
        )
