"""Parameter files: what tuning and training leave for `trimtab run --parameters`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.contracts.bounded import read_bounded
from trimtab.contracts.errors import InputFileError

SCHEMA = "trimtab/parameters/1"


def write_parameters(
    path: Path, controller: str, parameters: Mapping[str, Any], about: Mapping[str, Any]
) -> None:
    """Write the parameters of a controller with how they came about (command, seeds, budget)."""
    document = {
        "schema": SCHEMA,
        "controller": controller,
        "parameters": dict(parameters),
        "manifest": dict(about),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")


def read_parameters(path: Path) -> tuple[str, dict[str, Any]]:
    """Controller and parameters of a file.

    Raises:
        InputFileError: it cannot be read, is no JSON, or is of another schema.
    """
    try:
        document = json.loads(read_bounded(path))
    except InputFileError:
        raise
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise InputFileError(msg) from None
    except (ValueError, RecursionError) as error:
        msg = f"{path}: is no JSON file: {error}"
        raise InputFileError(msg) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        msg = f"{path}: is no parameter file ({SCHEMA}): give one that tune or train wrote"
        raise InputFileError(msg)
    parameters = document.get("parameters")
    if "controller" not in document or not isinstance(parameters, dict):
        msg = f"{path}: names no controller or has no table of parameters: write both"
        raise InputFileError(msg)
    return str(document["controller"]), parameters
