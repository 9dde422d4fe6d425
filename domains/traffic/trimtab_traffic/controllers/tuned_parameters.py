"""Parameters that ship with the package: files that `trimtab tune` wrote on generated networks.

One file per rule profile and controller, `tuned/PROFILE/CONTROLLER.json`, with the command, seeds
and budget that made it. Nothing in them comes from networks whose licence forbids it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from trimtab.contracts.controller import Entry
from trimtab.contracts.problem import Budget
from trimtab.run.parameter_file import read_parameters

FOLDER = Path(__file__).parent / "tuned"


def with_shipped_parameters(name: str, entry: Entry, profile: str) -> Entry:
    """The entry with the parameters shipped for a profile, as it is where none ship.

    Raises:
        InputFileError: the shipped file is damaged.
    """
    path = FOLDER / profile / f"{name}.json"
    if not path.is_file():
        return entry
    _, parameters = read_parameters(path)
    spent = json.loads(path.read_text(encoding="utf-8"))["manifest"]["budget"]
    return replace(
        entry, defaults=dict(entry.defaults) | parameters, files=(path,), trained=Budget(**spent)
    )
