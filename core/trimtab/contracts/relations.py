"""Relations between parameters that every legal design keeps, as plain data.

A relation holds wherever one of the parameters it names is inactive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.contracts.spec import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class LinearLimit:
    """Σ coefficient · value ≤ limit over numeric parameters.

    "low watermark below high" is ``LinearLimit((("low", 1), ("high", -1)), -1)``.
    """

    terms: tuple[tuple[str, float], ...]
    limit: float

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters it speaks of."""
        return tuple(name for name, _ in self.terms)

    def holds(self, values: Mapping[str, FloatArray]) -> BoolArray:
        """[n] bool, from the numeric value [n] of each parameter named."""
        total = sum(coefficient * values[name] for name, coefficient in self.terms)
        return np.asarray(total <= self.limit)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """No design may have, at once, each named parameter at one of its listed values."""

    combination: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters it speaks of."""
        return tuple(name for name, _ in self.combination)


Relation = LinearLimit | Forbidden
