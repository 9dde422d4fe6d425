"""Controllers of splits on trial: what does not beat the running plan here is not played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Obs

from trimtab_traffic.regional import Splits
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.trials import trial_of

TRIALS = 3
"""Seeds of a trial: each costs one episode of the plan and one of the controller."""


class KeptPlan(Controller):
    """Leaves greens and offsets of the running plan as they are.

    Args:
        problem: with interface `split`; needs "model".
        model: the scenario's problem part.
        why: told in the row's note.
    """

    def __init__(self, problem: ControlProblem, model: SignalsProblem, why: str) -> None:
        greens_s = Splits.of(problem, model.profile).green_s
        offsets_s = np.zeros((len(greens_s), 1))
        self._action = Action(box=np.hstack([greens_s, offsets_s])[None].astype(np.float32))
        self.notes = (why,)

    def act(self, obs: Obs) -> Action:
        """The plan's own greens."""
        return self._action


def _no_files(**_: Any) -> tuple[Path, ...]:
    return ()


def _plan_kept(problem: ControlProblem) -> str:
    """What `KeptPlan` plays beside what `fixed` does."""
    signals = problem.resource("model").signals
    stretched = any(s.program.type != "static" for s in signals)
    kept = "the shipped plan with fixed greens (the row fixed stretches them)"
    return kept if stretched else "the plan"


def on_trial(
    make: Callable[..., Controller],
    problem: ControlProblem,
    model: SignalsProblem,
    name: str,
    files: Callable[..., Sequence[Path]] = _no_files,
    trials: int = TRIALS,
    **made: Any,
) -> Controller:
    """A controller of `make(problem, **made)`, or the plan where its trial does not speak for it.

    Args:
        make: builds the controller on a problem with interface `split`.
        problem: what it plays.
        model: the scenario's problem part.
        name: its public name.
        files: gives the files that `made` names, part of its identity.
        trials: seeds on which it must beat the plan; 0 plays it unasked.
        **made: its other parameters.
    """
    used = files(**made)
    if not trials:
        return make(problem, **made)
    trial = trial_of(model, name, {**made, "trials": 0}, trials, used)
    if not trial.passed:
        why = f"keeps {_plan_kept(problem)}, its trial shows no gain here: {trial}"
        return KeptPlan(problem, model, why)
    controller = make(problem, **made)
    controller.notes = (*controller.notes, f"passed its trial: {trial}")
    return controller
