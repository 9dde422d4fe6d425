"""The workspace as its front doors see it: runs listed, followed, queued, cancelled, deleted.

The CLI and the app are two doors to this. Every call opens the store, does one short thing and
closes it again, so a `Workspace` may be used from any thread and kept for as long as one likes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trimtab.run.control import cancel_run, resume_run
from trimtab.run.crew import log_tail
from trimtab.run.duty import LOG_FILE
from trimtab.run.retention import delete_run
from trimtab.run.rows import PRECEDENCE, JobRow, RunRow, State, overall
from trimtab.run.schema import STORE_FILE
from trimtab.run.series import Series, StepUnits, read_series, read_units, series_names
from trimtab.run.store import Store, existing_store

Order = Literal["created", "headline", "name", "domain"]
ORDERS: tuple[Order, ...] = ("created", "headline", "name", "domain")


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list; empty fields do not filter.

    Attributes:
        text: part of the id or name.
        order: a column; ties by id.
    """

    domain: str = ""
    state: State | Literal[""] = ""
    text: str = ""
    owner: str = ""
    sweep: str = ""
    order: Order = "created"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunBrief:
    """One line of a list of runs.

    Attributes:
        state: of the run as a whole.
        total, done, failed: jobs.
        headline: value of its recommended row, else of its best one; None until it is judged.
        metric, unit: what the headline is; likewise.
        recommended: controller that its result recommends.
        created: seconds since the epoch.
    """

    id: str
    domain: str
    name: str
    state: State
    total: int
    done: int
    failed: int
    headline: float | None
    metric: str | None
    unit: str | None
    recommended: str | None
    owner: str
    sweep: str
    created: float


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is; made for polling.

    Attributes:
        share: of its jobs' work that is done, 0 to 1, running jobs counted by their progress.
        eta_s: seconds left at the speed so far; None before anything is known.
        running: running jobs.
        cancelling: some running job is flagged and has not stopped yet.
    """

    state: State
    states: Mapping[str, int]
    share: float
    eta_s: float | None
    running: tuple[JobRow, ...] = ()
    cancelling: bool = False


@dataclass(frozen=True, slots=True)
class RunDetail:
    """Everything about one run but its metrics.

    Attributes:
        result: the result document (`trimtab/result/1`), None until it is judged.
        events: (time, level, text), oldest first.
        artefacts: (path, sha256, kind, bytes) of its files, relative to `folder`.
        scenario: JSON text of the whole scenario.
    """

    row: RunRow
    jobs: tuple[JobRow, ...]
    events: tuple[tuple[float, str, str], ...]
    artefacts: tuple[tuple[str, str, str, int], ...]
    scenario: str
    folder: Path

    @property
    def result(self) -> dict[str, Any] | None:
        """The result document."""
        return self.row.summary


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace folder.

    Attributes:
        path: made with the first run.
    """

    path: Path

    @property
    def exists(self) -> bool:
        """Whether it has a store."""
        return (self.path / STORE_FILE).exists()

    def stamp(self) -> tuple[int, ...]:
        """Changes whenever anything in the store does; cheap, for polling."""
        files = (self.path / STORE_FILE, self.path / f"{STORE_FILE}-wal")
        stats = [path.stat() for path in files if path.exists()]
        return tuple(part for stat in stats for part in (stat.st_mtime_ns, stat.st_size))

    def states(self) -> dict[str, int]:
        """Job state → number of jobs in the whole workspace."""
        if not self.exists:
            return {}
        with Store(self.path) as store:
            rows = store.db.execute("select state, count(*) from job group by state")
            return dict(rows.fetchall())

    def runs(self, query: RunQuery | None = None) -> list[RunBrief]:
        """Runs that a query chooses; none where there is no store yet."""
        query = query or RunQuery()
        if not self.exists:
            return []
        condition, values = _condition(query)
        direction = "desc" if query.descending else "asc"
        with Store(self.path) as store:
            rows = store.db.execute(
                "select id, domain, name, headline, metric, unit, recommended, owner_user, "  # noqa: S608 - names from a closed set
                "sweep, created "
                f"from run where {condition} order by {query.order} {direction}, id "
                "limit :limit offset :offset",
                {**values, "limit": query.limit, "offset": query.offset},
            ).fetchall()
            return [_brief(row, store.states(row[0])) for row in rows]

    def count(self, query: RunQuery | None = None) -> int:
        """Number of runs that a query chooses, whatever its limit."""
        if not self.exists:
            return 0
        condition, values = _condition(query or RunQuery())
        with Store(self.path) as store:
            row = store.db.execute(
                f"select count(*) from run where {condition}",  # noqa: S608 - see above
                values,
            ).fetchone()
            return int(row[0])

    def domains(self) -> list[str]:
        """Domains of the stored runs."""
        if not self.exists:
            return []
        with Store(self.path) as store:
            rows = store.db.execute("select distinct domain from run order by domain")
            return [row[0] for row in rows]

    def owners(self) -> list[str]:
        """Who asked for the stored runs, as far as they said who they are."""
        if not self.exists:
            return []
        with Store(self.path) as store:
            rows = store.db.execute("select distinct owner_user from run order by owner_user")
            return [row[0] for row in rows if row[0]]

    def run(self, run: str) -> RunDetail:
        """One run by its id, a unique prefix, or `latest`.

        Raises:
            UnknownNameError: no run, or more than one, starts with that.
            TrimtabError: there is no store yet.
        """
        with existing_store(self.path) as store:
            row = store.run(run)
            return RunDetail(
                row,
                tuple(store.jobs(row.id, results=False)),
                tuple(store.events(row.id)),
                tuple(store.artefacts(row.id)),
                store.scenario_text(row.scenario),
                store.run_dir(row.id),
            )

    def progress(self, run: str) -> RunProgress:
        """How far a run is; reads little.

        Raises:
            UnknownNameError: there is no such run.
            TrimtabError: there is no store yet.
        """
        with existing_store(self.path) as store:
            row = store.run(run)
            ids = [
                job[0]
                for job in store.db.execute(
                    "select id from job where state='running' "
                    "and id in (select job from run_job where run=?)",
                    (row.id,),
                )
            ]
            running = [job for job in store.jobs(row.id, results=False) if job.id in ids]
            return _progress(row, running, _begun(store, row.id))

    def series_names(self, job: str) -> list[str]:
        """Names of the series that a job left: ``reward/...``, ``cost/...``."""
        with existing_store(self.path) as store:
            return series_names(store.db, job)

    def step_units(self, job: str) -> StepUnits:
        """Seconds of a step of a finished job, and the units of its series."""
        with existing_store(self.path) as store:
            return read_units(store.db, job)

    def series(self, job: str, name: str, points: int = 1000) -> Series:
        """One series of a job, thinned to at most `points` spans of lowest and highest value."""
        with existing_store(self.path) as store:
            return read_series(store.db, job, name, points)

    def log_tail(self, run: str, lines: int = 40) -> str:
        """Last lines of what a run's domain code printed, tracebacks among them.

        Raises:
            UnknownNameError: there is no such run.
        """
        with existing_store(self.path) as store:
            return log_tail(store.run_dir(store.run(run).id) / LOG_FILE, lines)

    def enqueue(
        self,
        source: str | Path | Any,
        options: Any = None,
        *,
        overrides: Sequence[str] = (),
        command: str = "",
        owner: str = "",
        sweep: str = "",
    ) -> str:
        """Queue a run: workers do its jobs and judge it, whoever stays or goes.

        Args:
            source: a path, a shipped id, or a `LoadedScenario`.
            options: `RunOptions` (controllers, own, parameters, seeds).
            overrides: `dotted.key=value` settings (not with a loaded scenario).
            command: what reproduces it, for its report.
            owner: who asked for it.
            sweep: id of the sweep it belongs to.

        Returns:
            The run's id; what is known already is not computed again.

        Raises:
            ScenarioError, UnknownNameError, InputFileError: nothing was queued.
        """
        from trimtab.run.plan import Plan, RunOptions
        from trimtab.run.scenario_file import LoadedScenario, load_scenario

        loaded = source if isinstance(source, LoadedScenario) else load_scenario(source, overrides)
        plan = Plan.of(loaded, options or RunOptions(), command)
        with Store(self.path) as store:
            plan.begin(store, judged=True, sweep=sweep, owner=owner)
        return plan.run_id

    def cancel(self, run: str) -> int:
        """Cancel what is left of a run; its workers stop within a second.

        Returns:
            Number of jobs that this concerns; 0 where it was settled already.

        Raises:
            UnknownNameError: there is no such run.
        """
        with existing_store(self.path) as store:
            return cancel_run(store.db, store.run(run).id)

    def resume(self, run: str) -> int:
        """Queue again what was cancelled or failed; checkpoints and finished jobs are used.

        Returns:
            Number of jobs queued.

        Raises:
            UnknownNameError: there is no such run.
        """
        with existing_store(self.path) as store:
            return resume_run(store.db, store.run(run).id)

    def delete(self, run: str) -> int:
        """Delete a run with its files; return the bytes freed.

        Raises:
            TrimtabError: it is running.
            UnknownNameError: there is no such run.
        """
        with existing_store(self.path) as store:
            return delete_run(store, run)


