"""What the app knows of a scenario text: its data, every fault as the CLI says it, the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import Fault, ScenarioError, TrimtabError
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.yaml_document import decode, parse, raw_text


@dataclass(frozen=True, slots=True)
class Draft:
    """A scenario file as read: plain data as far as it parses, and what is wrong with it.

    Attributes:
        data: keys of the file; empty where it is no mapping.
        parsed: whether the text is YAML at all, so that a form can edit it.
        loaded: the valid scenario, or None.
    """

    data: dict[str, Any] = field(default_factory=dict)
    parsed: bool = False
    faults: tuple[Fault, ...] = ()
    loaded: LoadedScenario | None = None

    def at(self, key: str) -> list[str]:
        """Messages on one dotted key."""
        return [fault.message for fault in self.faults if fault.key == key]


def read_draft(path: Path, workspace: Path) -> Draft:
    """Parse and validate a file; data files must lie in the workspace."""
    try:
        document = parse(decode(raw_text(path), path.name), path.name)
    except ScenarioError as error:
        return Draft(faults=error.faults)
    data = document.data if isinstance(document.data, dict) else {}
    try:
        loaded = load_scenario(path, inside=workspace)
    except ScenarioError as error:
        return Draft(data, parsed=True, faults=error.faults)
    except TrimtabError as error:
        return Draft(data, parsed=True, faults=(Fault(path.name, 1, 1, "", str(error)),))
    return Draft(data, parsed=True, loaded=loaded)
