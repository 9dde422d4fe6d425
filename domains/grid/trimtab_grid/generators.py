"""Synthetic community load and wind: settings, and series made of counter-based draws.

Load is a shape of the day (24 h and 12 h), the week and the year, times a mean, plus two AR(1)
residuals (weather and habits; appliances), kept inside the limits of the plant's disturbances.
Wind is an AR(1) Gaussian turned into a Weibull speed by its rank, then into power by the plant's
curve. A value depends on (seed, episode, step) alone, never on the length asked for. Everything
made here is to be labelled `SYNTHETIC`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pydantic import Field
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_grid.plant import Disturbances, Wind
from trimtab_grid.series import Series, clock, load_series
from trimtab_grid.turbines import hub_speed, turbine_power

SYNTHETIC = "synthetic"
_SLOW, _FAST, _GUST = Stream("grid.load"), Stream("grid.appliances"), Stream("grid.wind")
DAYS_PER_YEAR = 365.25


class CommunityLoad(StrictModel):
    """Shape of a community's load; shares are of the mean."""

    mean_kw: float = Field(default=300.0, gt=0, description="mean over the year, kW")
    daily_share: float = Field(default=0.22, ge=0, le=1, description="amplitude of the 24 h wave")
    daily_peak_h: float = Field(default=18.0, ge=0, lt=24, description="hour of its peak")
    half_daily_share: float = Field(
        default=0.10, ge=0, le=1, description="amplitude of the 12 h wave"
    )
    half_daily_peak_h: float = Field(default=8.0, ge=0, lt=24, description="hour of its peak")
    weekend_share: float = Field(
        default=-0.06, ge=-1, le=1, description="change on Saturday and Sunday"
    )
    annual_share: float = Field(
        default=0.15, ge=0, le=1, description="amplitude of the wave of the year"
    )
    annual_peak_day: float = Field(
        default=15.0, ge=0, le=366, description="day of the year of its peak"
    )
    residual_share: float = Field(
        default=0.06, ge=0, le=1, description="deviation of the slow residual"
    )
    residual_h: float = Field(
        default=3.0, gt=0, description="time constant of the slow residual, h"
    )
    appliance_share: float = Field(
        default=0.02, ge=0, le=1, description="deviation of the fast residual"
    )
    appliance_min: float = Field(
        default=4.0, gt=0, description="time constant of the fast residual, min"
    )


