"""Load, wind and PV of a plant over even steps: what a user brings and a simulator plays.

Powers are means over the step, kW; a step is named by its begin. Wind and PV are what the sources
could give before curtailment. Nothing is ever filled in: gaps are errors, and resampling says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray

MIN_STEP_MIN, MAX_STEP_MIN = 1.0 / 60.0, 60.0
MINUTES_PER_DAY = 1440.0
POWERS = ("load_kw", "wind_kw", "pv_kw")
Refinement = Literal["hold", "linear"]


@dataclass(frozen=True, slots=True)
class Series:
    """Exogenous quantities of one plant.

    Attributes:
        start: begin of the first step, with its time zone.
        step_min: length of a step, minutes.
        load_kw: [T], demand.
        wind_kw: [T], available wind power.
        pv_kw: [T], available PV power.
        temperature_c: [T] air temperature, or None where unknown.
        source: one line for the reader ("synthetic", a file name).
    """

    start: datetime
    step_min: float
    load_kw: FloatArray
    wind_kw: FloatArray
    pv_kw: FloatArray
    temperature_c: FloatArray | None = None
    source: str = "in memory"

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            msg = f"{self.source}: start {self.start} has no time zone; give one, such as UTC"
            raise InputFileError(msg)
        if not MIN_STEP_MIN * (1 - 1e-9) <= self.step_min <= MAX_STEP_MIN:
            msg = f"{self.source}: step of {self.step_min:g} min; use 1 s to 60 min"
            raise InputFileError(msg)
        for name, values in self.columns.items():
            _check(self.source, name, values, len(self.load_kw))

    def __len__(self) -> int:
        return len(self.load_kw)

    @property
    def columns(self) -> dict[str, FloatArray]:
        """Every quantity that is there, by name."""
        named = {"load_kw": self.load_kw, "wind_kw": self.wind_kw, "pv_kw": self.pv_kw}
        if self.temperature_c is not None:
            named["temperature_c"] = self.temperature_c
        return named

    @property
    def hours(self) -> float:
        """Whole length, h."""
        return len(self) * self.step_min / 60.0

    def time_of(self, step: int) -> datetime:
        """Begin of a step in the zone of the series."""
        passed = timedelta(minutes=step * self.step_min)
        return (self.start.astimezone(UTC) + passed).astimezone(self.start.tzinfo)

    def window(self, begin: int, steps: int) -> Series:
        """Part of the series from step `begin` on.

        Raises:
            InputFileError: the series does not reach that far.
        """
        if begin < 0 or steps < 1 or begin + steps > len(self):
            msg = (
                f"{self.source}: steps {begin} to {begin + steps} asked of {len(self)}; "
                "choose a shorter horizon or an earlier begin"
            )
            raise InputFileError(msg)
        part = {name: values[begin : begin + steps] for name, values in self.columns.items()}
        return self._with(self.time_of(begin), self.step_min, part)

    def from_day(self, day: int, steps: int) -> Series:
        """Part of the series that begins `day` - 1 whole days after its first step.

        Raises:
            InputFileError: the series does not reach that far.
        """
        begin = round((day - 1) * MINUTES_PER_DAY / self.step_min)
        if begin + steps > len(self):
            which = f" from day {day} on" if day > 1 else ""
            msg = (
                f"{self.source}: has {len(self)} steps of {self.step_min:g} min, the episode needs "
                f"{steps}{which}: shorten horizon_h, choose an earlier first_day, or bring a "
                "longer series"
            )
            raise InputFileError(msg)
        return self.window(begin, steps)

    def resample(self, step_min: float, refine: Refinement | None = None) -> Series:
        """The same series at another step.

        Coarser steps are means, so energy is kept. Finer steps need `refine`: "hold" repeats the
        mean (keeps energy), "linear" joins the middles of the steps (limits ramps, keeps energy
        only nearly). What happens inside a step that was never measured stays unknown.

        Raises:
            InputFileError: steps do not divide each other, a part of a coarse step is left over,
                or finer steps are asked without saying how.
        """
        if step_min > self.step_min:
            return self._coarser(step_min)
        if step_min == self.step_min:
            return self
        if refine is None:
            msg = (
                f"{self.source}: has {self.step_min:g} min steps, {step_min:g} min are asked: "
                "say refine: hold or refine: linear, nothing is invented silently"
            )
            raise InputFileError(msg)
        ratio = _whole(self.step_min / step_min, self.source, self.step_min, step_min)
        finer = _held if refine == "hold" else _joined
        parts = {name: finer(values, ratio) for name, values in self.columns.items()}
        return self._with(self.start, step_min, parts)

    def _coarser(self, step_min: float) -> Series:
        ratio = _whole(step_min / self.step_min, self.source, self.step_min, step_min)
        if len(self) % ratio:
            msg = (
                f"{self.source}: {len(self)} steps do not fill {step_min:g} min steps of "
                f"{ratio}: cut the last {len(self) % ratio}"
            )
            raise InputFileError(msg)
        means = {name: v.reshape(-1, ratio).mean(axis=1) for name, v in self.columns.items()}
        return self._with(self.start, step_min, means)

    def _with(self, start: datetime, step_min: float, parts: Mapping[str, FloatArray]) -> Series:
        return replace(
            self,
            start=start,
            step_min=step_min,
            load_kw=parts["load_kw"],
            wind_kw=parts["wind_kw"],
            pv_kw=parts["pv_kw"],
            temperature_c=parts.get("temperature_c"),
        )


def load_series(
    start: datetime,
    step_min: float,
    load_kw: FloatArray,
    wind_kw: FloatArray | None = None,
    pv_kw: FloatArray | None = None,
    temperature_c: FloatArray | None = None,
    source: str = "in memory",
) -> Series:
    """A series of a plant that has no wind or no PV: what is None is a source that is not there."""
    nothing = np.zeros(len(load_kw))
    return Series(
        start,
        step_min,
        np.asarray(load_kw, dtype=np.float64),
        nothing if wind_kw is None else np.asarray(wind_kw, dtype=np.float64),
        nothing if pv_kw is None else np.asarray(pv_kw, dtype=np.float64),
        temperature_c,
        source,
    )


def zone_of(name: str) -> tzinfo:
    """A time zone by IANA name ("America/Anchorage"), "UTC" or a fixed offset ("UTC-09:00").

    Raises:
        InputFileError: there is no such zone.
    """
    if name in {"UTC", "Z", "GMT"}:
        return UTC
    offset = _offset(name)
    if offset is not None:
        return offset
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        msg = (
            f"time zone {name!r} is not known; write an IANA name (America/Anchorage), UTC, "
            "or an offset (UTC-09:00)"
        )
        raise InputFileError(msg) from None


def _offset(name: str) -> timezone | None:
    try:
        found = datetime.strptime(name.removeprefix("UTC"), "%z").tzinfo  # noqa: DTZ007
    except ValueError:
        return None
    return found if isinstance(found, timezone) else None


def clock(start: datetime, step_min: float, steps: int) -> tuple[FloatArray, FloatArray]:
    """Local wall-clock time of every step, daylight saving included.

    Returns:
        Hour of the day [T] in [0, 24), and day of the year [T] from 0, with its fraction.
    """
    passed_min = np.arange(steps) * step_min
    hour_of = (passed_min // 60.0).astype(np.int64)
    shift_min = _offsets_min(start, int(hour_of[-1]) + 2 if steps else 0)[hour_of]
    base = start.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    since = (start.replace(tzinfo=None) - base).total_seconds() / 60.0
    local_min = since + passed_min + shift_min
    return (local_min % 1440.0) / 60.0, local_min / 1440.0


@lru_cache(maxsize=64)
def _offsets_min(start: datetime, hours: int) -> NDArray[np.float64]:
    """Change of the zone's offset since `start`, per hour, minutes."""
    zone, first = start.tzinfo, start.utcoffset() or timedelta()
    if isinstance(zone, timezone):
        return np.zeros(hours)
    begin = start.astimezone(UTC)
    offsets = (
        (begin + timedelta(hours=h)).astimezone(zone).utcoffset() or timedelta()
        for h in range(hours)
    )
    return np.array([(offset - first).total_seconds() / 60.0 for offset in offsets])


