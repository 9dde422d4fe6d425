"""Reads TMY3 and EPW weather files; a missing value is an error with its row, never filled."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import numpy as np
from trimtab.contracts.bounded import bounded_lines
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray

from trimtab_grid.user_files import read_text
from trimtab_grid.weather import Weather, pvlib_folder

SAND_POINT = "703165TY.csv"

MAX_ROWS = 8784 * 60
TYPICAL_YEAR, LEAP_YEAR = 2001, 2000
"""Years written for typical years, whose months come from several."""
_LEAP_DAY = (2, 29)
_TMY3_MISSING = -9900.0


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a format keeps what is needed.

    Attributes:
        columns: quantity → column, counted from 0.
        missing: quantity → values from which on the number means "missing".
        first_row: line of the first data row, counted from 1.
    """

    columns: Mapping[str, int]
    missing: Mapping[str, float]
    first_row: int
    month_day_hour: Callable[[Sequence[str]], tuple[int, int, int]]


_TMY3_NAMES = {
    "wind_speed_m_s": "Wspd (m/s)",
    "temperature_c": "Dry-bulb (C)",
    "ghi_w_m2": "GHI (W/m^2)",
    "dni_w_m2": "DNI (W/m^2)",
    "dhi_w_m2": "DHI (W/m^2)",
}
_EPW_COLUMNS = {
    "temperature_c": 6,
    "ghi_w_m2": 13,
    "dni_w_m2": 14,
    "dhi_w_m2": 15,
    "wind_speed_m_s": 21,
}
_EPW_MISSING = {
    "temperature_c": 99.9,
    "ghi_w_m2": 9999.0,
    "dni_w_m2": 9999.0,
    "dhi_w_m2": 9999.0,
    "wind_speed_m_s": 999.0,
}
_EPW_HEADER_LINES = 8


def read_weather(path: Path) -> Weather:
    """A TMY3 or EPW file of hourly values.

    Raises:
        InputFileError: unreadable, not of these formats, an hour missing or out of order, or a
            value missing; names the row.
    """
    return parse_weather(read_text(path), path.name)


def parse_weather(text: str, name: str) -> Weather:
    """As `read_weather`, of the text of a file; `name` is used in messages."""
    try:
        rows = list(csv.reader(bounded_lines(text, name)))
    except csv.Error as error:
        msg = f"{name}: is no table: {error}; give a TMY3 or EPW file as published"
        raise InputFileError(msg) from None
    if is_epw(rows):
        return _epw(rows, name)
    if is_tmy3(rows):
        return _tmy3(rows, name)
    msg = f"{name}: neither TMY3 (second row of column names) nor EPW (first word LOCATION)"
    raise InputFileError(msg)


