"""The supervisor: one per workspace, it keeps workers on whatever is queued.

`trimtab worker` runs it in the foreground; `start_supervisor` starts it as a process of its own
session, so that it outlives the terminal or server that asked for it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from trimtab.contracts.errors import TrimtabError
from trimtab.run.crew import MAX_STEP_S, Crew, Watcher
from trimtab.run.duty import Duty
from trimtab.run.scope import Scope
from trimtab.run.store import Store, unusable

LOCK_FILE = "supervisor.lock"
LOG_FILE = "supervisor.log"
START_WAIT_S = 20.0


@contextmanager
def supervising(workspace: Path) -> Iterator[None]:
    """Hold the workspace's supervisor lock; it ends with this process, however that ends.

    Raises:
        TrimtabError: another process holds it, or the folder cannot be used.
    """
    with _lock_file(workspace) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = supervisor_pid(workspace)
            msg = f"{workspace}: a supervisor is at work already (process {pid}): one is enough"
            raise TrimtabError(msg) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _lock_file(workspace: Path) -> TextIO:
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        return (workspace / LOCK_FILE).open("a+")
    except OSError as error:
        raise TrimtabError(unusable(workspace, error)) from None


def supervisor_pid(workspace: Path) -> int | None:
    """Process id of the workspace's supervisor; None where there is none."""
    path = workspace / LOCK_FILE
    if not path.exists():
        return None
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = lock.read().strip()
            return int(text) if text.isdigit() else 0
        return None


class _Stop:
    """Set by SIGINT and SIGTERM while `heeding`."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:  # asked twice: at once
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def heeding(self) -> Iterator[None]:
        old = {n: signal.signal(n, self) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def supervise(
    workspace: Path,
    slots: int,
    *,
    until_idle: bool = False,
    say: Callable[[str], None] = lambda text: None,
    duty: Duty | None = None,
    max_step_s: float = MAX_STEP_S,
) -> None:
    """Keep `slots` workers on the workspace's queue until told to stop (SIGINT, SIGTERM).

    Workers that are busy then are ended and their jobs go back to the queue: whoever claims them
    next goes on from their checkpoints.

    Args:
        workspace: made where there is none.
        slots: worker processes at most.
        until_idle: return when nothing is open any more.
        say: called with a line when something happens.
        duty: what workers are told, for tests; its workspace and run are set here.
        max_step_s: see `Crew`.

    Raises:
        TrimtabError: another supervisor is at work, or the store cannot be used.
    """
    stop = _Stop()
    told = duty or Duty(str(workspace.resolve()))
    with supervising(workspace), Store(workspace) as store, stop.heeding():
        say(f"{workspace}: {slots} worker slots; stop with Ctrl-C or SIGTERM")
        with Crew(store, told, slots, Watcher(noted=say), max_step_s) as crew:
            while not stop.asked and not (until_idle and not Scope().open_jobs(store.db)):
                crew.tick()


def start_supervisor(workspace: Path, slots: int | None = None) -> int:
    """Start a supervisor in a session of its own where there is none.

    Args:
        workspace: made where there is none.
        slots: worker processes; None is the number of CPUs.

    Returns:
        Its process id, or that of the one that is there already.

    Raises:
        TrimtabError: it did not start.
    """
    pid = supervisor_pid(workspace)
    if pid is not None:
        return pid
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrimtabError(unusable(workspace, error)) from None
    command = [sys.executable, "-P", "-m", "trimtab.cli", "worker"]
    command += ["--workspace", str(workspace.resolve())]
    command += [] if slots is None else ["--slots", str(slots)]
    with (workspace / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    until = time.monotonic() + START_WAIT_S
    while (pid := supervisor_pid(workspace)) is None and time.monotonic() < until:
        time.sleep(0.05)
        if process.poll() not in (None, 0):  # another one may have been faster
            break
    pid = supervisor_pid(workspace)
    if pid is None:
        msg = f"{workspace}: the supervisor did not start: see {workspace / LOG_FILE}"
        raise TrimtabError(msg)
    return pid
