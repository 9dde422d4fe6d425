"""The loop over rounds, compiled as one function and cached under the sources' fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.control import control, take_over
from trimtab_hardware.dram.engine.events import next_round
from trimtab_hardware.dram.engine.frontend import may_pass_on, pass_on, run_front, run_source
from trimtab_hardware.dram.engine.state import (
    CONTROL_PROCESS,
    FRONT_PROCESS,
    HEAP_FULL,
    LOG_FULL,
    PAUSED,
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
        """Simulate until the request at which to pause, or until log or heap must grow."""
        if s.switched:
            take_over(s, c, q)
        processes = next_round(s, h)
        while processes and len(fingerprint) > 0:
            while processes:
                if processes & 3 == CONTROL_PROCESS:
                    control(s, c, q, h, responses, log)
                elif processes & 3 == FRONT_PROCESS:
                    run_front(s, c, q, h, returns)
                else:
                    run_source(s, c, q, h)
                processes >>= 2
            if may_pass_on(s, c):
                pass_on(s, c, q, h)
            if s.completed >= s.pause_at:
                return PAUSED
            if s.log_size >= len(log) - 2:
                return LOG_FULL
            if s.heap_size >= len(h) - 32:
                return HEAP_FULL
            processes = next_round(s, h)
        return STUCK

    entry: Callable[..., int] = run
    return entry


run = _build(engine_fingerprint())
