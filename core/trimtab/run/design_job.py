"""What a worker does for a design scenario: search with an optimizer, or score a given design."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts.domain import Domain
from trimtab.contracts.dominance import non_dominated
from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.problem import Budget, DesignProblem
from trimtab.contracts.records import DesignRecord, FrontPoint
from trimtab.contracts.scenario import SearchBudget
from trimtab.contracts.spec import FloatArray
from trimtab.run.checkpoints import Arrays
from trimtab.run.design_plan import SIMULATOR_SEED, design_problem, make_optimizer
from trimtab.search.cache import CachedProblem
from trimtab.search.loop import Search, Told
from trimtab.search.optimizer import Optimizer

Report = Callable[[Search], None]
"""Called after every batch of a search."""


def design_record(
    domain: Domain,
    model: Any,
    task: Mapping[str, Any],
    report: Report,
    state: Arrays | None = None,
    evaluations: Path | None = None,
) -> DesignRecord:
    """Do one job of a design scenario.

    Args:
        domain: of the scenario.
        model: the scenario's problem part.
        task: what `DesignPlanner.task` says, with kind ("search" or "design") and seeds.
        report: told after every batch.
        state: of the same search, to go on from (`Search.state_dict`).
        evaluations: file in which searches share results, or None.

    Raises:
        RunFailedError: no design could be scored.
    """
    parameters = json.loads(task["parameters"])
    problem = design_problem(domain, model)
    try:
        if task["kind"] == "design":
            return score_design(problem, task["controller"], parameters)
        (seed,) = task["seeds"]
        optimizer = make_optimizer(
            task["controller"], task["own"], problem.spec.space, seed, parameters
        )
        budget = SearchBudget.model_validate_json(task["budget"])
        searched = problem if evaluations is None else CachedProblem(problem, evaluations)
        return run_search(searched, optimizer, task["controller"], seed, budget, report, state)
    finally:
        problem.close()


def score_design(problem: DesignProblem, name: str, design: Mapping[str, Any]) -> DesignRecord:
    """Score one design with all its metrics.

    Raises:
        RunFailedError: the simulator failed on it.
        ContractError: a parameter is missing or out of range.
    """
    spec = problem.spec
    result = problem.evaluate_design(design, spec.fidelities[-1], SIMULATOR_SEED)
    told = Told(np.empty((1, 0)), result.objectives, result.constraints, result.metrics)
    if not np.isfinite(result.objectives).all():
        msg = f"{name}: the simulator scored no such design ({result.status[0]})"
        raise RunFailedError(msg)
    metrics, excess = _at(problem, told, 0)
    feasible = bool(told.feasible[0])
    return DesignRecord(
        name=name,
        seed=SIMULATOR_SEED,
        design=dict(design),
        metrics=metrics,
        excess=excess,
        improvements=((1, float(result.objectives[0, 0])),) if feasible else (),
        budget=Budget(evaluations=1, cpu_s=float(result.cost_s.sum())),
        flags=() if feasible else ("infeasible",),
        given=True,
    )


def run_search(
    problem: DesignProblem,
    optimizer: Optimizer,
    name: str,
    seed: int,
    budget: SearchBudget,
    report: Report,
    state: Arrays | None = None,
) -> DesignRecord:
    """Spend a budget on one search and say what came of it.

    Raises:
        RunFailedError: every design failed in the simulator.
    """
    search = Search(problem, optimizer, budget.evaluations, batch=budget.batch, seed=SIMULATOR_SEED)
    if state is not None:
        search.load_state_dict(state)
    while not search.done:
        search.advance()
        report(search)
    told = search.told
    best = int(np.argmin(search.score))
    if not np.isfinite(told.objectives[best]).all():
        msg = f"{name}, seed {seed}: the simulator failed on all {len(told.designs)} designs"
        raise RunFailedError(msg)
    metrics, excess = _at(problem, told, best)
    return DesignRecord(
        name=name,
        seed=seed,
        design=problem.spec.space.designs(told.designs[best : best + 1])[0],
        metrics=metrics,
        excess=excess,
        improvements=_improvements(problem, told),
        front=_front(problem, told),
        budget=search.budget,
        repeats=search.repeats,
        flags=() if told.feasible[best] else ("infeasible",),
    )


def _at(problem: DesignProblem, told: Told, row: int) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics and excess over each limit of one design."""
    spec = problem.spec
    metrics = {o.name: float(told.objectives[row, i]) for i, o in enumerate(spec.objectives)}
    metrics |= {name: float(values[row]) for name, values in told.metrics.items()}
    excess = {c.name: float(told.constraints[row, i]) for i, c in enumerate(spec.constraints)}
    return metrics, excess


def _sign(problem: DesignProblem) -> FloatArray:
    return np.array([1.0 if o.sense == "min" else -1.0 for o in problem.spec.objectives])


def _improvements(problem: DesignProblem, told: Told) -> tuple[tuple[int, float], ...]:
    first = told.objectives[:, 0]
    cost = np.where(told.feasible, _sign(problem)[0] * first, np.inf)
    before = np.concatenate([[np.inf], np.minimum.accumulate(cost)[:-1]])
    return tuple((int(i) + 1, float(first[i])) for i in np.flatnonzero(cost < before))


def _front(problem: DesignProblem, told: Told) -> tuple[FrontPoint, ...]:
    """Undominated feasible designs, the best in the first objective first."""
    spec, columns = problem.spec, list(problem.spec.front_columns)
    rows = np.flatnonzero(told.feasible)
    if len(columns) < 2 or not rows.size:
        return ()
    costs = (_sign(problem) * told.objectives)[rows][:, columns]
    kept = non_dominated(costs)
    rows, costs = rows[kept], costs[kept]
    rows = rows[np.lexsort(costs.T[::-1])]
    designs = spec.space.designs(told.designs[rows])
    names = [metric.name for metric in spec.front_metrics]
    return tuple(
        FrontPoint(design, dict(zip(names, told.objectives[row, columns].tolist(), strict=True)))
        for row, design in zip(rows, designs, strict=True)
    )
