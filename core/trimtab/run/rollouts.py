"""Rollouts of one controller under many parameters, on the same seeds, for tuning.

They are ordinary jobs: cached in the store, done by warm workers, resumed after an interrupt.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import RunFailedError, UnknownNameError
from trimtab.contracts.records import EpisodeRecord
from trimtab.run.controllers import Choice
from trimtab.run.engine import LocalEngine
from trimtab.run.identity import ProblemIdentity
from trimtab.run.jobs import Job, Planner, Task
from trimtab.run.recorder import Recorder
from trimtab.run.records_json import record_from_json
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.store import Store


class Rollouts:
    """Plays a controller of a scenario under given parameters; use it in a `with`.

    Args:
        loaded: the scenario.
        controller: id of one of the domain's controllers.
        seeds: played by every candidate.
        workspace: where the store is.
        workers: processes; None is the number of CPUs.

    Raises:
        UnknownNameError: the domain has no such controller.
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
        offered = loaded.domain.controllers(problem)
        if controller not in offered:
            raise UnknownNameError(controller, "controller", offered)
        self.entry = offered[controller]
        self._loaded, self._name, self._seeds = loaded, controller, tuple(seeds)
        identity = ProblemIdentity.of(loaded.domain, problem)
        self._planner = Planner(loaded.domain, problem, identity)
        digest = identity.sha256(tune=controller, seeds=list(seeds))
        self.run_id = f"tune-{loaded.scenario.name}-{controller}-{digest[:12]}"
        self._workers = workers or os.cpu_count() or 1
        self._store = Store(workspace)
        self.run_dir = self._store.run_dir(self.run_id)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._engine = LocalEngine(self._workers, self.run_dir / "log.txt")

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()
        self._store.close()

    def __call__(self, designs: Sequence[Mapping[str, Any]]) -> list[list[EpisodeRecord]]:
        """Episodes of each candidate in the order of seeds; a failed one has no metrics but NaN.

        Raises:
            RunFailedError: every episode failed, so that it is not the parameters' fault.
            KeyboardInterrupt: cancelled; finished episodes are kept.
        """
        choices = [Choice(self._name, self.entry, parameters=dict(d)) for d in designs]
        jobs = [self._jobs(choice) for choice in choices]
        self._begin([job for own in jobs for job in own])
        known = self._results()
        tasks = [task for c, own in zip(choices, jobs, strict=True) for task in self._left(c, own)]
        recorder = Recorder(self._store, self.run_id)
        if tasks:
            with recorder.cancelling():
                self._engine.run(list(dict.fromkeys(tasks)), recorder.watcher())
            known = self._results()
        if not any(job.id in known for own in jobs for job in own):
            worst = recorder.failures[0]
            msg = f"{self._name}, seed {worst.seed}: {worst.reason}"
            raise RunFailedError(msg, worst.exit_code)
        return [[self._record(job, known) for job in own] for own in jobs]

    def _jobs(self, choice: Choice) -> list[Job]:
        return self._planner.jobs([choice], self._seeds)[choice.name]

    def _begin(self, jobs: Sequence[Job]) -> None:
        scenario = self._loaded.scenario
        row = {
            "hash": self._planner.identity.sha256(),
            "domain": scenario.domain,
            "schema": scenario.schema_id,
            "text": scenario.model_dump_json(by_alias=True),
        }
        rows = {job.id: (job.id, job.kind, job.controller, job.seed) for job in jobs}
        self._store.begin_run(self.run_id, row, [self._name], self._seeds, rows.values())

    def _results(self) -> dict[str, Mapping[str, Any]]:
        rows = self._store.jobs(self.run_id)
        return {row.id: row.result or {} for row in rows if row.state == "done"}

    def _left(self, choice: Choice, jobs: Sequence[Job]) -> list[Task]:
        known = self._results()
        return self._planner.tasks(choice, [j for j in jobs if j.id not in known], self._workers)

    def _record(self, job: Job, known: Mapping[str, Mapping[str, Any]]) -> EpisodeRecord:
        if job.id in known:
            return record_from_json(known[job.id])
        return EpisodeRecord(self._name, job.seed, {self._loaded.domain.headline.name: math.nan})
