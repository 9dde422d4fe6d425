"""Reads JSON that a stranger may have written: finite numbers, bearable depth."""

from __future__ import annotations

import json
from typing import Any

from trimtab.contracts.errors import InputFileError

LARGEST = 1e300
"""Numbers from here on are as good as infinite."""
_NO_JSON: dict[str, None] = dict.fromkeys(("NaN", "Infinity", "-Infinity"))
"""Words that are no JSON; pandas writes NaN where nothing is known. All are read as missing."""


def parse_json(text: str, name: str) -> Any:
    """The document in a text; ``NaN`` stands for a missing value and becomes None.

    Raises:
        InputFileError: no JSON; names line and column. Deep nesting ends in this error too.
    """
    try:
        return json.loads(text, parse_constant=_NO_JSON.get)
    except json.JSONDecodeError as error:
        msg = f"{name}:{error.lineno}:{error.colno}: is no JSON: {error.msg}; mend it there"
        raise InputFileError(msg) from None
    except RecursionError:
        msg = f"{name}: is nested too deeply; flatten it"
        raise InputFileError(msg) from None
    except ValueError as error:
        msg = f"{name}: cannot be read as JSON: {error}; write plain numbers and lists"
        raise InputFileError(msg) from None


def is_number(value: Any) -> bool:
    """Whether a value of a document is a finite number (true and false are none)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < LARGEST  # also where a whole number is too large for a float
