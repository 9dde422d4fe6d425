"""Runs a module with limits: what reads a user's file may not hurt the app.

``python -m trimtab_app.confined MEGABYTES SECONDS MODULE WORDS...`` limits its own address space
and processor time and then is that module; `run` starts this and waits for it. The limit on memory
is a soft one: a program that the module starts may raise its own up to `TOOL_MEGABYTES`.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.run.child import SINGLE_THREAD

MEGABYTES = 512
"""Address space of what reads a user's file."""
TOOL_MEGABYTES = 1200
"""The same of programs that it starts: netconvert maps 800 of libraries before it reads a byte."""
SECONDS = 60
LEAST_WALL_S = 30
"""Wall time that any module gets, whatever its processor time: the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a module ended: its JSON document, and what it said to the reader."""

    code: int
    document: dict[str, Any]
    said: str

    @property
    def reason(self) -> str:
        """Why it failed, in its own words."""
        return str(self.document.get("error") or self.said or f"ended with exit code {self.code}")


def command_line(words: Sequence[str], folder: Path) -> Ended:
    """Run a command of the command line with `--json` in a folder, within limits."""
    return run(["trimtab.cli", *words, "--json"], folder)


def run(
    words: Sequence[str], folder: Path, megabytes: int = MEGABYTES, seconds: int = SECONDS
) -> Ended:
    """Run a module, the first of `words`, in a folder, within limits.

    Its standard output is one JSON document, its standard error is for the reader.
    """
    limits = (str(megabytes), str(seconds))
    wall_s = max(2 * seconds, LEAST_WALL_S)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "trimtab_app.confined", *limits, *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=wall_s,
            start_new_session=True,
            env={**os.environ, **SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(1, {}, f"took longer than {wall_s} s and was stopped")
    if done.returncode < 0:
        said = f"was stopped at its limits ({megabytes} MB, {seconds} s of processor time)"
        return Ended(done.returncode, {}, said)
    return Ended(done.returncode, _document(done.stdout), done.stderr.strip())


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def main() -> None:
    """Set the limits, then be the module."""
    megabytes, seconds = int(sys.argv[1]), int(sys.argv[2])
    most = max(megabytes, TOOL_MEGABYTES)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, most * 2**20))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, sys.argv = sys.argv[3], sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
