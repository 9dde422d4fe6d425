"""Runs a piece of work in a fork of this process, so that it leaves no trace here.

The fork copies the calling thread alone; it must use neither the store nor anything else that
another thread may hold. It speaks in JSON lines while it works.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any

LOOK_EVERY_S = 0.1
Send = Callable[[dict[str, Any]], None]


def apart(
    work: Callable[[Send], None],
    hear: Callable[[dict[str, Any]], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Do `work` in a child process and hear each message that it sends.

    A child that dies takes this process with it, in the same way: whoever watches this process
    then sees what happened.

    Args:
        work: is given what sends one JSON message.
        hear: called here with each message.
        check: called at least every `LOOK_EVERY_S`; what it raises ends the wait and the child.
            A simulator that the child started may live on in this process group until that ends.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live(work, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as stream:
            _listen(stream, hear, check)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    if status:
        os._exit(os.waitstatus_to_exitcode(status) or 1)


def _listen(stream: Any, hear: Callable[[dict[str, Any]], None], check: Callable[[], None]) -> None:
    buffer = b""
    while True:
        check()
        if not select.select([stream], [], [], LOOK_EVERY_S)[0]:
            continue
        chunk = stream.read(1 << 16)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            hear(json.loads(line))


def _live(work: Callable[[Send], None], writing: int) -> None:
    """The child's whole life: no clean-up of the parent's objects runs here."""
    code = 1
    try:
        with os.fdopen(writing, "wb") as stream:

            def send(message: dict[str, Any]) -> None:
                stream.write(json.dumps(message).encode() + b"\n")
                stream.flush()

            work(send)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
