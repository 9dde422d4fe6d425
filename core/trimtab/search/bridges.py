"""Bridges between the two kinds of problem: controllers tuned as designs, designs played."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import (
    Constraint,
    DesignProblem,
    DesignSpec,
    Evaluation,
    Status,
)
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, Metric
from trimtab.search.design_control import Agents, DesignControl, Mode

Rollouts = Callable[[Sequence[Mapping[str, Any]]], Sequence[Sequence[EpisodeRecord]]]


class ControllerTuning(DesignProblem):
    """Parameters of a controller, scored by the mean headline of its episodes."""

    def __init__(self, name: str, space: Space, headline: Metric, rollouts: Rollouts) -> None:
        self._headline, self._rollouts = headline, rollouts
        self.spec = DesignSpec(
            name=f"tune:{name}",
            space=space,
            objectives=(headline,),
            constraints=(Constraint("violations", "1", 0.0),),
        )

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`; the seeds are those of the rollouts."""
        episodes = self._rollouts(self.spec.space.designs(designs))
        score = [np.mean([e.metrics[self._headline.name] for e in row]) for row in episodes]
        broken = [sum(v.count for e in row for v in e.violations.values()) for row in episodes]
        status: tuple[Status, ...] = tuple("ok" if np.isfinite(s) else "failed" for s in score)
        return Evaluation(
            objectives=np.array(score, dtype=np.float64)[:, None],
            constraints=np.array(broken, dtype=np.float64)[:, None],
            cost_s=np.array([sum(e.budget.cpu_s for e in row) for row in episodes]),
            status=status,
            cached=np.zeros(len(designs), dtype=bool),
        )


def as_design(
    name: str, space: Space | None, headline: Metric, rollouts: Rollouts
) -> ControllerTuning:
    """Make the tuning of a controller a design problem.

    Args:
        name: controller id, for messages.
        space: its `Entry.parameters`.
        headline: metric to optimise.
        rollouts: parameters of n candidates → the episodes of each, on the same seeds.

    Raises:
        ContractError: the controller has no parameters.
    """
    if space is None:
        msg = f"controller {name!r} has no parameters to tune"
        raise ContractError(msg)
    return ControllerTuning(name, space, headline, rollouts)


def as_control(
    design: DesignProblem,
    reference: Mapping[str, Any],
    *,
    mode: Mode = "bandit",
    agents: Agents = "per_column",
    copies: int = 1,
    horizon: int = 16,
    autoreset: bool = False,
) -> DesignControl:
    """Make a design problem playable, by reinforcement learning among others.

    Args:
        design: what is scored.
        reference: readable values of the design that scores zero, where edits start.
        mode: `bandit` chooses a whole design in one decision; `edits` walks from the reference.
        agents: one agent per column of the space, or one with all choices.
        copies: designs played side by side.
        horizon: decisions of an episode of edits.
        autoreset: restart ended copies inside `step`, as training needs.

    Raises:
        ContractError: the reference is infeasible, fails or scores zero.
    """
    row = design.spec.space.code([reference])[0]
    return DesignControl(
        design,
        row,
        mode=mode,
        agents=agents,
        copies=copies,
        horizon=horizon,
        autoreset=autoreset,
    )
