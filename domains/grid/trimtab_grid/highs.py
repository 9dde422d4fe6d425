"""Rows and columns of a mixed-integer linear program, handed to HiGHS as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import FloatArray, IntArray

Terms = list[tuple[int, float]]
"""(column, coefficient)."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Values of the columns, cost and the solver's proven bound of it."""

    value: FloatArray
    cost: float
    bound: float


class Program:
    """Minimise cost · x + offset over row limits and column bounds."""

    def __init__(self) -> None:
        self._low: list[FloatArray] = []
        self._high: list[FloatArray] = []
        self._cost: list[FloatArray] = []
        self._whole: list[FloatArray] = []
        self._columns = 0
        self._extra: Terms = []
        self._offset = 0.0
        self._rows: list[tuple[Sequence[tuple[int, float]], float, float]] = []

    def add(
        self,
        count: int,
        low: float,
        high: float | FloatArray,
        cost: float,
        *,
        whole: bool = False,
    ) -> IntArray:
        """New columns with equal cost and bounds (`high` may differ); their indices."""
        first = self._columns
        self._columns += count
        self._low.append(np.full(count, low))
        self._high.append(np.broadcast_to(np.asarray(high, np.float64), (count,)))
        self._cost.append(np.full(count, cost))
        self._whole.append(np.full(count, float(whole)))
        return np.arange(first, self._columns)

    def charge(self, terms: Terms, cost: float, known: float) -> None:
        """Add `cost` per unit of a sum of terms and a known part to the objective."""
        self._extra += [(column, cost * a) for column, a in terms]
        self._offset += cost * known

    def row(self, terms: Sequence[tuple[int, float]], low: float, high: float) -> int:
        """A constraint low <= sum of terms <= high; its index."""
        self._rows.append((terms, low, high))
        return len(self._rows) - 1

    def widen(self, row: int, terms: Sequence[tuple[int, float]]) -> None:
        """Add terms to a constraint."""
        known, low, high = self._rows[row]
        self._rows[row] = ([*known, *terms], low, high)

    def solve(self, gap: float, nodes: int) -> Solution:
        """Solve by branch and bound to a relative gap, or to the best plan after so many nodes.

        Nodes are counted, not seconds: the same program has the same solution on any machine.

        Raises:
            ContractError: no feasible solution within the nodes.
        """
        import highspy

        library: Any = highspy
        solver = library.Highs()
        for option, setting in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_rel_gap", gap),
            ("mip_max_nodes", nodes),
        ):
            solver.setOptionValue(option, setting)
        solver.passModel(self._model())
        solver.run()
        info = solver.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            msg = (
                f"HiGHS: {solver.modelStatusToString(solver.getModelStatus())}: check limits and "
                "the first state, or allow more nodes"
            )
            raise ContractError(msg)
        value = np.array(solver.getSolution().col_value)
        return Solution(value, float(info.objective_function_value), float(info.mip_dual_bound))

    def _model(self) -> Any:
        import highspy

        program = highspy.HighsLp()
        cost = np.concatenate(self._cost)
        for column, extra in self._extra:
            cost[column] += extra
        program.num_col_, program.num_row_ = self._columns, len(self._rows)
        program.col_cost_, program.offset_ = cost, self._offset
        program.col_lower_ = np.concatenate(self._low)
        program.col_upper_ = np.concatenate(self._high)
        program.row_lower_ = np.array([low for _, low, _ in self._rows])
        program.row_upper_ = np.array([high for _, _, high in self._rows])
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        program.integrality_ = [kinds[int(k)] for k in np.concatenate(self._whole)]
        merged = [_merged(terms) for terms, _, _ in self._rows]
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.start_ = np.concatenate([[0], np.cumsum([len(m) for m in merged])]).astype(np.int32)
        matrix.index_ = np.array([c for m in merged for c in m], np.int32)
        matrix.value_ = np.array([a for m in merged for a in m.values()])
        return program


def _merged(terms: Sequence[tuple[int, float]]) -> dict[int, float]:
    """Terms with each column once."""
    found: dict[int, float] = {}
    for column, a in terms:
        found[int(column)] = found.get(int(column), 0.0) + a
    return found
