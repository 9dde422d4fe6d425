"""From whatever files a user has to a scenario: told apart by content, checked, written down.

At most one plant (own YAML or JSON, or a python-microgrid file), one table of series, one weather
file, one power curve, one pandapower network and one table of column meanings. What is missing is
taken from plant A and generated data, and said in a note.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError
from trimtab.contracts.domain import Imported
from trimtab.contracts.errors import InputFileError, ScenarioError
from trimtab.contracts.scenario import StrictModel
from trimtab.run.diagnostics import faults_of
from trimtab.run.import_folder import filling, import_folder
from trimtab.run.yaml_document import parse

from trimtab_grid.episodes import first_moment
from trimtab_grid.forecasts import FromFile
from trimtab_grid.json_files import parse_json
from trimtab_grid.network_settings import NetworkSettings
from trimtab_grid.pandapower_files import is_pandapower, read_network
from trimtab_grid.plant import Plant, is_shipped, load_plant
from trimtab_grid.python_microgrid import is_microgrid, read_microgrid
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series import Series, load_series
from trimtab_grid.series_files import (
    Columns,
    Reading,
    check_scale,
    columns_of,
    read_series,
    series_of,
)
from trimtab_grid.simbench_files import read_simbench
from trimtab_grid.tables import parse_table
from trimtab_grid.tariffs import EXPORT, IMPORT, THERE, Tariff, read_tariff
from trimtab_grid.turbines import hub_speed, turbine_power
from trimtab_grid.user_files import decoded, read_bytes, read_text
from trimtab_grid.weather_files import read_weather
from trimtab_grid.weather_year import WeatherYear
from trimtab_grid.wind_curves import LIBRARY, is_curve, read_curve, with_curve
from trimtab_grid.writers import write_series, write_table, write_text

Kind = Literal["plant", "microgrid", "series", "weather", "network", "columns", "simbench", "curve"]
DEFAULT_PLANT = "plant-a"
LONG_STEP_MIN = 15.0
"""Steps from which on a whole series is one episode; with shorter ones a day is."""
TYPICAL_LOAD_FACTOR = 0.5
"""Mean over largest load of a community, for generated load."""
DAY_H, YEAR_H = 24.0, 8784.0
HEAD = 100_000
"""Characters in which a table shows of what kind it is."""
_ZIP = b"PK\x03\x04"
_KEY = re.compile(r"[A-Za-z_][\w-]*\s*:(\s|$)")
_TMY3 = "Date (MM/DD/YYYY)"


class ColumnMeanings(StrictModel):
    """A small file that says what a table's columns mean where its headers do not."""

    columns: dict[str, str] = Field({}, description="header → load_kw, load_mw, wind_kw, time, …")
    zone: str | None = Field(None, description="time zone of times without offset")


@dataclass(slots=True)
class _Given:
    """The user's files by kind."""

    files: dict[Kind, Path] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        kind = kind_of(path)
        if kind in self.files:
            msg = f"{path}: a second file of the kind {kind!r} after {self.files[kind]}; give one"
            raise InputFileError(msg)
        self.files[kind] = path


def problem_from_files(paths: Sequence[Path], folder: Path, name: str = "scenario") -> Imported:
    """Make a scenario's problem part of a user's files.

    Args:
        paths: in any order.
        folder: where the scenario file will lie; converted files go to ``NAME-files`` below it.
        name: of the scenario.

    Raises:
        TrimtabError: a file is of no known kind or wrong, or they do not go together. Nothing is
            left behind then.
    """
    if not paths:
        msg = "no files given: name a table of load, a plant, weather or a network"
        raise InputFileError(msg)
    given = _Given()
    for path in paths:
        given.add(path)
    target = import_folder(folder, name)
    with tempfile.TemporaryDirectory(prefix="trimtab-import-") as scratch:
        made = _Maker(given.files, Path(scratch), target, folder.resolve()).problem()
        _keep(Path(scratch), target)
    return made


