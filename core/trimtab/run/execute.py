"""Executes a scenario: plans its jobs, serves known ones from the store, computes the others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.problem import Bound
from trimtab.contracts.records import DesignRecord, EpisodeRecord
from trimtab.run.crew import Doing, Watcher
from trimtab.run.drive import drive
from trimtab.run.engines import crew_of
from trimtab.run.jobs import BOUND
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.records_json import bound_from_json, design_from_json, record_from_json
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.scope import Scope
from trimtab.run.store import Store


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that did not come to its end."""

    controller: str
    seed: int
    reason: str
    exit_code: int = 1


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
    loaded: LoadedScenario,
    options: RunOptions | None = None,
    progress: OnProgress | None = None,
    command: str = "",
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
    options = options or RunOptions()
    return execute_plan(Plan.of(loaded, options, command), options, progress)


def execute_plan(plan: Plan, options: RunOptions, progress: OnProgress | None = None) -> RunOutcome:
    """As `execute`, for a plan that is made already."""
    started = time.monotonic()
    with Store(options.workspace) as store:
        fresh = not store.run_dir(plan.run_id).exists()
        plan.begin(store)
        pending = plan.pending(store)
        if pending:
            _compute(plan, len(pending), options, store, progress)
        outcome = collect(plan, store, len(pending), time.monotonic() - started)
        _refuse_nothing(outcome, store, fresh=fresh)
    return outcome


def _compute(
    plan: Plan, pending: int, options: RunOptions, store: Store, progress: OnProgress | None
) -> None:
    """Work on the run with a crew of its own."""
    cached = sum(len(own) for own in plan.jobs.values()) - pending
    left = pending

    def tell(note: str = "") -> None:
        if progress is not None:
            failed = store.states(plan.run_id).get("failed", 0)
            running = tuple(_words(doing) for doing in crew.doing)
            progress(RunProgress(pending, pending - left, cached, failed, running, note))

    def look(now_left: int) -> None:
        nonlocal left
        if now_left != left:
            left = now_left
            tell()

    watcher = Watcher(tell, tell)
    with crew_of(options, store, Scope(plan.run_id), pending, watcher) as crew:
        tell()
        drive(store, Scope(plan.run_id), crew, look)


def _words(doing: Doing) -> str:
    return f"{doing.label}, step {doing.step}" if doing.step else doing.label


def collect(plan: Plan, store: Store, computed: int = 0, wall_s: float = 0.0) -> RunOutcome:
    """What a run left in the store, in the order of the plan; some jobs may be absent.

    Args:
        plan: of the run.
        store: of the workspace.
        computed: jobs that were not done before.
        wall_s: time it took.
    """
    rows = {row.id: row for row in store.jobs(plan.run_id)}
    results = {job: row.result for job, row in rows.items() if row.state == "done"}
    failures = [
        Failure(row.controller, row.seed, row.reason or row.state, row.exit_code or 1)
        for row in rows.values()
        if row.state in {"failed", "cancelled"} and row.kind != "report"
    ]
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
        cached=sum(len(own) for own in plan.jobs.values()) - computed,
        wall_s=wall_s,
    )


def _refuse_nothing(outcome: RunOutcome, store: Store, *, fresh: bool) -> None:
    """Raise where no episode or search is done; leave no trace of input that was wrong."""
    if outcome.every_record:
        return
    plan = outcome.plan
    worst = next(f for f in outcome.failures if f.controller != BOUND)
    if worst.exit_code == 1:
        where = f" (log: {store.run_dir(plan.run_id) / 'log.txt'})"
    else:
        where = ""
        store.forget_run(plan.run_id)
        if fresh:
            shutil.rmtree(store.run_dir(plan.run_id), ignore_errors=True)
    msg = f"{plan.loaded.source}: {worst.controller}, seed {worst.seed}: {worst.reason}{where}"
    raise RunFailedError(msg, worst.exit_code)