class WindClimate(StrictModel):
    """Distribution and memory of wind speed; defaults fit Sand Point, Alaska (see `weather`)."""

    weibull_shape: float = Field(
        default=1.83, gt=0, description="Weibull k of speeds that are not calm"
    )
    weibull_scale_m_s: float = Field(default=6.20, gt=0, description="Weibull c, m/s, at 10 m")
    calm_share: float = Field(default=0.076, ge=0, lt=1, description="share of calm time")
    memory_h: float = Field(default=8.0, gt=0, description="time constant of the slow part, h")
    gust_share: float = Field(
        default=0.15, ge=0, le=1, description="share of variance of the fast part"
    )
    gust_min: float = Field(default=5.0, gt=0, description="time constant of the fast part, min")
    drop_per_min: float | None = Field(
        default=0.18, gt=0, description="largest fall of power, share of rated per min; empty: any"
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """When a generated series begins; `step_min` in minutes."""

    start: datetime
    step_min: float


def community_load(
    settings: CommunityLoad,
    limits: Disturbances,
    when: Clock,
    steps: int,
    seed: IntArray,
    episode: IntArray,
) -> FloatArray:
    """Load [N, steps] kW, one row per (seed, episode), inside `limits` in level and ramp."""
    shape = _shape(settings, when, steps)
    slow = autoregression(_SLOW, seed, episode, steps, when.step_min, settings.residual_h * 60.0)
    fast = autoregression(_FAST, seed, episode, steps, when.step_min, settings.appliance_min)
    noise = settings.residual_share * slow + settings.appliance_share * fast
    wished = settings.mean_kw * (shape[None, :] + noise)
    return _within(wished, limits, when.step_min)


def wind_speed(
    climate: WindClimate, step_min: float, steps: int, seed: IntArray, episode: IntArray
) -> FloatArray:
    """Wind speed [N, steps] m/s at the height of `climate`: Weibull with calms."""
    from scipy.special import ndtr

    slow = autoregression(_GUST, seed, episode, steps, step_min, climate.memory_h * 60.0)
    fast = autoregression(Stream("grid.gusts"), seed, episode, steps, step_min, climate.gust_min)
    share = climate.gust_share
    rank = ndtr(math.sqrt(1.0 - share) * slow + math.sqrt(share) * fast)
    blowing = np.clip((rank - climate.calm_share) / (1.0 - climate.calm_share), 0.0, 1.0 - 1e-15)
    speed = climate.weibull_scale_m_s * (-np.log1p(-blowing)) ** (1.0 / climate.weibull_shape)
    return np.asarray(speed)


def wind_power(
    climate: WindClimate,
    wind: Wind,
    step_min: float,
    steps: int,
    seed: IntArray,
    episode: IntArray,
) -> FloatArray:
    """Available wind power [N, steps] kW; falls no faster than `drop_per_min` allows."""
    power = turbine_power(
        wind, hub_speed(wind, wind_speed(climate, step_min, steps, seed, episode))
    )
    if climate.drop_per_min is None:
        return power
    fall = climate.drop_per_min * wind.rated_kw * step_min
    return _ramped(power, math.inf, fall, (0.0, math.inf))


def synthetic_series(
    load: CommunityLoad,
    limits: Disturbances,
    when: Clock,
    steps: int,
    seed: int,
    wind: tuple[WindClimate, Wind] | None = None,
) -> Series:
    """One generated series, labelled synthetic; PV comes from weather, see `weather`."""
    seeds, episodes = np.array([seed], dtype=np.int64), np.zeros(1, dtype=np.int64)
    load_kw = community_load(load, limits, when, steps, seeds, episodes)[0]
    wind_kw = None
    if wind is not None:
        wind_kw = wind_power(*wind, when.step_min, steps, seeds, episodes)[0]
    source = f"{SYNTHETIC}, seed {seed}"
    return load_series(when.start, when.step_min, load_kw, wind_kw, source=source)


def autoregression(
    stream: Stream,
    seed: IntArray,
    episode: IntArray,
    steps: int,
    step_min: float,
    memory_min: float,
) -> FloatArray:
    """Stationary AR(1) [N, steps] of mean 0 and deviation 1, correlation exp(-t/memory).

    The sampled Ornstein-Uhlenbeck process, so that its statistics do not depend on the step.
    """
    from trimtab_grid.generator_kernel import remember

    draws = stream.normal(seed, episode, 0, steps)
    kept = math.exp(-step_min / memory_min)
    fresh = math.sqrt(1.0 - kept * kept)
    path = fresh * draws
    path[:, 0] = draws[:, 0]
    remember(path, kept)
    return path


def _shape(settings: CommunityLoad, when: Clock, steps: int) -> FloatArray:
    """Load over its mean [steps], without residuals."""
    hour, day = clock(when.start, when.step_min, steps)
    daily = settings.daily_share * _wave(hour, settings.daily_peak_h, 24.0)
    half = settings.half_daily_share * _wave(hour, settings.half_daily_peak_h, 12.0)
    annual = settings.annual_share * _wave(day, settings.annual_peak_day, DAYS_PER_YEAR)
    first = when.start.replace(month=1, day=1).weekday()
    weekend = (np.floor(day).astype(np.int64) + first) % 7 >= 5  # noqa: PLR2004
    return np.asarray((1.0 + daily + half) * (1.0 + annual) + settings.weekend_share * weekend)


def _wave(time: FloatArray, peak: float, period: float) -> FloatArray:
    return np.asarray(np.cos(2.0 * math.pi * (time - peak) / period))


def _within(wished: FloatArray, limits: Disturbances, step_min: float) -> FloatArray:
    rise = limits.load_rise_kw_per_min
    fall = limits.load_fall_kw_per_min
    return _ramped(
        wished,
        math.inf if rise is None else rise * step_min,
        math.inf if fall is None else fall * step_min,
        (limits.load_min_kw, limits.load_max_kw),
    )


def _ramped(wished: FloatArray, rise: float, fall: float, levels: Sequence[float]) -> FloatArray:
    """Nearest path to `wished` [N, T] that steps by at most `rise` up and `fall` down."""
    from trimtab_grid.generator_kernel import follow

    level = np.clip(wished, levels[0], levels[1])
    if math.isinf(rise) and math.isinf(fall):
        return np.asarray(level)
    follow(level, rise, fall)
    return np.asarray(level)
