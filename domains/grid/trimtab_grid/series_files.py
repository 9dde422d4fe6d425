"""Reads series from a user's table: load, wind, PV, temperature, each with a unit and a zone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Plant
from trimtab_grid.quantities import NAMED, Meaning, Quantity, mapped, meaning
from trimtab_grid.series import POWERS, Series, load_series, zone_of
from trimtab_grid.tables import Cell, Table, parse_table, read_table
from trimtab_grid.timestamps import Steps, steps_of

HOURS_PER_YEAR = 8760
FAR_TOO_SMALL, FAR_TOO_LARGE = 0.01, 20.0
"""Peak load over the plant's largest load below or above which the unit must be wrong."""
_PER_MIN = "load_rise_kw_per_min", "load_fall_kw_per_min"
_MISSING = {"", "nan", "na", "n/a", "null", "none", "-", "--", "#n/a", "#value!", "#div/0!", "?"}


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a table.

    Attributes:
        columns: header → meaning with unit ("Leistung" → "load_mw"), where headers do not say.
        zone: time zone of times without offset.
        start: begin of the first row, where there is no time column.
        step_min: length of a step, where there is no time column.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    start: datetime | None = None
    step_min: float | None = None


ReadSeries = Callable[[Path, Reading], Series]
"""Reads a user's table, as `read_series` does."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table holds, in the units of the quantities' names; not all are there."""

    steps: Steps
    values: Mapping[Quantity, FloatArray]
    unread: tuple[str, ...]
    source: str


def read_series(path: Path, reading: Reading | None = None) -> Series:
    """The series in a CSV or Excel file; it must hold a load.

    Raises:
        InputFileError: names row, column and how to mend it; nothing is ever filled in.
    """
    return series_of(columns_of(read_table(path), reading or Reading()))


def parse_series(content: bytes, name: str = "table.csv") -> Series:
    """As `read_series`, of the content of a file."""
    return series_of(columns_of(parse_table(content, name), Reading()))


def series_of(columns: Columns) -> Series:
    """A series of the columns of a table.

    Raises:
        InputFileError: there is no load among them.
    """
    if "load_kw" not in columns.values:
        listed = ", ".join(columns.unread) or "none"
        msg = (
            f"{columns.source}: no column is the load (others: {listed}); call it load_kw, or map "
            "it in columns: {its header: load_kw}"
        )
        raise InputFileError(msg)
    return load_series(
        columns.steps.start,
        columns.steps.step_min,
        columns.values["load_kw"],
        columns.values.get("wind_kw"),
        columns.values.get("pv_kw"),
        columns.values.get("temperature_c"),
        columns.source,
    )


def columns_of(table: Table, reading: Reading) -> Columns:
    """Quantities and steps of a table.

    Raises:
        InputFileError: see `read_series`.
    """
    found, unread = _meanings(table, reading)
    steps = _steps(table, found, reading)
    values: dict[Quantity, FloatArray] = {}
    for position, known in found.items():
        if known.quantity == "time":
            continue
        if known.quantity in values:
            msg = f"{table.name}: two columns are {known.quantity}; leave one out or map them"
            raise InputFileError(msg)
        scale = known.factor / (steps.step_min / 60.0 if known.energy else 1.0)
        numbers = numbers_of(table, position)
        if known.quantity in POWERS:
            _require_no_negative(table, position, numbers)
        values[known.quantity] = numbers * scale
    if not values:
        msg = (
            f"{table.name}: no column has a known meaning ({', '.join(table.header[:10])}); known "
            f"are {NAMED}; map them in columns: {{header: load_kw}}"
        )
        raise InputFileError(msg)
    return Columns(steps, values, unread, table.name)


def check_scale(series: Series, plant: Plant) -> tuple[str, ...]:
    """Hold a series against the plant it is for; notes on what lies outside.

    Raises:
        InputFileError: load, wind or PV is so far from the plant's that the unit must be another.
    """
    peak, largest = float(series.load_kw.max()), plant.disturbances.load_max_kw
    if not FAR_TOO_SMALL * largest <= peak <= FAR_TOO_LARGE * largest:
        likely = "MW" if peak < largest else "W"
        msg = (
            f"{series.source}: load_kw peaks at {peak:g}, the plant's load_max_kw is {largest:g}: "
            f"if the column is in {likely}, call it load_{likely.lower()}; else mend the plant"
        )
        raise InputFileError(msg)
    return (*_outside(series, plant), *_sources(series, plant))


def _outside(series: Series, plant: Plant) -> Iterator[str]:
    """Notes on steps of load that leave the declared set."""
    limits = plant.disturbances
    rise, fall = limits.load_rise_kw_per_min, limits.load_fall_kw_per_min
    change = np.diff(series.load_kw) / (series.step_min * (1 + 1e-9))
    found = (
        (series.load_kw > limits.load_max_kw, f"above load_max_kw {limits.load_max_kw:g}"),
        (series.load_kw < limits.load_min_kw, f"below load_min_kw {limits.load_min_kw:g}"),
        (change > (np.inf if rise is None else rise), f"rise by more than {_PER_MIN[0]} {rise}"),
        (-change > (np.inf if fall is None else fall), f"fall by more than {_PER_MIN[1]} {fall}"),
    )
    for steps, how in found:
        if steps.any():
            count = int(steps.sum())
            yield f"{series.source}: {count} steps {how}: outside what the shield promises for"


