"""Differential evolution: DE/rand/1/bin, leaning towards the best by `greed`.

Storn and Price 1997; discrete columns are evolved on their bin centres (Lampinen and Zelinka
1999). A trial that leaves the cube is reflected back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.vectorised import Vectorised, rows_of


class Differential(Vectorised):
    """R searches by differential evolution.

    Args:
        space: what is searched.
        seeds: [R].
        population: targets N, and trials of a round.
        weight: [R] factor F of the difference.
        crossover: [R] chance CR that a column comes from the mutant.
        greed: [R] 0: base vector is a random member; 1: it is the best.
    """

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        population: int = 24,
        weight: ArrayLike = 0.6,
        crossover: ArrayLike = 0.7,
        greed: ArrayLike = 0.3,
    ) -> None:
        super().__init__(space, seeds)
        self._n = population
        self._weight, self._crossover = self.per_run(weight), self.per_run(crossover)
        self._greed = self.per_run(greed)
        self.state["members"] = np.zeros((self.runs, population, self.grid.width))
        self.state["told"] = np.full((self.runs, population), np.inf)

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        width, n = self.grid.width, self._n
        if np.isinf(self.state["told"]).all():
            return self.grid.snap(self.uniform(n, width))
        members = self.state["members"]
        shift = np.argsort(self.uniform(n, n - 1), axis=-1)[..., :3] + 1
        partners = (np.arange(n)[None, :, None] + shift) % n  # three others, all different
        base, plus, minus = (rows_of(members, partners[..., k]) for k in range(3))
        best = rows_of(members, np.argmin(self.state["told"], axis=1)[:, None])
        greed, weight = (a[:, None, None] for a in (self._greed, self._weight))
        mutant = base + greed * (best - base) + weight * (plus - minus)
        mutant = 1.0 - np.abs(1.0 - np.mod(mutant, 2.0))
        u = self.uniform(n, width + 1)
        taken = u[..., :-1] < self._crossover[:, None, None]
        taken |= np.arange(width) == np.floor(u[..., -1:] * width)
        return self.grid.snap(np.where(taken, mutant, members))

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        won = score <= self.state["told"]
        self.state["members"] = np.where(won[..., None], points, self.state["members"])
        self.state["told"] = np.where(won, score, self.state["told"])
