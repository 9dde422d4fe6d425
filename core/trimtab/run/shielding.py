"""Shielding: a problem that projects every proposed action before it is stepped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.shield import Shield
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Step


class ShieldedProblem(ControlProblem):
    """`problem` behind a shield whose placement is "runner".

    `Step.executed` is what the problem executed of the projected action; `intervened` is the OR
    of this stage and of those inside the step; `reason` is that of the last stage that changed
    the action. Native control (`step(None)`) passes unprojected.
    """

    def __init__(self, problem: ControlProblem, shield: Shield) -> None:
        self.spec = problem.spec
        self.copies = problem.copies
        self.autoreset = problem.autoreset
        self.inner = problem
        self.shield = shield

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """As the inner problem."""
        return self.inner.reset(seed, context, rows)

    def step(self, action: Action | None) -> Step:
        """Project, step, and merge what both stages did."""
        if action is None:
            return self.inner.step(None)
        projection = self.shield.project(self.inner, action)
        step = self.inner.step(projection.action)
        step.reason = np.where(step.reason != 0, step.reason, projection.reason)
        step.intervened = step.intervened | projection.changed
        return step

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


def shielded(problem: ControlProblem, shield: Shield | None) -> ControlProblem:
    """`problem` behind the shield where the runner must place it, else `problem` itself."""
    if shield is None or shield.placement != "runner":
        return problem
    return ShieldedProblem(problem, shield)
