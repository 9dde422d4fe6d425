"""What a scenario of the grid domain says: plant, data, step, forecast, shield, faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, model_validator
from trimtab.contracts.scenario import DataFile, StrictModel

from trimtab_grid.first_units import FirstUnit, fault_of
from trimtab_grid.forecasts import ForecastSettings
from trimtab_grid.generators import CommunityLoad, WindClimate
from trimtab_grid.network_settings import NetworkSettings
from trimtab_grid.outer_grid import OuterGrid
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.series import MIN_STEP_MIN, Refinement, Series
from trimtab_grid.series_files import Reading

UNSHIELDED = "-unshielded"
"""End of the names of action interfaces that have no shield between choice and plant."""
FaultKind = Literal[
    "trip",
    "failed_start",
    "soc_bias",
    "battery_trip",
    "load_jump",
    "forecast_stuck",
    "forecast_missing",
]
_OF_UNITS: Final = ("trip", "failed_start")
_OF_BATTERY: Final = ("soc_bias", "battery_trip")
_SIZED: Final[Mapping[str, str]] = {"soc_bias": "a share of capacity", "load_jump": "kW"}
"""Faults that have a size, and what it is."""


class DataSource(StrictModel):
    """Where load, wind and PV come from."""

    kind: Literal["generated", "weather", "file"] = Field(
        default="generated",
        description="generated load and wind (synthetic); generated load with the wind of a "
        "typical year; or the user's own series",
    )
    load: CommunityLoad = Field(default=CommunityLoad(), description="the generated load")
    climate: WindClimate = Field(default=WindClimate(), description="the generated wind")
    first_day: int = Field(
        default=1,
        ge=1,
        le=365,
        description="day on which episodes begin: of the year, or of the user's file",
    )
    weather_file: DataFile | None = Field(
        default=None, description="TMY3 or EPW; Sand Point if empty"
    )
    file: DataFile | None = Field(
        default=None, description="CSV or Excel of load_kw, wind_kw, pv_kw"
    )
    columns: dict[str, str] = Field(
        default={}, description="header of a column → what it holds (load_kw, wind_mw, time)"
    )
    zone: str | None = Field(default=None, description="time zone of times without offset")
    refine: Refinement | None = Field(
        default=None, description="how coarser data become finer steps"
    )

    @model_validator(mode="after")
    def _file_given(self) -> DataSource:
        if (self.kind == "file") != (self.file is not None):
            msg = "kind: file and a file belong together: give both or neither"
            raise ValueError(msg)
        if self.file is None and (self.columns or self.zone):
            msg = "columns and zone say how a file is read, and there is none: leave them out"
            raise ValueError(msg)
        if self.file is not None and self.weather_file is not None:
            msg = "the file brings wind and PV itself: leave weather_file out, or import both anew"
            raise ValueError(msg)
        return self

    def reading(self) -> Reading:
        """How the user's file is read."""
        return Reading(columns=self.columns, zone=self.zone)

    def played(self, series: Series, step_min: float, steps: int) -> Series:
        """The part of the user's series that an episode plays.

        Raises:
            InputFileError: it is too short, or its steps do not become those of the episode.
        """
        if series.step_min != step_min:
            series = series.resample(step_min, self.refine)
        return series.from_day(self.first_day, steps)


class Fault(StrictModel):
    """One fault to inject, for every seed at the same time."""

    kind: FaultKind
    at_min: float = Field(ge=0, description="begin, minutes after the episode's, min")
    for_min: float = Field(60.0, gt=0, description="how long it lasts, min")
    unit: str = Field("", description="name of the genset, for trip and failed_start")
    size: float = Field(0.0, description="soc_bias: share of capacity; load_jump: kW added")

    def wrong(self, plant: Plant, horizon_h: float) -> str:
        """Why the fault could not happen on a plant within an episode; empty if it can."""
        units = sorted(genset.name for genset in plant.gensets)
        if self.at_min >= 60.0 * horizon_h:
            end = f"{60.0 * horizon_h:g} min"
            return f"at_min {self.at_min:g} is not before the episode's end, {end}: begin earlier"
        if self.kind in _OF_UNITS and self.unit not in units:
            return f"unit {self.unit!r}; name one of {units}"
        if self.kind not in _OF_UNITS and self.unit:
            return f"unit {self.unit!r} is given, but it concerns no unit: leave it out"
        if self.kind in _SIZED and self.size == 0.0:
            return f"size is 0, which changes nothing: give {_SIZED[self.kind]}"
        if self.kind not in _SIZED and self.size:
            return f"size {self.size:g} is given, but only {' and '.join(_SIZED)} have one"
        if self.kind == "soc_bias" and abs(self.size) > 1.0:
            return f"size {self.size:g} is a share of capacity: -1 to 1"
        if self.kind in _OF_BATTERY and plant.battery is None:
            return "the plant has no battery: leave it out, or give it one"
        return ""


class GridScenario(StrictModel):
    """The problem part of a grid scenario."""

    plant: str | Plant = Field(
        default="plant-a", description="shipped plant by name, or written out"
    )
    plant_file: DataFile | None = Field(
        default=None, description="plant file (YAML or JSON) instead"
    )
    data: DataSource = Field(default=DataSource(), description="where load, wind and PV come from")
    step_min: float = Field(
        default=1.0, ge=MIN_STEP_MIN * (1 - 1e-9), le=60, description="step, min"
    )
    horizon_h: float = Field(default=24.0, gt=0, le=8784, description="length of an episode, h")
    forecast: ForecastSettings = Field(
        default=ForecastSettings(), description="what controllers are told of the coming steps"
    )
    network: NetworkSettings | None = Field(
        default=None,
        description="AC network whose voltages and loadings are computed in every step",
    )
    first_units: tuple[FirstUnit, ...] = Field(
        default=(),
        description="units that are not off, long since, at the begin; for every seed alike",
    )
    shield: bool = Field(default=True, description="the proven shield stands before the plant")
    certificate: DataFile | None = Field(
        default=None,
        description="proof of the user's own plant, as python -m trimtab_grid.proofs writes it",
    )
    faults: tuple[Fault, ...] = Field(
        default=(), description="faults to inject, for every seed alike"
    )
    fuel_price: float = Field(default=1.5, gt=0, description="price of a litre, any currency")
    outer_grid: OuterGrid | None = Field(default=None, description="connection to a public grid")

    @model_validator(mode="after")
    def _whole_steps(self) -> GridScenario:
        steps = self.horizon_h * 60.0 / self.step_min
        if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:  # noqa: PLR2004
            msg = f"horizon_h {self.horizon_h} is not a whole number of {self.step_min:g} min steps"
            raise ValueError(msg)
        plant = self.resolved_plant()
        wrong = fault_of(self.first_units, plant)
        if wrong:
            raise ValueError(wrong)
        for fault in self.faults:
            wrong = fault.wrong(plant, self.horizon_h)
            if wrong:
                msg = f"fault {fault.kind}: {wrong}"
                raise ValueError(msg)
        return self

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return round(self.horizon_h * 60.0 / self.step_min)

    def resolved_plant(self) -> Plant:
        """The plant, read where it is named.

        Raises:
            UnknownNameError: no shipped plant has that name.
            InputFileError, ScenarioError: the plant file is wrong.
        """
        if self.plant_file is not None:
            return load_plant(self.plant_file)
        return load_plant(self.plant) if isinstance(self.plant, str) else self.plant
