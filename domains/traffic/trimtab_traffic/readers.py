"""From whatever files a user has to a scenario: tells them apart, converts, checks, writes down.

One network and one demand come out of any sensible set: a SUMO configuration; a network (SUMO's
own, OpenStreetMap, OpenDRIVE, MATSim, Visum, VISSIM) with routes, counts, a controller's log or a
matrix; an IntersectionZoo folder. Without any demand a network gets random trips, and a note.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from trimtab.contracts.domain import Imported
from trimtab.contracts.errors import InputFileError
from trimtab.run.import_folder import filling, import_folder

from trimtab_traffic.filewrite import copy_without_comments
from trimtab_traffic.importers.atspm import (
    counts_of_actuations,
    read_actuations,
    read_channels,
)
from trimtab_traffic.importers.calibrate import DemandFiles, demand_from_counts
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.counts import Counts, read_counts, read_detectors
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.importers.gtfs import transit_from_gtfs
from trimtab_traffic.importers.intersectionzoo import import_intersection
from trimtab_traffic.importers.matrices import demand_from_matrix, random_demand
from trimtab_traffic.importers.networks import convert_network, count_signals, network_format
from trimtab_traffic.importers.sumocfg import read_config
from trimtab_traffic.importers.tables import header_of
from trimtab_traffic.plans import read_plan_tables, write_programs
from trimtab_traffic.safexml import elements

Kind = Literal[
    "config", "net", "foreign net", "routes", "additional", "detectors", "zones", "counts",
    "matrix", "log", "channels", "stages", "intergreens", "transit", "intersection",
]  # fmt: skip
COUNT_INTERVAL_S = 900.0
"""Length of the intervals into which a controller's log is counted, s."""
RANDOM_VEH_H_PER_SIGNAL = 400.0
"""Rate of random trips where no demand is given, vehicles/h per signal."""
MIN_RANDOM_VEH_H = 600.0
_ROOTS: Mapping[str, Kind] = {
    "configuration": "config",
    "sumoConfiguration": "config",
    "net": "net",
    "routes": "routes",
    "trips": "routes",
    "detectors": "detectors",
    "detector": "counts",
    "tazs": "zones",
    "tlLogics": "additional",
}
_TABLES: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("channels", frozenset({"channel", "edge"})),
    ("intergreens", frozenset({"signal", "from_stage", "to_stage"})),
    ("stages", frozenset({"signal", "stage", "duration_s"})),
)
_LOG_CODES = frozenset({"code", "eventcode", "event_code", "eventid", "event_id", "eventcodeid"})
_ORIGINS = frozenset({"from", "origin", "o", "from_zone"})


@dataclass(slots=True)
class _Sorted:
    """The user's files by kind."""

    files: dict[Kind, list[Path]] = field(default_factory=dict)

    def all(self, kind: Kind) -> tuple[Path, ...]:
        return tuple(self.files.get(kind, ()))

    def one(self, kind: Kind) -> Path | None:
        """The only file of a kind, if there is one.

        Raises:
            InputFileError: there are several.
        """
        found = self.files.get(kind, [])
        if len(found) > 1:
            msg = f"{found[0]} and {found[1]}: two files of the kind {kind!r}; give one"
            raise InputFileError(msg)
        return found[0] if found else None


def problem_from_files(paths: Sequence[Path], folder: Path, name: str = "scenario") -> Imported:
    """Make a scenario's problem part of a user's files.

    Args:
        paths: files (or one IntersectionZoo folder) in any order.
        folder: where the scenario file will lie; converted files go to ``NAME-files`` below it.
        name: of the scenario.

    Raises:
        TrimtabError: a file is of no known kind or wrong, or the set makes no scenario. Nothing is
            left behind then.
    """
    if not paths:
        msg = "no files given: name a network or a SUMO configuration"
        raise InputFileError(msg)
    target = import_folder(folder, name)
    with tempfile.TemporaryDirectory(prefix="trimtab-import-") as scratch:
        made = Path(scratch) / "made"
        config = _sort(paths).one("config")
        files = check_files(problem_files(paths, made), made)
        used = {files.net_file, *files.route_files, *files.additional_files}
        kept = {}
        if config is None:
            kept = _keep(sorted(p for p in used if p.is_relative_to(made)), target)
    base = folder.resolve()
    network = {"sumocfg": _shown(config, base)} if config else _network(files, kept, base)
    begin_s, end_s = files.begin_s or 0.0, files.end_s or 3600.0
    problem = {
        "network": network,
        "begin_s": begin_s,
        "horizon_s": min(86_400, max(60, round(end_s - begin_s))),
        "rules": {"profile": "field"},
    }
    return Imported(problem, files.repairs + files.notes)


