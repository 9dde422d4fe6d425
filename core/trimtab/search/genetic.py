"""Genetic search: tournament, crossover, mutation, survival of the best of parents and children.

Crossover is simulated binary (Deb and Agrawal 1995) on continuous columns and uniform on the
others; an order crosses over by its keys. Children that repeat a member are mutated once more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.moves import moved
from trimtab.search.vectorised import Vectorised, rows_of

_ETA_CROSSOVER = 15.0  # Deb and Agrawal's usual distribution index


class Genetic(Vectorised):
    """R genetic searches.

    Args:
        space: what is searched.
        seeds: [R].
        population: members N, and children of a round.
        crossover: [R] chance that a child has two parents.
        mutation: [R] expected number of parameters mutated in a child.
        reach: [R] share of a range that a mutation may jump.
        tournament: contestants for each place of a parent.
    """

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        population: int = 24,
        crossover: ArrayLike = 0.9,
        mutation: ArrayLike = 0.7,
        reach: ArrayLike = 0.05,
        tournament: int = 2,
    ) -> None:
        super().__init__(space, seeds)
        self._n, self._tournament = population, tournament
        self._crossover, self._reach = self.per_run(crossover), self.per_run(reach)
        self._rate = self.per_run(mutation) / len(space.parameters)
        shape = (self.runs, population)
        self.state["members"] = np.zeros((*shape, self.grid.width))
        self.state["fitness"] = np.full(shape, np.inf)  # key of survival, smaller is better
        self.state["told"] = np.full(shape, np.inf)
        self.state["values"] = np.full((*shape, 1), np.inf)

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        if np.isinf(self.state["fitness"]).all():
            return self.grid.snap(self.uniform(self._n, self.grid.width))
        children = self._mutated(self._children(), self._rate)
        members = self.state["members"]
        twins = _repeats(children, members)
        again = self._mutated(children, np.maximum(self._rate, 2.0 / len(self.grid.members)))
        return np.where(twins[..., None], again, children)

    def _children(self) -> FloatArray:
        members = self.state["members"]
        first, second = (rows_of(members, self._winners()) for _ in range(2))
        u = self.uniform(self._n, self.grid.width + 1)
        from_second = u[..., :-1] < 0.5
        mixed = np.where(self._whole_parameters(from_second), second, first)
        near = np.where(from_second, second, first)
        far = np.where(from_second, first, second)
        crossed = self.uniform(self._n, self.grid.width)
        spread = _simulated_binary(near, far, self.uniform(self._n, self.grid.width))
        blended = np.where(crossed < 0.5, spread, first)
        child = np.where((self.grid.counts == 0) & ~self.grid.keys, blended, mixed)
        return np.where(u[..., -1:] < self._crossover[:, None, None], child, first)

    def _whole_parameters(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Columns of one parameter go together, but for keys, which cross over one by one."""
        leader = np.argmax(self.grid.members, axis=1)[self.grid.owner]
        return np.asarray(np.where(self.grid.keys, mask, mask[..., leader]))

    def _winners(self) -> NDArray[np.int64]:
        u = self.uniform(self._tournament, self._n)
        contestants = np.floor(u * self._n).astype(np.int64)
        fitness = self.state["fitness"]
        drawn = np.stack(
            [rows_of(fitness, contestants[:, t]) for t in range(self._tournament)], axis=1
        )
        best = np.argmin(drawn, axis=1)[:, None]
        return np.asarray(np.take_along_axis(contestants, best, axis=1)[:, 0])

    def _mutated(self, points: FloatArray, rate: FloatArray) -> FloatArray:
        parameters = len(self.grid.members)
        hit = self.uniform(self._n, parameters) < rate[:, None, None]
        draws = self.uniform(self._n, self.grid.width + 3)
        return self.grid.snap(
            moved(self.grid, points, hit[..., self.grid.owner], draws, self._reach)
        )

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        if self.state["values"].shape[2] != objectives.shape[2]:
            shape = (self.runs, self._n, objectives.shape[2])
            self.state["values"] = np.full(shape, np.inf)
        pool = np.concatenate([self.state["members"], points], axis=1)
        values = np.concatenate([self.state["values"], objectives], axis=1)
        told = np.concatenate([self.state["told"], score], axis=1)
        fitness = np.where(_earlier_twin(pool), np.inf, self._fitness(told, values))
        keep = np.argsort(fitness, axis=1, kind="stable")[:, : self._n]
        for name, array in (("members", pool), ("values", values), ("told", told)):
            self.state[name] = rows_of(array, keep)
        self.state["fitness"] = rows_of(fitness, keep)

    def _fitness(self, score: FloatArray, values: FloatArray) -> FloatArray:
        """[R, 2N] key of survival: the score itself; `values` are the objectives."""
        return score


def _simulated_binary(near: FloatArray, far: FloatArray, u: FloatArray) -> FloatArray:
    """The child beside `near` on the line through both parents."""
    spread = np.where(2 * u <= 1, 2 * u, 1 / np.maximum(2 * (1 - u), 1e-12))
    beta = spread ** (1 / (_ETA_CROSSOVER + 1))
    child = 0.5 * ((1 + beta) * near + (1 - beta) * far)
    return np.asarray(np.clip(child, 0.0, 1.0))


def _keys(points: FloatArray) -> FloatArray:
    """One number per point; equal points have equal numbers."""
    weights = np.cos(1.0 + np.arange(points.shape[-1]))
    return np.asarray((points * weights).sum(axis=-1))


def _repeats(points: FloatArray, members: FloatArray) -> NDArray[np.bool_]:
    """[R, m] bool: points that equal a member."""
    return np.asarray((_keys(points)[:, :, None] == _keys(members)[:, None, :]).any(axis=2))


def _earlier_twin(pool: FloatArray) -> NDArray[np.bool_]:
    """[R, m] bool: points that equal an earlier one of the pool."""
    keys = _keys(pool)
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    same = np.zeros(keys.shape, bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    out = np.zeros_like(same)
    np.put_along_axis(out, order, same, axis=1)
    return out
