"""Uniform random designs: the floor every other search must clear."""

from __future__ import annotations

from trimtab.contracts.spec import FloatArray
from trimtab.search.vectorised import Vectorised

_ROUND = 16


class RandomSearch(Vectorised):
    """Independent uniform points of the unit cube; it learns nothing from scores."""

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        return self.grid.snap(self.uniform(_ROUND, self.grid.width))

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`; nothing is learned."""
        del points, score, objectives
