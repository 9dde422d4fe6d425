"""Imports microgrids that python-microgrid (pymgrid) saved as YAML; none of their code runs.

Their classes become tags of plain mappings here. The file says less than a plant needs, so what is
put in its place is told in notes: their gensets have a cost per kWh and no fuel curve, their data
have no time zone, their batteries no reserve. A grid connection becomes `outer_grid`: limits,
prices and status of every step. Their controllers choose import freely; here the plant buys what is
cheaper than its units, and the shield counts on none of it. Prices of CO2 are left out, of units
and grid alike, and a connection that only exports.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray

from trimtab_grid.json_files import is_number
from trimtab_grid.plant import Plant
from trimtab_grid.series import Series, load_series
from trimtab_grid.tables import csv_table, is_number_text
from trimtab_grid.tagged_yaml import Tagged, parse_tagged
from trimtab_grid.tariffs import Tariff
from trimtab_grid.timestamps import Steps
from trimtab_grid.user_files import MAX_BYTES, decoded, read_bytes, read_text

ROOT_TAG = "!Microgrid"
_TAGS = {
    ROOT_TAG, "!LoadModule", "!RenewableModule", "!BatteryModule", "!Genset", "!GensetModule",
    "!GridModule", "!UnbalancedEnergyModule", "!BatteryTransitionModel", "!NDArray", "!DataFrame",
}  # fmt: skip
_NAME_LIMIT = 40


@dataclass(frozen=True, slots=True)
class PublicGrid:
    """The connection of such a file to a public grid.

    Attributes:
        import_kw: most import.
        export_kw: most export.
        tariff: prices and outages of its steps.
    """

    import_kw: float
    export_kw: float
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Microgrid:
    """What such a file says, in our terms."""

    plant: Plant
    series: Series
    notes: tuple[str, ...]
    grid: PublicGrid | None = None


def is_microgrid(text: str) -> bool:
    """Whether a YAML text is a microgrid of python-microgrid."""
    return text.lstrip().startswith(ROOT_TAG)


def read_microgrid(path: Path) -> Microgrid:
    """The plant and series of a python-microgrid file and the tables beside it.

    Raises:
        InputFileError: unreadable, with a tag that is not theirs, or without load or genset.
    """
    document = parse_tagged(read_text(path), path.name, _TAGS)
    if not isinstance(document, Tagged) or document.tag != ROOT_TAG:
        msg = f"{path.name}: is no microgrid of python-microgrid; it begins with {ROOT_TAG}"
        raise InputFileError(msg)
    return _Importer(path, _modules(document.value, path.name)).microgrid()


Modules = Mapping[str, list[tuple[str, Mapping[str, Any]]]]


def _modules(content: Any, name: str) -> Modules:
    """Parameters of every module by tag, with its own name."""
    listed = content.get("modules") if isinstance(content, dict) else None
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for entry in listed if isinstance(listed, list) else ():
        label, module = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)  # noqa: PLR2004
        inner = module.value if isinstance(module, Tagged) else None
        parameters = inner.get("cls_params") if isinstance(inner, dict) else None
        if not isinstance(label, str) or module is None or not isinstance(parameters, dict):
            msg = f"{name}: modules must be pairs of a name and a module with cls_params; mend them"
            raise InputFileError(msg)
        found.setdefault(module.tag, []).append((label, parameters))
    return found


class _Importer:
    def __init__(self, path: Path, modules: Modules) -> None:
        self._path, self._modules = path, modules
        self._notes: list[str] = []

    def microgrid(self) -> Microgrid:
        load = self._summed("!LoadModule")
        pv = self._summed("!RenewableModule")
        if load is None:
            msg = f"{self._path.name}: has no LoadModule; a plant needs a load"
            raise InputFileError(msg)
        start = datetime(2001, 1, 1, tzinfo=UTC)
        series = load_series(start, 60.0, load, pv_kw=pv, source=self._path.name)
        self._notes.append(
            f"{self._path.name}: no time zone in python-microgrid: steps are hours from "
            "2001-01-01 UTC on"
        )
        plant = self._plant(float(load.max()), 0.0 if pv is None else float(pv.max()))
        grid = self._public_grid(start, len(load))
        return Microgrid(plant, series, tuple(self._notes), grid)

    def _public_grid(self, start: datetime, steps: int) -> PublicGrid | None:
        found = self._modules.get("!GridModule", [])
        if len(found) > 1:
            msg = f"{self._path.name}: has {len(found)} grid connections; join them into one"
            raise InputFileError(msg)
        if not found:
            return None
        own = found[0][1]
        limits = [self._number("grid", own, key) for key in ("max_import", "max_export")]
        if limits[0] <= 0.0:
            self._notes.append(
                f"{self._path.name}: grid connection left out: it imports nothing (max_import "
                f"{limits[0]:g}), and outer_grid needs import"
            )
            return None
        told = self._grid_rows(own)
        if len(told) != steps:
            msg = (
                f"{self._path.name}: grid has {len(told)} steps, load has {steps}; cut them to be "
                "equal"
            )
            raise InputFileError(msg)
        there = told[:, 3] != 0.0 if told.shape[1] > 3 else np.ones(steps, bool)  # noqa: PLR2004
        tariff = Tariff(Steps(start, 60.0), told[:, 0], told[:, 1], there, self._path.name)
        self._notes.append(
            f"{self._path.name}: grid connection of {limits[0]:g} kW import, {limits[1]:g} kW "
            f"export, {int((~there).sum())} steps without it; prices in units of cost, fuel_price 1"
        )
        if self._number("grid", own, "cost_per_unit_co2", 0.0) > 0.0:
            self._notes.append(f"{self._path.name}: price of CO2 left out, of units and grid alike")
        return PublicGrid(limits[0], limits[1], tariff)

    def _grid_rows(self, own: Mapping[str, Any]) -> FloatArray:
        """[T, 3 or 4] import price, export price, kg CO2 per kWh, and whether the grid is up."""
        given = own.get("time_series")
        if isinstance(given, Tagged) and isinstance(given.value, str):
            rows = self._cells(given.value)
        else:
            rows = given if isinstance(given, list) else []
            numbers = all(isinstance(row, list) and all(map(is_number, row)) for row in rows)
            rows = rows if numbers else []
        if not rows or {len(row) for row in rows} not in ({3}, {4}):
            msg = (
                f"{self._path.name}: grid: time_series needs three or four columns (import price, "
                "export price, CO2, status); save it again"
            )
            raise InputFileError(msg)
        found = np.array(rows, dtype=np.float64)
        if (found < 0.0).any() or not np.isin(found[:, 3:], (0.0, 1.0)).all():
            msg = f"{self._path.name}: grid: prices must be 0 or more and status 0 or 1; mend them"
            raise InputFileError(msg)
        return found

    def _plant(self, peak_kw: float, pv_kw: float) -> Plant:
        gensets = [*self._modules.get("!Genset", ()), *self._modules.get("!GensetModule", ())]
        if not gensets:
            msg = (
                f"{self._path.name}: has no genset (a plant without one is not islanded); "
                "add a genset module"
            )
            raise InputFileError(msg)
        if "!UnbalancedEnergyModule" in self._modules:
            self._notes.append(f"{self._path.name}: its prices of unserved and excess energy: ours")
        document = {
            "name": _plant_name(self._path.stem),
            "gensets": [self._genset(k, own) for k, (_, own) in enumerate(gensets, start=1)],
            "battery": self._battery(),
            "pv": {"rated_kw": pv_kw} if pv_kw > 0.0 else None,
            "commitment": "free",
            "sharing": "economic",
            "disturbances": {"load_max_kw": peak_kw, "unit_trips": False, "step_known": True},
        }
        self._notes.append(
            f"{self._path.name}: load_max_kw {peak_kw:g} is the largest value of the data: declare "
            "what may come"
        )
        try:
            return Plant.model_validate({k: v for k, v in document.items() if v is not None})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            msg = f"{self._path.name}: makes no plant: {place}: {first['msg']}; mend its numbers"
            raise InputFileError(msg) from None

    def _genset(self, number: int, own: Mapping[str, Any]) -> dict[str, Any]:
        cost = self._number("genset", own, "genset_cost")
        self._notes.append(
            f"{self._path.name}: genset {number}: fuel is its cost of {cost:g} a kWh (1 L stands "
            "for one unit of cost), no no-load fuel is known: give datasheet points"
        )
        return {
            "name": f"G{number}",
            "prime_kw": self._number("genset", own, "running_max_production"),
            "min_kw": self._number("genset", own, "running_min_production"),
            "fuel": {"slope_l_kwh": cost, "no_load_l_h": 0.0},
            "warm_up_min": 60.0 * self._number("genset", own, "start_up_time", 0.0),
            "cool_down_min": 60.0 * self._number("genset", own, "wind_down_time", 0.0),
        }

    def _battery(self) -> dict[str, Any] | None:
        found = self._modules.get("!BatteryModule", [])
        if len(found) > 1:
            msg = f"{self._path.name}: has {len(found)} batteries; join them into one"
            raise InputFileError(msg)
        if not found:
            return None
        own = found[0][1]
        energy = self._number("battery", own, "max_capacity")
        least = self._number("battery", own, "min_capacity") / energy if energy else 0.0
        if not is_number(own.get("init_soc")) and is_number(own.get("init_charge")) and energy:
            first = float(own["init_charge"]) / energy
        else:
            first = self._number("battery", own, "init_soc")
        charge = self._number("battery", own, "max_charge")
        discharge = self._number("battery", own, "max_discharge")
        efficiency = self._number("battery", own, "efficiency")
        return {
            "power_kw": max(charge, discharge),
            "charge_kw": charge,
            "discharge_kw": discharge,
            "energy_kwh": energy,
            "charge_efficiency": efficiency,
            "discharge_efficiency": efficiency,
            "soc_initial": first,
            "soc_min": least,
            "soc_max": 1.0,
        }

    def _number(
        self, kind: str, own: Mapping[str, Any], key: str, default: float | None = None
    ) -> float:
        value = own.get(key, default)
        if not is_number(value):
            msg = f"{self._path.name}: {kind}: {key} is {value!r}; write a number"
            raise InputFileError(msg)
        return float(value)

    def _summed(self, tag: str) -> FloatArray | None:
        """Sum of the series of all modules of a kind; theirs count load as negative."""
        arrays = [np.abs(self._array(own)) for _, own in self._modules.get(tag, ())]
        if not arrays:
            return None
        if len({len(array) for array in arrays}) > 1:
            msg = f"{self._path.name}: series of {tag} modules have different lengths; cut them"
            raise InputFileError(msg)
        return np.asarray(np.sum(arrays, axis=0))

    def _array(self, own: Mapping[str, Any]) -> FloatArray:
        given = own.get("time_series")
        if isinstance(given, Tagged) and isinstance(given.value, str):
            return self._table(given.value)
        if isinstance(given, list) and given and all(is_number(value) for value in given):
            return np.array(given, dtype=np.float64)
        msg = f"{self._path.name}: time_series is no table and no list of numbers; save it again"
        raise InputFileError(msg)

    def _table(self, place: str) -> FloatArray:
        """First value column of a CSV, gzipped or not, below the folder of the YAML file."""
        return np.array([row[0] for row in self._cells(place)], dtype=np.float64)

    def _cells(self, place: str) -> list[list[float]]:
        """Value columns of a CSV, the index before them left out."""
        folder = self._path.resolve().parent
        path = (folder / place).resolve()
        if not path.is_relative_to(folder):
            msg = f"{self._path.name}: {place!r} lies outside the folder of the file; move it below"
            raise InputFileError(msg)
        content = read_bytes(path)
        if content.startswith(b"\x1f\x8b"):
            content = _unzipped(content, path.name)
        table = csv_table(decoded(content, path.name), path.name)
        rows = [[str(cell) for cell in (row[1:] or row)] for row in table.rows]
        for number, cells in zip(table.numbers, rows, strict=True):
            for cell in cells:
                if not is_number_text(cell):
                    msg = f"{path.name}:{number}: {cell!r} is no finite number; mend it"
                    raise InputFileError(msg)
        return [[float(cell) for cell in cells] for cells in rows]


def _unzipped(content: bytes, name: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            plain = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        msg = f"{name}: is no readable gzip file; save it again"
        raise InputFileError(msg) from None
    if len(plain) > MAX_BYTES:
        msg = f"{name}: unpacks to more than {MAX_BYTES} bytes; cut it"
        raise InputFileError(msg)
    return plain


def _plant_name(stem: str) -> str:
    clean = "".join(c if c.isalnum() and c.isascii() else "-" for c in stem.lower()).strip("-")
    return clean[:_NAME_LIMIT].strip("-") or "microgrid"
