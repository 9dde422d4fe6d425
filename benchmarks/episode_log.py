"""Files of finished episodes, one JSON object a line, so that a long measurement can be cut short.

A benchmark reads its log first, plays what is missing and appends each episode as it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_rows(log: Path | None) -> list[dict[str, Any]]:
    """Rows of the log in the order they were written; none where there is no log yet."""
    if log is None or not log.is_file():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def append_row(log: Path | None, row: Mapping[str, Any]) -> None:
    """Write one more row, if there is a log."""
    if log is not None:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
