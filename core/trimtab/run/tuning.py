"""Tuning of a controller's parameters on a scenario, with the learner's budget axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.contracts.problem import Budget
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, Metric
from trimtab.evidence.paired import paired_family
from trimtab.evidence.result import PairedSummary
from trimtab.run.rollouts import Rollouts
from trimtab.search.bridges import as_design
from trimtab.search.catalogue import make, min_std
from trimtab.search.cmaes import CmaEs
from trimtab.search.loop import search
from trimtab.search.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Tuned:
    """Outcome of a tuning.

    Attributes:
        parameters: the best found, or the shipped ones where nothing better was found.
        before, after: mean headline over the tuning seeds; `before` is None where the shipped
            parameters do not name every parameter of the space.
        trace: best score so far after each evaluation (sign flipped if maximised).
    """

    parameters: Mapping[str, Any]
    before: float | None
    after: float
    budget: Budget
    trace: tuple[float, ...]


def tune_controller(
    rollouts: Rollouts,
    name: str,
    headline: Metric,
    evaluations: int,
    *,
    optimizer: str = "cmaes",
    batch: int = 8,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> Tuned:
    """Search the controller's parameters; the shipped ones are the first candidate.

    Args:
        rollouts: plays candidates on the tuning seeds.
        name: controller id.
        headline: metric to optimise.
        evaluations: candidates at most, the shipped one not counted.
        optimizer: id in the catalogue; `cmaes` starts from the shipped parameters.
        batch: candidates asked at once; independent of the number of workers.
        seed: of the optimizer.
        progress: called with (evaluations so far, best score so far).

    Raises:
        ContractError: the controller has no parameters.
        UnknownNameError: no such optimizer.
        RunFailedError: every candidate of a batch failed.
    """
    design = as_design(name, rollouts.entry.parameters, headline, rollouts)
    space = design.spec.space
    sign = 1.0 if headline.sense == "min" else -1.0
    start = _start(space, rollouts.entry.defaults)
    before, feasible = None, False
    if start is not None:
        known = design.evaluate(start, design.spec.fidelities[-1], seed)
        feasible = bool((known.constraints <= 0).all())
        before = float(known.objectives[0, 0])
    chosen = _optimizer(optimizer, space, seed, start)
    found = search(design, chosen, evaluations, batch=batch, seed=seed, progress=progress)
    best = space.designs(found.best[None])[0]
    if before is not None and feasible and sign * before <= found.score:
        return Tuned(
            dict(rollouts.entry.defaults), before, before, found.budget, tuple(found.trace)
        )
    return Tuned(best, before, sign * found.score, found.budget, tuple(found.trace))


def against_shipped(
    rollouts: Rollouts, headline: Metric, parameters: Mapping[str, Any]
) -> PairedSummary | None:
    """Found parameters minus the shipped ones; None where they are the same or an episode failed.

    Args:
        rollouts: plays both; its seeds are to be others than those of the search.
        headline: metric of the domain.
        parameters: what tuning found.
    """
    shipped = dict(rollouts.entry.defaults)
    if dict(parameters) == shipped:
        return None
    played = zip(("tuned", "shipped"), rollouts([parameters, shipped]), strict=True)
    headlines = {
        name: {r.seed: r.metrics[headline.name] for r in records} for name, records in played
    }
    if not all(math.isfinite(value) for row in headlines.values() for value in row.values()):
        return None
    sign = 1.0 if headline.sense == "min" else -1.0
    return paired_family(["tuned"], "shipped", headlines, sign, seed=0)["tuned"]


def _start(space: Space, defaults: Mapping[str, Any]) -> FloatArray | None:
    """Coded row of the shipped parameters, if they name all of the space's."""
    names = [parameter.name for parameter in space.parameters]
    if not set(names) <= set(defaults):
        return None
    return space.code([{name: defaults[name] for name in names}])


def _optimizer(name: str, space: Space, seed: int, start: FloatArray | None) -> Optimizer:
    if name != "cmaes" or start is None:
        return make(name, space, seed)
    return CmaEs(space.width, seed, start=space.encode(start)[0], min_std=min_std(space))
