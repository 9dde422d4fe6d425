"""Queues a run from a process of its own: planning reads the user's files and domain code.

``python -m trimtab_app.queueing REQUEST`` does it and prints one JSON document; the app starts
that through `confined`, so that no domain code runs in the server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import RunFailedError, TrimtabError
from trimtab.contracts.scenario import Sweep
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import load_scenario
from trimtab.run.store import Store
from trimtab.run.sweep import plan_sweep
from trimtab.run.workspace import Workspace

from trimtab_app import confined

MEGABYTES = 8000
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be run: which controllers on which seeds, at one setting or at several."""

    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    sweep: Sweep | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What to queue.

    Attributes:
        source: path of a scenario file in the workspace, or a shipped id.
        command: what reproduces it.
    """

    workspace: str
    source: str
    chosen: Choice
    owner: str = ""
    command: str = ""


def sweep_setting(sweep: Sweep) -> str:
    """A sweep as `--set` takes it."""
    return f"sweep={sweep.model_dump_json()}"


def enqueue(request: Request) -> str:
    """Queue a run, or the runs of a sweep; return the id of the run, or that of the sweep.

    Raises:
        RunFailedError: with the reason that the command line would give.
    """
    chosen = request.chosen
    plain = {
        "workspace": request.workspace,
        "source": request.source,
        "controllers": chosen.controllers,
        "seeds": chosen.seeds,
        "sweep": None if chosen.sweep is None else chosen.sweep.model_dump(),
        "owner": request.owner,
        "command": request.command,
    }
    words = ["trimtab_app.queueing", json.dumps(plain)]
    ended = confined.run(words, Path(request.workspace), MEGABYTES, SECONDS)
    if "queued" not in ended.document:
        raise RunFailedError(ended.reason, 2)
    return str(ended.document["queued"])


def _queue(given: Mapping[str, Any]) -> str:
    workspace, source = Path(given["workspace"]), str(given["source"])
    inside = workspace if Path(source).is_file() else None
    options = RunOptions(
        controllers=tuple(given["controllers"]), seeds=tuple(given["seeds"]), workspace=workspace
    )
    command, owner = str(given["command"]), str(given["owner"])
    if given["sweep"] is None:
        loaded = load_scenario(source, inside=inside)
        return Workspace(workspace).enqueue(loaded, options, command=command, owner=owner)
    setting = sweep_setting(Sweep(**given["sweep"]))
    planned = plan_sweep(source, options, [setting], command, inside)
    with Store(workspace) as store:
        planned.begin(store, owner)
    return planned.id


def main() -> None:
    """Do one request."""
    try:
        document = {"queued": _queue(json.loads(sys.argv[1]))}
    except TrimtabError as error:
        document = {"error": str(error)}
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
