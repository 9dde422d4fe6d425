import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def group_is_gone() -> Callable[[int], bool]:
    """Whether a process group ends within 20 s; zombies that wait for init count as gone."""
    return _gone


def _gone(group: int) -> bool:
    done = threading.Event()

    def watch() -> None:
        while _alive(group):
            done.wait(0.02)
        done.set()

    threading.Thread(target=watch, daemon=True).start()
    return done.wait(20)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(_runs_in(stat, group) for stat in Path("/proc").glob("[0-9]*/stat"))


def _runs_in(stat: Path, group: int) -> bool:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[2]) == group and fields[0] != "Z"
