"""Exact enumeration of finite spaces, their size, and the neighbours of a design."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.parameters import Categorical, Float, Parameter, Permutation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.optimizer import Unlearning

_BLOCK = 1 << 16
_MOST_ROWS = 10**9


def raw_size(space: Space) -> int:
    """Number of combinations of values, conditions and relations not regarded.

    Raises:
        ContractError: a parameter is continuous.
    """
    for p in space.parameters:
        if isinstance(p, Float):
            msg = f"{p.name} is continuous: only finite spaces can be enumerated"
            raise ContractError(msg)
    return math.prod(_count(p) for p in space.parameters)


def enumerate_designs(
    space: Space, start: int = 0, stop: int | None = None
) -> Iterator[FloatArray]:
    """Every legal canonical design once, as blocks of coded rows, in lexicographic order.

    Args:
        space: finite.
        start: first raw number, for sharing the work out.
        stop: raw number after the last, `raw_size` by default.

    Raises:
        ContractError: the space is continuous or has more than 10⁹ combinations.
    """
    end = raw_size(space) if stop is None else stop
    if end - start > _MOST_ROWS:
        msg = f"{end - start} combinations are too many to enumerate (at most {_MOST_ROWS})"
        raise ContractError(msg)
    for first in range(start, end, _BLOCK):
        rows = _raw_rows(space, np.arange(first, min(first + _BLOCK, end)))
        same = (space.canonical(rows) == rows).all(axis=1)
        yield rows[same & space.legal(rows)]


def count_designs(space: Space) -> int:
    """Number of legal canonical designs of a finite space."""
    return sum(len(block) for block in enumerate_designs(space))


def neighbours(space: Space, row: FloatArray) -> FloatArray:
    """Coded legal designs [n, width] one step away: next values of ordered parameters, any other
    category, any swap of two positions of an order; continuous parameters stay.
    """  # noqa: D205
    found = [
        np.concatenate([row[: s.start], cells, row[s.stop :]])
        for p, s in zip(space.parameters, space.slices, strict=True)
        for cells in _steps(p, row[s])
    ]
    rows = space.canonical(np.array(found).reshape(-1, space.width))
    rows = rows[space.legal(rows) & (rows != space.canonical(row[None])).any(axis=1)]
    return np.unique(rows, axis=0)


def _steps(parameter: Parameter, cells: FloatArray) -> list[FloatArray]:
    if isinstance(parameter, Float):
        return []
    if isinstance(parameter, Permutation):
        pairs = [(i, j) for i in range(parameter.size) for j in range(i)]
        return [_swapped(cells, i, j) for i, j in pairs]
    first = parameter.rest[0]
    codes = first + np.arange(parameter.count)
    near = codes != cells[0] if isinstance(parameter, Categorical) else abs(codes - cells[0]) == 1
    return list(codes[near][:, None])


def _swapped(cells: FloatArray, i: int, j: int) -> FloatArray:
    out = cells.copy()
    out[[i, j]] = cells[[j, i]]
    return out


def _count(parameter: Parameter) -> int:
    if isinstance(parameter, Permutation):
        return math.factorial(parameter.size)
    return 1 if isinstance(parameter, Float) else parameter.count


def _raw_rows(space: Space, numbers: NDArray[np.int64]) -> FloatArray:
    """Mixed-radix digits of `numbers`, last parameter fastest, as coded rows."""
    columns: list[FloatArray] = []
    rest = numbers.copy()
    for p in reversed(space.parameters):
        digit, rest = rest % _count(p), rest // _count(p)
        if isinstance(p, Permutation):
            columns.append(_orders(p.size, digit))
        else:
            columns.append(digit[:, None].astype(np.float64) + p.rest[0])
    return np.concatenate(columns[::-1], axis=1)


def _orders(size: int, numbers: NDArray[np.int64]) -> FloatArray:
    """Permutations by lexicographic number, from their factorial digits."""
    rest = numbers.copy()
    free = np.tile(np.arange(size), (len(numbers), 1))
    out = np.empty((len(numbers), size))
    for place in range(size):
        base = math.factorial(size - 1 - place)
        digit, rest = rest // base, rest % base
        out[:, place] = free[np.arange(len(numbers)), digit]
        keep = np.arange(size - place)[None, :] != digit[:, None]
        free = free[keep].reshape(len(numbers), size - place - 1)
    return out


class Exhaustive(Unlearning):
    """Asks every design of a finite space once, in order; then none."""

    def __init__(self, space: Space) -> None:
        self._space, self._size, self._next = space, raw_size(space), 0

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`; none once all were asked."""
        rows = np.empty((0, self._space.width))
        while len(rows) < n and self._next < self._size:
            step = max(n, 64)
            stop = min(self._next + step, self._size)
            fresh = np.concatenate(list(enumerate_designs(self._space, self._next, stop)))
            room = n - len(rows)
            if len(fresh) > room:
                stop = 1 + self._number_of(fresh[room - 1])
                fresh = fresh[:room]
            rows, self._next = np.concatenate([rows, fresh]), stop
        return self._space.encode(rows)

    def _number_of(self, row: FloatArray) -> int:
        """Raw number of a coded row."""
        number = 0
        for p, s in zip(self._space.parameters, self._space.slices, strict=True):
            number = number * _count(p) + _digit(p, row[s])
        return number

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {"next": np.array(self._next)}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        self._next = int(state["next"])


def _digit(parameter: Parameter, cells: FloatArray) -> int:
    if not isinstance(parameter, Permutation):
        return int(cells[0] - parameter.rest[0])
    later = [int((cells[i + 1 :] < cells[i]).sum()) for i in range(parameter.size)]
    return sum(d * math.factorial(parameter.size - 1 - i) for i, d in enumerate(later))
