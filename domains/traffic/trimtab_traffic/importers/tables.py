"""Reads tables (CSV with comma, semicolon or tab) with the place of every cell."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.bounded import bounded_lines
from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.filewrite import FORMULA_STARTS
from trimtab_traffic.safexml import parse_seconds

MAX_TABLE_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    file: Path
    line: int
    cells: Mapping[str, str]

    @property
    def where(self) -> str:
        """``file:line`` for messages."""
        return f"{self.file}:{self.line}"

    def text(self, column: str) -> str:
        """A cell that must not be empty.

        Raises:
            InputFileError: it is empty.
        """
        if not self.cells.get(column):
            msg = f"{self.where}: column {column!r} is empty; fill it in"
            raise InputFileError(msg)
        return self.cells[column]

    def number(self, column: str, default: float | None = None, low: float = 0.0) -> float:
        """A finite number of at least `low`.

        Raises:
            InputFileError: it is none.
        """
        if default is not None and not self.cells.get(column):
            return default
        text = self.text(column)
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < low:
            limit = "" if low == -math.inf else f" of at least {low:g}"
            msg = f"{self.where}: {column} is {text!r}; write a number{limit}"
            raise InputFileError(msg)
        return value

    def seconds(self, column: str) -> float:
        """A time in seconds or ``h:m:s``.

        Raises:
            InputFileError: it is none.
        """
        value = parse_seconds(self.text(column))
        if value is None:
            msg = f"{self.where}: {column} is {self.cells[column]!r}; write seconds or h:m:s"
            raise InputFileError(msg)
        return value


def read_table(
    path: Path, columns: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Iterator[Row]:
    """Yield the rows of a table.

    Args:
        path: UTF-8 text (a byte order mark is accepted), first line the header.
        columns: our column name → names accepted in the header, without regard to case.
        required: columns that must be there.

    Raises:
        InputFileError: no such file, too large, not UTF-8, or a required column is missing.
    """
    lines = bounded_lines(_text(path), str(path))
    reader = csv.reader(lines, delimiter=_delimiter(lines))
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        places = _places(path, header, columns, required)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(path, reader.line_num, _cells(cells, places))
    except csv.Error as error:
        msg = f"{path}:{reader.line_num}: not a table ({error}); export it as CSV again"
        raise InputFileError(msg) from None


def header_of(path: Path) -> frozenset[str]:
    """Column names of a table in lower case, or the first line of a text.

    Raises:
        InputFileError: as `read_table`.
    """
    lines = bounded_lines(_text(path), str(path))
    cells = next(csv.reader(lines[:1], delimiter=_delimiter(lines)), [])
    return frozenset(cell.strip().lower() for cell in cells)


def _cells(cells: list[str], places: Mapping[str, int]) -> dict[str, str]:
    return {name: _unguarded(cells[k].strip()) for name, k in places.items() if k < len(cells)}


def _unguarded(cell: str) -> str:
    """Without the quote that keeps spreadsheets from running a cell as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            msg = f"{path}: larger than {MAX_TABLE_BYTES // 2**20} MB; cut it to the period needed"
            raise InputFileError(msg)
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        msg = f"{path}: no such file; check the path"
        raise InputFileError(msg) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        msg = f"{path}:{line}: not UTF-8 text; save the table with encoding UTF-8"
        raise InputFileError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); name a readable file"
        raise InputFileError(msg) from None
    if "\0" in text:
        msg = f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: holds a NUL byte; no text"
        raise InputFileError(msg)
    return text


def _delimiter(lines: list[str]) -> str:
    head = lines[0] if lines else ""
    return max(",;\t", key=head.count)


def _places(
    path: Path,
    header: list[str],
    columns: Mapping[str, Sequence[str]],
    required: Sequence[str],
) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, spellings in columns.items():
        present = [s.lower() for s in (name, *spellings) if s.lower() in header]
        if present:
            found[name] = header.index(present[0])
    for name in required:
        if name not in found:
            accepted = ", ".join((name, *columns[name]))
            hint = suggestion(name, header)
            msg = f"{path}:1: no column {name!r} (accepted: {accepted}) in the header.{hint}"
            raise InputFileError(msg)
    return found
