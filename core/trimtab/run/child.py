"""Child processes: started as programs, spoken to in JSON lines, ended without leaving orphans.

A child runs one of our modules, single-threaded, in a process group of its own, with standard
output and error on a log file. It is told to stop, or sees its pipe close when the parent dies,
and then ends its whole group (`serve`), simulators included.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

STOP_GRACE_S = 5.0
_POOLS = (
    *("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "NUMEXPR_NUM", "NUMBA_NUM", "VECLIB_MAXIMUM"),
    "TORCHINDUCTOR_COMPILE",  # its pool of processes costs more than it saves on one learning step
)
SINGLE_THREAD = {f"{pool}_THREADS": "1" for pool in _POOLS}
Message = Mapping[str, Any]
Send = Callable[[Message], None]
Inbox = queue.SimpleQueue[dict[str, Any] | None]


class Child:
    """The parent's end of one child process."""

    def __init__(
        self,
        module: str,
        log: Path,
        fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``python -m module READ_FD WRITE_FD [fds...]``.

        Args:
            module: calls `serve`.
            log: file that its descriptors 1 and 2 append to.
            fds: further descriptors it inherits; they stay open here.
            environment: variables added to those of this process.
        """
        child_reads, self._write = os.pipe()
        self._read, child_writes = os.pipe()
        inherited = (child_reads, child_writes, *fds)
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", module, *(str(fd) for fd in inherited)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=inherited,
                start_new_session=True,
                env={
                    **os.environ,
                    **SINGLE_THREAD,
                    **(environment or {}),
                    "PYTHONPATH": os.pathsep.join(sys.path),
                },
            )
        os.close(child_reads)
        os.close(child_writes)
        self._buffer = b""
        self._open = True

    @property
    def name(self) -> str:
        """``host:pid:pgid``."""
        return f"{os.uname().nodename}:{self.process.pid}:{self.process.pid}"

    def fileno(self) -> int:
        """Descriptor that becomes readable when it answers or dies."""
        return self._read

    def send(self, message: Message) -> None:
        """Send one message; one that is dead is noticed by `receive`."""
        with contextlib.suppress(BrokenPipeError):
            _write_all(self._write, message)

    def receive(self) -> list[dict[str, Any]] | None:
        """Messages that are complete, after waiting for some bytes; None when it is dead."""
        chunk = os.read(self._read, 1 << 16)
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def stop(self) -> None:
        """Ask an idle child to go; kill it where it does not."""
        self.send({"stop": True})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_GRACE_S)
        self.kill()

    def terminate(self) -> None:
        """Ask its process group to end (SIGTERM)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGTERM)

    def kill(self) -> str:
        """End its process group, reap it, and say how it ended; harmless when repeated."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        if self._open:
            os.close(self._write)
            os.close(self._read)
            self._open = False
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _write_all(fd: int, message: Message) -> None:
    left = memoryview(json.dumps(message).encode() + b"\n")
    while left:
        left = left[os.write(fd, left) :]


def serve(read_fd: int, write_fd: int) -> tuple[Iterator[dict[str, Any]], Send]:
    """The child's end: messages until the farewell, and how to answer.

    A thread listens, so that the death of the parent ends the group even during a long call.
    """
    messages, send = inbox(read_fd, write_fd)
    return iter(messages.get, None), send


def inbox(
    read_fd: int, write_fd: int, orphaned: Sequence[Callable[[], None]] = ()
) -> tuple[Inbox, Send]:
    """As `serve`, with the queue itself; None in it is the farewell.

    Args:
        read_fd: where the parent writes.
        write_fd: where answers go.
        orphaned: called, as it is then, when the parent is dead and before the group is ended.
    """
    messages: Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(read_fd, messages, orphaned), daemon=True).start()

    def send(message: Message) -> None:
        try:
            _write_all(write_fd, message)
        except BrokenPipeError:  # the parent is dead: the listener ends this process
            threading.Event().wait()

    return messages, send


def _listen(read_fd: int, messages: Inbox, orphaned: Sequence[Callable[[], None]]) -> None:
    with os.fdopen(read_fd, encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            messages.put(None if message.get("stop") else message)
            if message.get("stop"):
                return
    try:
        for last_act in orphaned:
            last_act()
    finally:
        end_group()


def end_group() -> None:
    """End this process and every other of its group, simulators included, at once."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
