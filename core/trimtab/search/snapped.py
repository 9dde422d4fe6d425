"""An optimizer of the whole cube made to ask for legal, canonical designs only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.grid import Grid
from trimtab.search.optimizer import Optimizer


class Snapped(Optimizer):
    """Passes on snapped points, and tells the inner optimizer the points it proposed."""

    def __init__(self, space: Space, inner: Optimizer) -> None:
        self._grid, self._inner = Grid(space), inner
        self._proposed = np.empty((0, space.width))

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        points = self._inner.ask(n)
        self._proposed = np.concatenate([self._proposed, points])
        return self._grid.snap(points)

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`."""
        own, self._proposed = self._proposed[: len(points)], self._proposed[len(points) :]
        self._inner.tell(own, score, objectives, constraints)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {**self._inner.state_dict(), "snapped.proposed": self._proposed.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        inner = dict(state)
        self._proposed = inner.pop("snapped.proposed").copy()
        self._inner.load_state_dict(inner)
