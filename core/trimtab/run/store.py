"""The job store: one SQLite file per workspace, the only truth about what has been computed.

Write-ahead log, foreign keys by convention (ids are content hashes), one transaction per change.
Columns of leases and fencing (`attempt`, `lease`, `boot_id`, `worker`, `cancel`) are laid out
for several workers that claim jobs themselves; today one process per run writes.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trimtab.contracts.errors import TrimtabError, UnknownNameError

State = Literal["queued", "running", "done", "failed", "cancelled", "paused"]
SCHEMA_VERSION = 1
STORE_FILE = "store.db"
BUSY_TIMEOUT_S = 10.0

_DDL = """
create table scenario(
  hash text primary key, domain text not null, schema text not null, text text not null,
  created real not null) without rowid;
create table run(
  id text primary key, scenario text not null, controller text not null, seeds text not null,
  budget text not null default '{}', owner_user text not null default '', summary text,
  manifest text, created real not null) without rowid;
create table job(
  id text primary key, run text not null, kind text not null, controller text not null,
  seed integer not null, state text not null, reason text not null default '',
  attempt integer not null default 0, lease real, boot_id text, worker text,
  cancel integer not null default 0, progress real not null default 0,
  step integer not null default 0, result text,
  created real not null, started real, ended real) without rowid;
create table run_job(run text not null, job text not null, primary key(run, job)) without rowid;
create table metric(
  job text not null, name text not null, step integer not null, value real,
  primary key(job, name, step)) without rowid;
create table checkpoint(
  job text not null, step integer not null, path text not null, sha256 text not null,
  attempt integer not null, primary key(job, step)) without rowid;
create table artefact(
  run text not null, path text not null, sha256 text not null, kind text not null,
  bytes integer not null, primary key(run, path)) without rowid;
create table event(run text not null, t real not null, level text not null, text text not null);
create index job_state on job(state);
create index run_created on run(created);
create index event_run on event(run, t);
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as stored; `worker` is ``host:pid:pgid`` of the last attempt."""

    id: str
    kind: str
    controller: str
    seed: int
    state: State
    reason: str
    attempt: int
    worker: str
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as stored; times are seconds since the epoch."""

    id: str
    scenario: str
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    summary: dict[str, Any] | None
    manifest: dict[str, Any] | None
    created: float


