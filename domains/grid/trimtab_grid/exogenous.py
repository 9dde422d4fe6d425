"""Where load, wind and PV of a scenario come from, and the paths that episodes play.

Load is generated or read from the user's table; wind is generated, computed from weather or read;
PV is computed from weather or read. Each (seed, episode) plays another day of the year and, where
something is generated, other draws; nothing depends on actions or on the number of copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.scenario import DataFile, StrictModel
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_grid.generators import (
    SYNTHETIC,
    CommunityLoad,
    WindClimate,
    community_load,
    load_shape,
    wind_power,
)
from trimtab_grid.plant import Plant
from trimtab_grid.series import Refinement, Series, clock, load_series, zone_of
from trimtab_grid.series_files import Reading, check_scale, columns_of, series_of
from trimtab_grid.tables import read_table
from trimtab_grid.weather import Weather, pv_from_weather, sand_point, wind_from_weather

DAY_MIN = 1440.0
YEAR_MIN = 365 * DAY_MIN
_BEGIN = Stream("grid.begin")


class TableSource(StrictModel):
    """The user's table of measured series."""

    file: DataFile = Field(description="CSV or Excel table with units and a time zone")
    columns: dict[str, str] = Field(
        {}, description="header → load_kw, wind_kw, pv_kw, temperature_c or time, with unit"
    )
    zone: str | None = Field(None, description="time zone of times without offset")
    refine: Refinement | None = Field(
        None, description="how rows become shorter steps: hold or linear; nothing silently"
    )


class Exogenous(StrictModel):
    """The `series` block of a scenario."""

    table: TableSource | None = None
    load: CommunityLoad = Field(
        CommunityLoad(), description="shape of the generated load, where no table brings one"
    )
    wind: Literal["synthetic", "weather", "table", "none"] = Field(
        "synthetic", description="where wind power comes from"
    )
    wind_climate: WindClimate = WindClimate()
    pv: Literal["weather", "table", "none"] = Field("none", description="where PV comes from")
    weather: DataFile | None = Field(
        None, description="TMY3 or EPW file; Sand Point, Alaska, from pvlib if empty"
    )
    zone: str = Field("UTC-09:00", description="time zone of the generated year")
    random_day: bool = Field(
        True, description="every episode begins on another day; else on the first"
    )

    @model_validator(mode="after")
    def _table_given(self) -> Exogenous:
        if self.table is None and "table" in {self.wind, self.pv}:
            msg = "wind: table and pv: table need a table"
            raise ValueError(msg)
        return self


class Paths(NamedTuple):
    """What N episodes play, kW.

    Attributes:
        load_kw: [N, T].
        wind_kw: [N, T] available.
        pv_kw: [N, T] available.
        begin: [N] step of the year at which each begins, an index of `Exogenous*.hour`.
    """

    load_kw: FloatArray
    wind_kw: FloatArray
    pv_kw: FloatArray
    begin: IntArray


