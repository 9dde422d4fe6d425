"""A worker's hold on the jobs it does: heartbeat, cancel, metrics, checkpoints, endings.

Whatever a kind of job is, its code gets a `Lease` and nothing else of the store::

    lease.check()                       # at every step: raises where it is cancelled or lost
    lease.advance(step, progress, rows) # figures, at NORMAL durability
    lease.checkpoint(step, arrays, plain, ...)
    lease.restored()                    # where to go on, or None
    lease.done([result, ...])
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import CheckpointError
from trimtab.run.checkpoints import (
    Arrays,
    Checkpoint,
    file_of,
    keep_checkpoint,
    read_file,
    write_file,
)
from trimtab.run.child import end_group
from trimtab.run.claims import (
    LEASE_S,
    Claim,
    Claimed,
    Ending,
    LeaseLostError,
    Rows,
    Update,
    advance,
    fenced,
    note,
    release,
    renew,
    settle,
)
from trimtab.run.schema import STORE_FILE, connect, writing

POLL_S = 0.2
CANCEL_GRACE_S = 0.3
MIN_FREE_BYTES = 32 << 20
DISK_FULL = "disk full"


class JobCancelledError(Exception):
    """The user cancelled the job: end it."""


class DiskFullError(Exception):
    """There is no room to go on: pause the job."""


class Heartbeat:
    """A thread with a connection of its own that keeps leases alive and watches for cancels.

    Where the main thread does not heed a cancel, or holds jobs that were lost, this thread ends
    the process group; it needs the interpreter lock for that, which compiled kernels release.
    """

    def __init__(
        self, workspace: Path, lease_s: float = LEASE_S, grace_s: float = CANCEL_GRACE_S
    ) -> None:
        self.cancelled = threading.Event()
        self.lost = threading.Event()
        self._path, self._lease_s, self._grace_s = workspace / STORE_FILE, lease_s, grace_s
        self._claims: tuple[Claim, ...] = ()
        self._since = 0.0
        self._lock = threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def hold(self, claims: Sequence[Claim]) -> None:
        """Watch these jobs from now on."""
        with self._lock:
            self.cancelled.clear()
            self.lost.clear()
            self._claims, self._since = tuple(claims), 0.0

    def drop(self, claims: Sequence[Claim]) -> None:
        """Forget jobs that are about to be settled."""
        with self._lock:
            self._claims = tuple(claim for claim in self._claims if claim not in claims)

    def orphaned(self) -> None:
        """The parent is dead: give the jobs back, so that others need not wait for the lease."""
        with contextlib.suppress(Exception):
            db = connect(self._path)
            release(db, self._claims)

    def _run(self) -> None:
        db = connect(self._path, "normal")
        tick, renewed = threading.Event(), time.monotonic()
        while True:
            tick.wait(POLL_S)
            with self._lock, contextlib.suppress(sqlite3.OperationalError, LeaseLostError):
                if not self._claims:
                    renewed = time.monotonic()
                    continue
                self._look(db)
                if self.lost.is_set():  # what was lost cannot be renewed
                    continue
                if time.monotonic() - renewed >= self._lease_s / 5:
                    renew(db, self._claims, self._lease_s)
                    renewed = time.monotonic()

    def _look(self, db: sqlite3.Connection) -> None:
        flagged = []
        for claim in self._claims:
            row = db.execute(
                "select cancel from job where id=? and attempt=? and state='running'",
                (claim.job, claim.attempt),
            ).fetchone()
            if row is None:
                self._raise(self.lost)
            elif row[0]:
                self._raise(self.cancelled)
                flagged.append(claim)
        if self._since and time.monotonic() - self._since > self._grace_s:
            self._end(db, flagged)  # ends by SIGKILL

    def _raise(self, event: threading.Event) -> None:
        if not (self.cancelled.is_set() or self.lost.is_set()):
            self._since = time.monotonic()
        event.set()

    def _end(  # ends by SIGKILL
        self, db: sqlite3.Connection, flagged: list[Claim]
    ) -> None:
        """The main thread is stuck in a long call: settle for it and end the group."""
        with contextlib.suppress(LeaseLostError):
            give_up(db, self._claims, flagged)
        end_group()


def give_up(db: sqlite3.Connection, held: Sequence[Claim], flagged: Sequence[Claim]) -> None:
    """Settle flagged jobs as cancelled and give the others of their group back."""
    settle(db, [Ending(claim, "cancelled", "cancelled by the user") for claim in flagged])
    release(db, [claim for claim in held if claim not in flagged])


class Lease:
    """Jobs that this worker holds; every write carries their fencing tokens.

    Not for several threads.
    """

    def __init__(
        self,
        claimed: Claimed,
        workspace: Path,
        full: sqlite3.Connection,
        normal: sqlite3.Connection,
        heartbeat: Heartbeat,
        checkpoint_every_s: float,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self.claims, self.task = claimed.claims, claimed.task
        self.workspace = workspace
        self._from = claimed.restored
        self._full, self._normal, self._heartbeat = full, normal, heartbeat
        self._every_s, self._kept = checkpoint_every_s, time.monotonic()
        self._min_free = min_free_bytes

    @property
    def seeds(self) -> list[int]:
        """Seeds of the jobs, in order."""
        return [claim.seed for claim in self.claims]

    def check(self) -> None:
        """Call at every step; costs two flag reads.

        Raises:
            JobCancelledError: the user cancelled.
            LeaseLostError: someone else has these jobs now.
        """
        if self._heartbeat.lost.is_set():
            msg = f"job {self.claims[0].job[:12]}: lost its lease"
            raise LeaseLostError(msg)
        if self._heartbeat.cancelled.is_set():
            raise JobCancelledError

    def advance(self, step: int, progress: float, rows: Sequence[Rows] = ()) -> None:
        """Store figures up to `step`; `rows` has one list per job, in order.

        Raises:
            LeaseLostError: nothing was written.
            DiskFullError: there is no room left.
        """
        self._check_space()
        with _full_disk():
            advance(self._normal, self._updates(step, progress, rows))

    @property
    def checkpoint_is_due(self) -> bool:
        """Whether it is time to keep a checkpoint."""
        return time.monotonic() - self._kept >= self._every_s

    def checkpoint(
        self,
        step: int,
        arrays: Arrays,
        plain: Mapping[str, Any],
        progress: float = 0.0,
        rows: Sequence[Rows] = (),
        *,
        best: bool = False,
    ) -> None:
        """Keep what is needed to go on from `step`, with the figures up to it.

        Raises:
            LeaseLostError: nothing was written.
            DiskFullError: there is no room left.
        """
        self._check_space()
        path = file_of(self.claims, step)
        with _full_disk():
            sha256 = write_file(self.workspace / path, arrays, plain)
            updates = self._updates(step, progress, rows)
            keep_checkpoint(self._full, self.workspace, updates, path, sha256, best=best)
        self._kept = time.monotonic()

    def restored(self) -> Checkpoint | None:
        """The checkpoint to go on from, or None to begin at the beginning."""
        if self._from is None:
            return None
        try:
            return read_file(self.workspace / self._from.path, self._from.step)
        except CheckpointError as error:  # its hash agreed: written by a faulty program
            self.note("warning", str(error))
            return None

    def done(self, results: Sequence[Mapping[str, Any] | None], rows: Sequence[Rows] = ()) -> None:
        """Store the results, one per job in order, and let the jobs go."""
        spare: Sequence[Rows] = rows or [()] * len(self.claims)
        self._settle(
            [
                Ending(claim, "done", result=result, rows=own)
                for claim, result, own in zip(self.claims, results, spare, strict=True)
            ]
        )

    def fail(self, reason: str, exit_code: int) -> None:
        """The jobs failed for a reason that repeating would not mend."""
        for claim in self.claims:
            self.note("error", f"{claim.controller}, seed {claim.seed}: {reason}", [claim])
        self._settle([Ending(claim, "failed", reason, exit_code) for claim in self.claims])

    def pause(self) -> None:
        """There is no room on the disk: the jobs wait until there is."""
        self._settle([Ending(claim, "paused", DISK_FULL) for claim in self.claims])

    def cancel(self) -> None:
        """The user cancelled; members of the group that were not cancelled go back."""
        self._heartbeat.drop(self.claims)
        flagged = [claim for claim in self.claims if self._is_flagged(claim)]
        give_up(self._full, self.claims, flagged)

    def alone(self, claim: Claim) -> Lease:
        """A hold on one of the jobs, to be begun again; the others stay held."""
        lease = Lease(
            Claimed((claim,), self.task),
            self.workspace,
            self._full,
            self._normal,
            self._heartbeat,
            self._every_s,
            self._min_free,
        )
        with writing(self._full):
            fenced(self._full, claim, "step=0, progress=0", ())
            for table in ("metric", "checkpoint"):
                self._full.execute(f"delete from {table} where job=?", (claim.job,))  # noqa: S608
        return lease

    def note(self, level: str, text: str, claims: Sequence[Claim] | None = None) -> None:
        """Add a line to the events of every run that has these jobs."""
        with writing(self._normal):
            note(self._normal, [c.job for c in claims or self.claims], level, text)

    def _is_flagged(self, claim: Claim) -> bool:
        row = self._full.execute("select cancel from job where id=?", (claim.job,)).fetchone()
        return bool(row and row[0])

    def _settle(self, endings: list[Ending]) -> None:
        self._heartbeat.drop(self.claims)
        with _full_disk():
            settle(self._full, endings)

    def _updates(self, step: int, progress: float, rows: Sequence[Rows]) -> list[Update]:
        spare: Sequence[Rows] = rows or [()] * len(self.claims)
        return [
            Update(claim, step, progress, own)
            for claim, own in zip(self.claims, spare, strict=True)
        ]

    def _check_space(self) -> None:
        if not has_space(self.workspace, self._min_free):
            raise DiskFullError


def has_space(workspace: Path, min_free_bytes: int = MIN_FREE_BYTES) -> bool:
    """Whether the workspace's disk has room to work."""
    return shutil.disk_usage(workspace).free >= min_free_bytes


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """Turn the ways in which a full disk shows into one error."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise DiskFullError from None
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError from None
        raise
