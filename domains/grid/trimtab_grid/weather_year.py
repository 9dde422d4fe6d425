"""Wind and PV power of a typical year at the steps of a series, matched by the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Photovoltaic, Wind
from trimtab_grid.series import load_series
from trimtab_grid.weather import Weather, pv_from_weather, wind_from_weather


@dataclass(frozen=True, slots=True)
class WeatherYear:
    """Weather that comes round every year, at a step of `step_min` minutes.

    Coarser steps are means, finer ones join the middles of the hours.
    """

    weather: Weather
    step_min: float

    def wind_kw(self, wind: Wind, start: datetime, steps: int) -> FloatArray:
        """Available wind power [steps] from `start` on."""
        return self._from(wind_from_weather(wind, self.weather), start, steps)

    def pv_kw(self, pv: Photovoltaic, start: datetime, steps: int) -> FloatArray:
        """Available PV power [steps] from `start` on."""
        return self._from(pv_from_weather(pv, self.weather), start, steps)

    def _from(self, power_kw: FloatArray, start: datetime, steps: int) -> FloatArray:
        hourly = load_series(
            self.weather.start, self.weather.step_min, power_kw, source=self.weather.source
        )
        values = hourly.resample(self.step_min, "linear").load_kw
        origin = self.weather.start
        first = start.astimezone(origin.tzinfo)
        day = 28 if (first.month, first.day) == (2, 29) else first.day
        late = first.replace(year=origin.year, day=day) - origin
        at = np.floor(late.total_seconds() / 60.0 / self.step_min + 1e-9) + np.arange(steps)
        return np.asarray(values[at.astype(np.int64) % len(values)])
