"""Design files: one design in readable values, as searches leave them and people write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import InputFileError, ScenarioError
from trimtab.run.yaml_document import decode, parse, raw_text

SCHEMA = "trimtab/design/1"
DESIGN_SUFFIXES = (".json", ".yaml", ".yml")


def write_design(path: Path, design: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a design with how it came about (command, optimizer, seed, metrics)."""
    document = {"schema": SCHEMA, "design": dict(design), **about}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_design(path: Path) -> dict[str, Any]:
    """Values by parameter, of a file of `write_design` or a plain mapping in YAML or JSON.

    Raises:
        InputFileError: it cannot be read, or holds no mapping.
        ScenarioError: its text is no YAML or gives a key twice, with line and column.
    """
    try:
        content = raw_text(path)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise InputFileError(msg) from None
    parsed = parse(decode(content, str(path)), str(path))
    if parsed.faults:
        raise ScenarioError(parsed.faults)
    document = parsed.data
    if isinstance(document, dict) and document.get("schema") == SCHEMA:
        document = document.get("design")
    if not isinstance(document, dict) or not document:
        msg = f"{path}: is no design: write one `parameter: value` a line"
        raise InputFileError(msg)
    return document
