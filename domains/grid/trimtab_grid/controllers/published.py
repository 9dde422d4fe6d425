"""The published rule agent, and the agents that show what doing anything at all is worth.

Rule agent: Nekoei et al., arXiv 2512.01046, as in spec 4: windows of five minutes, thresholds 90 %
and 70 %, a battery that is charged from wind and minimum-load excess and then emptied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs
from trimtab.contracts.streams import Stream

from trimtab_grid.arrays import OFF, RUN, START, STOP, WARM
from trimtab_grid.controllers.view import GridController, Seen

_DRAWS = Stream("policy")
COMMANDS: Final = {"stop": STOP, "hold": 0, "start": START}
BATTERY: Final = {"charge": -1.0, "idle": 0.0, "discharge": 1.0}


class PublishedRules(GridController):
    """Starts and stops by load of the running units, in fixed order; see the module."""

    def __init__(
        self,
        problem: ControlProblem,
        start_share: float = 0.9,
        stop_share: float = 0.7,
        window_min: float = 5.0,
    ) -> None:
        super().__init__(problem)
        self._start_share, self._stop_share = start_share, stop_share
        self._window = max(1, round(window_min / float(self.plant.step_min)))
        self._prime = np.asarray(self.plant.prime_kw[: self.units])
        self._minimum = np.asarray(self.plant.min_kw[: self.units])
        self._forget(problem.copies)

    def _forget(self, copies: int) -> None:
        self._high = np.zeros(copies, np.int64)
        self._low = np.zeros(copies, np.int64)
        self._charging = np.ones(copies, bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._high[which] = self._low[which] = 0
        self._charging[which] = True

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = self.see(obs)
        running = seen.mode == RUN
        load = np.where(running, seen.power_kw / np.maximum(seen.cap_kw, 1.0), 0.0).max(axis=1)
        self._high = np.where(load > self._start_share, self._high + 1, 0)
        self._low = np.where(self._others_carry(seen), self._low + 1, 0)
        start = (self._high >= self._window) | (load >= 1.0 - 1e-6) | ~_any_on(seen)
        moving = ((seen.mode != RUN) & (seen.mode != OFF)).any(axis=1)
        stop = (self._low >= self._window) & ~moving & (running.sum(axis=1) > 1)
        return self.action(obs, _by_order(seen, start, stop & ~start), self._battery_kw(seen))

    def _others_carry(self, seen: Seen) -> NDArray[np.bool_]:
        """Whether all running units but the last could carry the load below the stop share."""
        running = seen.mode == RUN
        prime = np.where(running, self._prime, 0.0)
        last = np.where(running, np.arange(self.units), -1).max(axis=1)
        own = np.where(last >= 0, self._prime[last], 0.0)
        others = prime.sum(axis=1) - own
        power = np.where(running, seen.power_kw, 0.0).sum(axis=1)
        return np.asarray((power < self._stop_share * others) & (running.sum(axis=1) > 1))

    def _battery_kw(self, seen: Seen) -> FloatArray:
        """Charge from wind and minimum-load excess to the top, then discharge to the bottom."""
        self._charging = np.where(seen.soc >= self.plant.soc_max - 1e-3, False, self._charging)
        self._charging = np.where(seen.soc <= self.plant.soc_min + 1e-3, True, self._charging)
        floors = np.where(seen.mode == RUN, self._minimum, 0.0).sum(axis=1)
        charge = seen.free_kw + np.maximum(0.0, floors - seen.load_kw)
        discharge = np.maximum(0.0, seen.load_kw - seen.free_kw - floors)
        return np.asarray(np.where(self._charging, -charge, discharge))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Windows and the battery's direction."""
        return {"high": self._high, "low": self._low, "charging": self._charging}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._high, self._low = state["high"].copy(), state["low"].copy()
        self._charging = state["charging"].copy()


def _any_on(seen: Seen) -> NDArray[np.bool_]:
    return np.asarray(((seen.mode == RUN) | (seen.mode == WARM)).any(axis=1))


def _by_order(seen: Seen, start: NDArray[np.bool_], stop: NDArray[np.bool_]) -> IntArray:
    """Commands: start the first unit that may, stop the last that runs."""
    count, units = seen.mode.shape
    ready = (seen.mode == OFF) & (seen.timer == 0)
    first = np.where(ready, np.arange(units), units).min(axis=1)
    last = np.where(seen.mode == RUN, np.arange(units), -1).max(axis=1)
    command = np.zeros((count, units), np.int64)
    rows = np.flatnonzero(start & (first < units))
    command[rows, first[rows]] = START
    rows = np.flatnonzero(stop & (last >= 0))
    command[rows, last[rows]] = STOP
    return command


class RandomAgent(GridController):
    """Any admissible command and any setpoint within its limits, by counter-based draws."""

    def __init__(self, problem: ControlProblem) -> None:
        super().__init__(problem)
        self._seed = np.zeros(problem.copies, np.int64)
        self._step = np.zeros(problem.copies, np.int64)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._seed[which], self._step[which] = seed, 0

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        draws = _DRAWS.uniform(self._seed, np.zeros_like(self._seed), self._step, self.units + 1)
        self._step += 1
        command = np.floor(draws[:, :-1] * 3.0).astype(np.int64) - 1
        if self.model.by_order:
            command[:, 1:] = 0
        low, high = self.limits(obs, self.admissible(obs, command))
        return self.action(obs, command, low + draws[:, -1] * (high - low))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Seed and step of every row."""
        return {"seed": self._seed, "step": self._step}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._seed, self._step = state["seed"].copy(), state["step"].copy()


class ConstantAgent(GridController):
    """One command and one battery power for ever, asked for whether admissible or not."""

    def __init__(self, problem: ControlProblem, command: str, battery: str) -> None:
        super().__init__(problem)
        self._command = COMMANDS[command]
        power = BATTERY[battery]
        limit = self.plant.discharge_kw if power > 0.0 else self.plant.charge_kw
        self._battery_kw = power * float(limit)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        count = len(obs.obs)
        width = 1 if self.model.by_order else self.units
        discrete = np.full((count, 1, width), self._command + 1, np.int64)
        return Action(discrete, np.full((count, 1, 1), self._battery_kw, np.float32))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """A constant remembers nothing."""
        return {}
