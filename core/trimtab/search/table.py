"""Searches on a table of exact results: thousands together, without a simulator.

Where every design of a finite space has been enumerated, a search is a walk over table rows. Calls
are counted as everywhere: a run pays once per different design.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.parameters import Permutation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.search.exhaustive import raw_size
from trimtab.search.loop import IDLE_BATCHES
from trimtab.search.optimizer import Optimizer
from trimtab.search.vectorised import Vectorised

_LARGEST = 10**8
_ASKS_PER_CALL = 20  # a run that has converged asks for little else than known designs


class Table:
    """Scores of every design of a finite space on one or several workloads.

    Args:
        space: finite, without permutations.
        designs: [n, width] coded, canonical, each once.
        scores: [workloads, n], minimised, see `trimtab.search.optimizer.penalised`.

    Raises:
        ContractError: the space is too large or has an order or a continuous parameter.
    """

    def __init__(self, space: Space, designs: FloatArray, scores: FloatArray) -> None:
        size = raw_size(space)
        if size > _LARGEST or any(isinstance(p, Permutation) for p in space.parameters):
            msg = f"a table needs at most {_LARGEST} combinations and no permutation; got {size}"
            raise ContractError(msg)
        self.space, self.scores = space, np.atleast_2d(np.asarray(scores, dtype=np.float64))
        counts = np.array([getattr(p, "count", 1) for p in space.parameters])
        self._first = np.array([p.rest[0] for p in space.parameters])
        self._counts = counts.astype(np.float64)
        self._radix = np.append(np.cumprod(counts[:0:-1])[::-1], 1)
        self._row = np.full(size, -1, np.int64)
        self._row[((designs - self._first) @ self._radix).astype(np.int64)] = np.arange(
            len(designs)
        )

    @property
    def optima(self) -> FloatArray:
        """[workloads] least score of each."""
        return np.asarray(self.scores.min(axis=1))

    def rows(self, points: FloatArray) -> IntArray:
        """Table rows [...] of canonical points [..., width] of the unit cube.

        Raises:
            ContractError: a point is not a design of the table.
        """
        digits = np.minimum(np.floor(points * self._counts), self._counts - 1)
        rows = self._row[(digits @ self._radix).astype(np.int64)]
        if (rows < 0).any():
            design = self.space.designs(self.space.decode(points[rows < 0][:1]))[0]
            msg = f"{design} is not in the table: enumerate legal canonical designs of the space"
            raise ContractError(msg)
        return np.asarray(rows)


@dataclass(frozen=True, slots=True)
class TableRuns:
    """What came of R searches.

    Attributes:
        trace: [R, calls] best score after each unique call; the last value is carried on where a
            run ended early.
        calls: [R] unique calls made.
        repeats: [R] asked designs that were known already.
        to_optimum: [R] unique calls at which the optimum was first met, 0 where it was not.
    """

    trace: FloatArray
    calls: IntArray
    repeats: IntArray
    to_optimum: IntArray


class _Ledger:
    """Who has called what, and what came of it."""

    def __init__(self, table: Table, workload: IntArray, calls: int) -> None:
        self.table, self.workload, self.limit = table, workload, calls
        runs = len(workload)
        self.seen: NDArray[np.bool_] = np.zeros((runs, table.scores.shape[1]), bool)
        self.trace = np.full((runs, calls), np.inf)
        self.calls, self.repeats = np.zeros((2, runs), np.int64)

    def tell(self, points: FloatArray, who: IntArray, open_: NDArray[np.bool_]) -> FloatArray:
        """Scores [k, m] of points [k, m, width], new designs entered in the order asked.

        Args:
            points: of some runs.
            who: [k] the runs.
            open_: [k] runs that have not ended; the others' designs do not count.
        """
        rows = self.table.rows(points)
        score = self.table.scores[self.workload[who][:, None], rows]
        runs = np.broadcast_to(who[:, None], rows.shape)
        new = ~self.seen[runs, rows] & _first_of_kind(rows) & open_[:, None]
        number = self.calls[who][:, None] + np.cumsum(new, axis=1) - 1
        new &= number < self.limit
        self.seen[runs[new], rows[new]] = True
        self.trace[runs[new], number[new]] = score[new]
        self.calls[who] += new.sum(axis=1)
        self.repeats[who] += (~new & open_[:, None]).sum(axis=1)
        return np.asarray(score)

    def result(self) -> TableRuns:
        trace = np.minimum.accumulate(self.trace, axis=1)
        met = trace <= self.table.optima[self.workload][:, None]
        to_optimum = np.where(met.any(axis=1), met.argmax(axis=1) + 1, 0)
        return TableRuns(trace, self.calls, self.repeats, to_optimum)


def search_table(
    algorithm: Vectorised, table: Table, workload: IntArray, calls: int, *, to_optimum: bool = False
) -> TableRuns:
    """Run R searches in lockstep.

    Args:
        algorithm: R runs over the table's space.
        table: exact results.
        workload: [R] row of `table.scores` that each run minimises.
        calls: unique calls of each run.
        to_optimum: stop as soon as every run has met its optimum.

    Every run also ends after 20 asked designs per call of the budget, or as many known designs in
    a row as a search by batches of one may ask for (`IDLE_BATCHES`).
    """
    ledger = _Ledger(table, workload, calls)
    who, asked = np.arange(len(workload)), 0
    idle, open_ = np.zeros(len(workload), np.int64), np.ones(len(workload), bool)
    while open_.any() and asked < _ASKS_PER_CALL * calls:
        points, before = algorithm.propose(), ledger.calls[who]
        asked += points.shape[1]
        score = ledger.tell(points, who, open_)
        algorithm.absorb(points, score, score[:, :, None])
        idle = np.where(ledger.calls[who] == before, idle + points.shape[1], 0)
        open_ &= (ledger.calls[who] < calls) & (idle < IDLE_BATCHES)
        if to_optimum:
            open_ &= score.min(axis=1) > table.optima[workload[who]]
        going = np.flatnonzero(open_)
        if 0 < len(going) <= len(who) // 2 and algorithm.keep(going):
            who, idle, open_ = who[going], idle[going], open_[going]
    return ledger.result()


def search_table_once(
    optimizer: Optimizer, table: Table, workload: int, calls: int, *, batch: int = 1
) -> TableRuns:
    """One search by ask/tell, for methods without a vectorised form; stops at the optimum."""
    ledger = _Ledger(table, np.array([workload]), calls)
    idle = 0
    while idle < IDLE_BATCHES and ledger.calls[0] < calls:
        points, before = optimizer.ask(batch), ledger.calls[0]
        if not len(points):
            break
        score = ledger.tell(points[None], np.zeros(1, np.int64), np.ones(1, bool))[0]
        optimizer.tell(points, score, score[:, None], np.empty((len(score), 0)))
        if score.min() <= table.optima[workload]:
            break
        idle = idle + 1 if ledger.calls[0] == before else 0
    return ledger.result()


def _first_of_kind(rows: IntArray) -> NDArray[np.bool_]:
    """[R, m] bool: the first of equal entries in each row."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    first = np.ones(rows.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    out = np.empty_like(first)
    np.put_along_axis(out, order, first, axis=1)
    return out
