"""The plan of a run: which jobs it is made of, and the ids that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.scenario import DesignScenario, content_id
from trimtab.run.controllers import Choice, choose
from trimtab.run.design_plan import DesignPlanner, choose_designs
from trimtab.run.identity import ProblemIdentity
from trimtab.run.jobs import BOUND, Job, Planner, Task
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.store import Store

DEFAULT_WORKSPACE = Path("trimtab-work")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run asks for beyond its scenario file.

    Attributes:
        controllers: ids to select in place of the scenario's; all if both are empty.
        own: the user's own controllers (`run.controllers.own_controller`).
        parameters: controller id → parameters in place of the shipped ones.
        seeds: in place of the scenario's.
        workers: processes; None is the number of CPUs.
    """

    controllers: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    workspace: Path = DEFAULT_WORKSPACE
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of a run and their names.

    Attributes:
        jobs: controller name → its jobs in the order of `seeds`; bounds under `BOUND`.
        run_id: the scenario's name and a hash over all jobs.
    """

    loaded: LoadedScenario
    choices: tuple[Choice, ...]
    seeds: tuple[int, ...]
    planner: Planner | DesignPlanner
    jobs: Mapping[str, list[Job]]
    run_id: str

    @classmethod
    def of(cls, loaded: LoadedScenario, options: RunOptions) -> Plan:
        """Resolve controllers and seeds of a run and name its jobs.

        Raises:
            TrimtabError: there is no controller, one is unknown, or a data file is unreadable.
        """
        scenario = loaded.scenario
        seeds = options.seeds or scenario.seeds
        names = options.controllers or scenario.controllers
        domain, problem = loaded.domain, scenario.problem
        identity = ProblemIdentity.of(domain, problem)
        planner: Planner | DesignPlanner
        if isinstance(scenario, DesignScenario):
            choices = choose_designs(domain, problem, names, options.own, options.parameters)
            planner = DesignPlanner(domain, problem, identity, scenario.budget)
        else:
            if not (names or options.own or domain.controllers(problem)):
                msg = f"{loaded.source}: {domain.name} offers no controllers, so nothing can run"
                raise TrimtabError(msg)
            choices = choose(domain, problem, names, options.own, options.parameters)
            planner = Planner(domain, problem, identity)
        jobs = planner.jobs(choices, seeds)
        digest = identity.sha256(jobs=[job.id for own in jobs.values() for job in own])
        run_id = f"{scenario.name}-{digest[:12]}"
        return cls(loaded, tuple(choices), seeds, planner, jobs, run_id)

    @property
    def scenario_sha256(self) -> str:
        """Hash of the whole scenario, its data files and the versions."""
        return self.planner.identity.sha256(scenario=content_id(self.loaded.scenario))

    def begin(self, store: Store) -> None:
        """Write run, scenario and jobs; make the run's folder."""
        scenario = self.loaded.scenario
        row = {
            "hash": self.scenario_sha256,
            "domain": scenario.domain,
            "schema": scenario.schema_id,
            "text": scenario.model_dump_json(by_alias=True),
        }
        every = [job for own in self.jobs.values() for job in own]
        store.begin_run(
            self.run_id,
            row,
            [choice.name for choice in self.choices],
            self.seeds,
            [(job.id, job.kind, job.controller, job.seed) for job in every],
        )
        folder = store.run_dir(self.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(self._config(), encoding="utf-8")

    def _config(self) -> str:
        config = {
            "schema": "trimtab/run/1",
            "run_id": self.run_id,
            "source": self.loaded.source,
            "overrides": self.loaded.overrides,
            "scenario": self.loaded.scenario.model_dump(mode="json", by_alias=True),
            "seeds": self.seeds,
            "controllers": [
                {"name": c.name, "own": c.own, "parameters": dict(c.parameters)}
                for c in self.choices
            ],
        }
        return json.dumps(config, indent=2, default=str) + "\n"

    def pending(self, store: Store) -> set[str]:
        """Ids of the jobs that are not done."""
        return {job.id for job in store.jobs(self.run_id) if job.state != "done"}

    def tasks(self, pending: set[str], workers: int) -> list[Task]:
        """Bounds first, then controllers in order."""
        tasks: list[Task] = []
        for choice in (None, *self.choices):
            own = self.jobs[BOUND if choice is None else choice.name]
            left = [job for job in own if job.id in pending]
            tasks += self.planner.tasks(choice, left, workers)
        return tasks
