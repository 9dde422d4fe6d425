"""The conflict-free floor: the same demand and seed where no signal and no vehicle is in the way.

Every signal shows ``G`` on all links and every vehicle type ignores conflicting traffic, so what
remains is speed limits, turning, car-following and entrance queues. An empirical floor, not a
proof. Its run also records when each vehicle reaches each stop line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.delay import Delay
from trimtab_traffic.plans import write_programs
from trimtab_traffic.rawrun import Case, simulate
from trimtab_traffic.safexml import open_bytes
from trimtab_traffic.signals import Phase, Program, Signal
from trimtab_traffic.simulation import RunOptions

IGNORE_FOES = 'jmIgnoreFoeProb="1" jmIgnoreFoeSpeed="100" jmIgnoreJunctionFoeProb="1"'
"""Junction-model attributes of SUMO that make a vehicle ignore conflicting traffic."""
_VTYPE = re.compile(rb"<vType(?=\s)")
_OWN_IGNORING = re.compile(rb'\sjmIgnore\w*="[^"]*"')
_DEFAULT_TYPES = {"DEFAULT_VEHTYPE": "passenger", "DEFAULT_BIKETYPE": "bicycle"}
_ROUTES = re.compile(
    rb'<vehicle id="([^"]*)"[^>]*? depart="([^"]*)"'
    rb'|<route [^>]*?edges="([^"]*)"[^>]*? exitTimes="([^"]*)"'
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A movement at a signal: all its links from one edge to another.

    Attributes:
        signal: index into `TrafficNetwork.controllable`.
        links: positions in the signal's state, ascending.
        lanes: stop lines it is served at, lane ids.
    """

    signal: int
    in_edge: str
    out_edge: str
    links: tuple[int, ...]
    lanes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passages:
    """Who crosses which stop line when; sorted by vehicle, then along its route.

    Attributes:
        turns: the movements that `turn` indexes.
        turn: [passages] movement.
        vehicle: [passages] vehicle, in order of insertion.
        time_s: [passages] time of crossing, from the begin of the horizon.
    """

    turns: tuple[Turn, ...]
    turn: NDArray[np.int64]
    vehicle: NDArray[np.int64]
    time_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Floor:
    """Result of the conflict-free run."""

    delay: Delay
    passages: Passages


def turns_of(signals: tuple[Signal, ...]) -> tuple[Turn, ...]:
    """Movements of the given signals, each pair of edges once."""
    turns = []
    for index, signal in enumerate(signals):
        links: dict[tuple[str, str], set[int]] = defaultdict(set)
        lanes: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for c in signal.connections:
            if c.on_road:
                ends = (c.in_lane.rpartition("_")[0], c.out_lane.rpartition("_")[0])
                links[ends].add(c.link)
                lanes[ends][c.in_lane] = None
        turns += [
            Turn(index, *ends, tuple(sorted(found)), tuple(lanes[ends]))
            for ends, found in links.items()
        ]
    return tuple(turns)


def run_floor(case: Case) -> Floor:
    """Run the floor of a case and record its passages.

    Raises:
        TrimtabError: SUMO refused its input or died.
    """
    routes = case.folder / "floor-routes.xml"
    options = _without_conflicts(case)
    wanted = ("--vehroute-output", str(routes), "--vehroute-output.exit-times", "true")
    unfinished = ("--vehroute-output.write-unfinished", "true")
    delay = simulate(case, replace(options, extra=(*options.extra, *wanted, *unfinished)))
    return Floor(delay, read_passages(routes, case))


def _without_conflicts(case: Case) -> RunOptions:
    folder, options = case.folder, case.options
    signals = {
        s.id: Program("floor", "static", 0.0, (Phase("G" * s.n_links, 3600.0),), ())
        for s in case.network.signals
    }
    all_green = write_programs(folder / "floor.add.xml", signals)
    defined: set[str] = set()
    routes = _ignoring(options.routes, folder, "rou", defined)
    additional = _ignoring(options.additional, folder, "add", defined)
    types = folder / "floor-types.add.xml"
    lines = [
        f'<vType id="{name}" vClass="{kind}" {IGNORE_FOES}/>'
        for name, kind in _DEFAULT_TYPES.items()
        if name not in defined
    ]
    types.write_text(f"<additional>{''.join(lines)}</additional>", encoding="utf-8")
    return replace(options, routes=routes, additional=(types, *additional, all_green))


def _ignoring(
    paths: tuple[Path, ...], folder: Path, kind: str, defined: set[str]
) -> tuple[Path, ...]:
    """The files, with copies in place of those that define vehicle types."""
    found = []
    for number, path in enumerate(paths):
        with open_bytes(path) as stream:
            text = stream.read() or b""
        if _VTYPE.search(text):
            defined.update(name for name in _DEFAULT_TYPES if f'"{name}"'.encode() in text)
            plain = _OWN_IGNORING.sub(b"", text)
            path = folder / f"floor-{number}.{kind}.xml"  # noqa: PLW2901 - the copy takes its place
            path.write_bytes(_VTYPE.sub(b"<vType " + IGNORE_FOES.encode(), plain))
        found.append(path)
    return tuple(found)


def read_passages(path: Path, case: Case) -> Passages:
    """Read SUMO's vehicle routes with exit times.

    Vehicles planned before the horizon and edges not left by its end are left out.
    """
    turns = turns_of(case.network.controllable)
    at = {(t.in_edge, t.out_edge): i for i, t in enumerate(turns)}
    routes: dict[bytes, tuple[bytes, bytes]] = {}
    name, counted = b"", False
    for vehicle, depart, edges, exits in _ROUTES.findall(path.read_bytes()):
        if vehicle:
            name = vehicle
            planned = case.demand.depart_s.get(unescape(name.decode()), float(depart))
            counted = planned >= case.begin_s
        elif counted:
            routes[name] = (edges, exits)
    rows = [
        (turn, number, leaves - case.begin_s)
        for number, (edges, exits) in enumerate(routes.values())
        for turn, leaves in _passed(edges, exits, at)
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Passages(
        turns, columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64), columns[:, 2]
    )


def _passed(edges: bytes, exits: bytes, at: dict[tuple[str, str], int]) -> list[tuple[int, float]]:
    names = unescape(edges.decode()).split()
    times = [float(text) for text in exits.split()]
    pairs = zip(names[:-1], names[1:], times[: len(names) - 1], strict=True)
    return [(at[a, b], t) for a, b, t in pairs if t >= 0 and (a, b) in at]
