"""Executes a scenario: plans its jobs, serves known ones from the store, computes the others."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.problem import Bound
from trimtab.contracts.records import DesignRecord, EpisodeRecord
from trimtab.run.engine import LocalEngine
from trimtab.run.jobs import BOUND
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.recorder import Failure, OnChange, Recorder
from trimtab.run.records_json import bound_from_json, design_from_json, record_from_json
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.store import JobRow, Store


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        done: jobs settled in this call, failed ones included; of `total`.
        running: one text per busy worker: controller and seeds.
        note: what just happened that a reader should know, or empty.
    """

    total: int
    done: int
    cached: int
    failed: int
    running: tuple[str, ...] = ()
    note: str = ""


OnProgress = Callable[[RunProgress], None]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run left behind.

    Attributes:
        records: in the order of controllers, then seeds; failed episodes are absent.
        designs: of a design scenario, in the order of its rows, then seeds.
        bounds: by seed; empty where the domain has none.
        computed, cached: jobs.
    """

    plan: Plan
    run_dir: Path
    records: tuple[EpisodeRecord, ...]
    bounds: Mapping[int, Bound]
    failures: tuple[Failure, ...]
    computed: int
    cached: int
    wall_s: float
    designs: tuple[DesignRecord, ...] = ()

    @property
    def every_record(self) -> tuple[EpisodeRecord | DesignRecord, ...]:
        """Records of episodes and of designs; a run has one of the two kinds."""
        return (*self.records, *self.designs)


def execute(
    loaded: LoadedScenario, options: RunOptions | None = None, progress: OnProgress | None = None
) -> RunOutcome:
    """Run controllers × seeds of a scenario, and its bounds, and return every record.

    Finished jobs are kept in the store whatever happens; running again computes only what is
    missing.

    Raises:
        RunFailedError: no episode came to its end; nothing is left behind where the input is
            at fault (exit code 2 or 3).
        TrimtabError: an unknown controller, an unreadable data file, an unusable workspace.
        KeyboardInterrupt: cancelled; finished jobs are kept.
    """
    started = time.monotonic()
    options = options or RunOptions()
    plan = Plan.of(loaded, options)
    with Store(options.workspace) as store:
        fresh = not store.run_dir(plan.run_id).exists()
        plan.begin(store)
        pending = plan.pending(store)
        recorder = Recorder(store, plan.run_id, _teller(plan, len(pending), progress))
        if pending:
            _compute(plan, pending, options, store, recorder)
        jobs = store.jobs(plan.run_id)
        _refuse_nothing(plan, jobs, recorder.failures, store, fresh=fresh)
        wall_s = time.monotonic() - started
        return _outcome(plan, store, jobs, recorder.failures, len(pending), wall_s)


def _teller(plan: Plan, pending: int, progress: OnProgress | None) -> OnChange:
    """Turns what the recorder knows into progress for the caller."""
    cached = sum(len(own) for own in plan.jobs.values()) - pending

    def tell(recorder: Recorder, note: str) -> None:
        if progress is not None:
            failed = len(recorder.failures)
            progress(RunProgress(pending, recorder.done, cached, failed, recorder.running, note))

    return tell


def _compute(
    plan: Plan, pending: set[str], options: RunOptions, store: Store, recorder: Recorder
) -> None:
    workers = options.workers or os.cpu_count() or 1
    tasks = plan.tasks(pending, workers)
    log = store.run_dir(plan.run_id) / "log.txt"
    with LocalEngine(min(workers, len(tasks)), log) as engine, recorder.cancelling():
        engine.run(tasks, recorder.watcher())


def _refuse_nothing(
    plan: Plan,
    jobs: Sequence[JobRow],
    failures: Sequence[Failure],
    store: Store,
    *,
    fresh: bool,
) -> None:
    """Raise where no episode or search is done; leave no trace of input that was wrong."""
    if any(job.state == "done" and job.kind != "bound" for job in jobs):
        return
    worst = next(f for f in failures if f.controller != BOUND)
    if worst.exit_code == 1:
        where = f" (log: {store.run_dir(plan.run_id) / 'log.txt'})"
    else:
        where = ""
        store.forget_run(plan.run_id)
        if fresh:
            shutil.rmtree(store.run_dir(plan.run_id), ignore_errors=True)
    msg = f"{plan.loaded.source}: {worst.controller}, seed {worst.seed}: {worst.reason}{where}"
    raise RunFailedError(msg, worst.exit_code)


def _outcome(
    plan: Plan,
    store: Store,
    rows: Sequence[JobRow],
    failures: Sequence[Failure],
    computed: int,
    wall_s: float,
) -> RunOutcome:
    """Records and bounds from the store, in the order of the plan."""
    results = {row.id: row.result for row in rows if row.state == "done"}
    bounds = {job.seed: bound_from_json(results.get(job.id)) for job in plan.jobs[BOUND]}
    finished = [
        (choice.kind, results[job.id] or {})
        for choice in plan.choices
        for job in plan.jobs[choice.name]
        if job.id in results
    ]
    return RunOutcome(
        plan=plan,
        run_dir=store.run_dir(plan.run_id),
        records=tuple(record_from_json(data) for kind, data in finished if kind == "episode"),
        designs=tuple(design_from_json(data) for kind, data in finished if kind != "episode"),
        bounds={seed: bound for seed, bound in bounds.items() if bound is not None},
        failures=tuple(failures),
        computed=computed - len(failures),
        cached=len(rows) - computed,
        wall_s=wall_s,
    )
