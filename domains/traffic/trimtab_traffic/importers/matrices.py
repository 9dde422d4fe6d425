"""Makes trips of an origin-destination matrix with od2trips, and random trips where none is known.

A matrix is a table (``from``, ``to``, ``count``, optionally ``begin_s``, ``end_s``) or one of the
text formats od2trips reads (Visum/VISSIM ``$O``, ``$V``). Zones come from a file of SUMO's
districts (``taz``); without one, origins and destinations are edges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.filewrite import shortest, write_xml, xml_lines
from trimtab_traffic.importers.calibrate import DemandFiles
from trimtab_traffic.importers.demand import network_edges
from trimtab_traffic.importers.tables import read_table
from trimtab_traffic.netfile import ADDITIONAL_ROOTS
from trimtab_traffic.safexml import elements, expect_root
from trimtab_traffic.toolchain import run_binary, run_script

MATRIX_COLUMNS = {
    "from": ("origin", "o", "from_zone", "source"),
    "to": ("destination", "d", "to_zone", "sink"),
    "count": ("trips", "vehicles", "veh", "demand", "flow"),
    "begin_s": ("begin", "start"),
    "end_s": ("end", "stop"),
}


@dataclass(frozen=True, slots=True)
class _Cell:
    origin: str
    destination: str
    count: float
    begin_s: float
    end_s: float
    where: str


def demand_from_matrix(
    net_file: Path,
    matrix: Path,
    work: Path,
    *,
    zones: Path | None = None,
    begin_s: float = 0.0,
    end_s: float = 3600.0,
    seed: int = 1,
) -> DemandFiles:
    """Make trips of a matrix.

    Args:
        net_file: the network.
        matrix: a table, or text in Visum's ``$`` formats (which need `zones`).
        work: folder for the files made.
        zones: file of ``taz`` elements; without it the matrix names edges.
        begin_s: begin of cells that name none, s.
        end_s: end of cells that name none, s.
        seed: of departure times and of the edges drawn within a zone.

    Raises:
        InputFileError: a zone or edge is unknown, a number is wrong, or od2trips refuses it.
    """
    work.mkdir(parents=True, exist_ok=True)
    trips = work / "matrix.trips.xml"
    arguments = ["--seed", str(seed), "--output-file", str(trips), "--spread.uniform"]
    arguments.append("--ignore-vehicle-type")
    if matrix.suffix.lower() in {".csv", ".txt", ".tsv"} and not _is_visum(matrix):
        cells = list(_cells(matrix, begin_s, end_s))
        begin_s, end_s = min(c.begin_s for c in cells), max(c.end_s for c in cells)
        known = _zone_ids(zones) if zones else network_edges(net_file)
        _check_places(cells, known, zones or net_file)
        districts = zones or _edge_zones(work / "zones.taz.xml", cells)
        relations = _write_relations(work / "matrix.od.xml", cells)
        arguments += ["-n", str(districts), "--tazrelation-files", str(relations)]
        total = sum(cell.count for cell in cells)
        note = f"{matrix.name}: {total:g} trips of {len(cells)} relations by od2trips"
    else:
        if zones is None:
            msg = f"{matrix}: a Visum matrix needs the zones it names; give their taz file"
            raise InputFileError(msg)
        _zone_ids(zones)
        arguments += ["-n", str(zones), "--od-matrix-files", str(matrix)]
        note = f"{matrix.name}: trips of a Visum matrix by od2trips"
    run_binary("od2trips", arguments, source=matrix)
    return DemandFiles((trips,), begin_s, end_s, notes=(note,))


def random_demand(
    net_file: Path, work: Path, vehicles_per_h: float, duration_s: float, seed: int = 1
) -> DemandFiles:
    """Random trips, for a network whose demand nobody knows; the note says so."""
    work.mkdir(parents=True, exist_ok=True)
    net_file, work = net_file.resolve(), work.resolve()
    trips = work / "random.trips.xml"
    arguments = ["-n", str(net_file), "-o", str(trips), "-b", "0", "-e", shortest(duration_s)]
    arguments += ["--insertion-rate", shortest(vehicles_per_h), "--seed", str(seed)]
    arguments += ["--fringe-factor", "10", "--validate", "--threads", "1"]
    run_script("randomTrips.py", arguments, source=net_file, work=work)
    note = (
        f"no demand given: {vehicles_per_h:g} random trips per hour, most from edge to edge of the "
        "area; results say nothing about the real place"
    )
    return DemandFiles((trips,), 0.0, duration_s, notes=(note,))


def _is_visum(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(1) == b"$"
    except OSError:
        return False


def _cells(path: Path, begin_s: float, end_s: float) -> Iterator[_Cell]:
    found = False
    for row in read_table(path, MATRIX_COLUMNS, ("from", "to", "count")):
        found = True
        cell = _Cell(
            row.text("from"),
            row.text("to"),
            row.number("count"),
            row.seconds("begin_s") if row.cells.get("begin_s") else begin_s,
            row.seconds("end_s") if row.cells.get("end_s") else end_s,
            row.where,
        )
        if cell.end_s <= cell.begin_s:
            msg = f"{row.where}: the period ends at {cell.end_s:g} s, not after it begins; mend it"
            raise InputFileError(msg)
        yield cell
    if not found:
        msg = f"{path}: holds no relation; export the matrix again"
        raise InputFileError(msg)


def _zone_ids(path: Path) -> frozenset[str]:
    stream = elements(path)
    expect_root(next(stream), *ADDITIONAL_ROOTS, "tazs")
    found: set[str] = set()
    for element in stream:
        if element.name == "taz":
            found.add(element.text("id"))
    if not found:
        msg = f"{path}: holds no zone (taz); give the file that says which edges a zone has"
        raise InputFileError(msg)
    return frozenset(found)


def _check_places(cells: Iterable[_Cell], known: AbstractSet[str], source: Path) -> None:
    for cell in cells:
        for place in (cell.origin, cell.destination):
            if place not in known:
                hint = suggestion(place, known)
                msg = f"{cell.where}: {place!r} is not in {source.name}; correct it.{hint}"
                raise InputFileError(msg)


def _edge_zones(path: Path, cells: Iterable[_Cell]) -> Path:
    """One zone per edge that the matrix names."""
    edges = dict.fromkeys(place for cell in cells for place in (cell.origin, cell.destination))
    zones = [xml_lines("taz", {"id": edge, "edges": edge}) for edge in edges]
    return write_xml(path, "additional", zones)


def _write_relations(path: Path, cells: Iterable[_Cell]) -> Path:
    periods: dict[tuple[float, float], list[_Cell]] = defaultdict(list)
    for cell in cells:
        periods[cell.begin_s, cell.end_s].append(cell)
    intervals = [
        xml_lines(
            "interval",
            {"id": "matrix", "begin": begin_s, "end": end_s},
            [
                xml_lines(
                    "tazRelation", {"from": c.origin, "to": c.destination, "count": float(c.count)}
                )
                for c in listed
            ],
        )
        for (begin_s, end_s), listed in sorted(periods.items())
    ]
    return write_xml(path, "data", intervals)
