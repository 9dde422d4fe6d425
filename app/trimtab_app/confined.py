"""Runs a command of the command line with limits: what reads a user's file may not hurt the app.

``python -m trimtab_app.confined MEGABYTES SECONDS COMMAND...`` limits its own address space and
processor time and then is the command line; `run` starts that and waits for it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.run.child import SINGLE_THREAD

MEGABYTES = 2000
"""Address space, most of it libraries that are mapped and never touched."""
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its JSON document, and what it said to the reader."""

    code: int
    document: dict[str, Any]
    said: str

    @property
    def reason(self) -> str:
        """Why it failed, in its own words."""
        return str(self.document.get("error") or self.said or f"ended with exit code {self.code}")


def run(
    command: Sequence[str], folder: Path, megabytes: int = MEGABYTES, seconds: int = SECONDS
) -> Ended:
    """Run a command with `--json` in a folder, within limits."""
    limits = (str(megabytes), str(seconds))
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "trimtab_app.confined", *limits, *command, "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10 * seconds,
            start_new_session=True,
            env={**os.environ, **SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(1, {}, f"took longer than {10 * seconds} s and was stopped")
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
    """Set the limits, then be the command line."""
    megabytes, seconds = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = ["trimtab", *sys.argv[3:]]
    from trimtab.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