def _condition(query: RunQuery) -> tuple[str, dict[str, Any]]:
    """SQL condition on `run` and its values."""
    parts, values = ["1"], {}
    for column, value in (
        ("domain", query.domain),
        ("owner_user", query.owner),
        ("sweep", query.sweep),
    ):
        if value:
            parts.append(f"{column}=:{column}")
            values[column] = value
    if query.text:
        parts.append("(instr(id, :text) or instr(name, :text))")
        values["text"] = query.text
    if query.state:
        parts.append("id in (select run from tally where state=:state and n>0)")
        values["state"] = query.state
        for i, state in enumerate(PRECEDENCE[: PRECEDENCE.index(query.state)]):
            parts.append(f"id not in (select run from tally where state=:above{i} and n>0)")  # noqa: S608
            values[f"above{i}"] = state
    return " and ".join(parts), values


def _brief(row: Sequence[Any], states: Mapping[str, int]) -> RunBrief:
    run, domain, name, headline, metric, unit, recommended, owner, sweep, created = row
    state = overall(states)
    return RunBrief(
        run,
        domain,
        name,
        state,
        sum(states.values()),
        states.get("done", 0),
        states.get("failed", 0),
        headline,
        metric,
        unit,
        recommended,
        owner,
        sweep,
        created,
    )


def _begun(store: Store, run: str) -> tuple[float, int]:
    """(when the first job of the present attempt began, jobs ended since)."""
    rows = store.db.execute(
        "select min(started), sum(state='done') from job where started is not null "
        "and id in (select job from run_job where run=?)",
        (run,),
    ).fetchone()
    return float(rows[0] or time.time()), int(rows[1] or 0)


def _progress(row: RunRow, running: list[JobRow], begun: tuple[float, int]) -> RunProgress:
    partly = sum(job.progress for job in running)
    settled = row.total - sum(row.states.get(s, 0) for s in ("queued", "running", "paused"))
    share = (settled + partly) / max(row.total, 1)
    since, done = begun
    worked = done + partly
    left = row.total - settled - partly
    eta_s = (time.time() - since) * left / worked if worked > 0 and left > 0 else None
    cancelling = any(job.cancelling for job in running)
    return RunProgress(row.state, row.states, share, eta_s, tuple(running), cancelling)
