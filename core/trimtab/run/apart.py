"""Runs a piece of work in a fork of this process, so that it leaves no trace here.

Only for single-threaded programs of our own: a fork copies one thread and every lock as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The JSON result of `work`, done in a child process.

    A child that dies takes this process with it, in the same way: whoever watches this process
    then sees what happened.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    if status or not text:
        os._exit(os.waitstatus_to_exitcode(status) or 1)
    result: dict[str, Any] = json.loads(text)
    return result


def _answer(work: Callable[[], dict[str, Any]], writing: int) -> None:
    """The child's whole life: no clean-up of the parent's objects runs here."""
    code = 1
    try:
        payload = json.dumps(work()).encode()
        with os.fdopen(writing, "wb") as stream:
            stream.write(payload)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
