"""Rolling central dispatch: one MILP over all islands and ties, planned anew every hour.

Every island is stated as in `milp`, at planning steps of `STEP_MIN`; a tie adds a flow each way to
the balances of its ends, less its loss. Between plans units follow the plan, ties its flows, and a
battery gives what the plan gives, moved by what load and renewables do otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_grid.arrays import OFF, RUN, WARM, PlantArrays, plant_arrays
from trimtab_grid.controllers.rules import RuleController, load_following
from trimtab_grid.controllers.stochastic import planning_plant
from trimtab_grid.controllers.view import Seen
from trimtab_grid.highs import Program, Terms
from trimtab_grid.islands.controllers import ClusterController, OneIsland
from trimtab_grid.islands.ties import Ties
from trimtab_grid.milp import Horizon, Plan, UnitCommitment
from trimtab_grid.objective import stored_energy_price_l_per_kwh

STEP_MIN = 60.0
AHEAD_H = 6.0
_GAP, _NODES = 5e-3, 200


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """A solved program of a cluster.

    Attributes:
        islands: plan of each.
        flow_kw: of the ties at the sending end, [K, T]; positive from the first end.
        cost_l: of all.
        bound_l: the solver's bound of it.
    """

    islands: tuple[Plan, ...]
    flow_kw: FloatArray
    cost_l: float
    bound_l: float


class ClusterProgram:
    """Unit commitment of several islands that exchange power.

    Args:
        programs: of the islands, over as many steps each.
        ties: between them.
    """

    def __init__(self, programs: tuple[UnitCommitment, ...], ties: Ties) -> None:
        self._programs, self._ties = programs, ties

    def solve(
        self, horizons: list[Horizon], gap: float = 1e-4, nodes: int = 100_000
    ) -> ClusterPlan:
        """Solve for new data, one horizon an island.

        Raises:
            ContractError: HiGHS found no feasible plan within the nodes.
        """
        rows = Program()
        stated = [p.state(rows, h) for p, h in zip(self._programs, horizons, strict=True)]
        steps, ties = self._programs[0].steps, self._ties
        forth = [rows.add(steps, 0.0, float(most), 0.0) for most in ties.capacity_kw]
        back = [rows.add(steps, 0.0, float(most), 0.0) for most in ties.capacity_kw]
        for k, (one, other) in enumerate(ties.ends):
            kept = float(ties.arriving[k])
            for t in range(steps):
                leaves: Terms = [(forth[k][t], -1.0), (back[k][t], kept)]
                enters: Terms = [(forth[k][t], kept), (back[k][t], -1.0)]
                rows.widen(stated[one][1][t], leaves)
                rows.widen(stated[other][1][t], enters)
        solved = rows.solve(gap, nodes)
        plans = tuple(
            p.read(solved, columns) for p, (columns, _) in zip(self._programs, stated, strict=True)
        )
        pairs = zip(forth, back, strict=True)
        flow = [solved.value[f] - solved.value[b] for f, b in pairs]
        flows = np.array(flow).reshape(len(ties.names), steps)
        return ClusterPlan(plans, flows, solved.cost, solved.bound)


class CentralProgram(ClusterController):
    """Rolling plans for all rows; `foresight` says whether the coming steps are known."""

    def __init__(self, problem: ControlProblem, foresight: bool) -> None:
        super().__init__(problem)
        self._problem, self._foresight = problem, foresight
        self._own = [load_following(OneIsland(problem, k)) for k in range(self.count)]
        step_min = float(self._own[0].plant.step_min)
        self._step_min = max(STEP_MIN, step_min)
        self._ratio = round(self._step_min / step_min)
        self._steps = round(AHEAD_H * 60.0 / self._step_min)
        self._records = []
        for own in self._own:
            coarse = planning_plant(own.model.plant, own.plant, self._step_min)
            self._records.append(plant_arrays(coarse, self._step_min))
        programs = tuple(UnitCommitment(record, self._steps) for record in self._records)
        self._program = ClusterProgram(programs, self.model.ties)
        self._t = np.zeros(problem.copies, np.int64)
        self._plans: dict[int, tuple[ClusterPlan, FloatArray]] = {}

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.copies) if rows is None else rows
        self._t[which] = 0

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        parts = [self.part(obs, k) for k in range(self.count)]
        seen = [own.see(part) for own, part in zip(self._own, parts, strict=True)]
        commands = [np.zeros(one.mode.shape, np.int64) for one in seen]
        battery = np.zeros((self.copies, self.count))
        flow = np.zeros((self.copies, len(self.model.ties.names)))
        for row in np.flatnonzero(obs.alive[:, 0]).tolist():
            step = int(self._t[row] % self._ratio)
            if step == 0:
                self._plans[row] = self._planned(seen, row)
            plan, net = self._plans[row]
            flow[row] = plan.flow_kw[:, 0]
            for k, one in enumerate(seen):
                own = plan.islands[k]
                commands[k][row] = towards(one.mode[row], own.running[:, 0])
                moved = float(one.load_kw[row] - one.free_kw[row]) - net[k]
                battery[row, k] = own.battery_kw[0] + moved
        self._t[obs.alive[:, 0]] += 1
        actions = [
            own.action(part, commands[k], battery[:, k])
            for k, (own, part) in enumerate(zip(self._own, parts, strict=True))
        ]
        return self.joined(actions, flow)

    def _planned(self, seen: list[Seen], row: int) -> tuple[ClusterPlan, FloatArray]:
        """A new plan, and the net load per island that its first step reckons with, kW."""
        horizons = [
            horizon_of(own, record, one, row, self._foretell(one, row, k))
            for k, (own, record, one) in enumerate(zip(self._own, self._records, seen, strict=True))
        ]
        plan = self._program.solve(horizons, _GAP, _NODES)
        return plan, np.array([h.load_kw[0] - h.wind_kw[0] for h in horizons])

    def _foretell(self, seen: Seen, row: int, island: int) -> FloatArray:
        """Load and renewables of the planning steps ahead, [T, 2]."""
        if not self._foresight:
            now = np.array([seen.load_kw[row], seen.free_kw[row]])
            return np.repeat(now[None], self._steps, axis=0)
        future = np.asarray(self._problem.resource("future"))[row, island]
        at = np.arange(self._t[row], self._t[row] + self._steps * self._ratio)
        ahead = future[np.minimum(at, len(future) - 1)]
        mean = ahead.reshape(self._steps, self._ratio, 3).mean(axis=1)
        return np.stack([mean[:, 0], mean[:, 1] + mean[:, 2]], axis=1)


def towards(mode: IntArray, running: IntArray) -> IntArray:
    """Commands [units] that bring units in these modes to what a plan lets run."""
    on = np.isin(mode, (RUN, WARM))
    return np.where(running > on, 1, np.where(running < on, -1, 0))


def horizon_of(
    rule: RuleController, record: PlantArrays, seen: Seen, row: int, ahead: FloatArray
) -> Horizon:
    """What a program is solved for from the observed state; timers count as over.

    Args:
        rule: of the island.
        record: its plant at planning steps.
        seen: all rows.
        row: of them.
        ahead: [T, 2] load and renewables, kW.
    """
    state = tuple(
        (RUN, int(record.min_run_steps[i])) if mode in (RUN, WARM) else (OFF, 0)
        for i, mode in enumerate(seen.mode[row])
    )
    low, high = float(record.reserve_soc_min), float(record.reserve_soc_max)
    soc = min(max(float(seen.soc[row]), low), high)
    load, free = ahead[:, 0].copy(), ahead[:, 1].copy()
    price = stored_energy_price_l_per_kwh(rule.model.plant)
    return Horizon(load, free, np.zeros_like(free), state, soc, high, price)
