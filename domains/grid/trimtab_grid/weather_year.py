"""Wind and PV power of a typical year at the steps of a series, matched by the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Photovoltaic, Wind
from trimtab_grid.series import Refinement, load_series
from trimtab_grid.weather import Weather, pv_from_weather, wind_from_weather


def round_the_year(
    weather: Weather, power_kw: FloatArray, step_min: float, refine: Refinement = "linear"
) -> FloatArray:
    """Power of a typical year at another step; its end joins its begin.

    Coarser steps are means. Finer ones join the middles of the hours by lines, so that power has no
    steps that sun and wind have not (what happens within an hour stays unknown), or hold the mean
    of the hour where `refine` says so. Power is joined, not weather: a curve's knee between two
    hours is cut, and PV power begins up to half an hour before the sun rises.
    """
    around = np.concatenate([power_kw[-1:], power_kw, power_kw[:1]])
    if step_min >= weather.step_min:
        around = power_kw
    series = load_series(weather.start, weather.step_min, around, source=weather.source)
    values = series.resample(step_min, refine).load_kw
    extra = (len(values) - round(len(power_kw) * weather.step_min / step_min)) // 2
    return np.asarray(values[extra : len(values) - extra])


@dataclass(frozen=True, slots=True)
class WeatherYear:
    """Weather that comes round every year at a step of minutes; see `round_the_year`."""

    weather: Weather
    step_min: float

    def wind_kw(self, wind: Wind, start: datetime, steps: int) -> FloatArray:
        """Available wind power [steps] from `start` on."""
        return self._from(wind_from_weather(wind, self.weather), start, steps)

    def pv_kw(self, pv: Photovoltaic, start: datetime, steps: int) -> FloatArray:
        """Available PV power [steps] from `start` on."""
        return self._from(pv_from_weather(pv, self.weather), start, steps)

    def _from(self, power_kw: FloatArray, start: datetime, steps: int) -> FloatArray:
        values = round_the_year(self.weather, power_kw, self.step_min)
        origin = self.weather.start
        first = start.astimezone(origin.tzinfo)
        day = 28 if (first.month, first.day) == (2, 29) else first.day
        late = first.replace(year=origin.year, day=day) - origin
        at = np.floor(late.total_seconds() / 60.0 / self.step_min + 1e-9) + np.arange(steps)
        return np.asarray(values[at.astype(np.int64) % len(values)])
