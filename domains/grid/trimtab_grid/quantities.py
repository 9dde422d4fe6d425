"""What a column of a user's table means: its quantity and unit, read from its header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trimtab.contracts.errors import InputFileError, suggestion

Quantity = Literal["time", "load_kw", "wind_kw", "pv_kw", "temperature_c", "wind_speed_m_s"]

_NAMES: Mapping[str, Quantity] = {
    **dict.fromkeys(
        ("time", "timestamp", "datetime", "date", "date/time", "date time", "end time", "index"),
        "time",
    ),
    **dict.fromkeys(
        ("load", "demand", "consumption", "electric load", "electricity demand", "primary load",
         "ac primary load", "total load", "total electrical load served", "load power"),
        "load_kw",
    ),
    **dict.fromkeys(
        ("wind", "wind power", "wind generation", "wind output", "wind power output"), "wind_kw"
    ),
    **dict.fromkeys(
        ("pv", "solar", "photovoltaic", "pv power", "solar power", "pv generation", "pv output",
         "pv power output"),
        "pv_kw",
    ),
    **dict.fromkeys(
        ("temperature", "temp", "air temperature", "ambient temperature", "dry bulb"),
        "temperature_c",
    ),
    **dict.fromkeys(("wind speed", "windspeed"), "wind_speed_m_s"),
}  # fmt: skip
_POWER = {"w": 1e-3, "kw": 1.0, "mw": 1e3, "gw": 1e6}
_ENERGY = {"wh": 1e-3, "kwh": 1.0, "mwh": 1e3}
_TEMPERATURE = {"c", "°c", "degc", "deg c", "celsius"}
_SPEED = {"m/s", "m s", "mps"}
_UNIT = re.compile(
    r"(?P<name>.*?)[\s_]*(?:[\[(]\s*(?P<inside>[^\])]*?)\s*[\])]|(?<=[\s_])(?P<after>m_s|[a-z°/]+))$"
)
NAMED = "load_kw, wind_kw, pv_kw, temperature_c, wind_speed_m_s, time"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A column's quantity.

    Attributes:
        factor: the cell times this is in the quantity's unit.
        energy: cells are energy per step: divide by the step in hours, too.
        zone: time zone that a time column's header names.
    """

    quantity: Quantity
    factor: float = 1.0
    energy: bool = False
    zone: str | None = None


def meaning(title: str, table: str) -> Meaning | None:
    """What a header says, or None where it names nothing known.

    Raises:
        InputFileError: it names a known quantity, but no unit or one that does not fit.
    """
    text = " ".join(title.strip().lower().replace("_", " ").split())
    found = _UNIT.fullmatch(title.strip().lower())
    name, unit = text, None
    if text not in _NAMES and found is not None:
        name = " ".join(found["name"].replace("_", " ").split())
        inside = found["inside"] if found["inside"] is not None else found["after"]
        unit = " ".join(inside.replace("_", " ").split())
    quantity = _NAMES.get(name)
    if quantity is None:
        return None
    if quantity == "time":
        return Meaning("time", zone=_zone(title, unit))
    made = _with_unit(quantity, unit)
    if made is None:
        how = "no unit" if unit is None else f"the unit {unit!r}, which does not fit"
        msg = (
            f"{table}: column {title!r} has {how}; write {quantity}, or map it in columns: "
            f"{{{title!r}: {quantity}}}"
        )
        raise InputFileError(msg)
    return made


def mapped(target: str, title: str, table: str) -> Meaning:
    """What an explicit mapping says, such as ``load_mw`` for a column.

    Raises:
        InputFileError: the target is no known quantity with unit.
    """
    found = meaning(target, table)
    if found is None:
        close = suggestion(target, NAMED.split(", "))
        msg = f"{table}: column {title!r} is mapped to {target!r}; known: {NAMED}.{close}"
        raise InputFileError(msg)
    return found


def _with_unit(quantity: Quantity, unit: str | None) -> Meaning | None:
    if unit is None:
        return None
    if quantity.endswith("_kw"):
        if unit in _POWER:
            return Meaning(quantity, _POWER[unit])
        return Meaning(quantity, _ENERGY[unit], energy=True) if unit in _ENERGY else None
    fits = _TEMPERATURE if quantity == "temperature_c" else _SPEED
    return Meaning(quantity) if unit in fits else None


def _zone(title: str, unit: str | None) -> str | None:
    """Zone of a header such as ``time_utc`` or ``time [America/Anchorage]``."""
    if unit is None:
        return None
    inside = re.search(r"[\[(]\s*([^\])]+?)\s*[\])]", title)
    return inside[1] if inside else unit.upper()
