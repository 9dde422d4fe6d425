"""What an episode brings from outside: load, wind and PV per seed, faults, calendar.

Nothing here depends on actions. Column k + 1 of a bank realises in step k; column 0 was before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import MAX_UNITS, steps_of
from trimtab_grid.forecasts import QUANTITIES, Forecaster
from trimtab_grid.generators import (
    Clock,
    community_load,
    wind_power,
)
from trimtab_grid.plant import Plant
from trimtab_grid.scenario import Fault, GridScenario
from trimtab_grid.series import Series, clock, load_series
from trimtab_grid.series_files import ReadSeries
from trimtab_grid.weather import Weather, pv_from_weather, wind_from_weather
from trimtab_grid.weather_files import read_weather, sand_point
from trimtab_grid.weather_year import round_the_year

SITE = timezone(timedelta(hours=-9))
"""Standard time of Sand Point, of generated series too."""
_YEAR = 2021
LEADS_FINE_MIN = (15.0, 30.0, 60.0, 240.0)
LEADS_COARSE_STEPS = (1, 3, 6, 24)
_FINE_STEP_MIN = 15.0


def first_moment(scenario: GridScenario) -> datetime:
    """Begin of the first step of generated data."""
    return datetime(_YEAR, 1, 1, tzinfo=SITE) + timedelta(days=scenario.data.first_day - 1)


class Episodes:
    """Banks of a scenario: load, wind and PV of every seed over its horizon."""

    def __init__(
        self, scenario: GridScenario, plant: Plant, read: ReadSeries | None = None
    ) -> None:
        self._scenario, self._plant = scenario, plant
        self._steps = scenario.horizon + 1
        self._file = self._from_file(read)
        before = timedelta(minutes=scenario.step_min)
        self.start = (first_moment(scenario) if self._file is None else self._file.start) - before

    def bank(self, seed: IntArray, episode: IntArray) -> FloatArray:
        """[M, steps + 1, 3] load, wind, PV, kW."""
        bank = np.zeros((len(seed), self._steps, 3))
        if self._file is not None:
            for k, values in enumerate((self._file.load_kw, self._file.wind_kw, self._file.pv_kw)):
                bank[:, 1:, k] = values
            bank[:, 0] = bank[:, 1]
            return bank
        data, step_min = self._scenario.data, self._scenario.step_min
        when = Clock(self.start, step_min)
        limits = self._plant.disturbances
        bank[:, :, 0] = community_load(data.load, limits, when, self._steps, seed, episode)
        wind = self._plant.wind
        if data.kind == "weather" or self._plant.pv is not None:
            self._add_weather(bank)
        if wind is not None and data.kind == "generated":
            bank[:, :, 1] = wind_power(data.climate, wind, step_min, self._steps, seed, episode)
        return bank

    def _add_weather(self, bank: FloatArray) -> None:
        weather, step_min = self._weather(), self._scenario.step_min
        refine = self._scenario.data.refine or "linear"
        first = round((self._scenario.data.first_day - 1) * 1440.0 / step_min) - 1
        steps = first + np.arange(self._steps)
        if self._plant.wind is not None:
            wind_kw = wind_from_weather(self._plant.wind, weather)
            year_kw = round_the_year(weather, wind_kw, step_min, refine)
            bank[:, :, 1] = year_kw[steps % len(year_kw)]
        if self._plant.pv is not None:
            pv_kw = pv_from_weather(self._plant.pv, weather)
            year_kw = round_the_year(weather, pv_kw, step_min, refine)
            bank[:, :, 2] = year_kw[steps % len(year_kw)]

    def _weather(self) -> Weather:
        path = self._scenario.data.weather_file
        return sand_point() if path is None else read_weather(path)

    def _from_file(self, read: ReadSeries | None) -> Series | None:
        data = self._scenario.data
        if data.file is None or read is None:
            return None
        whole = read(data.file, data.reading())
        return data.played(whole, self._scenario.step_min, self._steps - 1)

    def series(self, values: FloatArray) -> Series:
        """One row of a bank [steps + 1, 3] as a series; its step 0 is before the episode."""
        return load_series(
            self.start,
            self._scenario.step_min,
            values[:, 0].copy(),
            values[:, 1].copy(),
            values[:, 2].copy(),
            source="episode",
        )

    def hours(self) -> FloatArray:
        """[steps + 1] local time of day."""
        return clock(self.start, self._scenario.step_min, self._steps)[0]

    def calendar(self) -> FloatArray:
        """[steps + 1, 4] sine and cosine of the time of day and of the year."""
        hour, day = clock(self.start, self._scenario.step_min, self._steps)
        daily, yearly = 2.0 * math.pi * hour / 24.0, 2.0 * math.pi * day / 365.25
        return np.stack([np.sin(daily), np.cos(daily), np.sin(yearly), np.cos(yearly)], axis=1)


def lead_steps(step_min: float) -> tuple[int, ...]:
    """Steps ahead of the forecasts in the observation."""
    if step_min > _FINE_STEP_MIN:
        return LEADS_COARSE_STEPS
    return tuple(max(1, round(lead / step_min)) for lead in LEADS_FINE_MIN)


def forecast_columns(
    scenario: GridScenario, known: int, leads: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """[steps + 1, leads] column of the source that each forecast in the observation reads.

    `leads` are steps ahead, those of `lead_steps` if not given. Persistence reads what is measured
    last, a seasonal forecast what was a season before, others what is foretold. A stuck forecast
    stays as it was issued last; -1 where it is missing.
    """
    last = scenario.horizon
    now = np.arange(last + 1)
    issued, missing = now.copy(), np.zeros(last + 1, bool)
    for fault in scenario.faults:
        begin, end = fault_steps(fault, scenario.step_min)
        if fault.kind == "forecast_stuck":
            issued[(now >= begin) & (now < end)] = min(begin, last)
        if fault.kind == "forecast_missing":
            missing |= (now >= begin) & (now < end)
    seen = np.minimum(issued + known, last)
    ahead = np.array(lead_steps(scenario.step_min) if leads is None else leads)
    target = np.minimum(issued[:, None] + ahead[None, :], last)
    kind = scenario.forecast.kind
    if kind == "persistence":
        target = np.broadcast_to(seen[:, None], target.shape).copy()
    elif kind == "seasonal":
        season = max(1, round(scenario.forecast.season_h * 60.0 / scenario.step_min))
        seasons = np.maximum(1, -(-(target - seen[:, None]) // season))
        before = target - seasons * season
        naive = np.where(before >= 0, before, seen[:, None])
        target = np.where(target <= seen[:, None], target, naive)
    target[missing] = -1
    return np.asarray(target)


def foretold(
    made: Forecaster, episodes: Episodes, bank: FloatArray, seed: IntArray
) -> FloatArray | None:
    """Settled forecasts [M, steps + 1, 3]; None where forecasts read the bank itself."""
    found = bank.copy()
    for row, values in enumerate(bank):
        series = episodes.series(values)
        for k, name in enumerate(QUANTITIES):
            settled = made.settled(series, name, int(seed[row]))
            if settled is None:
                return None
            found[row, :, k] = settled
    return found


def lead_weights(
    made: Forecaster, step_min: float, known: int, leads: Sequence[int] | None = None
) -> FloatArray:
    """Share of the settled forecast per lead of the observation; none where steps are known."""
    ahead = np.array(lead_steps(step_min) if leads is None else leads)
    return np.where(ahead <= known, 0.0, made.weight(ahead * step_min / 60.0))


def fault_steps(fault: Fault, step_min: float) -> tuple[int, int]:
    """First step of a fault and the one after its last."""
    begin = int(fault.at_min / step_min)
    return begin, begin + max(1, steps_of(fault.for_min, step_min))


def fault_plan(scenario: GridScenario, plant: Plant) -> FloatArray:
    """[steps, columns] faults of `engine.step`, or no rows where none is planned."""
    names = [genset.name for genset in plant.gensets]
    rows = np.zeros((scenario.horizon, 2 + 2 * MAX_UNITS))
    for fault in scenario.faults:
        begin, end = fault_steps(fault, scenario.step_min)
        if fault.kind == "trip":
            rows[begin : begin + 1, 2 + names.index(fault.unit)] = 1.0
        elif fault.kind == "failed_start":
            rows[begin:end, 2 + MAX_UNITS + names.index(fault.unit)] = 1.0
        elif fault.kind == "soc_bias":
            rows[begin:end, 0] = fault.size
        elif fault.kind == "battery_trip":
            rows[begin:end, 1] = 1.0
    return rows if rows.any() else rows[:0]


def add_load_jumps(scenario: GridScenario, bank: FloatArray) -> None:
    """Add the load of `load_jump` faults, which lie outside the declared limits on purpose."""
    for fault in scenario.faults:
        if fault.kind == "load_jump":
            begin, end = fault_steps(fault, scenario.step_min)
            bank[:, begin + 1 : end + 1, 0] = np.maximum(
                0.0, bank[:, begin + 1 : end + 1, 0] + fault.size
            )
