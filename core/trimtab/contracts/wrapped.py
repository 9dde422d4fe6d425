"""What problems that stand around another one share: everything passes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Step


class Wrapped(ControlProblem):
    """A problem as another one, but for what a subclass changes.

    Args:
        problem: the other one.
    """

    def __init__(self, problem: ControlProblem) -> None:
        self.inner, self.spec = problem, problem.spec
        self.copies, self.autoreset = problem.copies, problem.autoreset

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """As the inner problem."""
        return self.inner.reset(seed, context, rows)

    def step(self, action: Action | None) -> Step:
        """As the inner problem."""
        return self.inner.step(action)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """As the inner problem."""
        return self.inner.snapshot(rows)

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """As the inner problem."""
        self.inner.restore(snapshot, rows)

    def resource(self, need: Need) -> Any:
        """As the inner problem."""
        return self.inner.resource(need)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """As the inner problem."""
        return self.inner.episode_log(row)

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """As the inner problem."""
        return self.inner.details(row)

    def close(self) -> None:
        """Close the inner problem."""
        self.inner.close()
