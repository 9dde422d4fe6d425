"""A worker process: claims jobs of the store one after another and does them.

Started by `run.crew` through `run.child.Child`; it stays warm over jobs, sends hints to its
parent (what began, what ended; the store alone is the truth), and ends with its whole process
group when the parent dies. While it does a job, its descriptors 1 and 2 go to the run's log.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import RunFailedError, TrimtabError
from trimtab.run.checkpoints import remove_strays
from trimtab.run.child import Send, end_group, inbox
from trimtab.run.claims import Claimer, LeaseLostError
from trimtab.run.controllers import importable_from
from trimtab.run.duty import LOG_FILE, Duty
from trimtab.run.identity import versions
from trimtab.run.lease import DiskFullError, Heartbeat, JobCancelledError, Lease, has_space
from trimtab.run.schema import STORE_FILE, connect
from trimtab.run.work import KINDS, TaskFailedError

IDLE_POLL_S = 0.5


class Worker:
    """The claim loop of one process."""

    def __init__(self, duty: Duty, send: Send, heartbeat: Heartbeat) -> None:
        workspace = Path(duty.workspace)
        self._duty, self._workspace, self._send = duty, workspace, send
        self._full = connect(workspace / STORE_FILE, "full")
        self._normal = connect(workspace / STORE_FILE, "normal")
        self._heartbeat, self._torn = heartbeat, False
        name = f"{os.uname().nodename}:{os.getpid()}:{os.getpgrp()}"
        self._claimer = Claimer(self._full, workspace, name, duty.scope, duty.share, duty.lease_s)

    def work(self) -> bool:
        """Do the next jobs; False where nothing waits, or where there is no room to work."""
        if not has_space(self._workspace, self._duty.min_free_bytes) or not self._something_waits():
            return False
        claimed = self._claimer.claim()
        if claimed is None:
            return False
        remove_strays(self._full, self._workspace, claimed.claims)
        self._heartbeat.hold(claimed.claims)
        lease = Lease(
            claimed,
            self._workspace,
            self._full,
            self._normal,
            self._heartbeat,
            self._duty.checkpoint_every_s,
            self._duty.min_free_bytes,
        )
        first = claimed.claims[0]
        about = {"kind": first.kind, "controller": first.controller, "seeds": lease.seeds}
        self._send({"began": {**about, "step": claimed.restored.step if claimed.restored else 0}})
        _log_to(self._workspace / "runs" / first.run / LOG_FILE)
        self._do(lease)
        self._send({"ended": about})
        if self._torn or (claimed.task.get("own") and not self._duty.scope.is_limited):
            end_group()  # a simulator may live on; another folder may have the same module names
        return True

    def _something_waits(self) -> bool:
        """A look without the write lock."""
        row = self._full.execute(
            "select 1 from job where state='queued' and ready=1 limit 1"
        ).fetchone()
        return row is not None

    def _do(self, lease: Lease) -> None:
        """Do held jobs and settle them; a group that fails is done again one by one."""
        failure = self._attempt(lease)
        if failure is None:
            return
        if len(lease.claims) == 1:
            lease.fail(*failure)
            return
        for claim in lease.claims:
            own = lease.alone(claim)
            failure = self._attempt(own)
            if failure is not None:
                own.fail(*failure)

    def _attempt(self, lease: Lease) -> tuple[str, int] | None:
        """Do jobs; the reason and exit code of a failure, None where they are settled."""
        tell = partial(_tell, self._send)
        try:
            self._check_versions(lease)
            lease.done(*KINDS[lease.claims[0].kind](lease, tell))
        except JobCancelledError:
            self._torn = True
            lease.cancel()
        except DiskFullError:
            self._send({"note": f"{self._workspace}: the disk is full; jobs wait for room"})
            self._torn = True
            self._pause(lease)
        except (LeaseLostError, sqlite3.Error):
            raise
        except TaskFailedError as failed:
            return failed.reason, failed.exit_code
        except Exception as error:  # noqa: BLE001 - whatever domain code raises ends this job only
            traceback.print_exc()
            ours = isinstance(error, TrimtabError)
            code = error.exit_code if isinstance(error, TrimtabError) else 1
            return str(error) if ours else f"{type(error).__name__}: {error}", code
        return None

    def _check_versions(self, lease: Lease) -> None:
        """A job is done under the versions that its id hashes, or not at all."""
        task = lease.task
        if task.get("own"):
            importable_from(Path(task["folder"]))
        if "domain" not in task:
            return
        present = versions(task["domain"])
        other = sorted(k for k, v in task["versions"].items() if present.get(k) != v)
        if other:
            msg = (
                f"queued under other versions of {', '.join(other)}: run its scenario again "
                "(a worker that was started before an upgrade must be started anew)"
            )
            raise RunFailedError(msg, 2)

    def _pause(self, lease: Lease) -> None:
        try:
            lease.pause()
        except DiskFullError:  # not even room to say so: the lease lapses, the job stays queued
            self._send({"note": "the store itself cannot grow"})


def _tell(send: Send, step: int) -> None:
    send({"step": step})


def _log_to(path: Path) -> None:
    """Send what is printed from now on to the run's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def main() -> None:
    """Work until told to stop; the first message is the duty."""
    orphaned: list[Callable[[], None]] = []
    messages, send = inbox(int(sys.argv[1]), int(sys.argv[2]), orphaned)
    first = messages.get()
    if first is None:
        return
    duty = Duty(**first["duty"])
    heartbeat = Heartbeat(Path(duty.workspace), duty.lease_s)
    orphaned.append(heartbeat.orphaned)
    worker = Worker(duty, send, heartbeat)
    while True:
        try:
            worked = worker.work()
        except LeaseLostError:  # someone else has the job: say nothing, write nothing
            end_group()
            return
        if _next(messages, wait=not worked) is None:
            return


def _next(messages: queue.SimpleQueue[dict[str, Any] | None], *, wait: bool) -> Any:
    """The next message, or an empty one where there is none (in time)."""
    try:
        return messages.get(timeout=IDLE_POLL_S) if wait else messages.get_nowait()
    except queue.Empty:
        return {}


if __name__ == "__main__":
    main()