def _keep(made: Path, target: Path) -> None:
    """Move converted files to their place in one step."""
    if not any(made.iterdir()):
        return
    with filling(target) as whole:
        shutil.copytree(made, whole, dirs_exist_ok=True)


def kind_of(path: Path) -> Kind:
    """What a file is, by its content.

    Raises:
        InputFileError: it is unreadable or of no known kind.
    """
    content = read_bytes(path)
    if content.startswith(_ZIP):
        return "series"
    text = decoded(content, path.name)
    if text.lstrip()[:1] in {"{", "["}:
        return _json_kind(text, path)
    if is_microgrid(text):
        return "microgrid"
    head = text[:HEAD].splitlines()
    lines = [line for line in head if line.strip() and not line.startswith("#")][:2]
    if lines and _KEY.match(lines[0]):
        return _yaml_kind(text, path)
    if lines and is_curve(lines[0]):
        return "curve"
    if text.startswith("LOCATION,") or (len(lines) > 1 and lines[1].startswith(_TMY3)):
        return "weather"
    return "series"


def _json_kind(text: str, path: Path) -> Kind:
    document = parse_json(text, path.name)
    if is_pandapower(document):
        return "network"
    return _document_kind(document, path)


def _yaml_kind(text: str, path: Path) -> Kind:
    document = parse(text, path.name)
    if document.faults:
        raise ScenarioError(document.faults)
    return _document_kind(document.data, path)


def _document_kind(document: Any, path: Path) -> Kind:
    if isinstance(document, dict):
        if "gensets" in document:
            return "plant"
        if {"columns", "zone"} & set(document):
            return "columns"
        if "simbench" in document:
            return "simbench"
        if LIBRARY in document:
            return "curve"
    msg = (
        f"{path}: is no plant (gensets: …), no table of meanings (columns: …, zone: …), no "
        "SimBench code (simbench: …) and no pandapower network; see docs for the formats"
    )
    raise InputFileError(msg)


def check_files(problem: GridScenario) -> tuple[str, ...]:
    """Read the files that a scenario names; notes on what does not go together.

    Raises:
        TrimtabError: a file is wrong, or is not of the plant that the scenario names.
    """
    plant, data = problem.resolved_plant(), problem.data
    notes: list[str] = []
    begin = first_moment(problem)
    if data.file is not None:
        series = read_series(data.file, data.reading())
        notes.extend(check_scale(series, plant))
        begin = data.played(series, problem.step_min, problem.horizon).start
    if data.weather_file is not None:
        read_weather(data.weather_file)
    _require_cover(problem, begin)
    if problem.certificate is not None:
        from trimtab_grid.certificate import read_certificate

        read_certificate(problem.certificate)
    if problem.network is not None:
        from trimtab_grid.plant_network import PlantNetwork

        notes.extend(PlantNetwork(problem.network, plant).notes)
    if problem.shield and not is_shipped(plant):
        _require_shield(plant, problem.step_min)
    return tuple(notes)


def _require_cover(problem: GridScenario, begin: datetime) -> None:
    """Refuse a forecast or a tariff that ends before an episode begun at `begin` does."""
    before, steps = begin - timedelta(minutes=problem.step_min), problem.horizon + 1
    if problem.forecast.file is not None:
        told = read_series(problem.forecast.file, problem.forecast.reading())
        episode = load_series(before, problem.step_min, np.zeros(steps), source="the episode")
        FromFile(told).settled(episode, "load_kw", 0)
    if problem.outer_grid is not None and problem.outer_grid.file is not None:
        read_tariff(problem.outer_grid.file).at(before, problem.step_min, steps)


def _require_shield(plant: Plant, step_min: float) -> None:
    """Refuse what can be refused before tables are computed."""
    from trimtab_grid.arrays import plant_arrays
    from trimtab_grid.conditions import require_capacity
    from trimtab_grid.table_size import require_room

    record = plant_arrays(plant, step_min)
    require_capacity(record)
    require_room(record)


