"""The loop over rounds, compiled as one function and cached under the sources' fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.control import control
from trimtab_hardware.dram.engine.events import next_round, post
from trimtab_hardware.dram.engine.frontend import TO_FRONT, TO_SOURCE, run_box
from trimtab_hardware.dram.engine.state import (
    BEGIN,
    CONTROL_PROCESS,
    FINISHED,
    FRONT_PROCESS,
    HEAP_FULL,
    LOG_FULL,
    STUCK,
    compiled,
)

Array = np.ndarray[Any, Any]


@cache
def engine_fingerprint() -> str:
    """SHA-256 over the sources that decide a result: the engine's version."""
    digest = hashlib.sha256()
    for file in sorted(
        (resources.files("trimtab_hardware.dram") / "engine").iterdir(), key=lambda item: item.name
    ):
        if file.name.endswith(".py"):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _build(fingerprint: str) -> Callable[..., int]:
    """Compile the loop; the closure over `fingerprint` makes it part of Numba's cache key."""

    @compiled(cache=True, nogil=True)
    def run(
        s: Any, c: Any, q: Array, h: Array, responses: Array, returns: Array, log: Array
    ) -> int:
        """Simulate until the last response, or until the log or the heap must grow."""
        if s.round == 0 and len(fingerprint) > 0:
            s.round = 1
            control(s, c, q, h, responses, log)
            s.issued = 1
            post(s, h, TO_FRONT, BEGIN, 0, q[0].arrival)
        while next_round(s, h):
            for k in range(s.run_size):
                process = s.run_list[k]
                if process == CONTROL_PROCESS:
                    control(s, c, q, h, responses, log)
                elif process == FRONT_PROCESS:
                    run_box(s, c, q, h, returns, TO_FRONT)
                else:
                    run_box(s, c, q, h, returns, TO_SOURCE)
            if s.completed == c.requests:
                return FINISHED
            if s.log_size >= len(log) - 2:
                return LOG_FULL
            if s.heap_size >= len(h) - 32:
                return HEAP_FULL
        return STUCK

    entry: Callable[..., int] = run
    return entry


run = _build(engine_fingerprint())
