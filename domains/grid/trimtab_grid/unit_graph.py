"""Joint states of the units with their timers as a graph: what may follow what, at what cost.

The transitions are those of `automaton`; only states that the first one can reach are listed. A
node is a state observed at the begin of a step; an edge is a legal command; what the units hold
during the step sets their output and the next node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import HOLD, OFF, RUN, START, STOP, TRIPPED, PlantArrays
from trimtab_grid.automaton import commanded, commands_legal, ticked
from trimtab_grid.stage import Outputs, outputs

MAX_NODES = 3000
"""Beyond this many joint states timers have to be relaxed."""
NO_TIMERS, AT_ONCE = 1, 2
"""Ways to relax a graph; see `UnitGraph`."""
State = tuple[tuple[int, int], ...]
"""(mode, timer) per unit."""
Command = tuple[int, ...]


class Links(NamedTuple):
    """The graph as arrays.

    Attributes:
        first_edge: edges of node n are first_edge[n]..first_edge[n + 1], [N + 1].
        edge_held: what is held after the command, index h, [E].
        edge_l: fuel of starts, [E].
        held_node: next node, [H].
        held_class: class of joint output, row of `Outputs`, [H].
    """

    first_edge: IntArray
    edge_held: IntArray
    edge_l: FloatArray
    held_node: IntArray
    held_class: IntArray


@dataclass(frozen=True, slots=True)
class UnitGraph:
    """Joint unit states of one plant.

    Attributes:
        states: observed state of each node.
        commands: of each edge, per unit -1, 0 or +1.
        links: the graph as arrays.
        outputs: joint outputs per class.
        modes: held modes of the units, per class.
        relaxed: what was left out, for far fewer states: 0 nothing, `NO_TIMERS` minimum run and
            down times, `AT_ONCE` warm-up, cool-down and order rules too (bounds stay valid).
    """

    states: tuple[State, ...]
    commands: tuple[Command, ...]
    links: Links
    outputs: Outputs
    modes: tuple[tuple[int, ...], ...]
    relaxed: int

    def nodes(self) -> dict[State, int]:
        """Index of every observed state."""
        return {state: k for k, state in enumerate(self.states)}


def all_off(plant: PlantArrays) -> State:
    """Every unit off and free to start."""
    return ((OFF, 0),) * int(plant.n)


def first_running(plant: PlantArrays) -> State:
    """The first unit running, free to stop, the others off."""
    return ((RUN, int(plant.min_run_steps[0])), *all_off(plant)[1:])


def unit_graph(plant: PlantArrays, firsts: tuple[State, ...], relaxed: int = 0) -> UnitGraph:
    """All states reachable from `firsts`.

    Args:
        plant: the record.
        firsts: observed states to start from.
        relaxed: see `UnitGraph`.

    Raises:
        InputFileError: there are more than `MAX_NODES` states.
    """
    explorer = _Explorer(relaxed_plant(plant, relaxed), relaxed)
    explorer.explore(firsts)
    return explorer.graph()


def relaxed_plant(plant: PlantArrays, relaxed: int) -> PlantArrays:
    """The plant that a graph is of: `AT_ONCE` units have no warm-up, cool-down or order.

    They can still give what those gave, at its fuel: their least load is no more than that.
    """
    if relaxed < AT_ONCE:
        return plant
    found = plant.copy()
    for fixed in (plant.warm_kw, plant.cool_kw):
        found.min_kw[:] = np.where(fixed > 0.0, np.minimum(found.min_kw, fixed), found.min_kw)
    found.warm_steps[:] = found.cool_steps[:] = 0
    found.order = 0
    return found


def settled(state: State, min_run: Sequence[int], min_down: Sequence[int]) -> State:
    """The state with timers no longer than these; a tripped unit counts as off."""
    out = []
    for (mode, timer), run, down in zip(state, min_run, min_down, strict=False):
        limit = {RUN: run, OFF: down, TRIPPED: 0}.get(mode, timer)
        out.append((OFF if mode == TRIPPED else mode, min(timer, limit)))
    return tuple(out)


class _Explorer:
    """Breadth-first search over joint states."""

    def __init__(self, plant: PlantArrays, relaxed: int) -> None:
        self.plant, self.relaxed, self.n = plant, relaxed, int(plant.n)
        keep = 0 if relaxed else 1
        self.min_run = [keep * int(m) for m in plant.min_run_steps[: self.n]]
        self.min_down = [keep * int(m) for m in plant.min_down_steps[: self.n]]
        self.nodes: dict[State, int] = {}
        self.held: dict[State, int] = {}
        self.classes: dict[tuple[int, ...], int] = {}
        self.edges: list[list[tuple[Command, int, float]]] = []
        self.held_node: list[int] = []
        self.held_class: list[int] = []

    def explore(self, firsts: tuple[State, ...]) -> None:
        queue = deque[State]()
        for state in firsts:
            self._node(self._settled(state), queue)
        while queue:
            state = queue.popleft()
            out = [self._edge(state, c, queue) for c in self._legal(state)]
            self.edges[self.nodes[state]] = out

    def _settled(self, state: State) -> State:
        return settled(state, self.min_run, self.min_down)

    def _node(self, state: State, queue: deque[State]) -> int:
        if state not in self.nodes:
            if len(self.nodes) >= MAX_NODES:
                msg = (
                    f"more than {MAX_NODES} joint unit states: choose a longer step_min, or "
                    "leave dp_perfect out"
                )
                raise InputFileError(msg)
            self.nodes[state] = len(self.nodes)
            self.edges.append([])
            queue.append(state)
        return self.nodes[state]

    def _legal(self, state: State) -> list[Command]:
        modes, timers = zip(*state, strict=True)
        order = int(self.plant.order)

        def legal(command: Command) -> bool:
            return bool(commands_legal(order, command, modes, timers, self.n, self.min_run))

        def alone(unit: int, code: int) -> Command:
            return tuple(code if k == unit else HOLD for k in range(self.n))

        each = [
            [code for code in (HOLD, STOP, START) if legal(alone(unit, code))]
            for unit in range(self.n)
        ]
        return [command for command in product(*each) if legal(command)]

    def _edge(
        self, state: State, command: Command, queue: deque[State]
    ) -> tuple[Command, int, float]:
        plant = self.plant
        held = tuple(
            commanded(m, t, c, int(plant.warm_steps[i]), int(plant.cool_steps[i]), down)
            for i, ((m, t), c, down) in enumerate(zip(state, command, self.min_down, strict=True))
        )
        fuel = sum(float(plant.start_fuel_l[i]) for i, c in enumerate(command) if c == START)
        return command, self._held(held, queue), fuel

    def _held(self, held: State, queue: deque[State]) -> int:
        if held not in self.held:
            self.held[held] = len(self.held)
            modes = tuple(m for m, _ in held)
            self.held_class.append(self.classes.setdefault(modes, len(self.classes)))
            after = tuple(
                ticked(m, t, run, down)
                for (m, t), run, down in zip(held, self.min_run, self.min_down, strict=True)
            )
            self.held_node.append(-1)
            self.held_node[self.held[held]] = self._node(after, queue)
        return self.held[held]

    def graph(self) -> UnitGraph:
        counts = [len(out) for out in self.edges]
        edges = [edge for out in self.edges for edge in out]
        links = Links(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array([e[1] for e in edges], np.int64),
            np.array([e[2] for e in edges], np.float64),
            np.array(self.held_node, np.int64),
            np.array(self.held_class, np.int64),
        )
        modes = list(self.classes)
        return UnitGraph(
            tuple(self.nodes),
            tuple(e[0] for e in edges),
            links,
            outputs(self.plant, modes),
            tuple(modes),
            self.relaxed,
        )