class _Maker:
    """Turns sorted files into a problem part; converted files are made in `scratch`."""

    def __init__(
        self, files: Mapping[Kind, Path], scratch: Path, target: Path, folder: Path
    ) -> None:
        self._files, self._scratch = files, scratch
        self._target, self._folder = target, folder
        self._notes: list[str] = []
        self._problem: dict[str, Any] = {}

    def problem(self) -> Imported:
        plant, series = self._plant_and_series()
        if series is not None:
            self._notes.extend(check_scale(series, plant))
            self._problem["step_min"] = series.step_min
            longest = YEAR_H if series.step_min >= LONG_STEP_MIN else DAY_H
            self._problem["horizon_h"] = min(series.hours, longest)
        if "network" in self._files:
            self._place(self._files["network"], plant)
        return Imported(self._problem, tuple(self._notes))

    def _plant_and_series(self) -> tuple[Plant, Series | None]:
        whole = {"plant", "microgrid"} & set(self._files)
        if len(whole) > 1:
            msg = f"{self._files['microgrid']}: two plants are given; leave one out"
            raise InputFileError(msg)
        if "microgrid" in self._files:
            return self._from_microgrid()
        plant = self._plant()
        if "simbench" in self._files:
            return plant, self._from_simbench()
        if "series" not in self._files:
            self._only_weather(plant)
            return plant, None
        return plant, self._from_table(plant)

    def _plant(self) -> Plant:
        path = self._files.get("plant")
        if path is None:
            self._problem["plant"] = DEFAULT_PLANT
            self._notes.append(f"no plant file: {DEFAULT_PLANT} is taken; bring your own")
        else:
            self._problem["plant_file"] = self._shown(path)
        plant = load_plant(DEFAULT_PLANT if path is None else path)
        return plant if "curve" not in self._files else self._curved(plant)

    def _curved(self, plant: Plant) -> Plant:
        """The plant with the user's power curve, written down beside the scenario."""
        path = self._files["curve"]
        curved = with_curve(plant, read_curve(path), path.name)
        self._problem.pop("plant", None)
        self._write_plant(curved)
        self._notes.append(f"{path.name}: power curve scaled to the plant's rated_kw")
        return curved

    def _write_plant(self, plant: Plant) -> None:
        text = json.dumps(plant.model_dump(mode="json", exclude_defaults=True), indent=1)
        self._problem["plant_file"] = self._made(write_text(self._scratch / "plant.json", text))

    def _from_microgrid(self) -> tuple[Plant, Series]:
        found = read_microgrid(self._files["microgrid"])
        self._notes.extend(found.notes)
        self._write_plant(found.plant)
        self._data(self._made(write_series(self._scratch / "series.csv", found.series)))
        if found.grid is not None:
            self._problem["outer_grid"] = {
                "import_kw": found.grid.import_kw,
                "export_kw": found.grid.export_kw,
                "file": self._write_tariff(found.grid.tariff),
            }
            self._problem["fuel_price"] = 1.0
        return found.plant, found.series

    def _write_tariff(self, tariff: Tariff) -> str:
        step = timedelta(minutes=tariff.steps.step_min)
        parts = (tariff.import_price, tariff.export_price, tariff.there.astype(int))
        rows = (
            [(tariff.steps.start + k * step).isoformat(), *cells]
            for k, cells in enumerate(zip(*(part.tolist() for part in parts), strict=True))
        )
        header = ["time_utc", IMPORT, EXPORT, THERE]
        return self._made(write_table(self._scratch / "tariff.csv", header, rows))

    def _from_simbench(self) -> Series:
        document = parse(read_text(self._files["simbench"]), self._files["simbench"].name).data
        case = read_simbench(str(document["simbench"]))
        self._notes.extend(case.notes)
        network = write_text(self._scratch / "network.json", case.network_json)
        self._problem["network"] = {"file": self._made(network)}
        self._data(self._made(write_series(self._scratch / "series.csv", case.series)))
        return case.series

    def _from_table(self, plant: Plant) -> Series:
        path = self._files["series"]
        reading = self._reading()
        columns = columns_of(parse_table(read_bytes(path), path.name), reading)
        for title in columns.unread:
            self._notes.append(f"{path.name}: column {title!r} is not read")
        own = series_of(columns)
        series = self._with_weather(self._with_speed(own, columns, plant), plant)
        if series is own:
            self._data(self._shown(path))
            said = {"columns": dict(reading.columns), "zone": reading.zone}
            self._problem["data"] |= {key: value for key, value in said.items() if value}
        else:
            self._data(self._made(write_series(self._scratch / "series.csv", series)))
        return series

    def _reading(self) -> Reading:
        path = self._files.get("columns")
        if path is None:
            return Reading()
        document = parse(read_text(path), path.name)
        try:
            said = ColumnMeanings.model_validate(document.data)
        except ValidationError as error:
            raise ScenarioError(faults_of(error, document, ColumnMeanings)) from None
        return Reading(said.columns, said.zone)

    def _with_speed(self, series: Series, columns: Columns, plant: Plant) -> Series:
        """Turn a column of wind speed into the power of the plant's turbines."""
        speed = columns.values.get("wind_speed_m_s")
        if speed is None or plant.wind is None or "wind_kw" in columns.values:
            return series
        if (speed < 0.0).any():
            step = int(np.flatnonzero(speed < 0.0)[0])
            msg = f"{series.source}: wind_speed_m_s is {speed[step]:g} at step {step}; mend it"
            raise InputFileError(msg)
        self._notes.append(f"{series.source}: wind_kw computed from wind speed at 10 m")
        return replace(series, wind_kw=turbine_power(plant.wind, hub_speed(plant.wind, speed)))

    def _with_weather(self, series: Series, plant: Plant) -> Series:
        """Add wind and PV power of a weather file to a table that has none."""
        if "weather" not in self._files:
            return series
        year = WeatherYear(read_weather(self._files["weather"]), series.step_min)
        added = []
        if plant.wind is not None and not series.wind_kw.any():
            series = replace(series, wind_kw=year.wind_kw(plant.wind, series.start, len(series)))
            added.append("wind_kw")
        if plant.pv is not None and not series.pv_kw.any():
            series = replace(series, pv_kw=year.pv_kw(plant.pv, series.start, len(series)))
            added.append("pv_kw")
        if added:
            listed = " and ".join(added)
            self._notes.append(f"{self._files['weather'].name}: {listed} computed from it")
        return series

    def _only_weather(self, plant: Plant) -> None:
        if "columns" in self._files:
            msg = f"{self._files['columns']}: says what columns mean, but no table is given; add it"
            raise InputFileError(msg)
        mean_kw = round(TYPICAL_LOAD_FACTOR * plant.disturbances.load_max_kw, 1)
        data: dict[str, Any] = {"load": {"mean_kw": mean_kw}}
        self._notes.append(
            f"no table of load: it is generated (synthetic), mean {mean_kw:g} kW: bring your own"
        )
        if "weather" in self._files:
            read_weather(self._files["weather"])
            place = self._shown(self._files["weather"])
            data = {"kind": "weather", "weather_file": place, **data}
        self._problem["data"] = data

    def _place(self, path: Path, plant: Plant) -> None:
        if "network" in self._problem:
            msg = f"{path}: two networks are given (SimBench brings one); leave one out"
            raise InputFileError(msg)
        from trimtab_grid.plant_network import PlantNetwork

        placed = PlantNetwork(NetworkSettings(file=path), plant, read_network(path))
        self._notes.extend(placed.notes)
        self._problem["network"] = {"file": self._shown(path)}

    def _data(self, place: str) -> None:
        self._problem["data"] = {"kind": "file", "file": place}

    def _made(self, path: Path) -> str:
        """Where a converted file will lie, as the scenario names it."""
        return self._shown(self._target / path.name)

    def _shown(self, path: Path) -> str:
        place = path.resolve()
        inside = place.is_relative_to(self._folder)
        return str(place.relative_to(self._folder) if inside else place)
