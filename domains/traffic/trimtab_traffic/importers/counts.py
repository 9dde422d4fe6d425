"""Reads detector and edge counts: tables (CSV) and the output of SUMO's induction loops (E1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.importers.tables import read_table
from trimtab_traffic.netfile import ADDITIONAL_ROOTS
from trimtab_traffic.safexml import XmlElement, elements, expect_root

COUNT_COLUMNS = {
    "edge": ("edge_id", "link", "link_id", "road"),
    "detector": ("detector_id", "det_id", "id", "sensor", "channel"),
    "begin_s": ("begin", "start", "start_s", "time", "from"),
    "end_s": ("end", "stop", "stop_s", "until", "to"),
    "count": ("vehicles", "veh", "volume", "entered", "qpkw", "nvehcontrib"),
}
DETECTOR_TAGS = ("inductionLoop", "e1Detector", "instantInductionLoop", "detectorDefinition")


@dataclass(frozen=True, slots=True)
class Count:
    """Vehicles that passed a place in [begin_s, end_s); `where` is its place in the file."""

    place: str
    begin_s: float
    end_s: float
    vehicles: float
    where: str


@dataclass(frozen=True, slots=True)
class Detector:
    """An induction loop on a lane; a negative position counts from the lane's end, m."""

    id: str
    lane: str
    position_m: float

    @property
    def edge(self) -> str:
        """Edge of its lane."""
        return self.lane.rpartition("_")[0]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of a file; `per` says what `Count.place` names: "edge" or "detector"."""

    file: Path
    per: str
    rows: tuple[Count, ...]

    @property
    def total(self) -> float:
        """All vehicles counted."""
        return sum(row.vehicles for row in self.rows)


def read_counts(path: Path) -> Counts:
    """Read counts from a table or from E1 output, told apart by the first byte.

    A table has the columns ``edge`` or ``detector``, ``begin_s``, ``end_s`` and ``count``.

    Raises:
        InputFileError: the file is unreadable, an interval is empty, or a count is negative.
    """
    counts = _from_e1(path) if path.name.endswith((".xml", ".xml.gz")) else _from_table(path)
    for row in counts.rows:
        if row.end_s <= row.begin_s:
            msg = f"{row.where}: the interval ends at {row.end_s:g} s, not after it begins; mend it"
            raise InputFileError(msg)
    if not counts.rows:
        msg = f"{path}: holds no counts; export the detectors' values again"
        raise InputFileError(msg)
    return counts


def _from_table(path: Path) -> Counts:
    rows = list(read_table(path, COUNT_COLUMNS, ("begin_s", "end_s", "count")))
    per = next((p for p in ("edge", "detector") if rows and p in rows[0].cells), "edge")
    if rows and per not in rows[0].cells:
        msg = f"{path}:1: no column 'edge' or 'detector'; say where each count was taken"
        raise InputFileError(msg)
    return Counts(
        path,
        per,
        tuple(
            Count(
                row.text(per),
                row.seconds("begin_s"),
                row.seconds("end_s"),
                row.number("count"),
                row.where,
            )
            for row in rows
        ),
    )


def _from_e1(path: Path) -> Counts:
    stream = elements(path)
    expect_root(next(stream), "detector", "detectors")
    rows = tuple(_e1_row(interval) for interval in stream if interval.name == "interval")
    return Counts(path, "detector", rows)


def _e1_row(interval: XmlElement) -> Count:
    counted = "nVehContrib" if "nVehContrib" in interval.attributes else "nVehEntered"
    vehicles = interval.number(counted)
    if vehicles < 0:
        msg = f"{interval.where}: {counted} is {vehicles:g}; counts are 0 or more"
        raise InputFileError(msg)
    begin_s, end_s = interval.seconds("begin"), interval.seconds("end")
    return Count(interval.text("id"), begin_s, end_s, vehicles, interval.where)


def read_detectors(path: Path) -> dict[str, Detector]:
    """Induction loops of an additional file or of a flowrouter/dfrouter detector file.

    Raises:
        InputFileError: the file is unreadable or holds no detector.
    """
    stream = elements(path)
    expect_root(next(stream), *ADDITIONAL_ROOTS, "detectors")
    found = {
        element.text("id"): Detector(
            element.text("id"), element.text("lane"), element.number("pos")
        )
        for element in stream
        if element.name in DETECTOR_TAGS
    }
    if not found:
        msg = f"{path}: holds no induction loop; give the file that says where the detectors lie"
        raise InputFileError(msg)
    return found


def on_edges(counts: Counts, detectors: Mapping[str, Detector]) -> Counts:
    """Counts per detector → counts per edge: lanes are added, loops in line on a lane averaged.

    Raises:
        InputFileError: a counted detector has no known place.
    """
    if counts.per == "edge":
        return counts
    lanes: dict[tuple[str, float, float], dict[str, list[Count]]] = defaultdict(dict)
    for row in counts.rows:
        if row.place not in detectors:
            hint = suggestion(row.place, detectors)
            msg = (
                f"{row.where}: detector {row.place!r} has no known place; give the additional file "
                f"that says on which lane it lies, or count per edge.{hint}"
            )
            raise InputFileError(msg)
        detector = detectors[row.place]
        key = (detector.edge, row.begin_s, row.end_s)
        lanes[key].setdefault(detector.lane, []).append(row)
    rows = tuple(
        Count(edge, begin_s, end_s, _added(by_lane.values()), next(iter(by_lane.values()))[0].where)
        for (edge, begin_s, end_s), by_lane in lanes.items()
    )
    return Counts(counts.file, "edge", rows)


def _added(lanes: Iterable[list[Count]]) -> float:
    return sum(sum(row.vehicles for row in rows) / len(rows) for rows in lanes)
