"""Coordinate descent with restarts.

One parameter at a time, in a random order drawn for each sweep: a discrete parameter with at
most `line` values tries all of them, any other tries a step up and a step down (an order: two
random changes); the best stays. A sweep without gain halves the step of continuous parameters;
once it is at its smallest, part of the best design is redrawn and descent starts anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray
from trimtab.search.moves import moved
from trimtab.search.vectorised import Vectorised, rows_of

_SMALLEST_STEP = 1e-4


class Coordinate(Vectorised):
    """R coordinate descents; a round is one line.

    Args:
        space: what is searched.
        seeds: [R].
        step: [R] first step of continuous and long discrete parameters, in ranges.
        line: most values of a discrete parameter that are all tried.
        kick: [R] share of the parameters redrawn at a restart; 1 restarts anywhere.
    """

    ahead = False

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        step: ArrayLike = 0.25,
        line: int = 16,
        kick: ArrayLike = 1.0,
    ) -> None:
        super().__init__(space, seeds)
        self._first_step, self._kick = self.per_run(step), self.per_run(kick)
        counts = np.array([self.grid.counts[m].max() for m in self.grid.members])
        self._whole = (counts > 0) & (counts <= line)
        self._tries = np.where(self._whole, np.maximum(counts - 1, 1), 2)
        self._stepped = not self._whole.all()
        for name in ("here", "best"):
            self.state[name] = np.zeros((self.runs, self.grid.width))
            self.state[f"{name}_score"] = np.full(self.runs, np.inf)
        self.state["order"] = np.zeros((self.runs, len(counts)), np.int64)
        self.state["place"] = np.zeros(self.runs, np.int64)
        self.state["gained"] = np.zeros(self.runs, bool)
        self.state["fresh"] = np.ones(self.runs, bool)
        self.state["step"] = self._first_step.copy()

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`; short lines are filled up with their first point."""
        state = self.state
        parameter = rows_of(state["order"], state["place"][:, None])
        tries = np.where(state["fresh"][:, None], 1, self._tries[parameter])
        offset = np.arange(1, int(tries.max()) + 1)[None, :]
        points = self._line(parameter, np.where(offset <= tries, offset, 1))
        return self.grid.snap(np.where(state["fresh"][:, None, None], self._restart(), points))

    def _line(self, parameter: NDArray[np.int64], offset: NDArray[np.int64]) -> FloatArray:
        grid, here = self.grid, self.state["here"][:, None]
        columns = grid.members[parameter]
        values = np.maximum(grid.counts, 1)
        turned = grid.centre((grid.index(here) + offset[..., None]) % values, here)
        smallest = np.where(grid.counts > 0, 1.0 / values, 0.0)
        step = np.maximum(self.state["step"][:, None, None], smallest)
        away = np.clip(here + np.where(offset[..., None] == 1, step, -step), 0.0, 1.0)
        tried = np.where(self._whole[parameter][..., None], turned, away)
        tried = np.where(columns & ~grid.keys, tried, here)
        draws = self.uniform(int(self._tries.max()), grid.width + 3)[:, : offset.shape[1]]
        return moved(grid, tried, columns & grid.keys, draws, self._first_step)

    def _restart(self) -> FloatArray:
        """[R, 1, width]: the best design with part of it redrawn; anywhere at first."""
        u = self.uniform(2, self.grid.width)
        parameters = self.uniform(len(self.grid.members))[:, self.grid.owner]
        redrawn = (parameters < self._kick[:, None]) | np.isinf(self.state["best_score"])[:, None]
        return np.where(redrawn, u[:, 0], self.state["best"])[:, None]

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        state, fresh = self.state, self.state["fresh"]
        winner = np.argmin(score, axis=1)[:, None]
        value, point = rows_of(score, winner)[:, 0], rows_of(points, winner)[:, 0]
        gain = value < state["here_score"]
        self._keep("here", gain | fresh, point, value)
        self._keep("best", value < state["best_score"], point, value)
        state["gained"] = state["gained"] | gain
        state["place"] = np.where(fresh, 0, state["place"] + 1)
        self._next_sweep(fresh)

    def _keep(self, name: str, which: BoolArray, point: FloatArray, value: FloatArray) -> None:
        self.state[name] = np.where(which[:, None], point, self.state[name])
        self.state[f"{name}_score"] = np.where(which, value, self.state[f"{name}_score"])

    def _next_sweep(self, fresh: BoolArray) -> None:
        state = self.state
        parameters = state["order"].shape[1]
        ended = state["place"] >= parameters
        idle = ended & ~state["gained"]
        smaller = state["step"] / 2
        spent = idle & ((smaller < _SMALLEST_STEP) | (not self._stepped))
        state["step"] = np.where(idle, smaller, state["step"])
        state["step"] = np.where(spent, self._first_step, state["step"])
        state["fresh"] = spent
        draws = np.argsort(self.uniform(parameters), axis=1)
        state["order"] = np.where((ended | fresh)[:, None], draws, state["order"])
        state["place"] = np.where(ended, 0, state["place"])
        state["gained"] = state["gained"] & ~ended & ~fresh
