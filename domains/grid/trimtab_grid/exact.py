"""A plant record in exact fractions: what tubes are computed and theorems proven with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from trimtab_grid.arrays import PLANT, PlantArrays

Number = Fraction | float
"""A fraction, or infinity."""


def exact(value: float) -> Number:
    """The decimal fraction that a float is written as; infinity stays."""
    return value if math.isinf(value) else Fraction(repr(float(value)))


def exact_plant(plant: PlantArrays) -> Any:
    """All fields of a record, floats as decimal fractions, vectors as lists of n units."""
    fields: dict[str, Any] = {}
    for name in PLANT.names or ():
        value = np.asarray(plant[name])
        if value.ndim > 1:
            continue
        whole = value.dtype.kind == "i"
        row = value[: plant.n] if value.ndim else value.reshape(1)
        numbers = [int(x) if whole else exact(float(x)) for x in row]
        fields[name] = numbers if value.ndim else numbers[0]
    fields["step_h"] = Fraction(fields["step_min"]).limit_denominator(3600) / 60
    return SimpleNamespace(**fields)


@dataclass(frozen=True, slots=True)
class LoadGrid:
    """Loads at which needs are tabulated.

    Attributes:
        width_kw: of a cell; infinite where one cell is enough because the load may do anything.
        change_cells: cells the load may cross in one step.
        count: number of cells, the one at load 0 included.
        lowest_kw: the lowest load that happens.
        highest_kw: the highest one.
        single_kw: the load a single cell stands for.
    """

    width_kw: Number
    change_cells: int
    count: int
    lowest_kw: Fraction
    highest_kw: Fraction
    single_kw: Fraction

    @classmethod
    def of(cls, plant: Any, change_kw: Number, single_kw: Fraction, cells: int) -> LoadGrid:
        """A grid of about `cells` cells whose width divides the change per step exactly."""
        lowest, highest = plant.load_min_kw, plant.load_max_kw
        if change_kw >= highest - lowest:
            return cls(math.inf, 0, 1, lowest, highest, single_kw)
        change_cells = max(1, math.ceil(cells * change_kw / highest))
        width = Fraction(change_kw) / change_cells
        count = math.ceil(highest / width) + 1
        return cls(width, change_cells, count, lowest, highest, single_kw)

    def load_kw(self, cell: int) -> Fraction:
        """The load a cell stands for, within the limits."""
        if self.count == 1:
            return self.single_kw
        return min(max(cell * Fraction(self.width_kw), self.lowest_kw), self.highest_kw)
