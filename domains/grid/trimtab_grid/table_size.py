"""How large a plant's shield tables would be, and what makes them smaller.

A table has a row for every combination of unit states that its fallback tells apart: the states of
the units multiply, and every minute of a warm-up or of a minimum run is a state of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from trimtab.contracts.errors import InputFileError

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.exact import LoadGrid, exact_plant
from trimtab_grid.shield_rules import HIGH, LOW
from trimtab_grid.shield_tables import LOAD_CELLS, MOST_ENTRIES, exact_limits
from trimtab_grid.tubes import Reduction, reduction_down, reduction_up

STEPS_MIN = (2.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""Steps, minutes, that are tried to name one at which the tables fit."""

_SIDES = ("deficits", "surplus")
_TIMERS = ("min_down_min", "warm_up_min", "min_run_min", "cool_down_min", "shed_delay_min")
_IN_STEPS = ("warm_steps", "cool_steps", "min_run_steps", "min_down_steps", "repair_steps")


@dataclass(frozen=True, slots=True)
class TableSize:
    """Rows and columns of one table.

    Attributes:
        reduction: the unit states that are told apart.
        grid: the loads that are told apart.
    """

    reduction: Reduction
    grid: LoadGrid

    @property
    def entries(self) -> int:
        """Unit states times loads."""
        return self.reduction.keys * self.grid.count

    @property
    def fits(self) -> bool:
        """Whether the table is built."""
        return self.entries <= MOST_ENTRIES


def table_sizes(plant: Any, cells: int = LOAD_CELLS) -> tuple[TableSize, TableSize]:
    """Sizes of both tables of a plant in exact fractions."""
    key = exact_limits(plant).key
    rising = LoadGrid.of(plant, key.rise_kw, plant.load_max_kw, cells)
    falling = LoadGrid.of(plant, key.fall_kw, plant.load_min_kw, cells)
    return TableSize(reduction_up(plant), rising), TableSize(reduction_down(plant), falling)


def require_room(record: PlantArrays, cells: int = LOAD_CELLS) -> None:
    """Refuse a plant whose tables would be too large, before anything is computed.

    Raises:
        InputFileError: names the states of each unit, the timer that makes most of them, and the
            shortest step that would do.
    """
    sizes = table_sizes(exact_plant(record), cells)
    side = max((LOW, HIGH), key=lambda which: sizes[which].entries)
    if not sizes[side].fits:
        raise InputFileError(_refusal(record, sizes[side], _SIDES[side], cells))


def _refusal(record: PlantArrays, size: TableSize, what: str, cells: int) -> str:
    units = range(int(record.n))
    states = [size.reduction.classes(i) for i in units]
    worst = max(units, key=lambda i: states[i])
    span = size.reduction.span[worst]
    timer = _TIMERS[max(range(len(span)), key=lambda mode: span[mode])]
    step = fitting_step_min(record, cells)
    longer = "no step up to 60 min would do" if step is None else f"set step_min to {step:g}"
    return (
        f"the shield's table of {what} would have {size.reduction.keys} unit states "
        f"({' x '.join(str(s) for s in states)}) x {size.grid.count} loads at a step of "
        f"{float(record.step_min):g} min, at most {MOST_ENTRIES} entries are built: {longer}, "
        f"shorten {timer} of genset {worst + 1} and of others with many states, describe units "
        "that run together as one, or set shield: false"
    )


def fitting_step_min(record: PlantArrays, cells: int = LOAD_CELLS) -> float | None:
    """The shortest usual step, longer than the plant's, at which both tables fit."""
    for step_min in STEPS_MIN:
        if step_min > record.step_min:
            plant = exact_plant(at_step(record, step_min))
            if all(size.fits for size in table_sizes(plant, cells)):
                return step_min
    return None


def at_step(record: PlantArrays, step_min: float) -> PlantArrays:
    """A plant with timers and load changes of a longer step."""
    longer, ratio = record.copy(), step_min / float(record.step_min)
    for name in _IN_STEPS:
        longer[name] = _shorter(record[name], ratio)
    longer.shed_delay_steps = _shorter([record.shed_delay_steps], ratio)[0]
    longer.load_rise_kw, longer.load_fall_kw = (
        record.load_rise_kw * ratio,
        record.load_fall_kw * ratio,
    )
    longer.step_min, longer.step_h = step_min, step_min / 60.0
    return longer


def _shorter(steps: Sequence[int], ratio: float) -> list[int]:
    return [math.ceil(int(count) / ratio - 1e-9) for count in np.asarray(steps)]
