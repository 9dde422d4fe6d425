"""Claims: how workers take jobs, and the fenced writes about jobs they hold.

A claim raises the job's `attempt`, its fencing token, and leases it for a while. Every write
checks the token in the transaction that it belongs to, so a worker that was stopped past its
lease, or whose job was settled by someone else, writes nothing. Clocks are monotonic and carry
the boot id: jumps of the wall clock change nothing.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import TrimtabError
from trimtab.run.identity import is_whole
from trimtab.run.rows import State
from trimtab.run.schema import writing
from trimtab.run.scope import Scope
from trimtab.run.series import write_envelope

LEASE_S = 15.0
MAX_DEATHS = 3
MAX_COPIES = 64
LONG_SERIES = 1000
REPORT = "report:"
"""A run's report job is called this and the run's id."""
Rows = Sequence[tuple[str, int, float | None]]
"""Metric rows of one job: name, step, value."""


class LeaseLostError(TrimtabError):
    """The job is no longer this worker's: nothing was written, and nothing may be."""

    exit_code = 1


@cache
def boot_id() -> str:
    """Identifies the present boot of this machine; monotonic clocks of another mean nothing."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else os.uname().nodename


@dataclass(frozen=True, slots=True)
class Claim:
    """One job that a worker holds; `attempt` is its fencing token."""

    job: str
    run: str
    kind: str
    controller: str
    seed: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the jobs of a claim go on: a checkpoint whose file is whole.

    Attributes:
        path: relative to the workspace.
    """

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """Jobs taken together: seeds that are played as copies, or one job.

    Attributes:
        task: what has to be done, the same for all of them.
    """

    claims: tuple[Claim, ...]
    task: dict[str, Any]
    restored: Restored | None = None

    @property
    def seeds(self) -> list[int]:
        """Seeds of the jobs, in order."""
        return [claim.seed for claim in self.claims]


@dataclass(frozen=True, slots=True)
class Claimer:
    """Takes jobs for one worker.

    Attributes:
        worker: ``host:pid:pgid``.
        scope: take only these jobs.
        share: workers that share the queue; a group of copies is cut into so many parts.
    """

    db: sqlite3.Connection
    workspace: Path
    worker: str
    scope: Scope = Scope()
    share: int = 1
    lease_s: float = LEASE_S

    def claim(self) -> Claimed | None:
        """The next jobs, or None where nothing waits."""
        with writing(self.db):
            first = self._first()
            if first is None:
                return None
            job, task_hash, deaths = first
            (text,) = self.db.execute("select text from task where hash=?", (task_hash,)).fetchone()
            task = json.loads(text)
            restored = None if deaths >= MAX_DEATHS - 1 else self._restored(job)
            jobs = [job]
            if task.get("batch") and deaths < MAX_DEATHS - 1:
                jobs = self._siblings(task_hash, restored)
            claims = tuple(self._take(job, restored) for job in jobs)
        return Claimed(claims, task, restored)

    def _first(self) -> tuple[str, str, int] | None:
        row = self.db.execute(
            "select id, task, deaths from job indexed by job_open "  # noqa: S608 - our own text
            f"where state='queued' and ready=1 and {self.scope.jobs} order by rank limit 1",
            self.scope.values,
        ).fetchone()
        return row if row is None else (row[0], row[1], row[2])

    def _siblings(self, task_hash: str, restored: Restored | None) -> list[str]:
        """Jobs of the same task that begin at the same point, in order; a fair share of them."""
        path = (
            "not exists (select 1 from checkpoint where job=job.id)"
            if restored is None
            else "exists (select 1 from checkpoint where job=job.id and path=:path)"
        )
        rows = self.db.execute(
            "select id from job where task=:task and state='queued' and ready=1 "  # noqa: S608
            f"and deaths<:deaths and {self.scope.jobs} and {path} order by rank",
            {
                **self.scope.values,
                "task": task_hash,
                "deaths": MAX_DEATHS - 1,
                "path": restored.path if restored else "",
            },
        ).fetchall()
        size = len(rows) if restored else min(MAX_COPIES, math.ceil(len(rows) / self.share))
        return [row[0] for row in rows[:size]]

    def _restored(self, job: str) -> Restored | None:
        """The newest checkpoint whose file is whole; rows of others are dropped, with a word."""
        rows = self.db.execute(
            "select step, path, sha256 from checkpoint where job=? order by step desc", (job,)
        ).fetchall()
        for step, path, sha256 in rows:
            if is_whole(self.workspace / path, sha256):
                return Restored(step, path)
            self.db.execute("delete from checkpoint where job=? and step=?", (job, step))
            note(self.db, [job], "warning", f"checkpoint {path} is damaged: the one before is used")
        return None

    def _take(self, job: str, restored: Restored | None) -> Claim:
        step = restored.step if restored else 0
        (row,) = self.db.execute(
            "update job set state='running', attempt=attempt+1, lease=?, boot_id=?, worker=?, "
            "started=?, cancel=0, reason='', step=? where id=? "
            "returning id, run, kind, controller, seed, attempt",
            (time.monotonic() + self.lease_s, boot_id(), self.worker, time.time(), step, job),
        ).fetchall()
        beyond = step if restored else -1
        self.db.execute("delete from metric where job=? and step>?", (job, beyond))
        self.db.execute("delete from envelope where job=?", (job,))
        if restored is None:
            self.db.execute("delete from checkpoint where job=?", (job,))
        return Claim(*row)


