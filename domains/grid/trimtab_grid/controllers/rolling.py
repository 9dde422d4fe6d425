"""Rolling MILP: plan some hours ahead, keep the plan's commitment until the next plan.

Planning steps are those of `stochastic` (at least 15 min, warm-up and cool-down as fuel of the
start). Stored energy at the horizon's end counts at its price. Between plans units follow the
committed set and the battery gives what the plan gives, moved by what the load does otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_grid.arrays import OFF, RUN, WARM, plant_arrays
from trimtab_grid.controllers import Foretold
from trimtab_grid.controllers.stochastic import planning_plant, planning_step_min
from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.forecasts import QUANTITIES, Issue, Noisy
from trimtab_grid.milp import Horizon, Plan, UnitCommitment
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.series import load_series

_AHEAD_H, _AGAIN_MIN = 6.0, 60.0
_GAP, _LIMIT_S = 2e-3, 5.0


class RollingProgram(GridController):
    """See the module; `kind` says how the coming steps are foretold."""

    def __init__(self, problem: ControlProblem, kind: Foretold, sigma: float = 0.1) -> None:
        super().__init__(problem)
        self._kind, self._noise = kind, Noisy(sigma)
        step_min = planning_step_min(float(self.plant.step_min))
        coarse = planning_plant(self.model.plant, self.plant, step_min)
        self._record = plant_arrays(coarse, step_min)
        self._ratio = max(1, round(step_min / float(self.plant.step_min)))
        self._again = max(1, round(_AGAIN_MIN / float(self.plant.step_min)))
        self._ahead = max(4, round(_AHEAD_H * 60.0 / step_min))
        self._program = UnitCommitment(self._record, self._ahead)
        self._price = stored_energy_price_l_per_kwh(self.model.plant)
        self._t = np.zeros(problem.copies, np.int64)
        self._seed = np.zeros(problem.copies, np.int64)
        self._plans: dict[int, tuple[int, Plan, FloatArray]] = {}

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._t[which], self._seed[which] = 0, seed
        for row in which:
            self._plans.pop(int(row), None)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = self.see(obs)
        command, battery = np.zeros(seen.mode.shape, np.int64), np.zeros(len(seen.soc))
        for row in np.flatnonzero(obs.alive[:, 0]):
            command[row], battery[row] = self._decide(seen, int(row))
        self._t[obs.alive[:, 0]] += 1
        return self.action(obs, command, battery)

    def _decide(self, seen: Seen, row: int) -> tuple[IntArray, float]:
        t = int(self._t[row])
        if t % self._again == 0 or row not in self._plans:
            load, free = self._foretell(seen, row, t)
            plan = self._plan(seen, row, load, free)
            self._plans[row] = (t, plan, load - free)
        begun, plan, net = self._plans[row]
        k = min((t - begun) // self._ratio, self._ahead - 1)
        on = np.isin(seen.mode[row], (RUN, WARM))
        command = np.where(plan.running[:, k] > on, 1, np.where(plan.running[:, k] < on, -1, 0))
        if self.model.by_order:
            command = _first_change(command)
        moved = float(seen.load_kw[row] - seen.free_kw[row]) - float(net[k])
        return command.astype(np.int64), float(plan.battery_kw[k]) + moved

    def _plan(self, seen: Seen, row: int, load: FloatArray, free: FloatArray) -> Plan:
        """Solve from the observed state: timers of a coarser plan count as over."""
        fine = self._ratio == 1
        state = tuple(
            (RUN, int(t) if fine else int(self._record.min_run_steps[i]))
            if m in (RUN, WARM)
            else (OFF, int(t) if fine and m == OFF else 0)
            for i, (m, t) in enumerate(zip(seen.mode[row], seen.timer[row], strict=True))
        )
        low, high = float(self._record.reserve_soc_min), float(self._record.reserve_soc_max)
        soc = min(max(float(seen.soc[row]), low), high)
        horizon = Horizon(load, free, np.zeros_like(free), state, soc, high, self._price)
        return self._program.solve(horizon, _GAP, _LIMIT_S)

    def _foretell(self, seen: Seen, row: int, t: int) -> tuple[FloatArray, FloatArray]:
        """Load and renewables of the planning steps ahead, [T] each."""
        if self._kind == "persistence":
            load = np.full(self._ahead, float(seen.load_kw[row]))
            return load, np.full(self._ahead, float(seen.free_kw[row]))
        steps = self._ahead * self._ratio
        future = np.asarray(self.problem.resource("future"))[row]
        ahead = future[np.minimum(np.arange(t, t + steps), len(future) - 1)]
        if self._kind == "noisy":
            ahead = self._noised(ahead, int(self._seed[row]) * 1_000_003 + t)
        mean = ahead.reshape(self._ahead, self._ratio, 3).mean(axis=1)
        return mean[:, 0].copy(), mean[:, 1] + mean[:, 2]

    def _noised(self, ahead: FloatArray, seed: int) -> FloatArray:
        """The steps ahead as a noisy forecast issued before them; the first is measured."""
        known = np.concatenate([ahead[:1], ahead])
        load, wind, pv = (np.ascontiguousarray(known[:, k]) for k in range(3))
        start = datetime(2000, 1, 1, tzinfo=UTC)
        series = load_series(start, float(self.plant.step_min), load, wind, pv)
        asked = Issue(np.zeros(1, np.int64), len(ahead), seed, 1)
        return np.stack([self._noise.issue(series, q, asked)[0] for q in QUANTITIES], axis=1)


def _first_change(command: IntArray) -> IntArray:
    """One change in a fixed order: the first start, else the last stop."""
    kept = np.zeros_like(command)
    starts, stops = np.flatnonzero(command > 0), np.flatnonzero(command < 0)
    if len(starts):
        kept[starts[0]] = 1
    elif len(stops):
        kept[stops[-1]] = -1
    return kept
