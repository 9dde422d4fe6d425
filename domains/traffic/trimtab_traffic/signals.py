"""The values of the static signal model: signals, links, stages, lanes, edges, network.

Terms are SUMO's and the field's: a *link* is a position in a signal's state string; it controls one
or more *connections* (in-lane to out-lane); a *stage* is a state of the shipped program without
yellow and with at least one green, duplicates removed, order kept (RESCO definition).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import UnknownNameError

VEHICLE_SPACE_M = 7.5
"""Road space of one queued vehicle (5 m length + 2.5 m gap, SUMO passenger default), m."""

GREEN_CHARS = "Gg"
YELLOW_CHARS = "yYu"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a signal program as shipped; durations in s, NaN where the file has none.

    `extra` keeps attributes that only some controller types read (``vehext``, ``yellow``, ``red``,
    ``earliestEnd``, ``latestEnd``, …), so that a program written again says the same.
    """

    state: str
    duration_s: float
    min_duration_s: float = nan
    max_duration_s: float = nan
    next: tuple[int, ...] = ()
    name: str = ""
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A signal program (``tlLogic``) as shipped."""

    id: str
    type: str
    offset_s: float
    phases: tuple[Phase, ...]
    parameters: tuple[tuple[str, str], ...]

    @property
    def cycle_s(self) -> float:
        """Sum of the phase durations, s."""
        return sum(phase.duration_s for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane; ``shape`` is SUMO's text of x,y pairs in m."""

    id: str
    edge: str
    length_m: float
    speed_mps: float
    shape: str
    carries_cars: bool

    @property
    def polyline_m(self) -> NDArray[np.float64]:
        """Centre line, shape [points, 2], m."""
        return np.array(
            [[float(x) for x in point.split(",")[:2]] for point in self.shape.split()]
        ).reshape(-1, 2)

    @property
    def storage_veh(self) -> float:
        """Queued vehicles that fit on the lane."""
        return self.length_m / VEHICLE_SPACE_M


@dataclass(frozen=True, slots=True)
class Edge:
    """A road edge (internal edges are left out) and its lanes, right to left."""

    id: str
    from_junction: str
    to_junction: str
    lanes: tuple[str, ...]
    carries_cars: bool
    successors: tuple[str, ...]
    """Edges that a car may take next, in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One controlled in-lane to out-lane connection; ``via`` lists its internal lanes in order.

    ``request`` is its row in the junction's right-of-way table, -1 where it has none.
    """

    link: int
    in_lane: str
    out_lane: str
    via: tuple[str, ...]
    direction: str
    junction: str
    request: int
    crossing: bool

    @property
    def on_road(self) -> bool:
        """Whether it starts on a road lane: no crossing, no second part of an indirect turn."""
        return not self.crossing and not self.in_lane.startswith(":")


@dataclass(frozen=True, slots=True)
class Movement:
    """All links from one edge to another with one turning direction."""

    in_edge: str
    out_edge: str
    direction: str
    links: tuple[int, ...]


@dataclass(frozen=True)
class Signal:
    """One traffic light (TLS), possibly joined over several junctions.

    Attributes:
        programs: as shipped; the last one is active when SUMO starts.
        stage_states: stage states, RESCO definition.
        foes: [links, links] bool, symmetric: the paths cross or merge.
        yields: [links, links] bool: row must give way to column when both are green.
        crossing: [links] bool: the link is a pedestrian crossing.
        position_m: mean position of its junctions, (x, y), m.
    """

    id: str
    programs: tuple[Program, ...]
    n_links: int
    connections: tuple[Connection, ...]
    movements: tuple[Movement, ...]
    stage_states: tuple[str, ...]
    foes: NDArray[np.bool_]
    yields: NDArray[np.bool_]
    crossing: NDArray[np.bool_]
    position_m: tuple[float, float]

    @property
    def program(self) -> Program:
        """The program that is active when the simulation starts."""
        return self.programs[-1]

    @property
    def controllable(self) -> bool:
        """Whether there is something to decide: at least two stages."""
        return len(self.stage_states) >= 2

    @cached_property
    def stage_green(self) -> NDArray[np.bool_]:
        """Links green (``g`` or ``G``) per stage, [stages, links]."""
        return np.array([[c in GREEN_CHARS for c in s] for s in self.stage_states]).reshape(
            len(self.stage_states), self.n_links
        )

    @cached_property
    def link_connections(self) -> tuple[tuple[Connection, ...], ...]:
        """Connections of each link; empty for a position no connection uses."""
        table: list[list[Connection]] = [[] for _ in range(self.n_links)]
        for connection in self.connections:
            table[connection.link].append(connection)
        return tuple(tuple(row) for row in table)

    @cached_property
    def approach_lanes(self) -> tuple[str, ...]:
        """Lanes whose stop line this signal controls, crossings left out, first use first."""
        return tuple(dict.fromkeys(c.in_lane for c in self.connections if c.on_road))

    @cached_property
    def exit_lanes(self) -> tuple[str, ...]:
        """Lanes that controlled connections lead to, crossings left out, first use first."""
        return tuple(dict.fromkeys(c.out_lane for c in self.connections if c.on_road))

    @cached_property
    def shipped_yellow_s(self) -> float:
        """Longest yellow phase of the active program, s; 0 if it has none."""
        return max(
            (p.duration_s for p in self.program.phases if "y" in p.state.lower()), default=0.0
        )


@dataclass(frozen=True)
class TrafficNetwork:
    """A network's lanes, edges and signals.

    Attributes:
        ahead: road lane -> road lanes that it leads into, where no signal stands between them.
        switched_by_clock: the files switch signal programs by the clock (``WAUT``).
        warnings: what is odd about the file but does not prevent its use.
        digest: SHA-256 of the files read.
    """

    path: Path
    version: str
    signals: tuple[Signal, ...]
    lanes: dict[str, Lane]
    edges: dict[str, Edge]
    ahead: dict[str, tuple[str, ...]]
    switched_by_clock: bool
    warnings: tuple[str, ...]
    digest: str

    @cached_property
    def controllable(self) -> tuple[Signal, ...]:
        """Signals with at least two stages; the others keep their shipped program."""
        return tuple(s for s in self.signals if s.controllable)

    @cached_property
    def n_lanes(self) -> int:
        """Lanes of non-internal edges."""
        return sum(len(edge.lanes) for edge in self.edges.values())

    def signal(self, signal_id: str) -> Signal:
        """Return the signal of that id.

        Raises:
            UnknownNameError: there is none.
        """
        for signal in self.signals:
            if signal.id == signal_id:
                return signal
        raise UnknownNameError(signal_id, "signal", [s.id for s in self.signals])
