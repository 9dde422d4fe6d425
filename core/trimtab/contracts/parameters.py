"""Parameters of a design space: each knows its coded cells, its unit interval and its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.contracts.errors import ContractError, UnknownNameError
from trimtab.contracts.spec import FloatArray


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter matters only while parameter `parent` has one of `values`."""

    parent: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Float:
    """A real parameter in [low, high], searched on a log scale if `log`."""

    name: str
    low: float
    high: float
    unit: str = ""
    log: bool = False
    active_if: Condition | None = None

    width = 1

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            msg = f"Float {self.name}: need low < high (and low > 0 for log)"
            raise ContractError(msg)

    @property
    def rest(self) -> list[float]:
        """Coded cells while a condition switches it off."""
        return [self.low]

    def to_unit(self, coded: FloatArray) -> FloatArray:
        """Coded column → [0, 1]."""
        if self.log:
            return np.asarray(np.log(coded / self.low) / np.log(self.high / self.low))
        return (coded - self.low) / (self.high - self.low)

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """[0, 1] → coded column, exact at both ends."""
        u = np.clip(unit, 0.0, 1.0)
        if self.log:
            return np.clip(self.low * (self.high / self.low) ** u, self.low, self.high)
        return np.clip(self.low + u * (self.high - self.low), self.low, self.high)

    def value(self, coded: FloatArray) -> float:
        """Coded cell → the value a person reads."""
        return float(coded[0])

    def code(self, value: Any) -> list[float]:
        """Value → coded cells.

        Raises:
            ContractError: the value is out of range.
        """
        if not self.low <= float(value) <= self.high:
            msg = f"{self.name}: {value} is outside [{self.low}, {self.high}] {self.unit}".rstrip()
            raise ContractError(msg)
        return [float(value)]


def _bin_centre(coded: FloatArray, first: int, count: int) -> FloatArray:
    """Codes first..first+count-1 → the middles of equal bins of [0, 1]."""
    return (coded - first + 0.5) / count


def _bin_of(unit: FloatArray, first: int, count: int) -> FloatArray:
    """[0, 1] → the code of its bin."""
    return first + np.clip(np.floor(unit * count), 0, count - 1)


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer parameter in [low, high], both ends legal."""

    name: str
    low: int
    high: int
    unit: str = ""
    active_if: Condition | None = None

    width = 1

    @property
    def count(self) -> int:
        """Number of legal values."""
        return self.high - self.low + 1

    @property
    def rest(self) -> list[float]:
        """Coded cells while a condition switches it off."""
        return [float(self.low)]

    def to_unit(self, coded: FloatArray) -> FloatArray:
        """Coded column → the middle of its bin in [0, 1]."""
        return _bin_centre(coded, self.low, self.count)

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """[0, 1] → coded column by equal bins."""
        return _bin_of(unit, self.low, self.count)

    def value(self, coded: FloatArray) -> int:
        """Coded cell → integer."""
        return int(coded[0])

    def code(self, value: Any) -> list[float]:
        """Integer → coded cell.

        Raises:
            ContractError: not an integer in range.
        """
        if int(value) != value or not self.low <= value <= self.high:
            msg = f"{self.name}: {value} is not an integer in [{self.low}, {self.high}]"
            raise ContractError(msg)
        return [float(value)]


@dataclass(frozen=True, slots=True)
class _Valued:
    name: str
    values: tuple[Any, ...]
    unit: str = ""
    active_if: Condition | None = None

    width = 1

    @property
    def count(self) -> int:
        """Number of legal values."""
        return len(self.values)

    @property
    def rest(self) -> list[float]:
        """Coded cells while a condition switches it off."""
        return [0.0]

    def to_unit(self, coded: FloatArray) -> FloatArray:
        """Coded column → the middle of its bin in [0, 1]."""
        return _bin_centre(coded, 0, self.count)

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """[0, 1] → coded column by equal bins."""
        return _bin_of(unit, 0, self.count)

    def value(self, coded: FloatArray) -> Any:
        """Coded cell → the value a person reads."""
        return self.values[int(coded[0])]

    def code(self, value: Any) -> list[float]:
        """Value → coded cell.

        Raises:
            UnknownNameError: the value is not among the legal ones.
        """
        if value not in self.values:
            raise UnknownNameError(str(value), f"value of {self.name}", map(str, self.values))
        return [float(self.values.index(value))]


@dataclass(frozen=True, slots=True)
class Ordinal(_Valued):
    """A parameter with ordered values."""


@dataclass(frozen=True, slots=True)
class Categorical(_Valued):
    """A parameter with unordered values."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """An order of `size` items; decoded from the unit cube by ranking (random keys)."""

    name: str
    size: int
    unit: str = ""
    active_if: Condition | None = None

    @property
    def width(self) -> int:
        """Coded columns."""
        return self.size

    @property
    def rest(self) -> list[float]:
        """Coded cells while a condition switches it off."""
        return [float(item) for item in range(self.size)]

    def to_unit(self, coded: FloatArray) -> FloatArray:
        """Positions [n, size] → keys in (0, 1) that rank to the same order."""
        keys = np.empty_like(coded)
        ranks = (np.arange(self.size) + 0.5) / self.size
        np.put_along_axis(keys, coded.astype(np.int64), np.broadcast_to(ranks, coded.shape), axis=1)
        return keys

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """Keys [n, size] → item in each position; ties keep the lower item first."""
        return np.argsort(unit, axis=1, kind="stable").astype(np.float64)

    def value(self, coded: FloatArray) -> tuple[int, ...]:
        """Coded cells → the order as a tuple."""
        return tuple(int(item) for item in coded)

    def code(self, value: Any) -> list[float]:
        """Order → coded cells.

        Raises:
            ContractError: not a permutation of 0..size-1.
        """
        if sorted(value) != list(range(self.size)):
            msg = f"{self.name}: {value} is not a permutation of 0..{self.size - 1}"
            raise ContractError(msg)
        return [float(item) for item in value]


Parameter = Float | Integer | Ordinal | Categorical | Permutation
