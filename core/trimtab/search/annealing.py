"""Simulated annealing: one walker, geometric cooling, reheated from the best at each cycle.

Kirkpatrick, Gelatt, Vecchi 1983. Differences are measured in units of the mean size of those
seen, so that temperatures mean the same on every problem.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray
from trimtab.search.moves import moved
from trimtab.search.optimizer import INFEASIBLE
from trimtab.search.vectorised import Vectorised


class Annealing(Vectorised):
    """R annealed walks.

    Args:
        space: what is searched.
        seeds: [R].
        hot: [R] temperature at the start of a cycle, in mean differences.
        cold: [R] temperature at its end.
        cycle: [R] moves of a cycle.
        moves: [R] expected number of parameters changed at once, at least one.
        reach: [R] share of a range that a move may jump.
    """

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        hot: ArrayLike = 1.0,
        cold: ArrayLike = 0.01,
        cycle: ArrayLike = 200.0,
        moves: ArrayLike = 1.0,
        reach: ArrayLike = 0.3,
    ) -> None:
        super().__init__(space, seeds)
        self._hot, self._cold = self.per_run(hot), self.per_run(cold)
        self._cycle, self._reach = self.per_run(cycle), self.per_run(reach)
        self._extra = (self.per_run(moves) - 1.0) / max(1, len(space.parameters) - 1)
        for name in ("here", "best"):
            self.state[name] = np.zeros((self.runs, 1, self.grid.width))
            self.state[f"{name}_score"] = np.full((self.runs, 1), np.inf)
        self.state["mean_step"] = np.zeros((2, self.runs))  # sum and number of differences
        self.state["moves"] = np.zeros((), np.int64)

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        parameters = len(self.grid.members)
        if np.isinf(self.state["here_score"]).all():
            return self.grid.snap(self.uniform(1, self.grid.width))
        u = self.uniform(1, parameters + 1)
        chosen = u[..., :-1] < self._extra[:, None, None]
        chosen |= np.arange(parameters) == np.floor(u[..., -1:] * parameters)
        draws = self.uniform(1, self.grid.width + 3)
        columns = chosen[..., self.grid.owner]
        return self.grid.snap(moved(self.grid, self.state["here"], columns, draws, self._reach))

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        state = self.state
        step = score - state["here_score"]
        counted = np.abs(step[:, 0]) < INFEASIBLE / 10
        state["mean_step"] = state["mean_step"] + np.where(
            counted, [np.abs(step[:, 0]), np.ones(self.runs)], 0.0
        )
        scale = np.maximum(state["mean_step"][0], 1e-300) / np.maximum(state["mean_step"][1], 1.0)
        phase = np.mod(float(state["moves"]), self._cycle) / self._cycle
        heat = self._hot * (self._cold / self._hot) ** phase * scale
        with np.errstate(over="ignore"):
            chance = np.exp(-np.maximum(step[:, 0], 0.0) / heat)
        self._keep("here", self.uniform(1) < chance[:, None], points, score)
        self._keep("best", score < state["best_score"], points, score)
        state["moves"] = state["moves"] + 1
        over = np.mod(float(state["moves"]), self._cycle)[:, None] < 1.0
        self._keep("here", over, state["best"], state["best_score"])

    def _keep(self, name: str, which: BoolArray, points: FloatArray, score: FloatArray) -> None:
        self.state[name] = np.where(which[..., None], points, self.state[name])
        self.state[f"{name}_score"] = np.where(which, score, self.state[f"{name}_score"])