def fenced(db: sqlite3.Connection, claim: Claim, assignments: str, values: Sequence[Any]) -> None:
    """Update a held job inside the caller's transaction.

    Raises:
        LeaseLostError: the worker holds it no longer; the caller's transaction must be undone.
    """
    done = db.execute(
        f"update job set {assignments} where id=? and attempt=? and state='running'",  # noqa: S608
        (*values, claim.job, claim.attempt),
    )
    if done.rowcount != 1:
        msg = f"job {claim.job[:12]}: attempt {claim.attempt} lost its lease"
        raise LeaseLostError(msg)


def renew(db: sqlite3.Connection, claims: Iterable[Claim], lease_s: float = LEASE_S) -> None:
    """Extend the leases of held jobs."""
    until = time.monotonic() + lease_s
    with writing(db):
        for claim in claims:
            fenced(db, claim, "lease=?", (until,))


@dataclass(frozen=True, slots=True)
class Update:
    """Figures of one held job up to a step."""

    claim: Claim
    step: int
    progress: float
    rows: Rows = ()


def advance(db: sqlite3.Connection, updates: Iterable[Update]) -> None:
    """Store metrics and progress of held jobs in one transaction."""
    with writing(db):
        for update in updates:
            fenced(db, update.claim, "step=?, progress=?", (update.step, update.progress))
            insert_rows(db, update.claim.job, update.rows)


def insert_rows(db: sqlite3.Connection, job: str, rows: Rows) -> None:
    """Add metric rows; a step that is there already is an error, never overwritten."""
    if len(rows) == 1:  # a tenth of a commit is saved
        db.execute("insert into metric values(?, ?, ?, ?)", (job, *rows[0]))
    else:
        db.executemany("insert into metric values(?, ?, ?, ?)", [(job, *row) for row in rows])


@dataclass(frozen=True, slots=True)
class Ending:
    """How a held job ends.

    Attributes:
        result: plain data of a job that is done.
        rows: metric rows that are not stored yet.
    """

    claim: Claim
    state: State
    reason: str = ""
    exit_code: int = 0
    result: Mapping[str, Any] | None = None
    rows: Rows = field(default=())


def settle(db: sqlite3.Connection, endings: Sequence[Ending]) -> None:
    """End held jobs, with their results, in one transaction."""
    texts = [json.dumps(ending.result, allow_nan=False) for ending in endings]
    with writing(db):
        for ending, text in zip(endings, texts, strict=True):
            _settle(db, ending, text)
        ready_reports(db, [ending.claim.job for ending in endings])


def _settle(db: sqlite3.Connection, ending: Ending, text: str) -> None:
    job, done = ending.claim.job, ending.state == "done"
    fenced(
        db,
        ending.claim,
        "state=?, reason=?, exit_code=?, ended=?, cancel=0, lease=null, "
        "progress=case when ? then 1 else progress end",
        (ending.state, ending.reason, ending.exit_code, time.time(), done),
    )
    insert_rows(db, job, ending.rows)
    if done:
        metrics = (ending.result or {}).get("metrics", {})
        db.execute("insert or replace into result values(?, ?)", (job, text))
        db.executemany(
            "insert or replace into metric values(?, ?, 0, ?)",
            [(job, name, value) for name, value in metrics.items()],
        )
        _thin(db, job, ending.rows)


