"""The job store: one SQLite file per workspace, the only truth about what has been computed.

Write-ahead log, ids are content hashes, one transaction per change. Here is what is written and
read about runs; what workers write about jobs they hold is in `run.claims`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import TrimtabError, UnknownNameError
from trimtab.run.claims import REPORT, ready_reports
from trimtab.run.rows import (
    JOB_COLUMNS,
    RUN_COLUMNS,
    RUN_TABLES,
    JobRow,
    NewJob,
    NewRun,
    RunRow,
    State,
)
from trimtab.run.schema import STORE_FILE, Durability, connect, writing

__all__ = ["STORE_FILE", "JobRow", "RunRow", "State", "Store", "existing_store"]


class Store:
    """Reads and writes the store of one workspace; close it, or use it in a `with`.

    One connection, for one thread.
    """

    def __init__(self, workspace: Path, durability: Durability = "full") -> None:
        """Open the store, creating workspace and tables where there are none.

        Raises:
            TrimtabError: the file is no store, newer than this version, or not writable.
        """
        self.workspace = workspace
        self.path = workspace / STORE_FILE
        try:
            (workspace / "runs").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrimtabError(unusable(workspace, error)) from None
        self.db = connect(self.path, durability)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calling it twice is harmless."""
        self.db.close()

    def check(self) -> str:
        """SQLite's integrity check: "ok", or what it found."""
        return str(self.db.execute("pragma integrity_check").fetchone()[0])

    def run_dir(self, run: str) -> Path:
        """Folder of a run's files."""
        return self.workspace / "runs" / run

    def begin_run(self, run: NewRun, jobs: Sequence[NewJob]) -> None:
        """Write a run with its jobs; jobs that are done or running stay as they are.

        Jobs are claimed in the order given. Jobs that failed or were cancelled are queued again.
        """
        now = time.time()
        with writing(self.db):
            self.db.execute(
                "insert or ignore into scenario values(:hash, :domain, :schema, :text, :created)",
                {**run.scenario, "created": now},
            )
            self._insert_run(run, now)
            self._insert_jobs(run.id, jobs, now)

    def _insert_run(self, run: NewRun, now: float) -> None:
        self.db.execute(
            "insert into run(id, scenario, domain, name, controller, seeds, owner_user, config, "
            "sweep, created) values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict(id) do update set "
            "config=excluded.config, cancelled=0, sweep=case excluded.sweep when '' then sweep "
            "else excluded.sweep end",
            (
                run.id,
                run.scenario["hash"],
                run.scenario["domain"],
                run.name,
                json.dumps(run.controllers),
                json.dumps(run.seeds),
                run.owner,
                json.dumps(run.config),
                run.sweep,
                now,
            ),
        )

    def _insert_jobs(self, run: str, jobs: Sequence[NewJob], now: float) -> None:
        tasks = {job.task: _sha256(job.task) for job in jobs}
        self.db.executemany(
            "insert or ignore into task values(?, ?)", [(sha, text) for text, sha in tasks.items()]
        )
        rank = int(now * 1e6)
        self.db.executemany(
            "insert into job(id, run, kind, controller, seed, task, ready, rank, state, created) "
            "values(?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?) on conflict(id) do update set "
            "state='queued', ready=excluded.ready, reason='', exit_code=0, cancel=0, deaths=0, "
            "death_step=-1, task=excluded.task where state in ('failed', 'cancelled')",
            [
                (j.id, run, j.kind, j.controller, j.seed, tasks[j.task], j.ready, rank + i, now)
                for i, j in enumerate(jobs, start=1)
            ],
        )
        self.db.executemany(
            "insert or ignore into run_job values(?, ?)", [(run, job.id) for job in jobs]
        )
        self.db.execute(
            "update job set state='queued', ready=0 where id=? and state<>'running' and exists "
            "(select 1 from tally where run=? and n>0 and state in ('queued', 'running'))",
            (f"{REPORT}{run}", run),
        )
        ready_reports(self.db, [job.id for job in jobs[:1]])

    def forget_run(self, run: str) -> None:
        """Delete a run and those of its jobs that no other run has and that never finished."""
        with writing(self.db):
            for table in ("run_job", "tally", "event", "artefact", "outcome"):
                self.db.execute(f"delete from {table} where run=?", (run,))  # noqa: S608
            self.db.execute("delete from run where id=?", (run,))
            self.db.execute(
                "delete from job where state<>'done' and id not in (select job from run_job)"
            )

    def jobs(self, run: str, *, results: bool = True) -> list[JobRow]:
        """Jobs of a run by kind, controller and seed; without `results` it reads less."""
        if not results:
            rows = self.db.execute(
                f"select {JOB_COLUMNS} from run_job join job on job.id=run_job.job "  # noqa: S608
                "where run_job.run=? order by kind, controller, seed",
                (run,),
            )
            return [JobRow.of(row) for row in rows]
        rows = self.db.execute(
            f"select {JOB_COLUMNS}, result.text from run_job join job on job.id=run_job.job "  # noqa: S608
            "left join result on result.job=job.id "
            "where run_job.run=? order by kind, controller, seed",
            (run,),
        )
        return [JobRow.of(row[:-1], row[-1]) for row in rows]

    def states(self, run: str) -> dict[str, int]:
        """Job state → number of jobs of a run; states without a job are absent."""
        rows = self.db.execute("select state, n from tally where run=? and n>0", (run,))
        return dict(rows.fetchall())

    def event(self, run: str, level: str, text: str) -> None:
        """Append to the run's log of events."""
        with writing(self.db):
            self.db.execute("insert into event values(?, ?, ?, ?)", (run, time.time(), level, text))

    def events(self, run: str) -> list[tuple[float, str, str]]:
        """(time, level, text) of a run, oldest first."""
        rows = self.db.execute(
            "select t, level, text from event where run=? order by t, rowid", (run,)
        )
        return [(t, level, text) for t, level, text in rows]

    def artefacts(self, run: str) -> list[tuple[str, str, str, int]]:
        """(path, sha256, kind, bytes) of a run's files, by path."""
        rows = self.db.execute(
            "select path, sha256, kind, bytes from artefact where run=? order by path", (run,)
        )
        return [(path, sha256, kind, size) for path, sha256, kind, size in rows]

    def summarise(
        self,
        run: str,
        summary: Mapping[str, Any],
        manifest: Mapping[str, Any],
        artefacts: Iterable[tuple[str, str, str, int]] = (),
        headline: float | None = None,
    ) -> None:
        """Store a run's result document, manifest and list of files, in one transaction.

        A report that still waits in the queue is thereby done.

        Args:
            run: id.
            summary: the result document.
            manifest: how it came about.
            artefacts: (path, sha256, kind, bytes) of its files; they replace the earlier list.
            headline: the headline of its recommended row, else of its best one, for sorting.
        """
        with writing(self.db):
            self.db.execute(
                "update run set headline=?, metric=?, unit=?, recommended=? where id=?",
                (headline, *_listed(summary), run),
            )
            self.db.execute(
                "insert or replace into outcome values(?, ?, ?)",
                (run, json.dumps(summary), json.dumps(manifest)),
            )
            self.db.execute("delete from artefact where run=?", (run,))
            self.db.executemany(
                "insert into artefact values(?, ?, ?, ?, ?)", [(run, *row) for row in artefacts]
            )
            self.db.execute(
                "update job set state='done', progress=1, ended=? where id=? and state='queued'",
                (time.time(), f"{REPORT}{run}"),
            )

    def runs(self, limit: int = 100) -> list[RunRow]:
        """The latest runs, newest first."""
        rows = self.db.execute(
            f"select {RUN_COLUMNS} from {RUN_TABLES} order by created desc, id limit ?",  # noqa: S608
            (limit,),
        ).fetchall()
        return [RunRow.of(row, self.states(row[0])) for row in rows]

    def run(self, run: str) -> RunRow:
        """One run by its id, by a prefix that only it has, or the `latest` that finished.

        Raises:
            UnknownNameError: no run, or more than one, starts with that.
        """
        condition = "id>=:run and id<:run || char(1114111) order by id limit 2"
        if run == "latest":
            condition = "summary is not null order by created desc limit 1"
        rows = self.db.execute(
            f"select {RUN_COLUMNS} from {RUN_TABLES} where {condition}",  # noqa: S608 - our own text
            {"run": run},
        ).fetchall()
        if not rows or (len(rows) > 1 and rows[0][0] != run):
            known = [row.id for row in self.runs(20)]
            raise UnknownNameError(run, f"run in {self.workspace}", known)
        return RunRow.of(rows[0], self.states(rows[0][0]))

    def scenario_text(self, scenario_hash: str) -> str:
        """Text of a stored scenario.

        Raises:
            UnknownNameError: there is none of that hash.
        """
        row = self.db.execute("select text from scenario where hash=?", (scenario_hash,)).fetchone()
        if row is None:
            raise UnknownNameError(scenario_hash, "stored scenario", [])
        return str(row[0])


def unusable(workspace: Path, error: OSError) -> str:
    """Why a folder cannot be a workspace, and what to do."""
    return (
        f"{workspace}: cannot be used as a workspace: {error.strerror}: "
        "name a folder that you may write with --workspace"
    )


def existing_store(workspace: Path) -> Store:
    """The store of a workspace, which must be there already.

    Raises:
        TrimtabError: there is none.
    """
    if not (workspace / STORE_FILE).exists():
        msg = f"{workspace}: has no job store yet: run a scenario, or name another --workspace"
        raise TrimtabError(msg)
    return Store(workspace)


def _listed(summary: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Headline metric, its unit and the recommended row, so that lists need not read the rest."""
    metric = summary.get("headline")
    rows = summary.get("rows") or [{}]
    unit = rows[0].get("metrics", {}).get(metric, {}).get("unit")
    return metric, unit, summary.get("recommendation", {}).get("name")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
