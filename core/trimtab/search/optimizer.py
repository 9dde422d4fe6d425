"""What every optimizer offers: ask for designs, tell their scores, carry its state.

Optimizers work in the unit cube of a `Space` and rank by one number a design, `penalised`:
feasible designs by objective, infeasible ones after all feasible ones by how far they miss
(Deb, "An efficient constraint handling method for genetic algorithms", CMAME 2000).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import FloatArray

INFEASIBLE = 1e100
"""Scores from here on belong to designs that break a constraint."""

FAILED = 1e200
"""Score of a design whose simulation failed."""


class Optimizer(ABC):
    """One search; rows are points of the unit cube, scores are minimised."""

    @abstractmethod
    def ask(self, n: int) -> FloatArray:
        """Propose at most `n` points, [m, width].

        Fewer, or none while results are outstanding, where the method cannot look ahead.
        """

    @abstractmethod
    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """Learn what came of points that were asked for, in the same order.

        Args:
            points: [n, width].
            score: [n], minimised, see `penalised`.
            objectives: [n, K], all minimised, NaN for a failed design; for optimizers that
                trade objectives off.
            constraints: [n, C], ≤ 0 is feasible; for optimizers that model them.
        """

    @abstractmethod
    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """Everything needed to continue to the same bits."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from `state_dict`."""


class Unlearning(Optimizer):
    """An optimizer whose next points do not depend on what came of the last ones."""

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`; nothing is learned."""
        del points, score, objectives, constraints


def penalised(objective: FloatArray, constraints: FloatArray) -> FloatArray:
    """One score per design: feasible by objective, then infeasible by violation, failed last.

    The score of a design depends on itself alone, so scores told at different times compare.

    Args:
        objective: [n], minimised; NaN for a failed design.
        constraints: [n, C], ≤ 0 is feasible.
    """
    violation = np.maximum(constraints, 0.0).sum(axis=1)
    score = np.where(violation > 0, INFEASIBLE * (1.0 + np.log1p(violation)), objective)
    failed = ~np.isfinite(objective) | ~np.isfinite(violation)
    return np.asarray(np.where(failed, FAILED, score))


def generator_state(rng: np.random.Generator) -> NDArray[np.uint64]:
    """State of a PCG64 generator as six words."""
    state = rng.bit_generator.state
    words = [state["state"]["state"], state["state"]["inc"]]
    low = (1 << 64) - 1
    split = [part for word in words for part in (word & low, word >> 64)]
    return np.array([*split, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_generator_state(rng: np.random.Generator, words: NDArray[np.uint64]) -> None:
    """Put words of `generator_state` back."""
    w = [int(word) for word in words]
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": w[0] | w[1] << 64, "inc": w[2] | w[3] << 64},
        "has_uint32": w[4],
        "uinteger": w[5],
    }
