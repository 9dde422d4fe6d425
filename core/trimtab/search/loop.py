"""The search loop: ask, merge equal designs, evaluate the new ones, tell; one budget axis.

A `Search` can be stopped between two batches and continued to the same bits from its state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.problem import Budget, DesignProblem, Evaluation
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.search.optimizer import Optimizer, penalised

IDLE_BATCHES = 200
"""A search ends after so many batches in a row that bring no new design."""

_OPTIMIZER = "optimizer."
_METRIC = "metric."


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


@dataclass(frozen=True, slots=True)
class Told:
    """All that a search has evaluated, one row per unique simulator call, in order.

    Attributes:
        designs: [calls, width] coded, canonical.
        objectives: [calls, K] in the objectives' units and senses, NaN where failed.
        constraints: [calls, C], ≤ 0 is feasible.
        metrics: name → [calls].
    """

    designs: FloatArray
    objectives: FloatArray
    constraints: FloatArray
    metrics: Mapping[str, FloatArray]

    @property
    def feasible(self) -> BoolArray:
        """[calls] bool: evaluated without failure, and every constraint kept."""
        whole = np.isfinite(self.objectives).all(axis=1)
        return np.asarray(whole & (self.constraints <= 0.0).all(axis=1))


class Search:
    """One search, advanced batch by batch until it is `done`.

    Args:
        problem: what to search.
        optimizer: works on the unit cube of the problem's space.
        evaluations: unique simulator calls to spend.
        batch: designs asked at once.
        seed: of the simulator, common to all designs.
    """

    def __init__(
        self,
        problem: DesignProblem,
        optimizer: Optimizer,
        evaluations: int,
        *,
        batch: int = 8,
        seed: int = 0,
    ) -> None:
        spec = problem.spec
        self._problem, self._optimizer = problem, optimizer
        self._evaluations, self._batch, self._seed = evaluations, batch, seed
        self._sign = np.array([1.0 if o.sense == "min" else -1.0 for o in spec.objectives])
        self._rows: dict[bytes, int] = {}
        self._told = Told(
            np.empty((0, spec.space.width)),
            np.empty((0, len(spec.objectives))),
            np.empty((0, len(spec.constraints))),
            {},
        )
        self._score: FloatArray = np.empty(0)
        self._repeats = self._idle = 0
        self._cpu_s = 0.0

    @property
    def done(self) -> bool:
        """Whether the budget is spent, or no new design comes any more."""
        return len(self._rows) >= self._evaluations or self._idle >= IDLE_BATCHES

    @property
    def progress(self) -> float:
        """Share of the budget that is spent."""
        return len(self._rows) / self._evaluations

    @property
    def told(self) -> Told:
        """Everything evaluated so far."""
        return self._told

    @property
    def score(self) -> FloatArray:
        """[calls] `penalised` score of everything evaluated so far."""
        return self._score

    @property
    def repeats(self) -> int:
        """Asked designs that were known already."""
        return self._repeats

    @property
    def budget(self) -> Budget:
        """Unique simulator calls; their CPU seconds and the optimizer's own."""
        return Budget(evaluations=len(self._rows), cpu_s=self._cpu_s)

    def advance(self) -> None:
        """Ask for a batch, evaluate what is new in it, and tell."""
        started = time.process_time()
        points = self._optimizer.ask(self._batch)
        asked = self._problem.canonical(self._problem.spec.space.decode(points))
        self._cpu_s += time.process_time() - started
        fresh = _fresh(asked, self._rows, self._evaluations - len(self._rows))
        self._repeats += len(asked) - len(fresh)
        self._idle = 0 if fresh else self._idle + 1
        if fresh:
            self._evaluate(asked[fresh])
        started = time.process_time()
        known = [self._rows[row.tobytes()] for row in asked if row.tobytes() in self._rows]
        if len(known) == len(asked):  # else the budget ended within this batch
            told, columns = self._told, list(self._problem.spec.front_columns)
            self._optimizer.tell(
                points,
                self._score[known],
                (self._sign * told.objectives)[known][:, columns],
                told.constraints[known],
            )
        self._cpu_s += time.process_time() - started

    def _evaluate(self, designs: FloatArray) -> None:
        fidelity = self._problem.spec.fidelities[-1]
        result = self._problem.evaluate(designs, fidelity, self._seed)
        for row in designs:
            self._rows[row.tobytes()] = len(self._rows)
        self._told = _joined(self._told, designs, result)
        self._cpu_s += float(result.cost_s.sum())
        first = self._sign[0] * self._told.objectives[:, 0]
        self._score = penalised(first, self._told.constraints)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything needed to continue to the same bits, as plain arrays by name."""
        told = self._told
        state: dict[str, NDArray[Any]] = {
            "designs": told.designs,
            "objectives": told.objectives,
            "constraints": told.constraints,
            "counts": np.array([self._repeats, self._idle], dtype=np.int64),
            "cpu_s": np.array(self._cpu_s),
        }
        state |= {f"{_METRIC}{name}": values for name, values in told.metrics.items()}
        own = self._optimizer.state_dict()
        return state | {f"{_OPTIMIZER}{name}": np.asarray(value) for name, value in own.items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from `state_dict` of a search of the same problem and optimizer."""
        self._optimizer.load_state_dict(_below(state, _OPTIMIZER))
        self._told = Told(
            state["designs"], state["objectives"], state["constraints"], _below(state, _METRIC)
        )
        counts: IntArray = state["counts"]
        self._repeats, self._idle = (int(n) for n in counts)
        self._cpu_s = float(state["cpu_s"])
        self._rows = {row.tobytes(): i for i, row in enumerate(self._told.designs)}
        first = self._sign[0] * self._told.objectives[:, 0]
        self._score = penalised(first, self._told.constraints)


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
        evaluations: unique calls; it also stops after `IDLE_BATCHES` without a new design.
        batch: designs asked at once.
        seed: of the simulator, common to all designs.
        progress: called with (calls so far, best score so far).
    """
    running = Search(problem, optimizer, evaluations, batch=batch, seed=seed)
    while not running.done:
        running.advance()
        if progress is not None:
            progress(running.budget.evaluations, float(running.score.min()))
    best = int(np.argmin(running.score))
    return SearchResult(
        running.told.designs[best],
        float(running.score[best]),
        np.minimum.accumulate(running.score),
        running.budget,
        running.repeats,
    )


def _joined(told: Told, designs: FloatArray, result: Evaluation) -> Told:
    return Told(
        np.concatenate([told.designs, designs]),
        np.concatenate([told.objectives, result.objectives]),
        np.concatenate([told.constraints, result.constraints]),
        {
            name: np.concatenate([told.metrics.get(name, np.empty(0)), values])
            for name, values in result.metrics.items()
        },
    )


def _below(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _fresh(asked: FloatArray, rows: Mapping[bytes, int], room: int) -> list[int]:
    """Indices of asked designs never evaluated, each once, at most `room`."""
    new: dict[bytes, int] = {}
    for i, row in enumerate(asked):
        key = row.tobytes()
        if key not in rows and key not in new:
            new[key] = i
    return list(new.values())[:room]
