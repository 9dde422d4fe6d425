"""Makes a demand of counts with SUMO's own tools: routeSampler, flowrouter or dfrouter.

- ``routesampler``: draws from candidate routes until every counted edge has its count; for city
  networks, where no set of detectors closes the network.
- ``flowrouter``: maximum flow through the network that keeps every count; needs detectors around
  the network.
- ``dfrouter``: routes from source to sink detectors; for motorways and corridors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trimtab.contracts.errors import InputFileError, suggestion

from trimtab_traffic.filewrite import shortest, write_lines, write_xml, xml_lines
from trimtab_traffic.importers.counts import Count, Counts, Detector, on_edges
from trimtab_traffic.importers.demand import network_edges
from trimtab_traffic.netfile import read_net
from trimtab_traffic.toolchain import run_binary, run_script

Method = Literal["routesampler", "flowrouter", "dfrouter"]
_MIN_CANDIDATES = 2000
_MAX_CANDIDATES = 50_000
_FIT = re.compile(r"achieving total count (\d+).* at (\d+) locations. GEH<5 for ([\d.]+)%")
"""routeSampler says it once per interval: vehicles, places, share of places."""


@dataclass(frozen=True, slots=True)
class DemandFiles:
    """A demand that was made of measurements; `additional_files` hold routes and types."""

    route_files: tuple[Path, ...]
    begin_s: float
    end_s: float
    additional_files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def demand_from_counts(
    net_file: Path,
    counts: Counts,
    work: Path,
    *,
    detectors: Mapping[str, Detector] | None = None,
    method: Method = "routesampler",
    candidates: Path | None = None,
    seed: int = 1,
) -> DemandFiles:
    """Make a demand that reproduces counts.

    Args:
        net_file: the network.
        counts: what was measured.
        work: folder for the files made.
        detectors: places of the detectors, where counts are per detector.
        method: the tool, see the module.
        candidates: a route file to draw from (routeSampler); drawn at random if None.
        seed: of candidate routes and departure times.

    Raises:
        InputFileError: an edge or detector is unknown, or the tool refuses its input.
    """
    work.mkdir(parents=True, exist_ok=True)
    net_file, work = net_file.resolve(), work.resolve()
    candidates = None if candidates is None else candidates.resolve()
    places = detectors or {}
    per_edge = on_edges(counts, places)
    _check_edges(net_file, per_edge)
    begin_s = min(row.begin_s for row in counts.rows)
    end_s = max(row.end_s for row in counts.rows)
    if method == "routesampler":
        made = _route_sampler(net_file, per_edge, work, candidates, seed)
    else:
        made = _detector_router(net_file, counts, places, work, method)
    route_files, additional_files, notes = made
    return DemandFiles(route_files, begin_s, end_s, additional_files, notes)


_Made = tuple[tuple[Path, ...], tuple[Path, ...], tuple[str, ...]]


def _check_edges(net_file: Path, counts: Counts) -> None:
    edges = network_edges(net_file)
    for row in counts.rows:
        if row.place not in edges:
            hint = suggestion(row.place, edges)
            msg = f"{row.where}: edge {row.place!r} is not in {net_file.name}; correct it.{hint}"
            raise InputFileError(msg)


def _route_sampler(
    net_file: Path, counts: Counts, work: Path, candidates: Path | None, seed: int
) -> _Made:
    begin_s = min(row.begin_s for row in counts.rows)
    end_s = max(row.end_s for row in counts.rows)
    measured = _write_edge_data(work / "counts.xml", counts)
    if candidates is None:
        candidates = _candidate_routes(net_file, counts.total, work, seed)
    demand = work / "counted.rou.xml"
    arguments = ["-r", str(candidates), "--edgedata-files", str(measured)]
    arguments += ["--edgedata-attribute", "entered", "-o", str(demand), "--seed", str(seed)]
    arguments += ["--begin", shortest(begin_s), "--end", shortest(end_s)]
    run = run_script("routeSampler.py", arguments, source=counts.file, work=work)
    return (demand,), (), (_fit_note(run.output, counts),)


def _fit_note(output: str, counts: Counts) -> str:
    """How well the counts of all intervals are met."""
    fits = [(int(met), int(places), float(share)) for met, places, share in _FIT.findall(output)]
    if not fits:
        return "routeSampler did not say how well the counts are met; check the demand"
    met = sum(vehicles for vehicles, _, _ in fits)
    fitting = sum(places * share for _, places, share in fits) / sum(n for _, n, _ in fits)
    return (
        f"demand made of counts by routeSampler: {met} of {counts.total:g} vehicles counted, "
        f"GEH < 5 at {fitting:.2f} % of places"
    )


def _candidate_routes(net_file: Path, total: float, work: Path, seed: int) -> Path:
    number = min(_MAX_CANDIDATES, max(_MIN_CANDIDATES, round(4 * total)))
    routes = work / "candidates.rou.xml"
    arguments = ["-n", str(net_file), "-o", str(work / "candidates.trips.xml"), "-r", str(routes)]
    arguments += ["-b", "0", "-e", str(number), "-p", "1", "--seed", str(seed)]
    arguments += ["--fringe-factor", "10", "--threads", "1"]
    run_script("randomTrips.py", arguments, source=net_file, work=work)
    return routes


def _write_edge_data(path: Path, counts: Counts) -> Path:
    by_interval: dict[tuple[float, float], list[Count]] = {}
    for row in counts.rows:
        by_interval.setdefault((row.begin_s, row.end_s), []).append(row)
    intervals = [
        xml_lines(
            "interval",
            {"id": "measured", "begin": begin_s, "end": end_s},
            [xml_lines("edge", {"id": r.place, "entered": round(r.vehicles)}) for r in rows],
        )
        for (begin_s, end_s), rows in sorted(by_interval.items())
    ]
    return write_xml(path, "data", intervals)


def _detector_router(
    net_file: Path,
    counts: Counts,
    detectors: Mapping[str, Detector],
    work: Path,
    method: Literal["flowrouter", "dfrouter"],
) -> _Made:
    if counts.per != "detector":
        msg = f"{counts.rows[0].where}: {method} needs counts per detector; use routesampler"
        raise InputFileError(msg)
    interval_s = _one_interval(counts, method)
    places = _write_detectors(work / "detectors.xml", net_file, list(detectors.values()))
    flows = _write_flows(work / "flows.csv", counts)
    routes, vehicles = work / "counted-routes.add.xml", work / "counted.rou.xml"
    common = ["-n", str(net_file), "-d", str(places), "-f", str(flows)]
    source = counts.file
    if method == "flowrouter":
        arguments = [*common, "-o", str(routes), "-e", str(vehicles)]
        arguments += ["-i", shortest(interval_s / 60.0)]
        run_script("detector/flowrouter.py", arguments, source=source, work=work)
    else:
        arguments = [*common, "-o", str(routes), "--emitters-output", str(vehicles), "--vtype"]
        arguments += ["--time-step", shortest(interval_s), "--keep-unfinished-routes"]
        run_binary("dfrouter", arguments, source=source)
    _check_made(routes, vehicles, method, source)
    return (vehicles,), (routes,), (f"demand made of {counts.total:g} counts by {method}",)


def _one_interval(counts: Counts, method: str) -> float:
    """Length of all intervals, s."""
    lengths = {round(row.end_s - row.begin_s, 3) for row in counts.rows}
    if len(lengths) > 1:
        msg = (
            f"{counts.rows[0].where}: intervals of {sorted(lengths)} s: {method} needs one length; "
            "use routesampler"
        )
        raise InputFileError(msg)
    return lengths.pop()


def _check_made(routes: Path, vehicles: Path, method: str, source: Path) -> None:
    if not (routes.is_file() and vehicles.is_file()):
        msg = f"{source}: {method} found no route between the detectors; use routesampler"
        raise InputFileError(msg)


def _write_detectors(path: Path, net_file: Path, detectors: Sequence[Detector]) -> Path:
    """Detectors with their role: the tools do not see sources behind a turn-around."""
    sources, sinks = network_ends(net_file)

    def role(edge: str) -> str:
        return "source" if edge in sources else "sink" if edge in sinks else "between"

    lines = [
        xml_lines(
            "detectorDefinition",
            {"id": d.id, "lane": d.lane, "pos": d.position_m, "type": role(d.edge)},
        )
        for d in detectors
    ]
    return write_xml(path, "detectors", lines)


def network_ends(net_file: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Edges on which traffic enters and leaves the network; turning around does not count."""
    net, _ = read_net(net_file)
    ends = {e["id"]: (e["from"], e["to"]) for e in net.edges if "from" in e and "to" in e}
    through = [
        (c["from"], c["to"])
        for c in net.connections
        if c["from"] in ends and c["to"] in ends and ends[c["from"]] != ends[c["to"]][::-1]
    ]
    reached, left = {to for _, to in through}, {start for start, _ in through}
    return frozenset(left - reached), frozenset(reached - left)


def _write_flows(path: Path, counts: Counts) -> Path:
    """SUMO's detector table: semicolons, times in minutes, speeds unknown."""
    ordered = sorted(counts.rows, key=lambda row: (row.begin_s, row.place))
    rows = [f"{r.place};{shortest(r.begin_s / 60.0)};{shortest(r.vehicles)};0;0;0" for r in ordered]
    return write_lines(path, ["Detector;Time;qPKW;qLKW;vPKW;vLKW", *rows])
