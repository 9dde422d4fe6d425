"""CSV at full precision; text cells are guarded against formulas."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from trimtab.evidence.result import Ci95

CsvCell = str | float | int | bool | None
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[CsvCell]]) -> str:
    """CSV with a header; missing values are empty, numbers keep all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([guard(h) for h in header])
    writer.writerows([_written(cell) for cell in row] for row in rows)
    return out.getvalue()


def guard(content: str) -> str:
    """Text that no spreadsheet runs as a formula: a leading quote where it could."""
    return f"'{content}" if content.startswith(_FORMULA_STARTS) else content


def _written(cell: CsvCell) -> str:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    return guard(cell) if isinstance(cell, str) else str(cell)


def ends(ci95: Ci95 | None) -> tuple[float | None, float | None]:
    """Both ends of an interval, or two missing values."""
    return ci95 if ci95 is not None else (None, None)
