"""Forecasts as an input of their own: what a controller is told of the steps to come.

A forecast is issued at step `now`, when values up to and including `now + known` are measured
(`known` is 1 where the plant declares that the coming step is known), for the steps `now + 1` to
`now + horizon`. Persistence and seasonal naive read nothing later than that; noisy and perfect
forecasts do, say so by `sees_future`, and serve as a measure of what forecasting is worth.

What the observation shows and what the resource "forecast" issues come from the same `settled`
values and the same `weight` of a lead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from trimtab.contracts.errors import ContractError, InputFileError
from trimtab.contracts.scenario import DataFile, StrictModel
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_grid.series import Series
from trimtab_grid.series_files import Reading, ReadSeries

Kind = Literal["persistence", "seasonal", "noisy", "perfect", "file"]
Foretold = Literal["persistence", "noisy", "perfect"]
"""How planners that roll foretell what comes."""
Quantity = Literal["load_kw", "wind_kw", "pv_kw"]
QUANTITIES: tuple[Quantity, ...] = ("load_kw", "wind_kw", "pv_kw")
_ERRORS = {name: Stream(f"grid.forecast.{name}") for name in QUANTITIES}


class ForecastSettings(StrictModel):
    """Which forecast a controller gets."""

    kind: Kind = Field(default="persistence", description="how the coming steps are foretold")
    season_h: float = Field(
        default=24.0, gt=0, le=8784, description="period of the seasonal forecast, h"
    )
    sigma: float = Field(
        default=0.1,
        ge=0,
        le=2,
        description="deviation of the noisy forecast's relative error, far ahead",
    )
    memory_h: float = Field(
        default=6.0, gt=0, description="lead after which its error is settled, h"
    )
    file: DataFile | None = Field(
        default=None, description="table of forecast load_kw, wind_kw, pv_kw"
    )
    columns: dict[str, str] = Field(
        default={}, description="header of a column of it → what it holds (load_kw, time)"
    )
    zone: str | None = Field(default=None, description="time zone of its times without offset")

    @model_validator(mode="after")
    def _file_given(self) -> ForecastSettings:
        if (self.kind == "file") != (self.file is not None):
            msg = "kind: file and a file belong together: give both or neither"
            raise ValueError(msg)
        if self.file is None and (self.columns or self.zone):
            msg = "columns and zone say how a file is read, and there is none: leave them out"
            raise ValueError(msg)
        return self

    def reading(self) -> Reading:
        """How the user's file is read."""
        return Reading(columns=self.columns, zone=self.zone)


@dataclass(frozen=True, slots=True)
class Issue:
    """Which forecasts are asked for.

    Attributes:
        now: [M] steps at which they are issued.
        horizon: K, steps foretold.
        seed: of the noise.
        known: steps after `now` that are measured already.
    """

    now: IntArray
    horizon: int
    seed: int = 0
    known: int = 0

    @property
    def last_known(self) -> IntArray:
        """[M] latest measured step."""
        return np.asarray(self.now + self.known)

    @property
    def steps(self) -> IntArray:
        """[M, K] steps foretold."""
        return np.asarray(self.now[:, None] + np.arange(1, self.horizon + 1)[None, :])


