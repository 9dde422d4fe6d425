"""Max-pressure control with turning ratios (P. Varaiya, Transp. Res. C 36, 2013).

Pressure of a movement (l, m): w(l, m) = x(l, m) − Σ_k r(m, k) x(m, k); a stage's pressure is
Σ s(l, m) w(l, m) over the movements it serves. x(l, m) are vehicles on road l that will turn into
m; the turning ratios r of each road are estimated from the vehicles seen there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Ordinal, Space
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_traffic.controllers.stages import StageLayout, Sum, layout_of, stage_action

SATURATION_VEH_S = 0.5
"""Saturation flow of a lane, veh/s (1800 veh/h)."""

PARAMETERS = Space(
    (
        Ordinal("radius_m", (50.0, 100.0, 200.0), "m"),
        Float("memory_s", 60.0, 3600.0, "s", log=True),
    )
)


@dataclass(frozen=True, slots=True)
class Movements:
    """Flat movements of all signals.

    Attributes:
        counts: link quantities → vehicles per movement (a link shared by k movements: 1/k each).
        pressure: movement quantities → stage pressure, saturation flow included.
        road: [movements] index of the in-road.
        beyond: (movement, road) pairs: the movement leads into that signalled in-road.
        exits: lane quantities → halting vehicles on the exit road, where no signal follows it.
        n_roads: number of in-roads.
    """

    counts: Sum
    pressure: Sum
    road: IntArray
    beyond: tuple[IntArray, IntArray]
    exits: Sum
    n_roads: int


def movements_of(layout: StageLayout) -> Movements:
    """Number the movements of a layout and relate them to links, lanes, stages and roads."""
    flat = [(s, m) for s in range(len(layout.signals)) for m in layout.signals[s].movements]
    roads: dict[str, int] = {}
    road = np.array([roads.setdefault(m.in_edge, len(roads)) for _, m in flat], dtype=np.int64)
    follows = [(k, roads[m.out_edge]) for k, (_, m) in enumerate(flat) if m.out_edge in roads]
    pairs = np.array(follows, dtype=np.int64).reshape(-1, 2)
    exits: list[tuple[int, int, float]] = []
    for k, (s, m) in enumerate(flat):
        if m.out_edge not in roads:
            lanes = {c.out_lane for j in m.links for c in layout.signals[s].link_connections[j]}
            exits += [(k, layout.lanes[x], 1.0) for x in sorted(lanes) if _edge(x) == m.out_edge]
    return Movements(
        counts=Sum.of(_link_terms(layout), len(flat)),
        pressure=Sum.of(_stage_terms(layout), layout.n_stages),
        road=road,
        beyond=(pairs[:, 0], pairs[:, 1]),
        exits=Sum.of(exits, len(flat)),
        n_roads=len(roads),
    )


def _edge(lane: str) -> str:
    return lane.rpartition("_")[0]


def _link_terms(layout: StageLayout) -> Iterator[tuple[int, int, float]]:
    first = 0
    for signal, link0 in zip(layout.signals, layout.first_link, strict=False):
        users = np.zeros(signal.n_links)
        for movement in signal.movements:
            users[list(movement.links)] += 1.0
        for k, movement in enumerate(signal.movements):
            for link in movement.links:
                yield first + k, int(link0 + link), 1.0 / users[link]
        first += len(signal.movements)


def _stage_terms(layout: StageLayout) -> Iterator[tuple[int, int, float]]:
    """(stage, movement, saturation flow of the movement's lanes that are green in it)."""
    first = 0
    for signal, stage0 in zip(layout.signals, layout.first_stage, strict=False):
        for k, movement in enumerate(signal.movements):
            lanes = [{c.in_lane for c in signal.link_connections[j]} for j in movement.links]
            for stage, green in enumerate(signal.stage_green[:, list(movement.links)]):
                served = set().union(*(x for x, on in zip(lanes, green, strict=True) if on))
                if served:
                    yield int(stage0 + stage), first + k, SATURATION_VEH_S * len(served)
        first += len(signal.movements)


class MaxPressure(Controller):
    """Plays the stage of greatest pressure, turning ratios estimated on line.

    Args:
        radius_m: vehicles within this distance of the stop line are x(l, m).
        memory_s: time constant of the turning ratios' exponential average, s.
    """

    def __init__(
        self, problem: ControlProblem, radius_m: float = 200.0, memory_s: float = 600.0
    ) -> None:
        self._layout, self._state = layout_of(problem)
        self._movements = movements_of(self._layout)
        self._radius_m = radius_m
        self._forget = float(np.exp(-problem.spec.dt_s / memory_s))
        self._seen = np.ones(len(self._movements.road))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Turning ratios start even."""
        self._seen[:] = 1.0

    def act(self, obs: Obs) -> Action:
        """Next stage of every signal, `discrete` [1, signals, 1]."""
        waiting = self._movements.counts(self._state.approach_count(self._radius_m))
        self._seen = self._forget * self._seen + waiting
        return stage_action(self._layout, self._scores(waiting), self._state, obs)

    def _scores(self, waiting: FloatArray) -> FloatArray:
        m = self._movements
        load = np.bincount(m.road, self.turning_ratios() * waiting, m.n_roads)
        beyond = m.exits(self._state.lane_halting())
        np.add.at(beyond, m.beyond[0], load[m.beyond[1]])
        return m.pressure(waiting - beyond)

    def turning_ratios(self) -> FloatArray:
        """r(m, k) of every movement (m, k), [movements]; they add up to 1 per road."""
        total = np.bincount(self._movements.road, self._seen, self._movements.n_roads)
        return np.asarray(self._seen / np.maximum(total, 1e-12)[self._movements.road])