def _thin(db: sqlite3.Connection, job: str, rows: Rows) -> None:
    """Keep a thinned copy of series that are long, for charts."""
    (step,) = db.execute("select step from job where id=?", (job,)).fetchone()
    last = rows[-1][1] if rows else 0
    if max(step, last) > LONG_SERIES:
        write_envelope(db, job, LONG_SERIES)


def release(db: sqlite3.Connection, claims: Iterable[Claim]) -> None:
    """Give held jobs back to the queue, which is no failure of theirs."""
    with writing(db):
        for claim in claims:
            fenced(db, claim, "state='queued', lease=null, worker=null", ())


def ready_reports(db: sqlite3.Connection, jobs: Iterable[str]) -> None:
    """Let the report of every run of these jobs begin where nothing else of the run is open."""
    db.executemany(
        f"update job set ready=1 where ready=0 and state='queued' "  # noqa: S608 - our own text
        f"and id in (select '{REPORT}' || run from run_job where job=?) "
        "and (select sum(n) from tally where run=job.run "
        "and state in ('queued', 'running', 'paused'))=1",
        [(job,) for job in jobs],
    )


def note(db: sqlite3.Connection, jobs: Iterable[str], level: str, text: str) -> None:
    """Put a line into the log of events of every run that has these jobs."""
    marks = list(jobs)
    runs = {
        row[0]
        for job in marks
        for row in db.execute("select run from run_job where job=?", (job,)).fetchall()
    }
    rows = [(run, time.time(), level, text) for run in sorted(runs)]
    db.executemany("insert into event values(?, ?, ?, ?)", rows)


def is_dead(worker: str) -> bool:
    """Whether a worker of this machine is gone; of another machine's nothing is known."""
    host, _, rest = worker.partition(":")
    if host != os.uname().nodename or not rest:
        return False
    try:
        os.kill(int(rest.partition(":")[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def lapsed(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """(job, worker) of running jobs whose worker is dead or whose lease ran out; only reads."""
    rows = db.execute("select id, worker, lease, boot_id from job where state='running'").fetchall()
    now, here = time.monotonic(), boot_id()
    return [
        (job, worker or "")
        for job, worker, lease, boot in rows
        if lease is None or boot != here or lease < now or is_dead(worker)
    ]


def reap(db: sqlite3.Connection) -> None:
    """Queue again the jobs that dead workers and stopped ones left."""
    if not lapsed(db):
        return
    with writing(db):
        for job, worker in lapsed(db):
            if is_dead(worker):
                count_death(db, [job], "worker died")
                continue
            db.execute(
                "update job set state=case cancel when 1 then 'cancelled' else 'queued' end, "
                "lease=null where id=?",
                (job,),
            )
            note(db, [job], "warning", f"lease of {worker} lapsed: the job is given up")


def count_death(
    db: sqlite3.Connection,
    jobs: Sequence[str],
    what: str,
    log_tail: str = "",
    reason: str = "worker died",
) -> list[str]:
    """Queue running jobs of a dead worker again, or fail those that died too often.

    Three deaths in a row without a new stored step fail a job.

    Args:
        db: in a transaction.
        jobs: that it held.
        what: line for the log of events, with the last lines of the log after it.
        log_tail: these.
        reason: of a job that fails now.

    Returns:
        Those that failed.
    """
    failed = []
    for job in jobs:
        (step, deaths, death_step, cancel) = db.execute(
            "select step, deaths, death_step, cancel from job where id=?", (job,)
        ).fetchone()
        if cancel:
            db.execute("update job set state='cancelled', lease=null where id=?", (job,))
            continue
        deaths = 1 if step > death_step else deaths + 1
        over = deaths >= MAX_DEATHS
        db.execute(
            "update job set state=?, reason=?, exit_code=?, deaths=?, death_step=?, lease=null, "
            "ended=? where id=?",
            (
                "failed" if over else "queued",
                reason if over else "",
                int(over),
                deaths,
                max(step, death_step),
                time.time(),
                job,
            ),
        )
        if over:
            failed.append(job)
            note(db, [job], "error", f"{what}\n{log_tail}".strip())
    ready_reports(db, failed)
    return failed
