"""Parameters that ship with the package: files that `trimtab tune` wrote on generated networks.

One file per rule profile and controller, `tuned/PROFILE/CONTROLLER.json`, with the command, seeds
and budget that made it. It holds no parameters where what was found was refused by its test; the
controller then keeps its defaults. Nothing in them comes from networks whose licence forbids it:
for those, as for any network at hand, `trimtab tune` writes a file that `--parameters` takes.
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
    """The entry with the parameters shipped for a profile, as it is where none do.

    Raises:
        InputFileError: the shipped file is damaged.
    """
    path = FOLDER / profile / f"{name}.json"
    if not path.is_file():
        return entry
    _, parameters = read_parameters(path)
    if not parameters:
        return entry
    spent = json.loads(path.read_text(encoding="utf-8"))["manifest"]["budget"]
    return replace(
        entry, defaults=dict(entry.defaults) | parameters, files=(path,), trained=Budget(**spent)
    )
