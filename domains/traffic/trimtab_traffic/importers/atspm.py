"""Reads high-resolution controller logs (ATSPM): what the signals did and what the loops counted.

Event codes are those of the Indiana Traffic Signal Hi Resolution Data Logger Enumerations
(Sturdevant et al., Purdue University 2012): 1 phase begins green, 8 begins yellow clearance, 10
begins red clearance, 11 ends red clearance, 82 detector on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.importers.counts import Count, Counts
from trimtab_traffic.importers.tables import Row, read_table

LOG_COLUMNS = {
    "time": ("timestamp", "date_time", "datetime", "eventtime"),
    "signal": ("signalid", "signal_id", "deviceid", "device_id", "locationidentifier"),
    "code": ("eventcode", "event_code", "eventid", "event_id", "eventcodeid"),
    "parameter": ("eventparam", "event_param", "eventparameter", "param", "detector"),
}
CHANNEL_COLUMNS = {"signal": LOG_COLUMNS["signal"], "channel": ("detector",), "edge": ("edge_id",)}
GREEN, YELLOW, RED_CLEARANCE, RED_CLEARANCE_ENDS, DETECTOR_ON = 1, 8, 10, 11, 82
_CODES = frozenset({GREEN, YELLOW, RED_CLEARANCE, RED_CLEARANCE_ENDS, DETECTOR_ON})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a log; times in s since the first midnight of the log."""

    time_s: float
    signal: str
    code: int
    parameter: int
    where: str


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """What a phase of a controller was seen to do; medians in s."""

    signal: str
    phase: int
    greens: int
    green_s: float
    shortest_green_s: float
    longest_green_s: float
    yellow_s: float
    red_clearance_s: float


def read_events(path: Path) -> list[Event]:
    """Events of a log table that matter here, in order of time.

    Raises:
        InputFileError: the table is unreadable, a time or code is wrong, or no event matters.
    """
    stamped: list[tuple[datetime, Row, int]] = []
    for row in read_table(path, LOG_COLUMNS, tuple(LOG_COLUMNS)):
        code = int(row.number("code"))
        if code in _CODES:
            stamped.append((_time(row), row, code))
    if not stamped:
        msg = f"{path}: no phase or detector event (codes 1, 8, 10, 11, 82); export them too"
        raise InputFileError(msg)
    stamped.sort(key=lambda item: item[0])
    midnight = stamped[0][0].replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        Event(
            (at - midnight).total_seconds(),
            row.text("signal"),
            code,
            int(row.number("parameter")),
            row.where,
        )
        for at, row, code in stamped
    ]


def _time(row: Row) -> datetime:
    try:
        return datetime.fromisoformat(row.text("time")).replace(tzinfo=None)
    except ValueError:
        msg = f"{row.where}: time is {row.text('time')!r}; write it as 2026-01-31 07:00:00.1"
        raise InputFileError(msg) from None


def read_channels(path: Path) -> dict[tuple[str, int], str]:
    """(signal, detector channel) → edge, from a table ``signal, channel, edge``.

    Raises:
        InputFileError: the table is unreadable or empty.
    """
    rows = read_table(path, CHANNEL_COLUMNS, tuple(CHANNEL_COLUMNS))
    found = {(r.text("signal"), int(r.number("channel"))): r.text("edge") for r in rows}
    if not found:
        msg = f"{path}: no channel in it; say which edge each detector channel lies on"
        raise InputFileError(msg)
    return found


def counts_of_events(
    path: Path, events: Sequence[Event], channels: Mapping[tuple[str, int], str], interval_s: float
) -> Counts:
    """Vehicles per edge and interval, from detector actuations; unmapped channels are left out.

    Raises:
        InputFileError: no mapped channel was ever actuated.
    """
    passed: dict[tuple[str, float], int] = defaultdict(int)
    for event in events:
        edge = channels.get((event.signal, event.parameter))
        if event.code == DETECTOR_ON and edge is not None:
            passed[edge, event.time_s // interval_s * interval_s] += 1
    if not passed:
        msg = f"{path}: no actuation on a mapped channel; check signal ids and channel numbers"
        raise InputFileError(msg)
    rows = (
        Count(edge, begin_s, begin_s + interval_s, float(number), str(path))
        for (edge, begin_s), number in sorted(passed.items(), key=lambda item: item[0][::-1])
    )
    return Counts(path, "edge", tuple(rows))


def phase_times(events: Iterable[Event]) -> list[PhaseTimes]:
    """Greens and clearances that were really run, per signal and phase."""
    lengths: dict[tuple[str, int], dict[int, list[float]]] = {}
    began: dict[tuple[str, int], tuple[int, float]] = {}
    for event in events:
        if event.code == DETECTOR_ON:
            continue
        key = (event.signal, event.parameter)
        if key in began:
            code, since_s = began[key]
            spans = lengths.setdefault(key, defaultdict(list))
            spans[code].append(event.time_s - since_s)
        began[key] = (event.code, event.time_s)
    return [
        PhaseTimes(
            signal,
            phase,
            len(spans[GREEN]),
            median(spans[GREEN]),
            min(spans[GREEN]),
            max(spans[GREEN]),
            median(spans[YELLOW] or [0.0]),
            median(spans[RED_CLEARANCE] or [0.0]),
        )
        for (signal, phase), spans in sorted(lengths.items())
        if spans[GREEN]
    ]