@dataclass(frozen=True)
class ExogenousYear:
    """Everything of a scenario's series that does not depend on seeds, at the scenario's step.

    Attributes:
        settings: of the scenario.
        plant: whose curves and limits count.
        step_min: minutes.
    """

    settings: Exogenous
    plant: Plant
    step_min: float

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the reader of a run: what is synthetic, where data come from."""
        made = []
        if self.table is None:
            made.append(f"load: {SYNTHETIC} community load")
        if self.plant.wind is not None and self.settings.wind == "synthetic":
            made.append(f"wind: {SYNTHETIC}, Weibull fitted to Sand Point, Alaska")
        if "weather" in {self.settings.wind, self.settings.pv}:
            made.append(f"weather: {self.weather.source}")
        return (*made, *(() if self.table is None else check_scale(self.table, self.plant)))

    @cached_property
    def table(self) -> Series | None:
        """The user's series at the scenario's step."""
        source = self.settings.table
        if source is None:
            return None
        reading = Reading(source.columns, source.zone)
        read = series_of(columns_of(read_table(source.file), reading))
        return read.resample(self.step_min, source.refine)

    @cached_property
    def weather(self) -> Weather:
        """The weather of the site."""
        if self.settings.weather is None:
            return sand_point()
        from trimtab_grid.weather_files import read_weather

        return read_weather(self.settings.weather)

    @property
    def start(self) -> datetime:
        """Begin of step 0, with its zone."""
        if self.table is not None:
            return self.table.start
        return datetime(2001, 1, 1, tzinfo=zone_of(self.settings.zone))

    @property
    def steps(self) -> int:
        """Steps until the data end or the year comes round."""
        return round(YEAR_MIN / self.step_min) if self.table is None else len(self.table)

    @cached_property
    def hour(self) -> FloatArray:
        """Local hour of the day of every step [steps]."""
        return clock(self.start, self.step_min, self.steps)[0]

    @cached_property
    def day(self) -> FloatArray:
        """Day of the year of every step [steps], from 0, with its fraction."""
        return clock(self.start, self.step_min, self.steps)[1]

    def draw(self, seed: IntArray, episode: IntArray, steps: int, lead: int = 0) -> Paths:
        """Paths of T = `steps` + `lead` steps, one row per (seed, episode).

        Args:
            seed: [N].
            episode: [N].
            steps: of an episode.
            lead: further steps, for forecasts that see the future; beyond the end of a table the
                last value stands.

        Raises:
            InputFileError: the table is shorter than an episode.
        """
        begin = self._begin(seed, episode, steps)
        at = begin[:, None] + np.arange(steps + lead)
        at = at % self.steps if self.table is None else np.minimum(at, self.steps - 1)
        load = self._load(at, seed, episode)
        return Paths(load, self._wind(at, seed, episode), self._pv[at], begin)

    def series(self, seed: int, steps: int) -> Series:
        """The path of one seed's first episode as a series."""
        seeds, episodes = np.array([seed], dtype=np.int64), np.zeros(1, dtype=np.int64)
        paths = self.draw(seeds, episodes, steps)
        whole = load_series(self.start, self.step_min, np.zeros(self.steps))
        source = f"{SYNTHETIC}, seed {seed}" if self.table is None else self.table.source
        return replace(
            load_series(
                whole.time_of(int(paths.begin[0])),
                self.step_min,
                paths.load_kw[0],
                paths.wind_kw[0],
                paths.pv_kw[0],
            ),
            source=source,
        )

    def _begin(self, seed: IntArray, episode: IntArray, steps: int) -> IntArray:
        """First step of each episode: a whole number of days after the begin."""
        if self.table is not None and steps > self.steps:
            msg = (
                f"{self.table.source}: has {self.steps} steps of {self.step_min:g} min, an episode "
                f"needs {steps}: shorten the horizon or bring a longer table"
            )
            raise InputFileError(msg)
        per_day = round(DAY_MIN / self.step_min)
        days = max(1, (self.steps - steps) // per_day + 1)
        if not self.settings.random_day:
            return np.zeros(len(seed), dtype=np.int64)
        drawn = _BEGIN.uniform(seed, episode, 0)[:, 0]
        return np.asarray(np.floor(drawn * days), dtype=np.int64) * per_day

    def _load(self, at: IntArray, seed: IntArray, episode: IntArray) -> FloatArray:
        if self.table is not None:
            return self.table.load_kw[at]
        limits = self.plant.disturbances
        shape = self._shape[at]
        return community_load(self.settings.load, limits, self.step_min, shape, seed, episode)

    def _wind(self, at: IntArray, seed: IntArray, episode: IntArray) -> FloatArray:
        wind, kind = self.plant.wind, self.settings.wind
        if wind is None or kind == "none":
            return np.zeros(at.shape)
        if kind == "synthetic":
            climate = self.settings.wind_climate
            return wind_power(climate, wind, self.step_min, at.shape[1], seed, episode)
        return self._fixed_wind[at]

    @cached_property
    def _shape(self) -> FloatArray:
        return load_shape(self.settings.load, self.start, self.step_min, self.steps)

    @cached_property
    def _fixed_wind(self) -> FloatArray:
        if self.settings.wind == "table" and self.table is not None:
            return self.table.wind_kw
        if self.plant.wind is None:
            return np.zeros(self.steps)
        return self._of_weather(wind_from_weather(self.plant.wind, self.weather))

    @cached_property
    def _pv(self) -> FloatArray:
        if self.settings.pv == "table" and self.table is not None:
            return self.table.pv_kw
        if self.settings.pv == "none" or self.plant.pv is None:
            return np.zeros(self.steps)
        return self._of_weather(pv_from_weather(self.plant.pv, self.weather))

    def _of_weather(self, power_kw: FloatArray) -> FloatArray:
        """Power per step of the weather at the times of this year [steps].

        Coarser steps are means, finer ones join the middles of the hours.
        """
        hourly = load_series(self.weather.start, self.weather.step_min, power_kw)
        values = hourly.resample(self.step_min, "linear").load_kw
        origin = self.weather.start
        first = self.start.astimezone(origin.tzinfo)
        day = 28 if (first.month, first.day) == (2, 29) else first.day
        late_min = (first.replace(year=origin.year, day=day) - origin).total_seconds() / 60.0
        at = np.floor(late_min / self.step_min + 1e-9).astype(np.int64) + np.arange(self.steps)
        return np.asarray(values[at % len(values)])