def is_epw(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table starts as EnergyPlus weather does."""
    return bool(rows) and bool(rows[0]) and rows[0][0] == "LOCATION"


def is_tmy3(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table starts as NREL's TMY3 does."""
    return len(rows) > 1 and set(_TMY3_NAMES.values()) <= set(rows[1])


def _tmy3(rows: Sequence[Sequence[str]], name: str) -> Weather:
    place = rows[0]
    if len(place) < 7:  # noqa: PLR2004
        msg = f"{name}:1: needs station, name, state, zone, latitude, longitude, elevation"
        raise InputFileError(msg)
    columns = {quantity: rows[1].index(title) for quantity, title in _TMY3_NAMES.items()}
    missing = dict.fromkeys(columns, math.inf)
    layout = _Layout(columns, missing, 3, _tmy3_time)
    return _weather(rows[2:], layout, name, (place[4], place[5], place[6], place[3]))


def _epw(rows: Sequence[Sequence[str]], name: str) -> Weather:
    place = rows[0]
    if len(place) < 10:  # noqa: PLR2004
        msg = f"{name}:1: LOCATION needs ten fields, the last four latitude to elevation"
        raise InputFileError(msg)
    layout = _Layout(_EPW_COLUMNS, _EPW_MISSING, _EPW_HEADER_LINES + 1, _epw_time)
    where = (place[6], place[7], place[9], place[8])
    return _weather(rows[_EPW_HEADER_LINES:], layout, name, where)


def _tmy3_time(row: Sequence[str]) -> tuple[int, int, int]:
    month, day, _ = row[0].split("/")
    return int(month), int(day), int(row[1].split(":")[0])


def _epw_time(row: Sequence[str]) -> tuple[int, int, int]:
    return int(row[1]), int(row[2]), int(row[3])


def _weather(
    rows: Sequence[Sequence[str]], layout: _Layout, name: str, place: Sequence[str]
) -> Weather:
    latitude, longitude, altitude, zone = (_place_number(text, name) for text in place)
    rows = [row for row in rows if row]
    if not 24 <= len(rows) <= MAX_ROWS:  # noqa: PLR2004
        msg = f"{name}: has {len(rows)} rows of weather; give 24 hours or more"
        raise InputFileError(msg)
    if abs(zone) > 14:  # noqa: PLR2004
        msg = f"{name}:1: time zone {zone:g} h is outside ±14: mend it"
        raise InputFileError(msg)
    start = _checked_hours(rows, layout, name).replace(tzinfo=timezone(timedelta(hours=zone)))
    values = {quantity: _column(rows, quantity, layout, name) for quantity in layout.columns}
    return Weather(
        start=start,
        step_min=60.0,
        latitude_deg=latitude,
        longitude_deg=longitude,
        altitude_m=altitude,
        source=name,
        wind_speed_m_s=values["wind_speed_m_s"],
        temperature_c=values["temperature_c"],
        ghi_w_m2=values["ghi_w_m2"],
        dni_w_m2=values["dni_w_m2"],
        dhi_w_m2=values["dhi_w_m2"],
    )


def _place_number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        msg = f"{name}:1: {text!r} is no number; give latitude, longitude, elevation, zone"
        raise InputFileError(msg)
    return value


def _checked_hours(rows: Sequence[Sequence[str]], layout: _Layout, name: str) -> datetime:
    """Begin of the first hour; hours must follow each other (files name an hour by its end)."""
    first: datetime | None = None
    for number, row in enumerate(rows):
        line = layout.first_row + number
        try:
            month, day, hour = layout.month_day_hour(row)
            year = TYPICAL_YEAR if first is None else first.year
            if (month, day) == _LEAP_DAY:
                year = LEAP_YEAR
            begin = datetime(year, month, day) + timedelta(hours=hour - 1)  # noqa: DTZ001
        except (ValueError, IndexError, OverflowError):
            msg = f"{name}:{line}: no date and hour can be read: mend the row"
            raise InputFileError(msg) from None
        if first is None or (month, day) == _LEAP_DAY:
            first = (first or begin).replace(year=begin.year)
        expected = first + timedelta(hours=number)
        if (begin.month, begin.day, begin.hour) != (expected.month, expected.day, expected.hour):
            msg = (
                f"{name}:{line}: hour {begin:%m-%d %H:%M}, expected {expected:%m-%d %H:%M}: "
                "an hour is missing, doubled or out of order"
            )
            raise InputFileError(msg)
    return first or datetime(TYPICAL_YEAR, 1, 1)  # noqa: DTZ001


def _column(rows: Sequence[Sequence[str]], quantity: str, layout: _Layout, name: str) -> FloatArray:
    column, missing = layout.columns[quantity], layout.missing[quantity]
    values = np.empty(len(rows))
    for number, row in enumerate(rows):
        text = row[column] if column < len(row) else ""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value >= missing or value == _TMY3_MISSING:
            msg = (
                f"{name}:{layout.first_row + number}: {quantity} (column {column + 1}) is "
                f"{text!r}, which is missing: put a measured value there"
            )
            raise InputFileError(msg)
        values[number] = value
    return values


@cache
def sand_point() -> Weather:
    """The typical year of Sand Point, Alaska: 8760 hours from the pvlib wheel.

    Raises:
        MissingDependencyError: pvlib is not installed.
    """
    return read_weather(pvlib_folder() / SAND_POINT)