def _keep(made: Sequence[Path], target: Path) -> dict[Path, Path]:
    """Move what was made to its place in one step; returns where each file went."""
    if not made:
        return {}
    with filling(target) as whole:
        for path in made:
            shutil.copy2(path, whole / path.name)
    return {path: target / path.name for path in made}


def _shown(path: Path, folder: Path) -> str:
    """A path as the scenario file names it."""
    place = path.resolve()
    return str(place.relative_to(folder) if place.is_relative_to(folder) else place)


def _network(files: TrafficFiles, kept: Mapping[Path, Path], folder: Path) -> dict[str, Any]:
    def shown(path: Path) -> str:
        return _shown(kept.get(path, path), folder)

    network: dict[str, Any] = {
        "net": shown(files.net_file),
        "routes": [shown(path) for path in files.route_files],
    }
    if files.additional_files:
        network["additional"] = [shown(path) for path in files.additional_files]
    return network


def kind_of(path: Path) -> Kind:
    """What a file is, by its content where it has a telling one, else by its ending.

    Raises:
        InputFileError: it is unreadable, unsafe, or of no known kind.
    """
    if path.is_dir():
        return "intersection"
    lowered = path.name.lower()
    if lowered.endswith(".zip"):
        return "transit"
    if lowered.endswith((".csv", ".tsv", ".txt", ".mtx")):
        return _table_kind(path)
    if lowered.endswith((".xml", ".xml.gz", ".sumocfg", ".cfg")):
        found = _xml_kind(path)
        if found is not None:
            return found
    if network_format(path) is not None:
        return "foreign net"
    msg = (
        f"{path}: no file of a kind that can be imported; give SUMO or OpenStreetMap files, "
        "counts, a matrix, … (list: docs/traffic.md)"
    )
    raise InputFileError(msg)


def _xml_kind(path: Path) -> Kind | None:
    if network_format(path) is not None:
        return "foreign net"
    stream = elements(path)
    root = next(stream).name
    if root in _ROOTS:
        return _ROOTS[root]
    if root not in {"additional", "additionals", "add"}:
        return None
    first = next(stream, None)
    return "zones" if first is not None and first.name == "taz" else "additional"


def _table_kind(path: Path) -> Kind:
    header = header_of(path)
    if any(cell.startswith("$") for cell in header):
        return "matrix"
    for kind, needed in _TABLES:
        if needed <= header:
            return kind
    if header & _LOG_CODES:
        return "log"
    return "matrix" if header & _ORIGINS and "edge" not in header else "counts"


def problem_files(paths: Sequence[Path], work: Path) -> TrafficFiles:
    """Network and demand of a set of files, converted into `work`, not yet checked.

    The same files give the same bytes, and each result appears whole, so that several processes
    may ask for them at once.

    Raises:
        TrimtabError: see `problem_from_files`.
    """
    with tempfile.TemporaryDirectory(prefix="trimtab-import-") as scratch:
        made = Path(scratch)
        files = _assemble(_sort(paths), made)

        def settled(path: Path) -> Path:
            inside = path.is_relative_to(made)
            return copy_without_comments(path, work / path.name) if inside else path

        return replace(
            files,
            net_file=settled(files.net_file),
            route_files=tuple(map(settled, files.route_files)),
            additional_files=tuple(map(settled, files.additional_files)),
        )


