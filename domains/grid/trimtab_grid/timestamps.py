"""From the time column of a table to evenly spaced steps; gaps, repeats and clock changes told.

Times with an offset say all. Times without one need a zone; in a zone with daylight saving the
hour that comes twice in autumn must come twice, in order, and the hour that is skipped in spring
must be absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

import numpy as np
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import IntArray

from trimtab_grid.series import MAX_STEP_MIN, MIN_STEP_MIN, zone_of
from trimtab_grid.tables import Cell, Table

_DATED = re.compile(
    r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?"
)
YEARS = 1900, 2200
_ORDERS = (2, 1, 0), (2, 0, 1)
"""Places of year, month and day where the day, or the month, comes first."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Evenly spaced steps.

    Attributes:
        start: begin of the first, with its zone.
        step_min: minutes.
    """

    start: datetime
    step_min: float


def steps_of(table: Table, position: int, zone: str | None) -> Steps:
    """Steps of a table whose column `position` holds times.

    Args:
        table: rows.
        position: of the time column.
        zone: of times that carry no offset.

    Raises:
        InputFileError: a time cannot be read, comes twice, is missing, out of order, does not
            exist in its zone, or has no zone; names the row.
    """
    cells = table.column(position)
    readings = _readings(cells, table)
    told: InputFileError | None = None
    found: list[Steps] = []
    for times in readings:
        try:
            found.append(_even(times, table, zone))
        except InputFileError as error:
            told = told or error
    if len({(steps.start, steps.step_min) for steps in found}) > 1:
        msg = (
            f"{table.name}:{table.numbers[0]}: {cells[0]!r} may be day or month first; write "
            "dates as 2025-12-31"
        )
        raise InputFileError(msg)
    if not found:
        raise told or InputFileError(f"{table.name}: has no times")
    return found[0]


def _readings(cells: Sequence[Cell], table: Table) -> list[list[datetime]]:
    """All ways to read the column as times."""
    iso = _read_all(cells, _iso)
    if isinstance(iso, list):
        return [iso]
    ways = [_read_all(cells, partial(_dated, order=order)) for order in _ORDERS]
    read = [way for way in ways if isinstance(way, list)]
    if not read:
        row = max(iso, *(way for way in ways if isinstance(way, int)))
        msg = (
            f"{table.name}:{table.numbers[row]}: {cells[row]!r} is no date and time; write "
            "2025-12-31 23:00"
        )
        raise InputFileError(msg)
    return read


def _read_all(
    cells: Sequence[Cell], read: Callable[[str], datetime | None]
) -> list[datetime] | int:
    """All times, or the row of the first that cannot be read."""
    times = []
    for row, cell in enumerate(cells):
        time = cell if isinstance(cell, datetime) else read(cell) if isinstance(cell, str) else None
        if time is None or not YEARS[0] <= time.year <= YEARS[1]:
            return row
        if time.microsecond:  # spreadsheets keep fractions of days
            time = (time + timedelta(milliseconds=500)).replace(microsecond=0)
        times.append(time)
    return times


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _dated(text: str, order: tuple[int, int, int]) -> datetime | None:
    """A date in numbers; four digits in front are the year, else `order` says the places."""
    found = _DATED.fullmatch(text)
    if found is None:
        return None
    parts = [int(found[1]), int(found[2]), int(found[3])]
    places = (0, 1, 2) if len(found[1]) == 4 else order  # noqa: PLR2004
    year, month, day = (parts[place] for place in places)
    hour, minute, second = (int(part or 0) for part in found.groups()[3:6])
    half = (found[7] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    extra = timedelta(days=1) if hour == 24 else timedelta()  # noqa: PLR2004
    try:
        return datetime(year, month, day, hour % 24, minute, second) + extra  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None


def _even(times: Sequence[datetime], table: Table, zone: str | None) -> Steps:
    aware = [time.tzinfo is not None for time in times]
    if all(aware):
        place = zone_of(zone) if zone else times[0].tzinfo
        seconds = [_seconds(time) for time in times]
    elif any(aware):
        row = aware.index(not aware[0])
        msg = f"{table.name}:{table.numbers[row]}: some times have an offset, some none: mend them"
        raise InputFileError(msg)
    elif zone is None:
        msg = (
            f"{table.name}:{table.numbers[0]}: {times[0]} has no time zone; add an offset, call "
            "the column time_utc, or give zone: America/Anchorage (yours; for `init` in a YAML "
            "file of that line)"
        )
        raise InputFileError(msg)
    else:
        place = zone_of(zone)
        seconds = _in_zone(times, place, table)
    step_s = _step(np.array(seconds, dtype=np.int64), table)
    start = datetime.fromtimestamp(seconds[0], tz=UTC).astimezone(place)
    return Steps(start, step_s / 60.0)


def _seconds(time: datetime) -> int:
    return round((time - _EPOCH).total_seconds())


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _in_zone(times: Sequence[datetime], zone: tzinfo, table: Table) -> list[int]:
    """Seconds since 1970 of local times; an autumn hour is the later one if the other is past."""
    seconds: list[int] = []
    for row, local in enumerate(times):
        placed = local.replace(tzinfo=zone)
        first = _seconds(placed)
        back = datetime.fromtimestamp(first, tz=zone).replace(tzinfo=None)
        if back != local:
            msg = (
                f"{table.name}:{table.numbers[row]}: {local} does not exist in {zone} (clocks go "
                "forward); use times with an offset, or UTC"
            )
            raise InputFileError(msg)
        if seconds and first <= seconds[-1]:
            first = _seconds(placed.replace(fold=1))
        seconds.append(first)
    return seconds


def _step(seconds: IntArray, table: Table) -> int:
    """Seconds of the even step.

    Raises:
        InputFileError: names the first row that is not one step after the one before.
    """
    if len(seconds) < 2:  # noqa: PLR2004
        msg = f"{table.name}: one row has no step; give at least two"
        raise InputFileError(msg)
    apart = np.diff(seconds)
    positive = apart[apart > 0]
    if not positive.size:
        msg = f"{table.name}:{table.numbers[1]}: times do not go forward; sort the rows"
        raise InputFileError(msg)
    values, counts = np.unique(positive, return_counts=True)
    step = int(values[np.argmax(counts)])
    wrong = np.flatnonzero(apart != step)
    if wrong.size:
        row = int(wrong[0]) + 1
        raise InputFileError(_uneven(int(apart[row - 1]), step, table, row))
    if not MIN_STEP_MIN <= step / 60.0 <= MAX_STEP_MIN:
        msg = f"{table.name}: rows are {step / 60.0:g} min apart; 1 s to 60 min are handled"
        raise InputFileError(msg)
    return step


def _uneven(apart_s: int, step_s: int, table: Table, row: int) -> str:
    where = f"{table.name}:{table.numbers[row]}"
    if apart_s == 0:
        return f"{where}: the same time as the row before; remove one, or use times with an offset"
    if apart_s < 0:
        return f"{where}: goes back by {-apart_s / 60.0:g} min; sort the rows, or mend the zone"
    missing = apart_s / step_s - 1
    if apart_s % step_s == 0:
        return f"{where}: {missing:g} rows are missing before it; add them, nothing is filled in"
    return f"{where}: {apart_s / 60.0:g} min after the row before, not {step_s / 60.0:g}: mend it"
