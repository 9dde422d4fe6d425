"""Checks resolved files before SUMO starts: every fault of a user's input, said in one line.

What can be mended without guessing is mended and listed as a repair; what cannot stops here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from trimtab.contracts.errors import InputFileError

from trimtab_traffic.filewrite import element_lines, write_xml
from trimtab_traffic.importers.day_plans import hold_day_plans
from trimtab_traffic.importers.demand import DemandScan, network_edges, scan_demand
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.network import compile_network
from trimtab_traffic.safexml import XmlElement, elements
from trimtab_traffic.signals import Program, Signal, TrafficNetwork

_FIRST_ELEMENTS = frozenset({"vType", "vTypeDistribution", "route", "routeDistribution"})


_DAY_S = 86400.0


def check_files(
    files: TrafficFiles, work: Path | None = None, horizon_s: float = 3600.0
) -> TrafficFiles:
    """Check network, programs and demand against each other and fill in the period.

    Args:
        files: what an importer resolved.
        work: folder for mended copies; without it, what needs one is an error.
        horizon_s: length of the period where the files name no end.

    Raises:
        InputFileError: something is wrong that cannot be mended without guessing.
    """
    network = _checked_network(files, files)
    begin_s = files.begin_s or 0.0
    end_s = files.end_s or begin_s + _DAY_S
    edges = network_edges(files.net_file)
    demand = scan_demand((*files.additional_files, *files.route_files), edges, begin_s, end_s)
    if demand.unsorted:
        files = _sorted_copies(files, demand, work)
    files = _with_period(files, demand, horizon_s)
    if network.switched_by_clock and work is not None:
        held = hold_day_plans(files, work)
        network, files = _checked_network(held, files), held
    return files.with_notes(*network.warnings, *_demand_notes(demand))


def _checked_network(files: TrafficFiles, given: TrafficFiles) -> TrafficNetwork:
    """The network of the files; what is wrong is said of those that were given."""
    network = compile_network(files.net_file, files.additional_files)
    for signal in network.signals:
        check_program(given, signal)
    if not network.controllable:
        msg = (
            f"{given.net_file}: none of its {len(network.signals)} signals has two stages to "
            "choose between; give a program a second green phase"
        )
        raise InputFileError(msg)
    return network


def check_program(files: TrafficFiles, signal: Signal) -> None:
    """Refuse a program that shows ``G`` to two movements that cross.

    Raises:
        InputFileError: a phase of the active program does.
    """
    for number, phase in enumerate(signal.program.phases):
        pair = conflicting_greens(signal, phase.state)
        if pair:
            where = _phase_line(files, signal.id, signal.program, number)
            msg = (
                f"{where}: signal {signal.id!r} program {signal.program.id!r} phase {number}: "
                f"links {pair[0]} and {pair[1]} cross and both have 'G'; give one 'g' or 'r'"
            )
            raise InputFileError(msg)


def conflicting_greens(signal: Signal, state: str) -> tuple[int, int] | None:
    """First pair of links with ``G`` whose paths cross and of which neither gives way."""
    green = np.array([character == "G" for character in state])
    clash = signal.foes & ~signal.yields & ~signal.yields.T & green[:, None] & green[None, :]
    pairs = np.argwhere(clash)
    return (int(pairs[0][0]), int(pairs[0][1])) if len(pairs) else None


def _phase_line(files: TrafficFiles, signal: str, program: Program, phase: int) -> str:
    """``file:line`` of a phase; the last program of that id counts, as in SUMO."""
    where = str(files.net_file)
    for file in (files.net_file, *files.additional_files):
        for element in elements(file):
            same = (element.name, element.attributes.get("id")) == ("tlLogic", signal)
            if same and element.attributes.get("programID", "") == program.id:
                where = list(element.find_all("phase"))[phase].where
    return where


def _with_period(files: TrafficFiles, demand: DemandScan, horizon_s: float) -> TrafficFiles:
    if not demand.last_s >= 0:
        msg = f"{files.net_file}: no demand (vehicle, trip or flow) in {_names(files)}; add routes"
        raise InputFileError(msg)
    begin_s, end_s = files.begin_s, files.end_s
    if begin_s is None:
        begin_s = 3600.0 * (demand.first_s // 3600.0)
    if end_s is None:
        end_s = begin_s + horizon_s
    period = f"[{begin_s:g}, {end_s:g}) s"
    if end_s <= begin_s:
        msg = f"{files.net_file}: the period {period} is empty; set end_s above begin_s"
        raise InputFileError(msg)
    known = files.begin_s is not None and files.end_s is not None
    if demand.first_s >= end_s or demand.last_s < begin_s or (known and not demand.in_period):
        unit_s = 3600.0 if demand.first_s % 3600.0 < end_s - begin_s else 60.0
        first_s = unit_s * (demand.first_s // unit_s)
        msg = (
            f"{_names(files)}: nothing departs in {period}: the demand runs from "
            f"{demand.first_s:g} to {demand.last_s:g} s; set begin_s: {first_s:g}"
        )
        raise InputFileError(msg)
    repaired = files
    if files.begin_s is None or files.end_s is None:
        departs = f"which departs from {demand.first_s:g} to {demand.last_s:g} s"
        repaired = files.with_repairs(f"the period {period} is taken from the demand, {departs}")
    return replace(repaired, begin_s=begin_s, end_s=end_s)


def _names(files: TrafficFiles) -> str:
    return ", ".join(path.name for path in files.route_files) or "the additional files"


def _demand_notes(demand: DemandScan) -> Iterator[str]:
    if demand.early:
        yield f"{demand.early} vehicles depart before the period and are not counted as demand"
    other = demand.counts["trip"] + demand.counts["flow"]
    if other:
        yield (
            f"demand holds {demand.counts['trip']} <trip> and {demand.counts['flow']} <flow> tags: "
            "RESCO's formula overlooks those that are never inserted; true delay counts them"
        )


def _sorted_copies(files: TrafficFiles, demand: DemandScan, work: Path | None) -> TrafficFiles:
    """SUMO drops vehicles that come after a later departure; sort them into copies."""
    if work is None:
        msg = (
            f"{demand.unsorted}: departs before the element above it, so SUMO would drop it; sort "
            "the file with SUMO's tools/route/sort_routes.py"
        )
        raise InputFileError(msg)
    copies = tuple(_sorted_copy(path, work, demand.begin_s) for path in files.route_files)
    line = f"{demand.unsorted}: departures were not in order; SUMO gets a sorted copy"
    return replace(files, route_files=copies).with_repairs(line)


def _sorted_copy(path: Path, work: Path, begin_s: float) -> Path:
    def key(element: XmlElement) -> float:
        if element.name in _FIRST_ELEMENTS:
            return -1.0
        name = "begin" if element.name.endswith(("flow", "Flow")) else "depart"
        try:
            return element.seconds(name, begin_s)
        except InputFileError:
            return begin_s

    stream = elements(path)
    root = next(stream)
    ordered = sorted(stream, key=key)
    name = path.name.removesuffix(".gz")
    return write_xml(work / f"sorted-{name}", root.name, (element_lines(e) for e in ordered))
