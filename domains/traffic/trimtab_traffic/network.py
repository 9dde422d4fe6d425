"""Compiles a SUMO network file into the static signal model of `signals`.

Conflicts come from the junctions' right-of-way tables (``<request foes response>``): request row k
belongs to the k-th controlled connection in the order of the junction's incoming lanes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_traffic.netfile import RawJunction, RawNet, read_net
from trimtab_traffic.safexml import XmlElement
from trimtab_traffic.signals import (
    GREEN_CHARS,
    YELLOW_CHARS,
    Connection,
    Edge,
    Lane,
    Movement,
    Phase,
    Program,
    Signal,
    TrafficNetwork,
)

__all__ = [
    "Connection",
    "Edge",
    "Lane",
    "Movement",
    "Phase",
    "Program",
    "Signal",
    "TrafficNetwork",
    "compile_network",
    "stage_states",
]

CURRENT_NET_VERSION = (1, 20)
"""Network format written by netconvert of SUMO 1.28."""

NAMED = 3
"""Signals that a warning names at most; it counts them all."""

PHASE_FIELDS = frozenset({"state", "duration", "minDur", "maxDur", "next", "name"})
"""Attributes of a phase that `Phase` has fields for."""

Requests = dict[int, tuple[str, int]]
"""``id`` of a raw connection -> (junction, row in its right-of-way table)."""


def stage_states(program: Program) -> tuple[str, ...]:
    """Stages of a program: states without yellow and with a green, duplicates removed, in order.

    ``Y`` and ``u`` (red-yellow) count as yellow beside ``y``: both only occur in transitions.
    """
    return tuple(
        dict.fromkeys(
            phase.state
            for phase in program.phases
            if not set(phase.state) & set(YELLOW_CHARS) and set(phase.state) & set(GREEN_CHARS)
        )
    )


def compile_network(net_file: Path, additional_files: Sequence[Path] = ()) -> TrafficNetwork:
    """Compile a network.

    Args:
        net_file: ``.net.xml`` or ``.net.xml.gz``.
        additional_files: files with further ``tlLogic`` programs; the last one of a signal is
            active, as in SUMO.

    Raises:
        InputFileError: a file is unreadable, or holds no or inconsistent signal programs.
    """
    raw, digest = read_net(net_file, tuple(additional_files))
    lanes, edges = _roads(raw)
    requests = _requests(raw)
    signals = _signals(net_file, raw, requests)
    return TrafficNetwork(
        path=net_file,
        version=raw.version,
        signals=signals,
        lanes=lanes,
        edges=edges,
        ahead=_ahead(raw, edges),
        switched_by_clock=raw.switched_by_clock,
        warnings=tuple(_warnings(raw, signals)),
        digest=digest,
    )


def _carries_cars(lane: dict[str, str]) -> bool:
    if lane.get("allow"):
        return bool({"passenger", "all"} & set(lane["allow"].split()))
    return not {"passenger", "all"} & set(lane.get("disallow", "").split())


def _roads(raw: RawNet) -> tuple[dict[str, Lane], dict[str, Edge]]:
    lanes: dict[str, Lane] = {}
    normal = []
    for edge in raw.edges:
        rows = raw.lanes[edge["id"]]
        for row in rows:
            lanes[row["id"]] = Lane(
                id=row["id"],
                edge=edge["id"],
                length_m=float(row["length"]),
                speed_mps=float(row["speed"]),
                shape=row["shape"],
                carries_cars=_carries_cars(row),
            )
        if edge.get("function", "normal") in {"normal", "connector"}:
            normal.append((edge, tuple(row["id"] for row in rows)))
    cars = {edge["id"] for edge, ids in normal if any(lanes[lane].carries_cars for lane in ids)}
    ahead = defaultdict(set)
    for connection in raw.connections:
        if connection["to"] in cars:
            ahead[connection["from"]].add(connection["to"])
    edges = {}
    for edge, ids in normal:
        name, ends = edge["id"], (edge["from"], edge["to"])
        edges[name] = Edge(name, *ends, ids, name in cars, tuple(sorted(ahead[name])))
    return lanes, edges


def _in_lane(connection: dict[str, str]) -> str:
    return f"{connection['from']}_{connection['fromLane']}"


def _out_lane(connection: dict[str, str]) -> str:
    return f"{connection['to']}_{connection['toLane']}"


def _ahead(raw: RawNet, edges: dict[str, Edge]) -> dict[str, tuple[str, ...]]:
    """Lanes that each lane leads into without a signal between them."""
    found: dict[str, list[str]] = defaultdict(list)
    for c in raw.connections:
        if "tl" not in c and c["from"] in edges and c["to"] in edges:
            found[_in_lane(c)].append(_out_lane(c))
    return {lane: tuple(ahead) for lane, ahead in found.items()}


def _requests(raw: RawNet) -> Requests:
    """Number the rows of every right-of-way table as SUMO does."""
    functions = {edge["id"]: edge.get("function", "") for edge in raw.edges}
    leaving = defaultdict(list)
    for connection in raw.connections:
        to_function = functions.get(connection["to"], "")
        from_walk = functions.get(connection["from"], "") == "walkingarea"
        if to_function != "walkingarea" and (to_function == "crossing" or not from_walk):
            leaving[_in_lane(connection)].append(connection)
    rows: Requests = {}
    for junction in raw.junctions.values():
        if junction.type == "internal" or not junction.foes:
            continue
        ordered = [c for lane in junction.in_lanes for c in leaving[lane]]
        rows.update({id(c): (junction.id, k) for k, c in enumerate(ordered)})
    return rows


def _via(raw: RawNet) -> dict[str, str]:
    """Internal lane -> the internal lane that continues it, where a turn waits inside."""
    return {
        _in_lane(c): c["via"] for c in raw.connections if c["from"].startswith(":") and "via" in c
    }


def _signals(path: Path, raw: RawNet, requests: Requests) -> tuple[Signal, ...]:
    programs: dict[str, list[Program]] = defaultdict(list)
    for element in raw.programs:
        programs[element.text("id")].append(read_program(element))
    if not programs:
        msg = (
            f"{path}: network has no traffic light program (tlLogic); add signals in netedit or "
            "with netconvert --tls.guess"
        )
        raise InputFileError(msg)
    controlled = defaultdict(list)
    for connection in raw.connections:
        if connection.get("tl") in programs:
            controlled[connection["tl"]].append(connection)
    continuing = _via(raw)
    crossings = {e["id"] for e in raw.edges if e.get("function") == "crossing"}
    return tuple(
        _signal(path, raw, name, tuple(variants), controlled[name], requests, continuing, crossings)
        for name, variants in programs.items()
    )


def read_program(element: XmlElement) -> Program:
    """Make a program of a ``tlLogic`` element.

    Raises:
        InputFileError: an attribute is missing or wrong, green limits are crossed, or the states
            differ in length.
    """
    signal, program = element.text("id"), element.attributes.get("programID", "")
    phases = tuple(
        _phase(signal, number, phase) for number, phase in enumerate(element.find_all("phase"))
    )
    if len({len(phase.state) for phase in phases}) != 1:
        msg = (
            f"{element.where}: signal {signal!r} program {program!r}: phases are missing or differ "
            "in state length; give every phase one character per link"
        )
        raise InputFileError(msg)
    return Program(
        id=program,
        type=element.attributes.get("type", "static"),
        offset_s=element.number("offset", 0.0),
        phases=phases,
        parameters=tuple(
            sorted((p.text("key"), p.text("value")) for p in element.find_all("param"))
        ),
    )


def _phase(signal: str, number: int, phase: XmlElement) -> Phase:
    low, high = (
        phase.number(key) if key in phase.attributes else math.nan for key in ("minDur", "maxDur")
    )
    if low > high:
        msg = (
            f"{phase.where}: signal {signal!r} phase {number}: minDur {low:g} s is above maxDur "
            f"{high:g} s; swap or correct them"
        )
        raise InputFileError(msg)
    following = phase.attributes.get("next", "").split()
    if not all(word.isdecimal() for word in following):
        msg = f"{phase.where}: signal {signal!r} phase {number}: next must be phase numbers"
        raise InputFileError(msg)
    return Phase(
        state=phase.text("state"),
        duration_s=phase.number("duration"),
        min_duration_s=low,
        max_duration_s=high,
        next=tuple(map(int, following)),
        name=phase.attributes.get("name", ""),
        extra=tuple((k, v) for k, v in phase.attributes.items() if k not in PHASE_FIELDS),
    )


def _connections(
    rows: Iterable[dict[str, str]],
    requests: Requests,
    continuing: dict[str, str],
    crossings: set[str],
) -> list[Connection]:
    out = []
    for row in rows:
        crossing = row["to"] in crossings
        via = [_out_lane(row)] if crossing else []
        lane = None if crossing else row.get("via")
        while lane is not None and lane not in via:
            via.append(lane)
            lane = continuing.get(lane)
        junction, request = requests.get(id(row), ("", -1))
        indices = [int(row["linkIndex"])]
        if crossing and int(row.get("linkIndex2", -1)) >= 0:
            indices.append(int(row["linkIndex2"]))
        out += [
            Connection(
                link=index,
                in_lane=_in_lane(row),
                out_lane=_out_lane(row),
                via=tuple(via),
                direction=row.get("dir", ""),
                junction=junction,
                request=request,
                crossing=crossing,
            )
            for index in indices
        ]
    return out


def _signal(
    path: Path,
    raw: RawNet,
    name: str,
    programs: tuple[Program, ...],
    rows: list[dict[str, str]],
    requests: Requests,
    continuing: dict[str, str],
    crossings: set[str],
) -> Signal:
    connections = _connections(rows, requests, continuing, crossings)
    n_links = len(programs[-1].phases[0].state)
    highest = max((c.link for c in connections), default=-1)
    if highest >= n_links:
        msg = (
            f"{path}: signal {name!r} controls link {highest} but its program "
            f"{programs[-1].id!r} has states of {n_links} characters; rebuild the program"
        )
        raise InputFileError(msg)
    foes, yields = _conflicts(raw, connections, n_links)
    crossing = np.zeros(n_links, dtype=bool)
    crossing[[c.link for c in connections if c.crossing]] = True
    return Signal(
        id=name,
        programs=programs,
        n_links=n_links,
        connections=tuple(connections),
        movements=_movements(connections),
        stage_states=stage_states(programs[-1]),
        foes=foes,
        yields=yields,
        crossing=crossing,
        position_m=_position(raw, connections),
    )


def _bits(table: dict[int, str], size: int) -> NDArray[np.bool_]:
    """Right-of-way table as a matrix; SUMO writes column 0 last."""
    matrix = np.zeros((size, size), dtype=bool)
    for row, text in table.items():
        columns = np.frombuffer(text[::-1].encode(), dtype=np.uint8)[:size] == ord("1")
        matrix[row, : len(columns)] = columns
    return matrix


def _conflicts(
    raw: RawNet, connections: list[Connection], n_links: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    foes = np.zeros((n_links, n_links), dtype=bool)
    unyielding = np.zeros((n_links, n_links), dtype=bool)
    for name in dict.fromkeys(c.junction for c in connections if c.request >= 0):
        here = [c for c in connections if c.junction == name]
        junction: RawJunction = raw.junctions[name]
        size = max(len(junction.foes), max(c.request for c in here) + 1)
        rows = np.array([c.request for c in here])
        links = np.array([c.link for c in here])
        crossing = _bits(junction.foes, size)[np.ix_(rows, rows)]
        crossing |= crossing.T
        giving_way = _bits(junction.response, size)[np.ix_(rows, rows)]
        at = (links[:, None], links[None, :])
        np.logical_or.at(foes, at, crossing)
        np.logical_or.at(unyielding, at, crossing & ~giving_way)
    np.fill_diagonal(foes, val=False)
    return foes, foes & ~unyielding


def _movements(connections: list[Connection]) -> tuple[Movement, ...]:
    links: dict[tuple[str, str, str], dict[int, None]] = defaultdict(dict)
    for c in connections:
        if c.on_road:
            ends = (c.in_lane.rpartition("_")[0], c.out_lane.rpartition("_")[0])
            links[(*ends, c.direction)][c.link] = None
    return tuple(Movement(*key, tuple(sorted(found))) for key, found in links.items())


def _position(raw: RawNet, connections: list[Connection]) -> tuple[float, float]:
    names = dict.fromkeys(c.junction for c in connections if c.junction)
    places = [(raw.junctions[n].x_m, raw.junctions[n].y_m) for n in names] or [(0.0, 0.0)]
    return (
        math.fsum(x for x, _ in places) / len(places),
        math.fsum(y for _, y in places) / len(places),
    )


def _warnings(raw: RawNet, signals: tuple[Signal, ...]) -> Iterable[str]:
    version = tuple(int(part) for part in raw.version.split(".") if part.isdigit())
    if version < CURRENT_NET_VERSION:
        yield (
            f"network format {raw.version or 'unknown'} is older than "
            f"{'.'.join(map(str, CURRENT_NET_VERSION))}: figures drift between SUMO versions; "
            "convert it with netconvert -s to be sure"
        )
    shipped = [repr(signal.id) for signal in signals if not signal.controllable]
    if shipped:
        named = ", ".join(shipped[:NAMED]) + (", ..." if len(shipped) > NAMED else "")
        yield (
            f"{len(shipped)} of {len(signals)} signals have fewer than two stages and are left as "
            f"shipped: {named}"
        )
    for signal in (one for one in signals if one.controllable):
        used = {c.link for c in signal.connections}
        unused = sorted(set(range(signal.n_links)) - used)
        if unused:
            yield f"signal {signal.id!r}: positions {unused} of its states control nothing"
        dark = sorted(used - set(np.flatnonzero(signal.stage_green.any(axis=0)).tolist()))
        if dark:
            yield f"signal {signal.id!r}: links {dark} are never green in any stage"
