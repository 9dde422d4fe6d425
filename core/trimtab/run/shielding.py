"""Shielding: a problem that projects every proposed action before it is stepped."""

from __future__ import annotations

import numpy as np

from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.shield import Shield
from trimtab.contracts.spec import Action, Step
from trimtab.contracts.wrapped import Wrapped


class ShieldedProblem(Wrapped):
    """`problem` behind a shield whose placement is "runner".

    `Step.executed` is what the problem executed of the projected action; `intervened` is the OR
    of this stage and of those inside the step; `reason` is that of the last stage that changed
    the action. Native control (`step(None)`) passes unprojected.
    """

    def __init__(self, problem: ControlProblem, shield: Shield) -> None:
        super().__init__(problem)
        self.shield = shield

    def step(self, action: Action | None) -> Step:
        """Project, step, and merge what both stages did."""
        if action is None:
            return self.inner.step(None)
        projection = self.shield.project(self.inner, action)
        step = self.inner.step(projection.action)
        step.reason = np.where(step.reason != 0, step.reason, projection.reason)
        step.intervened = step.intervened | projection.changed
        return step


def shielded(problem: ControlProblem, shield: Shield | None) -> ControlProblem:
    """`problem` behind the shield where the runner must place it, else `problem` itself."""
    if shield is None or shield.placement != "runner":
        return problem
    return ShieldedProblem(problem, shield)
