"""Rollouts of one controller under many parameters, on the same seeds, for tuning.

They are ordinary jobs: cached in the store, done by warm workers, resumed after an interrupt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.records import EpisodeRecord
from trimtab.run.controllers import Choice, choose_one
from trimtab.run.drive import drive
from trimtab.run.engines import crew_of
from trimtab.run.identity import ProblemIdentity
from trimtab.run.jobs import Job, Planner
from trimtab.run.plan import RunOptions
from trimtab.run.records_json import record_from_json
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.scope import Scope
from trimtab.run.store import Store


class Rollouts:
    """Plays a controller of a scenario under given parameters; use it in a `with`.

    Args:
        loaded: the scenario.
        controller: id of one of the domain's controllers, or the user's own (`choose_one`).
        seeds: played by every candidate.
        workspace: where the store is.
        workers: processes; None is the number of CPUs.

    Raises:
        UnknownNameError: the domain has no such controller.
        TrimtabError: the user's own controller cannot be loaded.
    """

    def __init__(
        self,
        loaded: LoadedScenario,
        controller: str,
        seeds: Sequence[int],
        workspace: Path,
        workers: int | None = None,
    ) -> None:
        problem = loaded.scenario.problem
        self._choice = choose_one(loaded.domain.controllers(problem), controller)
        self.entry, self.name = self._choice.entry, self._choice.name
        self._loaded, self._seeds = loaded, tuple(seeds)
        identity = ProblemIdentity.of(loaded.domain, problem)
        self._planner = Planner(loaded.domain, problem, identity)
        digest = identity.sha256(tune=controller, seeds=list(seeds))
        self.run_id = f"tune-{loaded.scenario.name}-{self.name}-{digest[:12]}"
        self._store = Store(workspace)
        self.run_dir = self._store.run_dir(self.run_id)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._crew = crew_of(
            RunOptions(workspace=workspace, workers=workers), self._store, Scope(self.run_id)
        )

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()
        self._store.close()

    def __call__(self, designs: Sequence[Mapping[str, Any]]) -> list[list[EpisodeRecord]]:
        """Episodes of each candidate in the order of seeds; a failed one has no metrics but NaN.

        Raises:
            RunFailedError: every episode failed, so that it is not the parameters' fault.
            KeyboardInterrupt: cancelled; finished episodes are kept.
        """
        choices = [replace(self._choice, parameters=dict(d)) for d in designs]
        jobs = [self._jobs(choice) for choice in choices]
        self._begin(choices, jobs)
        drive(self._store, Scope(self.run_id), self._crew)
        known = self._results()
        if not any(job.id in known for own in jobs for job in own):
            rows = self._store.jobs(self.run_id, results=False)
            worst = next(row for row in rows if row.state == "failed")
            msg = f"{self.name}, seed {worst.seed}: {worst.reason}"
            raise RunFailedError(msg, worst.exit_code)
        return [[self._record(job, known) for job in own] for own in jobs]

    def _jobs(self, choice: Choice) -> list[Job]:
        return self._planner.jobs([choice], self._seeds)[choice.name]

    def _begin(self, choices: Sequence[Choice], jobs: Sequence[Sequence[Job]]) -> None:
        scenario = self._loaded.scenario
        row = {
            "hash": self._planner.identity.sha256(),
            "domain": scenario.domain,
            "schema": scenario.schema_id,
            "text": scenario.model_dump_json(by_alias=True),
        }
        name = f"tune-{scenario.name}"
        run = NewRun(self.run_id, row, name, (self.name,), self._seeds)
        new = {
            job.id: NewJob(job.id, job.kind, job.controller, job.seed, self._planner.task(choice))
            for choice, own in zip(choices, jobs, strict=True)
            for job in own
        }
        self._store.begin_run(run, list(new.values()))

    def _results(self) -> dict[str, Mapping[str, Any]]:
        rows = self._store.jobs(self.run_id)
        return {row.id: row.result or {} for row in rows if row.state == "done"}

    def _record(self, job: Job, known: Mapping[str, Mapping[str, Any]]) -> EpisodeRecord:
        if job.id in known:
            return record_from_json(known[job.id])
        return EpisodeRecord(self.name, job.seed, {self._loaded.domain.headline.name: math.nan})