def _check(source: str, name: str, values: FloatArray, length: int) -> None:
    if values.shape != (length,) or not length:
        msg = f"{source}: {name} has shape {values.shape}, load_kw has {length} steps: make equal"
        raise InputFileError(msg)
    wrong = ~np.isfinite(values)
    if name in POWERS:
        wrong |= values < 0.0
    if wrong.any():
        step = int(np.flatnonzero(wrong)[0])
        msg = (
            f"{source}: {name} is {values[step]} at step {step}; give a finite number"
            f"{' that is not negative' if name in POWERS else ''} there"
        )
        raise InputFileError(msg)


def _whole(ratio: float, source: str, has_min: float, asked_min: float) -> int:
    whole = round(ratio)
    if abs(ratio - whole) > 1e-9 * ratio:  # noqa: PLR2004
        msg = (
            f"{source}: {has_min:g} min steps do not become {asked_min:g} min steps: choose a step "
            "that divides the other"
        )
        raise InputFileError(msg)
    return whole


def _held(values: FloatArray, ratio: int) -> FloatArray:
    return np.repeat(values, ratio)


def _joined(values: FloatArray, ratio: int) -> FloatArray:
    middles = np.arange(len(values)) + 0.5
    fine = (np.arange(len(values) * ratio) + 0.5) / ratio
    return np.asarray(np.interp(fine, middles, values))
