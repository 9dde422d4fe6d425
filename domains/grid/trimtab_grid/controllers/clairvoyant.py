"""Dynamic programming with perfect foresight, played step by step against the real plant.

Costs-to-go of the whole episode are made once from the granted future (`dp`); each step then takes
the best admissible command against them from where the plant really is, so that rounding, the
shield or a fault shift the path, not its optimality from there on. Behind a shield, which keeps the
plant ready to lose an outer grid in any step, the plan leaves that grid out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, BoolArray, Float32Array, IntArray, Obs

from trimtab_grid.arrays import COOL, OFF, RUN, WARM
from trimtab_grid.bounds import Year, default_tolerance_l
from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.dp import CostToGo, Planner, best_step
from trimtab_grid.stage import stored_kwh
from trimtab_grid.unit_graph import UnitGraph, settled

_COARSE = {WARM: (RUN, 0), COOL: (OFF, 0)}


class Steering:
    """Finds an observed plant in a unit graph and turns the best edge into a decision.

    In a `coarse` graph a unit that warms up counts as running and one that cools down as off.
    """

    def __init__(self, controller: GridController, graph: UnitGraph, coarse: bool = False) -> None:
        self._controller, self._coarse = controller, coarse
        self._nodes = graph.nodes()
        keep = 0 if graph.relaxed else 1
        plant, units = controller.plant, controller.units
        self._min_run = [keep * int(m) for m in plant.min_run_steps[:units]]
        self._min_down = [keep * int(m) for m in plant.min_down_steps[:units]]
        commands = np.array(graph.commands, np.int64)
        self.commands = commands
        self._bits = commands + 1
        self._choice = np.clip(commands.sum(axis=1), -1, 1) + 1

    def node(self, seen: Seen, row: int) -> int:
        """Node of a row, or -1 where the graph does not know its state."""
        state = tuple(
            (int(m), int(t)) for m, t in zip(seen.mode[row], seen.timer[row], strict=True)
        )
        if self._coarse:
            state = tuple(_COARSE.get(m, (m, t)) for m, t in state)
        return self._nodes.get(settled(state, self._min_run, self._min_down), -1)

    def allowed(self, obs: Obs, row: int) -> BoolArray:
        """Edges whose command the mask admits, [E]."""
        if obs.action_mask is None:
            return np.ones(len(self.commands), bool)
        mask = obs.action_mask[row, 0]
        if self._controller.model.by_order:
            return np.asarray(mask[self._choice])
        free = mask.reshape(self._controller.units, 3)
        return np.asarray(free[np.arange(self._controller.units), self._bits].all(axis=1))

    def decide(
        self,
        planner: Planner,
        costs: CostToGo,
        t: int,
        after: int,
        node: int,
        obs: Obs,
        row: int,
        stored: float,
    ) -> tuple[IntArray, float]:
        """Command [units] and setpoint of one row; hold and no wish where nothing is known."""
        links, outputs = planner.graph.links, planner.graph.outputs
        nothing = np.zeros(self._controller.units, np.int64), 0.0
        if node < 0:
            return nothing
        allowed = self.allowed(obs, row)
        best = best_step(
            links, outputs, planner.store, planner.stage, t, costs, after, node, stored, allowed
        )
        return self.ordered(planner, best.edge, best.change_kwh)

    def ordered(self, planner: Planner, edge: int, change_kwh: float) -> tuple[IntArray, float]:
        """Command [units] of an edge and the setpoint of an energy change; edge -1: hold."""
        if edge < 0:
            return np.zeros(self._controller.units, np.int64), 0.0
        tank = planner.store
        return self.commands[edge], -float(np.interp(change_kwh, tank.change_kwh, tank.grid_kw))


class PerfectForesight(GridController):
    """See the module. Granted the future and the model."""

    def __init__(self, problem: ControlProblem, tolerance_l: float | None = None) -> None:
        super().__init__(problem)
        self._tolerance_l = tolerance_l
        self._t, self._soc_first = np.zeros(problem.copies, np.int64), np.zeros(problem.copies)
        self._units_first = np.zeros((problem.copies, self.units, 2), np.int64)
        self._plans: dict[int, tuple[Planner, CostToGo, Steering]] = {}

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._t[which] = 0
        for row in which:
            self._plans.pop(int(row), None)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Where each episode stands and began; the costs-to-go follow from it and the future."""
        return {"t": self._t, "soc_first": self._soc_first, "units_first": self._units_first}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._t, self._soc_first = state["t"].copy(), state["soc_first"].copy()
        self._units_first = state["units_first"].copy()
        self._plans.clear()

    def _plan(self, row: int) -> tuple[Planner, CostToGo, Steering]:
        future = self.problem.resource("future")[row]
        step_min = float(self.plant.step_min)
        load, wind, pv = (future[:, k].copy() for k in range(3))
        first = float(self._soc_first[row])
        units = tuple((int(m), int(t)) for m, t in self._units_first[row])
        known = future[:, 3:]
        outer = None if self.model.shielded or not known.size else known
        year = Year(self.model.plant, step_min, load, wind, pv, first, units, outer)
        planner = year.planner().inside()
        tolerance = self._tolerance_l or default_tolerance_l(len(future))
        return planner, planner.cost_to_go(tolerance), Steering(self, planner.graph)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = self.see(obs)
        count = len(seen.soc)
        command, battery = np.zeros((count, self.units), np.int64), np.zeros(count)
        for row in np.flatnonzero(obs.alive[:, 0]):
            t = int(self._t[row])
            if t == 0:
                self._soc_first[row] = seen.soc[row]
                self._units_first[row, :, 0] = seen.mode[row]
                self._units_first[row, :, 1] = seen.timer[row]
            if int(row) not in self._plans:
                self._plans[int(row)] = self._plan(int(row))
            planner, costs, steering = self._plans[int(row)]
            stored = stored_kwh(self.plant, float(seen.soc[row]))
            stored = min(max(stored, planner.store.low_kwh), planner.store.high_kwh)
            command[row], battery[row] = steering.decide(
                planner, costs, t, t + 1, steering.node(seen, int(row)), obs, int(row), stored
            )
        self._t[obs.alive[:, 0]] += 1
        return self.action(obs, command, battery)