class Store:
    """Reads and writes the store of one workspace; close it, or use it in a `with`."""

    def __init__(self, workspace: Path) -> None:
        """Open the store, creating workspace and tables where there are none.

        Raises:
            TrimtabError: the file is no store, newer than this version, or not writable.
        """
        self.workspace = workspace
        self.path = workspace / STORE_FILE
        try:
            (workspace / "runs").mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._prepare()
        except OSError as error:
            msg = f"{workspace}: cannot be used as a workspace: {error.strerror}"
            raise TrimtabError(msg) from None
        except sqlite3.DatabaseError as error:
            msg = (
                f"{self.path}: cannot be opened as a job store ({error}): restore it from a copy, "
                "or move it away and run again"
            )
            raise TrimtabError(msg) from None

    def _prepare(self) -> None:
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        with self._write():
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version > SCHEMA_VERSION:
                msg = f"{self.path}: is of a newer trimtab (store version {version}): upgrade"
                raise TrimtabError(msg)
            if version == 0:
                for statement in _DDL.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version={SCHEMA_VERSION}")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calling it twice is harmless."""
        self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def check(self) -> str:
        """SQLite's integrity check: "ok", or what it found."""
        return str(self._db.execute("pragma integrity_check").fetchone()[0])

    def run_dir(self, run: str) -> Path:
        """Folder of a run's files."""
        return self.workspace / "runs" / run

    def begin_run(
        self,
        run: str,
        scenario: Mapping[str, str],
        controllers: Sequence[str],
        seeds: Sequence[int],
        jobs: Iterable[tuple[str, str, str, int]],
    ) -> None:
        """Write a run with its jobs; jobs that are known keep their state and result.

        Args:
            run: id.
            scenario: hash, domain, schema and text.
            controllers: names, in table order.
            seeds: in order.
            jobs: (id, kind, controller, seed) each.
        """
        now = time.time()
        rows = list(jobs)
        with self._write():
            self._db.execute(
                "insert or ignore into scenario values(:hash, :domain, :schema, :text, :created)",
                {**scenario, "created": now},
            )
            self._db.execute(
                "insert or ignore into run(id, scenario, controller, seeds, created) "
                "values(?, ?, ?, ?, ?)",
                (
                    run,
                    scenario["hash"],
                    json.dumps(list(controllers)),
                    json.dumps(list(seeds)),
                    now,
                ),
            )
            self._db.executemany(
                "insert into job(id, run, kind, controller, seed, state, created) "
                "values(?, ?, ?, ?, ?, 'queued', ?) on conflict(id) do update set "
                "state='queued', reason='', attempt=0 where state<>'done'",
                [(job, run, kind, name, seed, now) for job, kind, name, seed in rows],
            )
            self._db.executemany(
                "insert or ignore into run_job values(?, ?)", [(run, row[0]) for row in rows]
            )

    def forget_run(self, run: str) -> None:
        """Delete a run and those of its jobs that no other run has and that never finished."""
        with self._write():
            self._db.execute("delete from run_job where run=?", (run,))
            self._db.execute("delete from event where run=?", (run,))
            self._db.execute("delete from artefact where run=?", (run,))
            self._db.execute("delete from run where id=?", (run,))
            self._db.execute(
                "delete from job where state<>'done' and id not in (select job from run_job)"
            )

    def jobs(self, run: str) -> list[JobRow]:
        """Jobs of a run by kind, controller and seed."""
        rows = self._db.execute(
            "select id, kind, controller, seed, state, reason, attempt, worker, result from job "
            "join run_job on job=id where run_job.run=? order by kind, controller, seed",
            (run,),
        )
        return [_job_row(row) for row in rows]

    def start(self, jobs: Iterable[str], worker: str) -> None:
        """Mark jobs as running on a worker; each start is a new attempt."""
        rows = [(time.time(), worker, job) for job in jobs]
        with self._write():
            self._db.executemany(
                "update job set state='running', attempt=attempt+1, started=?, worker=? "
                "where id=? and state<>'done'",
                rows,
            )

    def finish(self, job: str, result: Mapping[str, Any] | None) -> None:
        """Store a job's result; its metrics also as rows of `metric`."""
        text = json.dumps(result, allow_nan=False)
        metrics = (result or {}).get("metrics", {})
        with self._write():
            self._db.execute(
                "update job set state='done', reason='', progress=1, result=?, ended=? where id=?",
                (text, time.time(), job),
            )
            self._db.executemany(
                "insert or replace into metric values(?, ?, 0, ?)",
                [(job, name, value) for name, value in metrics.items()],
            )

    def settle(self, jobs: Iterable[str], state: State, reason: str = "") -> None:
        """Put jobs that are not done into another state: failed, cancelled, queued."""
        rows = [(state, reason, time.time(), job) for job in jobs]
        with self._write():
            self._db.executemany(
                "update job set state=?, reason=?, ended=? where id=? and state<>'done'", rows
            )

    def event(self, run: str, level: str, text: str) -> None:
        """Append to the run's log of events."""
        with self._write():
            self._db.execute(
                "insert into event values(?, ?, ?, ?)", (run, time.time(), level, text)
            )

    def events(self, run: str) -> list[tuple[float, str, str]]:
        """(time, level, text) of a run, oldest first."""
        rows = self._db.execute("select t, level, text from event where run=? order by t", (run,))
        return [(t, level, text) for t, level, text in rows]

    def artefact(self, run: str, path: str, sha256: str, kind: str, size: int) -> None:
        """Record a file of a run."""
        with self._write():
            self._db.execute(
                "insert or replace into artefact values(?, ?, ?, ?, ?)",
                (run, path, sha256, kind, size),
            )

    def artefacts(self, run: str) -> list[tuple[str, str, str, int]]:
        """(path, sha256, kind, bytes) of a run's files, by path."""
        rows = self._db.execute(
            "select path, sha256, kind, bytes from artefact where run=? order by path", (run,)
        )
        return [(path, sha256, kind, size) for path, sha256, kind, size in rows]

    def summarise(self, run: str, summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Store a run's result document and manifest."""
        with self._write():
            self._db.execute(
                "update run set summary=?, manifest=? where id=?",
                (json.dumps(summary), json.dumps(manifest), run),
            )

    def runs(self, limit: int = 100) -> list[RunRow]:
        """The latest runs, newest first."""
        rows = self._db.execute(
            "select id, scenario, controller, seeds, summary, manifest, created from run "
            "order by created desc limit ?",
            (limit,),
        )
        return [_run_row(row) for row in rows]

    def run(self, run: str) -> RunRow:
        """One run by its id, by a prefix that only it has, or the `latest` that finished.

        Raises:
            UnknownNameError: no run, or more than one, starts with that.
        """
        if run == "latest":
            finished = [row for row in self.runs() if row.summary is not None]
            if finished:
                return finished[0]
        rows = self._db.execute(
            "select id, scenario, controller, seeds, summary, manifest, created from run "
            "where substr(id, 1, ?)=?",
            (len(run), run),
        ).fetchall()
        exact = [row for row in rows if row[0] == run] or rows
        if len(exact) != 1:
            known = [row.id for row in self.runs(20)]
            raise UnknownNameError(run, f"run in {self.workspace}", known)
        return _run_row(exact[0])

    def scenario_text(self, scenario_hash: str) -> str:
        """Text of a stored scenario.

        Raises:
            UnknownNameError: there is none of that hash.
        """
        row = self._db.execute(
            "select text from scenario where hash=?", (scenario_hash,)
        ).fetchone()
        if row is None:
            raise UnknownNameError(scenario_hash, "stored scenario", [])
        return str(row[0])


def existing_store(workspace: Path) -> Store:
    """The store of a workspace, which must be there already.

    Raises:
        TrimtabError: there is none.
    """
    if not (workspace / STORE_FILE).exists():
        msg = f"{workspace}: has no job store yet: run a scenario, or name another --workspace"
        raise TrimtabError(msg)
    return Store(workspace)


def _job_row(row: tuple[Any, ...]) -> JobRow:
    job, kind, controller, seed, state, reason, attempt, worker, result = row
    plain = json.loads(result) if result else None
    return JobRow(job, kind, controller, seed, state, reason, attempt, worker or "", plain)


def _run_row(row: tuple[Any, ...]) -> RunRow:
    run, scenario, controllers, seeds, summary, manifest, created = row
    return RunRow(
        run,
        scenario,
        tuple(json.loads(controllers)),
        tuple(json.loads(seeds)),
        json.loads(summary) if summary else None,
        json.loads(manifest) if manifest else None,
        created,
    )
