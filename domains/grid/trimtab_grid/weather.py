"""Weather of a site and what wind turbines and PV make of it.

The default is the typical year of Sand Point, Alaska (TMY3 703165), which lies in the wheel of
pvlib (BSD-3); it is read there, not copied. Weibull fit of its hours that are not calm: k 1.83,
c 6.20 m/s; 7.6 % of the hours are calm; mean temperature 4.4 °C (a test derives all three again).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
from trimtab.contracts.errors import InputFileError, MissingDependencyError
from trimtab.contracts.spec import FloatArray

from trimtab_grid.plant import Photovoltaic, Wind
from trimtab_grid.turbines import hub_speed, turbine_power

INVERTER_EFFICIENCY = 0.96
"""Nominal efficiency of a PV inverter (PVWatts version 5, NREL/TP-6A20-62641)."""
_LIMITS = {
    "wind_speed_m_s": (0.0, 120.0),
    "temperature_c": (-90.0, 65.0),
    "ghi_w_m2": (0.0, 1500.0),
    "dni_w_m2": (0.0, 1500.0),
    "dhi_w_m2": (0.0, 1500.0),
}


@dataclass(frozen=True, slots=True)
class Weather:
    """Means over even steps at one place.

    Attributes:
        start: begin of the first step, with its zone (standard time, no daylight saving).
        step_min: minutes.
        wind_speed_m_s: [T] at `measured_at_m`.
        temperature_c: [T] of the air.
        ghi_w_m2: [T] global horizontal irradiance.
        dni_w_m2: [T] direct normal irradiance.
        dhi_w_m2: [T] diffuse horizontal irradiance.
        source: one line for the reader.
    """

    start: datetime
    step_min: float
    wind_speed_m_s: FloatArray
    temperature_c: FloatArray
    ghi_w_m2: FloatArray
    dni_w_m2: FloatArray
    dhi_w_m2: FloatArray
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    source: str
    measured_at_m: float = 10.0

    def __post_init__(self) -> None:
        if not (abs(self.latitude_deg) <= 90 and abs(self.longitude_deg) <= 180):  # noqa: PLR2004
            msg = f"{self.source}: latitude or longitude is outside ±90, ±180 degrees: mend them"
            raise InputFileError(msg)
        for name, (low, high) in _LIMITS.items():
            values = getattr(self, name)
            wrong = np.flatnonzero(~((values >= low) & (values <= high)))
            if len(values) != len(self.wind_speed_m_s) or wrong.size:
                where = f"{values[wrong[0]]:g} at step {wrong[0]}" if wrong.size else "too short"
                msg = f"{self.source}: {name} is {where}; give {low:g} to {high:g} for every step"
                raise InputFileError(msg)

    def __len__(self) -> int:
        return len(self.wind_speed_m_s)

    @property
    def zone_hours(self) -> float:
        """Offset of the zone to UTC, h."""
        return (self.start.utcoffset() or timedelta()).total_seconds() / 3600.0


def wind_from_weather(wind: Wind, weather: Weather) -> FloatArray:
    """Available wind power per step of the weather, kW [T]."""
    speed = hub_speed(wind, weather.wind_speed_m_s, weather.measured_at_m)
    return turbine_power(wind, speed)


def pv_from_weather(pv: Photovoltaic, weather: Weather) -> FloatArray:
    """Available PV power at the inverter's AC side per step of the weather, kW [T].

    Sun at the middle of each step; Hay and Davies' sky; cell temperature by Faiman; DC power and
    inverter by PVWatts (Dobos, NREL/TP-6A20-62641).

    Raises:
        MissingDependencyError: pvlib is not installed.
    """
    pvlib_folder()
    import pandas as pd
    from pvlib import inverter, irradiance, pvsystem, solarposition, temperature

    middle = pd.date_range(
        pd.Timestamp(weather.start) + pd.Timedelta(minutes=weather.step_min / 2),
        periods=len(weather),
        freq=pd.Timedelta(minutes=weather.step_min),
    )
    sun = solarposition.get_solarposition(
        middle, weather.latitude_deg, weather.longitude_deg, weather.altitude_m
    )
    plane = irradiance.get_total_irradiance(
        pv.tilt_deg,
        pv.azimuth_deg,
        sun["apparent_zenith"],
        sun["azimuth"],
        dni=weather.dni_w_m2,
        ghi=weather.ghi_w_m2,
        dhi=weather.dhi_w_m2,
        dni_extra=irradiance.get_extra_radiation(middle),
        model="haydavies",
    )["poa_global"].to_numpy()
    wind = cast("Any", weather.wind_speed_m_s)  # pvlib types a number, and takes arrays
    cell = temperature.faiman(plane, weather.temperature_c, wind)
    direct = pvsystem.pvwatts_dc(
        np.maximum(plane, 0.0), cell, pv.rated_kw, pv.temperature_coefficient_per_k
    )
    limit = pv.inverter_kw or pv.rated_kw
    power = inverter.pvwatts(
        np.maximum(direct, 0.0), limit / INVERTER_EFFICIENCY, INVERTER_EFFICIENCY
    )
    return np.asarray(np.clip(power, 0.0, limit))


def pvlib_folder() -> Path:
    """Data folder of the installed wheel, found without importing it."""
    found = importlib.util.find_spec("pvlib")
    if found is None or found.origin is None:
        raise MissingDependencyError(package="pvlib", extra="grid", purpose="weather")
    return Path(found.origin).parent / "data"
