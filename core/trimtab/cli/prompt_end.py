"""Ctrl-C that ends within a second, also while the main thread is in a long native call.

Python raises KeyboardInterrupt between two of its own instructions, so a compiled kernel or a
solver that works for seconds is first waited for. A thread that sleeps on the signal itself ends
the process where the main thread has not reacted in time. What training writes is written whole or
not at all, so nothing is left torn.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from trimtab.cli.session import INTERRUPTED

PATIENCE_S = 0.5
SAID = b"interrupted; nothing half-written is left, run the same command to start again\n"


@contextmanager
def prompt_end(patience_s: float = PATIENCE_S) -> Iterator[None]:
    """While open, an interrupt ends the process, at the latest `patience_s` after it.

    The interpreter is not taken down in order: with a big library loaded that takes seconds.
    In another thread than the main one it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(ours, patience_s), daemon=True)
    watch.start()
    try:
        yield
    except KeyboardInterrupt:
        _end()
    finally:
        signal.set_wakeup_fd(before)
        pythons.close()
        watch.join()
        ours.close()


def _watch(signals: socket.socket, patience_s: float) -> None:
    while number := signals.recv(1):
        if number[0] == signal.SIGINT:
            time.sleep(patience_s)
            _end()


def _end() -> NoReturn:
    os.write(sys.stderr.fileno(), SAID)
    os._exit(INTERRUPTED)
