"""Rolling MILP: plan some hours ahead, keep the plan's commitment until the next plan.

Planning steps are those of `stochastic` (at least 15 min, warm-up and cool-down as fuel of the
start). A plan never reaches beyond the episode: where it ends with it, stored energy counts by the
episode's own terminal term, else at its price up to the full window. Between plans units follow the
committed set and the battery gives what the plan gives, moved by what the load does otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_grid.arrays import OFF, RUN, WARM, plant_arrays
from trimtab_grid.controllers.stochastic import planning_plant, planning_step_min
from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.forecasts import QUANTITIES, Foretold, Issue, Noisy
from trimtab_grid.milp import Horizon, Plan, UnitCommitment
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.series import load_series

_AHEAD_H, _AGAIN_MIN = 6.0, 60.0
_GAP, _NODES = 2e-3, 500
_REMEMBERED = ("t", "seed", "soc_first", "begun", "running", "battery_kw", "net_kw")


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
        self._price = stored_energy_price_l_per_kwh(self.model.plant)
        copies, steps = problem.copies, self._ahead
        self._t, self._seed = np.zeros(copies, np.int64), np.zeros(copies, np.int64)
        self._soc_first = np.zeros(copies)
        self._begun = np.full(copies, -1, np.int64)
        self._running = np.zeros((copies, int(self._record.n), steps), np.int64)
        self._battery_kw, self._net_kw = np.zeros((copies, steps)), np.zeros((copies, steps))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._t[which], self._seed[which], self._begun[which] = 0, seed, -1

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Where each episode stands, and the plan that is being followed."""
        return {name: getattr(self, f"_{name}") for name in _REMEMBERED}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        for name in _REMEMBERED:
            setattr(self, f"_{name}", state[name].copy())

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
        if t == 0:
            self._soc_first[row] = seen.soc[row]
        if t % self._again == 0 or self._begun[row] < 0:
            load, free = self._foretell(seen, row, t)
            self._keep(row, t, self._plan(seen, row, load, free), load - free)
        k = min(
            (t - int(self._begun[row])) // self._ratio, self._steps_ahead(int(self._begun[row])) - 1
        )
        running, on = self._running[row, :, k], np.isin(seen.mode[row], (RUN, WARM))
        command = np.where(running > on, 1, np.where(running < on, -1, 0))
        if self.model.by_order:
            command = _first_change(command)
        moved = float(seen.load_kw[row] - seen.free_kw[row]) - float(self._net_kw[row, k])
        return command.astype(np.int64), float(self._battery_kw[row, k]) + moved

    def _keep(self, row: int, t: int, plan: Plan, net_kw: FloatArray) -> None:
        """Follow a plan from now on."""
        steps = net_kw.size
        self._begun[row], self._running[row, :, :steps] = t, plan.running
        self._battery_kw[row, :steps], self._net_kw[row, :steps] = plan.battery_kw, net_kw

    def _steps_ahead(self, t: int) -> int:
        """Planning steps of a plan made at step t."""
        left = -(-(self.problem.spec.horizon - t) // self._ratio)
        return max(1, min(self._ahead, left))

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
        last = int(self._t[row]) + load.size * self._ratio >= self.problem.spec.horizon
        owed = float(self._soc_first[row]) if last else high
        horizon = Horizon(load, free, np.zeros_like(free), state, soc, owed, self._price)
        return UnitCommitment(self._record, load.size).solve(horizon, _GAP, _NODES)

    def _foretell(self, seen: Seen, row: int, t: int) -> tuple[FloatArray, FloatArray]:
        """Load and renewables of the planning steps ahead, [T] each."""
        count = self._steps_ahead(t)
        if self._kind == "persistence":
            load = np.full(count, float(seen.load_kw[row]))
            return load, np.full(count, float(seen.free_kw[row]))
        steps = count * self._ratio
        future = np.asarray(self.problem.resource("future"))[row, :, :3]
        ahead = future[np.minimum(np.arange(t, t + steps), len(future) - 1)]
        if self._kind == "noisy":
            ahead = self._noised(ahead, int(self._seed[row]) * 1_000_003 + t)
        mean = ahead.reshape(count, self._ratio, 3).mean(axis=1)
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
