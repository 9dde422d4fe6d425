"""Coordinate descent with restarts, ends first.

One parameter at a time, in a random order drawn for each sweep; the best of its line stays.
A category tries all its values. A discrete parameter with an order tries both ends of its range
in the first sweep after a restart (two-level screening, as in factorial experiments), and steps
up and down from then on; a continuous one always steps; an order of items tries two random
changes. A later sweep without gain halves the steps; once they are at their smallest, part of
the best design is redrawn and descent starts anew.
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
        step: [R] first step of ordered and continuous parameters, in ranges.
        kick: [R] share of the parameters redrawn at a restart; 1 restarts anywhere.
        corner: [R] chance that the first start puts ordered parameters at an end; a restart, which
            the ends have failed, puts them anywhere.
    """

    ahead = False

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        step: ArrayLike = 0.25,
        kick: ArrayLike = 1.0,
        corner: ArrayLike = 1.0,
    ) -> None:
        super().__init__(space, seeds)
        self._first_step, self._kick = self.per_run(step), self.per_run(kick)
        self._corner = self.per_run(corner)
        counts = np.array([self.grid.counts[m].max() for m in self.grid.members])
        self._long = self.grid.ordered & (self.grid.counts > 2)
        lines = self._long | (self.grid.counts == 0)
        whole = np.array([not lines[m].any() for m in self.grid.members])
        self._tries = np.where(whole, np.maximum(counts - 1, 1), 2)
        self._smallest = float(np.min(0.5 / counts[counts > 2], initial=0.25))
        if (self.grid.counts == 0).any():
            self._smallest = _SMALLEST_STEP
        for name in ("here", "best"):
            self.state[name] = np.zeros((self.runs, self.grid.width))
            self.state[f"{name}_score"] = np.full(self.runs, np.inf)
        self.state["order"] = np.zeros((self.runs, len(counts)), np.int64)
        for name in ("place", "sweep"):
            self.state[name] = np.zeros(self.runs, np.int64)
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
        up = offset[..., None] == 1
        values = np.maximum(grid.counts, 1)
        index = grid.index(here)
        turned = (index + offset[..., None]) % values
        bins = np.maximum(np.round(self.state["step"][:, None, None] * (values - 1)), 1)
        stepped = np.clip(index + np.where(up, bins, -bins), 0, values - 1)
        ends = np.where(up, values - 1, 0)
        ordered = np.where(self.state["sweep"][:, None, None] == 0, ends, stepped)
        chosen = np.where(self._long, ordered, turned).astype(np.int64)
        step = self.state["step"][:, None, None]
        away = np.clip(here + np.where(up, step, -step), 0.0, 1.0)
        columns = grid.members[parameter]
        tried = np.where(columns & ~grid.keys, grid.centre(chosen, away), here)
        draws = self.uniform(int(self._tries.max()), grid.width + 3)[:, : offset.shape[1]]
        return moved(grid, tried, columns & grid.keys, draws, self._first_step)

    def _restart(self) -> FloatArray:
        """[R, 1, width]: the best design with part of it redrawn; anywhere at first."""
        u = self.uniform(self.grid.width + 1)
        parameters = self.uniform(len(self.grid.members))[:, self.grid.owner]
        redrawn = (parameters < self._kick[:, None]) | np.isinf(self.state["best_score"])[:, None]
        first = np.isinf(self.state["best_score"])[:, None]
        at_end = self._long & first & (u[:, -1:] < self._corner[:, None])
        drawn = np.where(at_end, np.round(u[:, :-1]), u[:, :-1])
        return np.where(redrawn, drawn, self.state["best"])[:, None]

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
        idle = ended & ~state["gained"] & (state["sweep"] > 0)
        smaller = state["step"] / 2
        spent = idle & (smaller < self._smallest)
        state["step"] = np.where(idle, smaller, state["step"])
        state["step"] = np.where(spent, self._first_step, state["step"])
        state["fresh"] = spent
        draws = np.argsort(self.uniform(parameters), axis=1)
        state["order"] = np.where((ended | fresh)[:, None], draws, state["order"])
        state["place"] = np.where(ended, 0, state["place"])
        state["sweep"] = np.where(spent | fresh, 0, state["sweep"] + ended)
        state["gained"] = state["gained"] & ~ended & ~fresh
