"""Users' files up to a size and a number of lines: more, or no end, is refused before parsing."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.errors import InputFileError

SMALL_BYTES = 16_000_000
"""More than any parameter file, design, plant, part or controller needs."""

MAX_LINES = 600_000
"""Lines of a table: a year of minutes has 527,040, a signal logs some 200,000 events a day."""
MAX_LINE = 65_536
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where `str.splitlines` splits."""


def read_bounded(path: Path, limit_bytes: int = SMALL_BYTES) -> bytes:
    """Content of a file.

    Raises:
        InputFileError: it is larger than the limit.
        OSError: it cannot be read; the caller says what it should have been.
    """
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        msg = f"{path}: is larger than {limit_bytes / 1e6:g} MB: this is no such file"
        raise InputFileError(msg)
    return content


def bounded_lines(text: str, name: str, most: int = MAX_LINES) -> list[str]:
    """Lines of a table's text.

    Args:
        text: its content.
        name: of the file, for messages.
        most: lines that are accepted.

    Raises:
        InputFileError: it has more lines, or a line longer than any table row.
    """
    if sum(map(text.count, LINE_ENDS)) > most:
        msg = f"{name}: more than {most} rows: cut it to the period that is needed"
        raise InputFileError(msg)
    lines = text.splitlines()
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE:
        number = next(i for i, line in enumerate(lines, start=1) if len(line) == longest)
        msg = f"{name}:{number}: a row of {longest} characters: this is no table"
        raise InputFileError(msg)
    return lines