class Forecaster(ABC):
    """One way of forecasting."""

    sees_future = False

    def issue(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        """Forecasts [M, K] of a quantity, kW; steps that are known are as measured.

        Raises:
            ContractError: a step before the first or, where the future must be read or is
                partly known, after the last of the series is asked for.
        """
        values = series.columns[quantity]
        _check_range(values, asked, self.sees_future)
        foretold = self._foretell(series, quantity, asked)
        if asked.known:
            seen = min(asked.known, asked.horizon)
            foretold[:, :seen] = values[asked.steps[:, :seen]]
        return foretold

    def settled(self, series: Series, quantity: Quantity, seed: int) -> FloatArray | None:
        """Per step of the series what is foretold long before; None where it is measured values."""
        return None

    def weight(self, lead_h: FloatArray) -> FloatArray:
        """Share of the settled value in a forecast so many hours ahead; the rest is the truth."""
        return np.ones_like(lead_h)

    @abstractmethod
    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        """Forecasts [M, K] as a fresh array, known steps included."""


class Persistence(Forecaster):
    """Everything stays as last measured."""

    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        values = series.columns[quantity]
        return np.repeat(values[asked.last_known][:, None], asked.horizon, axis=1)


@dataclass(frozen=True, slots=True)
class SeasonalNaive(Forecaster):
    """As one season ago, or a whole number of seasons for far steps; persistence until then."""

    season_h: float = 24.0

    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        values = series.columns[quantity]
        season = max(1, round(self.season_h * 60.0 / series.step_min))
        ahead = asked.steps - asked.last_known[:, None]
        seasons = np.maximum(1, -(-ahead // season))
        before = asked.steps - seasons * season
        last = values[asked.last_known][:, None]
        return np.asarray(np.where(before >= 0, values[np.maximum(before, 0)], last))


class Perfect(Forecaster):
    """What will be measured."""

    sees_future = True

    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        return np.array(series.columns[quantity][asked.steps])


@dataclass(frozen=True, slots=True)
class Noisy(Forecaster):
    """What will be measured, with an error that grows from 0 with the lead.

    Every step has one relative error, an Ornstein-Uhlenbeck path over time with deviation `sigma`;
    a forecast takes the share sqrt(1 - exp(-2 lead / memory)) of it. So forecasts of one step
    agree with each other and come nearer to the truth. Values are kept at 0 or above.
    """

    sigma: float = 0.1
    memory_h: float = 6.0
    sees_future = True

    def settled(self, series: Series, quantity: Quantity, seed: int) -> FloatArray:
        """See `Forecaster.settled`."""
        from trimtab_grid.generators import autoregression

        steps = len(series)
        seeds, episodes = np.array([seed], np.int64), np.zeros(1, np.int64)
        stream, memory_min = _ERRORS[quantity], 60.0 * self.memory_h
        error = autoregression(stream, seeds, episodes, steps, series.step_min, memory_min)[0]
        return np.asarray(np.maximum(0.0, series.columns[quantity] * (1.0 + self.sigma * error)))

    def weight(self, lead_h: FloatArray) -> FloatArray:
        """See `Forecaster.weight`."""
        return np.asarray(np.sqrt(-np.expm1(-2.0 * lead_h / self.memory_h)))

    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        truth = series.columns[quantity][asked.steps]
        settled = self.settled(series, quantity, asked.seed)[asked.steps]
        lead_h = np.arange(1.0, asked.horizon + 1.0) * (series.step_min / 60.0)
        share = self.weight(np.asarray(lead_h, np.float64))
        return np.asarray(truth + share * (settled - truth))


@dataclass(frozen=True, slots=True)
class FromFile(Forecaster):
    """The user's own forecast: one value per step, fixed in advance, matched by time."""

    forecast: Series

    def settled(self, series: Series, quantity: Quantity, seed: int) -> FloatArray:
        """See `Forecaster.settled`; the step before the series' second one is not asked for."""
        values = np.array(series.columns[quantity])
        if len(series) > 1:
            asked = Issue(np.zeros(1, np.int64), len(series) - 1)
            values[1:] = self._foretell(series, quantity, asked)[0]
        return values

    def _foretell(self, series: Series, quantity: Quantity, asked: Issue) -> FloatArray:
        shift = _shift(self.forecast, series)
        steps = asked.steps + shift
        outside = (steps < 0) | (steps >= len(self.forecast))
        if outside.any():
            step = int(asked.steps[outside][0])
            msg = (
                f"{self.forecast.source}: foretells nothing for {series.time_of(step)}: "
                "give a forecast for every step that is looked at"
            )
            raise InputFileError(msg)
        return np.array(self.forecast.columns[quantity][steps])


def forecaster(settings: ForecastSettings, read: ReadSeries) -> Forecaster:
    """The forecaster of a scenario.

    Args:
        settings: of the scenario.
        read: reads the user's file.
    """
    if settings.file is not None:
        return FromFile(read(settings.file, settings.reading()))
    made: dict[str, Forecaster] = {
        "persistence": Persistence(),
        "seasonal": SeasonalNaive(settings.season_h),
        "perfect": Perfect(),
        "noisy": Noisy(settings.sigma, settings.memory_h),
    }
    return made[settings.kind]


def _check_range(values: FloatArray, asked: Issue, sees_future: bool) -> None:
    first = int(asked.now.min())
    last = int((asked.steps if sees_future else asked.last_known).max())
    if first < 0 or last >= len(values):
        msg = (
            f"forecast: steps {first} to {last} of {len(values)} are needed: ask for a shorter "
            "horizon or bring a longer series"
        )
        raise ContractError(msg)


def _shift(forecast: Series, series: Series) -> int:
    """Steps by which the forecast file begins earlier than the series."""
    if forecast.step_min != series.step_min:
        msg = (
            f"{forecast.source}: has {forecast.step_min:g} min steps, the series has "
            f"{series.step_min:g} min: give the forecast at that step"
        )
        raise InputFileError(msg)
    apart = series.start.astimezone(UTC) - forecast.start.astimezone(UTC)
    steps = apart.total_seconds() / 60.0 / series.step_min
    if abs(steps - round(steps)) > 1e-9 * max(1.0, abs(steps)):  # noqa: PLR2004
        msg = f"{forecast.source}: steps begin between those of {series.source}: align them"
        raise InputFileError(msg)
    return round(steps)
