"""CSV tables as Parquet, column types inferred; needs pyarrow (extra app)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trimtab.contracts.errors import MissingDependencyError


def to_parquet(tables: Sequence[Path]) -> list[Path]:
    """Write a .parquet file beside each CSV table.

    Raises:
        MissingDependencyError: pyarrow is not installed; nothing was written.
    """
    try:
        from pyarrow import csv, parquet
    except ModuleNotFoundError:
        raise MissingDependencyError(
            package="pyarrow", extra="app", purpose="Parquet tables"
        ) from None
    written = [table.with_suffix(".parquet") for table in tables]
    for table, path in zip(tables, written, strict=True):
        draft = path.with_name(f".{path.name}.part")
        parquet.write_table(csv.read_csv(table), draft)
        draft.replace(path)
    return written
