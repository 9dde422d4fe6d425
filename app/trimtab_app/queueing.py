"""Queues a run from a process of its own: planning reads the user's files and domain code.

``python -m trimtab_app.queueing REQUEST`` does it and prints one JSON document; the app starts
that through `confined`, so that no domain code runs in the server.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from trimtab.contracts.errors import RunFailedError, TrimtabError
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import load_scenario
from trimtab.run.workspace import Workspace

from trimtab_app import confined

MEGABYTES = 8000
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Request:
    """What to queue.

    Attributes:
        source: path of a scenario file in the workspace, or a shipped id.
        command: what reproduces it.
    """

    workspace: str
    source: str
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    owner: str = ""
    command: str = ""


def enqueue(request: Request) -> str:
    """Queue a run; return its id.

    Raises:
        RunFailedError: with the reason that the command line would give.
    """
    words = ["trimtab_app.queueing", json.dumps(asdict(request))]
    ended = confined.run(words, Path(request.workspace), MEGABYTES, SECONDS)
    if "run_id" not in ended.document:
        raise RunFailedError(ended.reason, 2)
    return str(ended.document["run_id"])


def main() -> None:
    """Do one request."""
    given = json.loads(sys.argv[1])
    request = Request(**{**given, "controllers": tuple(given["controllers"])})
    workspace = Path(request.workspace)
    try:
        inside = workspace if Path(request.source).is_file() else None
        loaded = load_scenario(request.source, inside=inside)
        options = RunOptions(
            controllers=request.controllers, seeds=tuple(request.seeds), workspace=workspace
        )
        run = Workspace(workspace).enqueue(
            loaded, options, command=request.command, owner=request.owner
        )
    except TrimtabError as error:
        document = {"error": str(error)}
    else:
        document = {"run_id": run}
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
