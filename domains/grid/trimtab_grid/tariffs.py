"""Prices and availability of a public grid, step by step, from a user's table.

Columns `import_price` and `export_price` (money per kWh, in the currency of the fuel's price) and
`grid_there` (1, or 0 during an outage), beside a time column as in `series_files`. The last two may
be left out: nothing is paid for export, and the grid is always there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import BoolArray, FloatArray

from trimtab_grid.quantities import meaning
from trimtab_grid.series_files import numbers_of
from trimtab_grid.tables import Table, read_table
from trimtab_grid.timestamps import Steps, steps_of

IMPORT, EXPORT, THERE = "import_price", "export_price", "grid_there"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What an outer grid asks and pays.

    Attributes:
        steps: begin and length of the steps.
        import_price: of an imported kWh, [T].
        export_price: paid for an exported kWh, [T].
        there: whether the grid is up, [T].
        source: file name.
    """

    steps: Steps
    import_price: FloatArray
    export_price: FloatArray
    there: BoolArray
    source: str

    def at(self, start: datetime, step_min: float, steps: int) -> Tariff:
        """The same at other steps; the first one, before an episode, is as its successor.

        Raises:
            InputFileError: the table does not cover them.
        """
        begin_min = (start - self.steps.start).total_seconds() / 60.0
        minutes = begin_min + step_min * np.arange(steps)
        minutes[0] = minutes[min(1, steps - 1)]
        row = np.floor(minutes / self.steps.step_min + 1e-9).astype(np.int64)
        if row.min() < 0 or row.max() >= len(self.import_price):
            msg = (
                f"{self.source}: prices from {self.steps.start.isoformat()} on, "
                f"{len(self.import_price)} steps of {self.steps.step_min:g} min, do not cover the "
                f"episode, which needs {(steps - 1) * step_min / 60.0:g} h: bring more rows"
            )
            raise InputFileError(msg)
        parts = self.import_price[row], self.export_price[row], self.there[row]
        return Tariff(Steps(start, step_min), *parts, self.source)


def read_tariff(path: Path) -> Tariff:
    """The tariff in a CSV or Excel file.

    Raises:
        InputFileError: names row, column and how to mend it.
    """
    table = read_table(path)
    if IMPORT not in table.header:
        listed = ", ".join(table.header[:10])
        msg = f"{table.name}: has no column {IMPORT} (has: {listed}); give money per kWh"
        raise InputFileError(msg)
    bought = _column(table, IMPORT)
    sold = _column(table, EXPORT) if EXPORT in table.header else np.zeros(len(bought))
    there = _column(table, THERE) if THERE in table.header else np.ones(len(bought))
    odd = np.flatnonzero((there != 0.0) & (there != 1.0))
    if odd.size:
        row = int(odd[0])
        msg = f"{table.name}:{table.numbers[row]}: {THERE} is {there[row]:g}; write 1 or 0"
        raise InputFileError(msg)
    return Tariff(_steps(table), bought, sold, there != 0.0, table.name)


def _column(table: Table, name: str) -> FloatArray:
    values = numbers_of(table, table.header.index(name))
    below = np.flatnonzero(values < 0.0)
    if below.size:
        row = int(below[0])
        msg = f"{table.name}:{table.numbers[row]}: {name} is {values[row]:g}; write 0 or more"
        raise InputFileError(msg)
    return values


def _steps(table: Table) -> Steps:
    for position, title in enumerate(table.header):
        known = meaning(title, table.name)
        if known is not None and known.quantity == "time":
            return steps_of(table, position, known.zone or table.remarks.get("time zone"))
    msg = f"{table.name}: has no time column; add one, such as time_utc"
    raise InputFileError(msg)
