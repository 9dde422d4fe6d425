"""A service counter as a separate program: one JSON command a line in, one JSON answer out.

Commands: ``["reset", seed]``, ``["step", desks]``, ``["quit"]``. Arrivals are Poisson with mean
`ARRIVALS_PER_MIN`; a desk serves one customer a minute.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np

ARRIVALS_PER_MIN = 1.4


def answers(commands: Iterable[str], crash_at_min: int, hang_at_min: int) -> Iterator[str]:
    """Answer each command; crash or hang on purpose at the given minute (−1: never)."""
    rng, queue, minute = np.random.default_rng(0), 0, 0
    for line in commands:
        name, *arguments = json.loads(line)
        if name == "quit":
            return
        if name == "reset":
            rng, queue, minute = np.random.default_rng(arguments[0]), 0, 0
        else:
            minute += 1
            if minute == crash_at_min:
                os._exit(7)
            while minute == hang_at_min:
                time.sleep(3600)
            queue = max(queue + int(rng.poisson(ARRIVALS_PER_MIN)) - arguments[0], 0)
        yield json.dumps({"queue": queue})


def main() -> None:
    """Serve standard input until it ends."""
    crash_at_min, hang_at_min = (int(a) for a in sys.argv[1:3])
    for answer in answers(sys.stdin, crash_at_min, hang_at_min):
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
