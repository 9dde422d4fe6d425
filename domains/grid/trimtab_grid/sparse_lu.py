"""Sparse LU factors of a network's admittance matrix, in minimum-degree order.

A radial network has no fill-in at all: 2 (n - 1) entries (Tinney and Walker, Proc. IEEE 1967).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.acflow_kernel import Factors
from trimtab_grid.acnetwork import ComplexArray


@dataclass(frozen=True, slots=True)
class SparseLu:
    """P·A·Pᵀ = L·U with a unit diagonal in L.

    Attributes:
        order: [n] row of A that is eliminated at each step.
        packed: [n, n] L below, U on and above the diagonal; zeros where there is no entry.
    """

    order: IntArray
    packed: ComplexArray

    def factors(self, open_voltage: ComplexArray) -> Factors:
        """What the kernel reads; `open_voltage` [n] in elimination order."""
        below = np.argwhere(np.tril(self.packed, -1).T != 0)[:, ::-1].T
        above = np.argwhere(np.triu(self.packed, 1) != 0)
        above = above[np.argsort(-above[:, 0], kind="stable")].T
        lower, upper = self.packed[tuple(below)], self.packed[tuple(above)]
        pivot = 1.0 / np.diag(self.packed)
        return Factors(
            np.ascontiguousarray(below, dtype=np.int32),
            _flat(lower.real),
            _flat(lower.imag),
            np.ascontiguousarray(above, dtype=np.int32),
            _flat(upper.real),
            _flat(upper.imag),
            _flat(pivot.real),
            _flat(pivot.imag),
            _flat(open_voltage.real),
            _flat(open_voltage.imag),
        )


def factorise(matrix: ComplexArray) -> SparseLu:
    """Factors of a square matrix whose pivots need no search (admittances with a slack).

    Args:
        matrix: [n, n] complex, dense storage.
    """
    order = _minimum_degree(matrix)
    packed = np.array(matrix[np.ix_(order, order)])
    size = len(packed)
    for k in range(size):
        column = np.flatnonzero(packed[k + 1 :, k]) + k + 1
        row = np.flatnonzero(packed[k, k + 1 :]) + k + 1
        packed[column, k] /= packed[k, k]
        packed[np.ix_(column, row)] -= np.outer(packed[column, k], packed[k, row])
    return SparseLu(order, packed)


def _minimum_degree(matrix: ComplexArray) -> IntArray:
    """Eliminate the bus with fewest neighbours first; ties by number."""
    linked = (matrix != 0) | (matrix != 0).T
    neighbours = [set(np.flatnonzero(row).tolist()) - {k} for k, row in enumerate(linked)]
    left = set(range(len(matrix)))
    order = []
    while left:
        chosen = min(left, key=lambda bus: (len(neighbours[bus]), bus))
        left.remove(chosen)
        order.append(chosen)
        around = neighbours[chosen]
        for bus in around:
            neighbours[bus] |= around - {bus}
            neighbours[bus].discard(chosen)
    return np.array(order, dtype=np.int64)


def _flat(values: FloatArray) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float64)
