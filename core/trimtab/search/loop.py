"""The search loop: ask, merge equal designs, evaluate the new ones, tell; one budget axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trimtab.contracts.problem import Budget, DesignProblem
from trimtab.contracts.spec import FloatArray
from trimtab.search.optimizer import Optimizer, penalised


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Outcome of a search.

    Attributes:
        best: coded row of the best design.
        score: its first objective (sign flipped if maximised), penalised if infeasible.
        trace: [calls] best score so far after each unique simulator call.
        budget: unique evaluations and their CPU seconds.
        repeats: asked designs that were already known.
    """

    best: FloatArray
    score: float
    trace: FloatArray
    budget: Budget
    repeats: int


def search(
    problem: DesignProblem,
    optimizer: Optimizer,
    evaluations: int,
    *,
    batch: int = 8,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> SearchResult:
    """Spend `evaluations` unique simulator calls on the first objective of `problem`.

    Args:
        problem: what to search.
        optimizer: works on the unit cube of the problem's space.
        evaluations: unique calls; it also stops after 20 batches that bring no new design.
        batch: designs asked at once.
        seed: of the simulator, common to all designs.
        progress: called with (calls so far, best score so far).
    """
    spec = problem.spec
    sign = 1.0 if spec.objectives[0].sense == "min" else -1.0
    rows: dict[bytes, int] = {}
    coded = np.empty((0, spec.space.width))
    objective, violation = np.empty(0), np.empty((0, len(spec.constraints)))
    cost_s, repeats, idle = 0.0, 0, 0
    while len(coded) < evaluations and idle < 20:
        points = optimizer.ask(batch)
        asked = problem.canonical(spec.space.decode(points))
        fresh = _fresh(asked, rows, evaluations - len(coded))
        repeats += len(asked) - len(fresh)
        idle = 0 if len(fresh) else idle + 1
        if len(fresh):
            result = problem.evaluate(asked[fresh], spec.fidelities[-1], seed)
            for i in fresh:
                rows[asked[i].tobytes()] = len(rows)
            coded = np.concatenate([coded, asked[fresh]])
            objective = np.concatenate([objective, sign * result.objectives[:, 0]])
            violation = np.concatenate([violation, result.constraints])
            cost_s += float(result.cost_s.sum())
        score = penalised(objective, violation)
        known = [i for i in range(len(asked)) if asked[i].tobytes() in rows]
        optimizer.tell(points[known], score[[rows[asked[i].tobytes()] for i in known]])
        if progress is not None:
            progress(len(coded), float(score.min()))
    best = int(np.argmin(score))
    return SearchResult(
        coded[best],
        float(score[best]),
        np.minimum.accumulate(score),
        Budget(evaluations=len(coded), cpu_s=cost_s),
        repeats,
    )


def _fresh(asked: FloatArray, rows: dict[bytes, int], room: int) -> list[int]:
    """Indices of asked designs never evaluated, each once, at most `room`."""
    new: dict[bytes, int] = {}
    for i, row in enumerate(asked):
        key = row.tobytes()
        if key not in rows and key not in new:
            new[key] = i
    return list(new.values())[:room]
