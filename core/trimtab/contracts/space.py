"""Design spaces: typed parameters, coded as one float64 row per design.

A design is coded in a row of `Space.width` numbers: floats and integers as themselves,
ordinals and categoricals as the index of their value, a permutation as the item in each
position. `encode`/`decode` map coded rows to the unit cube and back. A parameter that a
condition switches off rests at its first value in the canonical form, so that designs which
are physically the same have one row; relations say which rows are legal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab.contracts.parameters import (
    Categorical,
    Condition,
    Float,
    Integer,
    Ordinal,
    Parameter,
    Permutation,
)
from trimtab.contracts.relations import Forbidden, LinearLimit, Relation
from trimtab.contracts.spec import BoolArray, FloatArray

__all__ = [
    "Categorical",
    "Condition",
    "Design",
    "Float",
    "Forbidden",
    "Integer",
    "LinearLimit",
    "Ordinal",
    "Parameter",
    "Permutation",
    "Relation",
    "Space",
]

Design = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Space:
    """A design space: parameters in a fixed order, parents of conditions first.

    Attributes:
        parameters: what is searched.
        relations: what every legal design keeps.
    """

    parameters: tuple[Parameter, ...]
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        names = [p.name for p in self.parameters]
        if len(set(names)) != len(names):
            msg = f"Space: parameter names must differ, got {names}"
            raise ContractError(msg)
        for i, p in enumerate(self.parameters):
            if p.active_if is not None and p.active_if.parent not in names:
                raise UnknownNameError(p.active_if.parent, f"parent of {p.name}", names)
            if p.active_if is not None and p.active_if.parent not in names[:i]:
                msg = f"Space: put {p.active_if.parent} before {p.name}, which depends on it"
                raise ContractError(msg)
        for name in (name for relation in self.relations for name in relation.names):
            if name not in names:
                raise UnknownNameError(name, "parameter of a relation", names)

    @property
    def width(self) -> int:
        """Columns of a coded row, and dimensions of the unit cube."""
        return sum(p.width for p in self.parameters)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Columns of each parameter."""
        ends = np.cumsum([p.width for p in self.parameters])
        return tuple(
            slice(int(end - p.width), int(end))
            for end, p in zip(ends, self.parameters, strict=True)
        )

    def encode(self, coded: FloatArray) -> FloatArray:
        """Coded rows [n, width] → unit cube [n, width]."""
        columns = [p.to_unit(coded[:, s]) for p, s in self._items()]
        return np.concatenate(columns, axis=1)

    def decode(self, unit: FloatArray) -> FloatArray:
        """Unit cube [n, width] → coded rows [n, width]."""
        columns = [p.from_unit(unit[:, s]) for p, s in self._items()]
        return np.concatenate(columns, axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """`n` coded rows, uniform in the unit cube; relations and conditions not regarded."""
        return self.decode(rng.random((n, self.width)))

    def designs(self, coded: FloatArray) -> list[Design]:
        """Coded rows → dictionaries of readable values."""
        return [{p.name: p.value(row[s]) for p, s in self._items()} for row in coded]

    def code(self, designs: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Dictionaries → coded rows; parameters that are switched off may be left out.

        Raises:
            UnknownNameError: a key is not a parameter.
            ContractError: an active parameter is missing, or a value is out of range.
        """
        return np.array([self._code_one(d) for d in designs]).reshape(len(designs), self.width)

    def _code_one(self, design: Mapping[str, Any]) -> list[float]:
        names = [p.name for p in self.parameters]
        for key in design:
            if key not in names:
                raise UnknownNameError(key, "design parameter", names)
        row = [
            cell
            for p in self.parameters
            for cell in (p.code(design[p.name]) if p.name in design else p.rest)
        ]
        on = self.active(np.array([row]))[0]
        missing = [
            name for name, live in zip(names, on, strict=True) if live and name not in design
        ]
        if missing:
            msg = f"design lacks {', '.join(missing)}: give every parameter a value"
            raise ContractError(msg)
        return row

    def active(self, coded: FloatArray) -> BoolArray:
        """[n, parameters] bool: which parameters matter, given conditions."""
        names = [p.name for p in self.parameters]
        on = np.ones((len(coded), len(names)), dtype=bool)
        for i, p in enumerate(self.parameters):
            if p.active_if is not None:
                j = names.index(p.active_if.parent)
                on[:, i] = on[:, j] & self._among(coded, j, p.active_if.values)
        return on

    def canonical(self, coded: FloatArray) -> FloatArray:
        """Coded rows with every switched-off parameter at its first value."""
        if all(p.active_if is None for p in self.parameters):
            return coded
        on = self.active(coded)
        columns = [
            np.where(on[:, i, None], coded[:, s], np.array(p.rest))
            for i, (p, s) in enumerate(self._items())
        ]
        return np.concatenate(columns, axis=1)

    def legal(self, coded: FloatArray) -> BoolArray:
        """[n] bool: rows that keep every relation."""
        good = np.ones(len(coded), dtype=bool)
        for broken in self.broken(coded).T:
            good &= ~broken
        return good

    def broken(self, coded: FloatArray) -> BoolArray:
        """[n, relations] bool: which relations a row breaks."""
        out = np.zeros((len(coded), len(self.relations)), dtype=bool)
        if not self.relations:
            return out
        names = [p.name for p in self.parameters]
        on = self.active(coded)
        for k, relation in enumerate(self.relations):
            at = [names.index(name) for name in relation.names]
            out[:, k] = on[:, at].all(axis=1) & ~self._keeps(coded, relation, at)
        return out

    def _keeps(self, coded: FloatArray, relation: Relation, at: Sequence[int]) -> BoolArray:
        if isinstance(relation, LinearLimit):
            return relation.holds({self.parameters[j].name: self._numbers(coded, j) for j in at})
        hits = [
            self._among(coded, j, values)
            for j, (_, values) in zip(at, relation.combination, strict=True)
        ]
        return np.asarray(~np.logical_and.reduce(hits))

    def _numbers(self, coded: FloatArray, j: int) -> FloatArray:
        column = coded[:, self.slices[j]][:, 0]
        parameter = self.parameters[j]
        if isinstance(parameter, Ordinal | Categorical):
            return np.array(parameter.values, dtype=np.float64)[column.astype(np.int64)]
        return column

    def _among(self, coded: FloatArray, j: int, values: tuple[Any, ...]) -> BoolArray:
        cells = coded[:, self.slices[j]]
        codes = np.array([self.parameters[j].code(value) for value in values])
        return np.asarray((cells[:, None, :] == codes[None]).all(axis=2).any(axis=1))

    def _items(self) -> zip[tuple[Parameter, slice]]:
        return zip(self.parameters, self.slices, strict=True)
