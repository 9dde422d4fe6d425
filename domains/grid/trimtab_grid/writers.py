"""Writes series, schedules and tables: CSV and Parquet that every spreadsheet and pandas read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.spec import FloatArray
from trimtab.evidence.csv_text import CsvCell, csv_text
from trimtab.evidence.parquet import to_parquet

from trimtab_grid.series import Series

ZONE_REMARK = "# time zone: "


def write_text(path: Path, text: str) -> Path:
    """Write a file so that no reader sees half of it.

    Raises:
        TrimtabError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another output folder"
        raise TrimtabError(msg) from None
    return path


def write_series(path: Path, series: Series) -> Path:
    """Write a series as CSV that `read_series` reads back as it is, zone included."""
    zone = getattr(series.start.tzinfo, "key", None) or str(series.start.tzinfo)
    names = list(series.columns)
    text = csv_text(["time", *names], _timed(series, [series.columns[name] for name in names]))
    return write_text(path, f"{ZONE_REMARK}{zone}\n{text}")


def write_schedule(path: Path, series: Series, columns: Mapping[str, FloatArray]) -> Path:
    """Write what a plant did (or is to do) per step beside what it met.

    Args:
        path: of the CSV file.
        series: load, wind and PV of the same steps.
        columns: name with unit → [T] ("G1_kw", "battery_kw", "soc").

    Raises:
        TrimtabError: a column is not as long as the series, or the folder cannot be written.
    """
    for name, values in columns.items():
        if len(values) != len(series):
            msg = f"schedule: {name} has {len(values)} steps, the series {len(series)}: make equal"
            raise TrimtabError(msg)
    whole = {**series.columns, **columns}
    return write_text(path, csv_text(["time", *whole], _timed(series, list(whole.values()))))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[CsvCell]]) -> Path:
    """Write a table as CSV; text that a spreadsheet would run as a formula gets a quote."""
    return write_text(path, csv_text(header, rows))


def with_parquet(tables: Sequence[Path]) -> tuple[Path, ...]:
    """The tables and, where pyarrow is installed, each as Parquet beside it."""
    from importlib.util import find_spec

    return (*tables, *(to_parquet(tables) if find_spec("pyarrow") is not None else ()))


def _timed(series: Series, columns: Sequence[FloatArray]) -> Iterable[list[CsvCell]]:
    for step, row in enumerate(np.column_stack(columns).tolist()):
        yield [series.time_of(step).isoformat(), *row]
