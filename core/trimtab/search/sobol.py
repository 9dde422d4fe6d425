"""Scrambled Sobol points: the space-filling baseline of every search (scipy.stats.qmc)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import FloatArray
from trimtab.search.optimizer import Unlearning


class Sobol(Unlearning):
    """Owen-scrambled Sobol sequence; it learns nothing from scores."""

    def __init__(self, width: int, seed: int) -> None:
        from scipy.stats import qmc

        self._engine = qmc.Sobol(width, rng=np.random.default_rng(seed), bits=30)

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        import warnings

        with warnings.catch_warnings():  # balance needs powers of two; any n is fine here
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(self._engine.random(n))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {"drawn": np.array(self._engine.num_generated)}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        self._engine.reset()
        self._engine.fast_forward(int(state["drawn"]))