def _sort(paths: Sequence[Path]) -> _Sorted:
    found = _Sorted()
    for path in paths:
        found.files.setdefault(kind_of(path), []).append(path.resolve())
    return found


def _assemble(given: _Sorted, work: Path) -> TrafficFiles:
    """Network, demand and additional files of a sorted set."""
    folder, config = given.one("intersection"), given.one("config")
    if folder is not None:
        return import_intersection(folder, work)
    if config is not None:
        return read_config(config)
    files = _with_plan(_network_of(given, work), given, work)
    demand = _demand_of(files.net_file, given, work)
    if demand is not None:
        files = _joined(files, demand)
    feed = given.one("transit")
    if feed is not None:
        files = _joined(files, transit_from_gtfs(files.net_file, feed, work))
    return files


def _network_of(given: _Sorted, work: Path) -> TrafficFiles:
    net, foreign = given.one("net"), given.one("foreign net")
    additional = given.all("additional")
    if net is not None and foreign is None:
        return TrafficFiles(net, given.all("routes"), additional)
    if foreign is not None and net is None:
        converted = convert_network(foreign, work)
        files = TrafficFiles(converted.net_file, given.all("routes"), additional)
        return files.with_repairs(*converted.repairs).with_notes(*converted.notes)
    listed = ", ".join(str(p) for group in given.files.values() for p in group)
    how = "two networks" if net else "no network"
    msg = f"{listed}: {how} among the files; give one (.net.xml, .osm, .xodr, .net, …)"
    raise InputFileError(msg)


def _with_plan(files: TrafficFiles, given: _Sorted, work: Path) -> TrafficFiles:
    stages, intergreens = given.one("stages"), given.one("intergreens")
    if stages is None and intergreens is None:
        return files
    if stages is None or intergreens is None:
        msg = f"{stages or intergreens}: a plan is a stage table and an intergreen table; give both"
        raise InputFileError(msg)
    programs = {
        signal: replace(program, id=f"{program.id}-imported")
        for signal, program in read_plan_tables(stages, intergreens).items()
    }
    plan = write_programs(work / "plan.add.xml", programs)
    note = f"{stages.name}: plans of {len(programs)} signals replace those of the network"
    return replace(files, additional_files=(*files.additional_files, plan)).with_notes(note)


def _joined(files: TrafficFiles, demand: DemandFiles) -> TrafficFiles:
    known = files.begin_s is not None
    return replace(
        files,
        route_files=(*files.route_files, *demand.route_files),
        additional_files=(*files.additional_files, *demand.additional_files),
        begin_s=files.begin_s if known else demand.begin_s,
        end_s=files.end_s if known else demand.end_s,
    ).with_notes(*demand.notes)


def _demand_of(net_file: Path, given: _Sorted, work: Path) -> DemandFiles | None:
    """Demand made of measurements; None where route files are given."""
    matrix = given.one("matrix")
    if matrix is not None:
        return demand_from_matrix(net_file, matrix, work, zones=given.one("zones"))
    counts = _counts_of(given)
    if counts is not None:
        places = given.one("detectors") or given.one("additional")
        detectors = read_detectors(places) if places and counts.per == "detector" else None
        candidates = given.one("routes")
        return demand_from_counts(
            net_file, counts, work, detectors=detectors, candidates=candidates
        )
    if given.all("routes"):
        return None
    signals, _ = count_signals(net_file)
    rate = max(MIN_RANDOM_VEH_H, RANDOM_VEH_H_PER_SIGNAL * signals)
    return random_demand(net_file, work, rate, 3600.0)


def _counts_of(given: _Sorted) -> Counts | None:
    table, log, channels = given.one("counts"), given.one("log"), given.one("channels")
    if table is not None:
        return read_counts(table)
    if log is None:
        return None
    if channels is None:
        msg = f"{log}: give a table 'signal,channel,edge' with it, so that its loops have a place"
        raise InputFileError(msg)
    return counts_of_actuations(
        log, read_actuations(log), read_channels(channels), COUNT_INTERVAL_S
    )
