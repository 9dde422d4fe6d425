"""Tables that users bring: CSV in any usual dialect, and Excel workbooks (.xlsx).

A workbook is a zip of XML: its size, its ratio of compression and its document types are checked
before anything is unpacked.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from math import isfinite
from pathlib import Path
from typing import Any

from trimtab.contracts.bounded import MAX_LINES, bounded_lines
from trimtab.contracts.damage import DAMAGED_ZIP
from trimtab.contracts.errors import InputFileError, MissingDependencyError

from trimtab_grid.user_files import decoded, read_bytes

MAX_ROWS = MAX_LINES
MAX_COLUMNS = 200
MAX_UNPACKED = 128 * 1024 * 1024
MAX_RATIO, RATIO_FLOOR = 40, 2 * 1024 * 1024
"""Compression of a workbook (figures reach about 15), judged above a size where it matters."""
MAX_MEMBERS = 2000
_ZIP = b"PK\x03\x04"
_COMMENT = re.compile(r"#\s*(?P<key>[A-Za-z _]+?)\s*[:=]\s*(?P<value>.+)")

Cell = str | float | datetime


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a header.

    Attributes:
        name: of the file, for messages.
        header: one name per column, as written; "column 1" and so on where there is no header.
        rows: each of the header's length.
        numbers: line of each row in the file, counted from 1.
        remarks: ``# key: value`` lines above the header, keys in lower case.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    numbers: Sequence[int]
    remarks: Mapping[str, str] = field(default_factory=dict)

    def column(self, position: int) -> list[Cell]:
        """All cells of a column."""
        return [row[position] for row in self.rows]


def read_table(path: Path) -> Table:
    """The table of a CSV or Excel file, told apart by content.

    Raises:
        InputFileError: unreadable, hostile, ragged, empty or too large; names the row.
        MissingDependencyError: an Excel file, and openpyxl is not installed.
    """
    return parse_table(read_bytes(path), path.name)


def parse_table(content: bytes, name: str) -> Table:
    """As `read_table`, of the content of a file; `name` is used in messages."""
    if content.startswith(_ZIP):
        return _headed(_sheet_rows(content, name), {}, name)
    text = decoded(content, name)
    return csv_table(text, name)


def csv_table(text: str, name: str) -> Table:
    """The table in the text of a CSV file."""
    lines = bounded_lines(text, name)
    remarks = {}
    for line in lines:
        if not line.lstrip().startswith("#"):
            break
        found = _COMMENT.fullmatch(line.strip())
        if found:
            remarks[found["key"].lower().strip()] = found["value"].strip().strip(",;")
    return _headed(_csv_rows(lines, name), remarks, name)


def _csv_rows(lines: Sequence[str], name: str) -> Iterator[tuple[int, list[Cell]]]:
    body = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not body:
        msg = f"{name}: has no rows; give a header and values"
        raise InputFileError(msg)
    delimiter = max(";\t,", key=body[0].count) if any(c in body[0] for c in ";\t,") else ","
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row and not row[0].lstrip().startswith("#") and any(c.strip() for c in row):
                yield reader.line_num, [_plain(cell, delimiter) for cell in row]
    except csv.Error as error:
        msg = f"{name}:{reader.line_num}: is no table row: {error}; mend the quotes"
        raise InputFileError(msg) from None


def _plain(cell: str, delimiter: str) -> str:
    """Cell text; a decimal comma becomes a point where commas do not divide columns."""
    text = cell.strip()
    if delimiter != "," and re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", text):
        return text.replace(",", ".")
    return text


def _headed(rows: Iterator[tuple[int, list[Cell]]], remarks: Mapping[str, str], name: str) -> Table:
    """Join a header with its rows; a second row of units is written into the header."""
    numbered = _bounded(rows, name)
    first = numbered[0][1]
    header = [str(cell) for cell in first]
    if all(is_number(cell) for cell in first):
        header = [f"column {k + 1}" for k in range(len(first))]
    else:
        numbered = numbered[1:]
        if numbered and _are_units(numbered[0][1]):
            units = [str(cell).strip() for cell in numbered[0][1]]
            header = [f"{h} [{u}]" if u else h for h, u in zip(header, units, strict=False)]
            numbered = numbered[1:]
    if not numbered:
        msg = f"{name}: has a header but no rows of values"
        raise InputFileError(msg)
    for number, row in numbered:
        if len(row) != len(header):
            msg = f"{name}:{number}: has {len(row)} cells, the header has {len(header)}: mend it"
            raise InputFileError(msg)
    doubled = [title for title in header if title and header.count(title) > 1]
    if doubled:
        msg = f"{name}: two columns are called {doubled[0]!r}; rename one"
        raise InputFileError(msg)
    return Table(name, tuple(header), [r for _, r in numbered], [n for n, _ in numbered], remarks)


def _bounded(rows: Iterator[tuple[int, list[Cell]]], name: str) -> list[tuple[int, list[Cell]]]:
    kept: list[tuple[int, list[Cell]]] = []
    for number, row in rows:
        if len(kept) > MAX_ROWS or len(row) > MAX_COLUMNS:
            msg = f"{name}:{number}: more than {MAX_ROWS} rows or {MAX_COLUMNS} columns; cut it"
            raise InputFileError(msg)
        kept.append((number, row))
    if not kept:
        msg = f"{name}: has no rows; give a header and values"
        raise InputFileError(msg)
    return kept


def is_number(cell: Cell) -> bool:
    """Whether a cell holds a number."""
    if isinstance(cell, datetime):
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_number_text(cell: Cell) -> bool:
    """Whether a cell holds a finite number."""
    return is_number(cell) and isfinite(float(cell))  # type: ignore[arg-type]


def _are_units(row: Sequence[Cell]) -> bool:
    """A row below the header that names units only, as HOMER writes it."""
    texts = [str(cell).strip().lower() for cell in row]
    known = {"", "kw", "mw", "w", "kwh", "mwh", "wh", "c", "°c", "degc", "m/s", "kw/m2", "%"}
    return any(texts) and all(text in known for text in texts)


def _sheet_rows(content: bytes, name: str) -> Iterator[tuple[int, list[Cell]]]:
    """Rows of the only sheet of a workbook that has any."""
    _check_workbook(content, name)
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError:
        raise MissingDependencyError(
            package="openpyxl", extra="grid", purpose="an Excel file"
        ) from None
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        for sheet in _filled_sheet(book, name):
            yield from ((n, cells) for n, cells in enumerate(_sheet_cells(sheet), start=1) if cells)
    except InputFileError:
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part makes it raise
        msg = f"{name}: is no readable workbook ({type(error).__name__}); save it as CSV"
        raise InputFileError(msg) from None


def _filled_sheet(book: Any, name: str) -> list[Any]:
    filled = [sheet for sheet in book.worksheets if any(_sheet_cells(sheet))]
    if len(filled) > 1:
        titles = ", ".join(repr(sheet.title) for sheet in filled)
        msg = f"{name}: has sheets {titles}: keep the one that is meant, or save it as CSV"
        raise InputFileError(msg)
    return filled


def _sheet_cells(sheet: Any) -> Iterator[list[Cell]]:
    return (_trimmed([_cell(v) for v in row]) for row in sheet.iter_rows(values_only=True))


def _cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return str(value).strip()


def _trimmed(row: list[Cell]) -> list[Cell]:
    """Without the empty cells at the end that spreadsheets keep."""
    while row and row[-1] == "":
        row.pop()
    return row


def _check_workbook(content: bytes, name: str) -> None:
    """Refuse bombs, document types and what is no workbook, before a parser sees it.

    Raises:
        InputFileError: says which.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_size(members, len(content), name)
            for member in members:
                _check_part(archive.read(member), name)
    except InputFileError:
        raise
    except DAMAGED_ZIP as error:
        msg = f"{name}: is no readable workbook ({type(error).__name__}); save it as CSV"
        raise InputFileError(msg) from None


def _check_size(members: Sequence[zipfile.ZipInfo], packed: int, name: str) -> None:
    unpacked = sum(member.file_size for member in members)
    bomb = unpacked > RATIO_FLOOR and unpacked > MAX_RATIO * packed
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED or bomb:
        msg = f"{name}: unpacks to {unpacked} bytes; cut it or save it as CSV"
        raise InputFileError(msg)


def _check_part(part: bytes, name: str) -> None:
    wide = part.startswith((b"\xff\xfe", b"\xfe\xff"))
    if wide or b"<!DOCTYPE" in part or b"<!ENTITY" in part:
        msg = f"{name}: holds a document type, which no workbook needs; save it as CSV"
        raise InputFileError(msg)