def _sources(series: Series, plant: Plant) -> Iterator[str]:
    """Notes on wind and PV that do not fit what the plant has.

    Raises:
        InputFileError: the unit must be another.
    """
    pv = plant.pv
    rated = {
        "wind": 0.0 if plant.wind is None else plant.wind.rated_kw,
        "pv": 0.0 if pv is None else pv.inverter_kw or pv.rated_kw,
    }
    for name, most in rated.items():
        peak = float(series.columns[f"{name}_kw"].max())
        if peak > 0.0 == most:
            yield (
                f"{series.source}: {name}_kw peaks at {peak:g}, but the plant has no {name}: it is "
                f"fed in as it stands; give {name}: {{rated_kw: ...}}"
            )
        elif peak > FAR_TOO_LARGE * most:
            msg = (
                f"{series.source}: {name}_kw peaks at {peak:g}, the plant's {name} is rated "
                f"{most:g} kW: if the column is in W, call it {name}_w; else mend the plant"
            )
            raise InputFileError(msg)
        elif peak > most * (1 + 1e-9):
            yield f"{series.source}: {name}_kw peaks at {peak:g}, above the rated {most:g} kW"
        elif 0.0 < peak < FAR_TOO_SMALL * most:
            yield (
                f"{series.source}: {name}_kw peaks at {peak:g}, the plant's {name} is rated "
                f"{most:g} kW: if the column is in MW, call it {name}_mw"
            )


def _meanings(table: Table, reading: Reading) -> tuple[dict[int, Meaning], tuple[str, ...]]:
    for title in reading.columns:
        if title not in table.header:
            msg = f"{table.name}: columns maps {title!r}; the header has {', '.join(table.header)}"
            raise InputFileError(msg)
    found: dict[int, Meaning] = {}
    unread = []
    for position, title in enumerate(table.header):
        target = reading.columns.get(title)
        known = meaning(title, table.name) if target is None else mapped(target, title, table.name)
        if known is None:
            unread.append(title)
        else:
            found[position] = known
    if not found and table.header == ("column 1",):
        found[0], unread = Meaning("load_kw"), []
    return found, tuple(unread)


def _steps(table: Table, found: Mapping[int, Meaning], reading: Reading) -> Steps:
    times = [position for position, known in found.items() if known.quantity == "time"]
    if len(times) > 1:
        listed = ", ".join(table.header[position] for position in times)
        msg = f"{table.name}: several time columns ({listed}); keep one"
        raise InputFileError(msg)
    zone = reading.zone or table.remarks.get("time zone") or table.remarks.get("zone")
    if times:
        return steps_of(table, times[0], found[times[0]].zone or zone)
    if reading.start is not None and reading.step_min is not None:
        return Steps(reading.start, reading.step_min)
    return _whole_year(table, zone)


def _whole_year(table: Table, zone: str | None) -> Steps:
    """A file of values alone is a year from 1 January on, as HOMER takes it."""
    per_hour = len(table.rows) / HOURS_PER_YEAR
    if per_hour < 1 or per_hour != int(per_hour) or 3600 % int(per_hour):
        msg = (
            f"{table.name}: has no time column and {len(table.rows)} rows, which is no year of "
            "even steps (8760 hours, 525600 minutes); add a column time_utc"
        )
        raise InputFileError(msg)
    if zone is None:
        msg = (
            f"{table.name}: has no time zone; give zone: UTC-09:00 (yours; for `init` in a YAML "
            "file of that line), or a column time_utc"
        )
        raise InputFileError(msg)
    start = datetime(2001, 1, 1, tzinfo=zone_of(zone))  # no leap year, as typical years
    return Steps(start, 60.0 / per_hour)


def _require_no_negative(table: Table, position: int, numbers: FloatArray) -> None:
    below = np.flatnonzero(numbers < 0.0)
    if below.size:
        row = int(below[0])
        msg = (
            f"{table.name}:{table.numbers[row]}: {table.header[position]} is {numbers[row]:g}; a "
            "power is not negative: mend it"
        )
        raise InputFileError(msg)


def numbers_of(table: Table, position: int) -> FloatArray:
    """A column of finite numbers.

    Raises:
        InputFileError: names the first cell that is none.
    """
    cells = table.column(position)
    try:
        values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    except ValueError:
        values = np.array([_number_or_nan(cell) for cell in cells])
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        row = int(wrong[0])
        raise InputFileError(_bad_cell(table, position, row))
    return values


def _number(cell: Cell) -> float:
    if isinstance(cell, datetime):
        raise ValueError  # noqa: TRY004 - told with its place by the caller
    return float(cell)


def _number_or_nan(cell: Cell) -> float:
    try:
        return _number(cell)
    except ValueError:
        return math.nan


def _bad_cell(table: Table, position: int, row: int) -> str:
    cell = table.rows[row][position]
    where = f"{table.name}:{table.numbers[row]}: {table.header[position]}"
    if str(cell).strip().lower() in _MISSING:
        return f"{where} is missing; put a measured value there or cut the file, nothing is filled"
    return f"{where} is {cell!r}, which is no finite number; mend it"
