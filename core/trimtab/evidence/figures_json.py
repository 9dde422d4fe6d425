"""Figures as plain JSON beside a report, so that a reader draws them without domain code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import TypeAdapter

from trimtab.contracts.figure import Figure

FIGURES_FILE = "figures.json"


def figures_to_json(figures: Sequence[Figure]) -> str:
    """Figures as a JSON list; values that are not finite stand as Python's `NaN`."""
    return json.dumps([asdict(figure) for figure in figures], separators=(",", ":")) + "\n"


def figures_from_json(text: str | bytes) -> tuple[Figure, ...]:
    """Read what `figures_to_json` wrote.

    Raises:
        pydantic.ValidationError: not a list of figures.
    """
    return TypeAdapter(tuple[Figure, ...]).validate_json(text)
