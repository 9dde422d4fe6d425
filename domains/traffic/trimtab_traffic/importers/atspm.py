"""Reads high-resolution controller logs (ATSPM): what the loops counted.

The event code is that of the Indiana Traffic Signal Hi Resolution Data Logger Enumerations
(Sturdevant et al., Purdue University 2012): 82 detector on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
DETECTOR_ON = 82


@dataclass(frozen=True, slots=True)
class Actuation:
    """A vehicle on a detector; time in s since the first midnight of the actuations."""

    time_s: float
    signal: str
    channel: int


def read_actuations(path: Path) -> list[Actuation]:
    """Actuations of a log table, in order of time.

    Raises:
        InputFileError: the table is unreadable, a time or code is wrong, or no detector is in it.
    """
    table = read_table(path, LOG_COLUMNS, tuple(LOG_COLUMNS))
    stamped = [(_time(row), row) for row in table if int(row.number("code")) == DETECTOR_ON]
    if not stamped:
        msg = f"{path}: no actuation of a detector (code {DETECTOR_ON}); export them too"
        raise InputFileError(msg)
    stamped.sort(key=lambda item: item[0])
    midnight = stamped[0][0].replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        Actuation((at - midnight).total_seconds(), row.text("signal"), int(row.number("parameter")))
        for at, row in stamped
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


def counts_of_actuations(
    path: Path,
    actuations: Sequence[Actuation],
    channels: Mapping[tuple[str, int], str],
    interval_s: float,
) -> Counts:
    """Vehicles per edge and interval; unmapped channels are left out.

    Raises:
        InputFileError: no mapped channel was ever actuated.
    """
    passed: dict[tuple[str, float], int] = defaultdict(int)
    for actuation in actuations:
        edge = channels.get((actuation.signal, actuation.channel))
        if edge is not None:
            passed[edge, actuation.time_s // interval_s * interval_s] += 1
    if not passed:
        msg = f"{path}: no actuation on a mapped channel; check signal ids and channel numbers"
        raise InputFileError(msg)
    rows = (
        Count(edge, begin_s, begin_s + interval_s, float(number), str(path))
        for (edge, begin_s), number in sorted(passed.items(), key=lambda item: item[0][::-1])
    )
    return Counts(path, "edge", tuple(rows))
