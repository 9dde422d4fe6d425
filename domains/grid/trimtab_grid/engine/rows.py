"""What compiled steps are called with: one record of what stays, one per kind of what moves.

All are tuples of arrays and records that compiled code takes apart again at no cost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab_grid.arrays import MAX_UNITS, PlantArrays
from trimtab_grid.compiled import inner
from trimtab_grid.engine.memory import Moment, State

SOC_BIAS, BATTERY_AWAY, TRIPS, FAILED_STARTS = 0, 1, 2, 2 + MAX_UNITS
"""First columns of the fault plan [steps, columns]: bias of the charge reading; then, 0 or 1:
battery unavailable, trip of each unit, failed start of each unit."""
FAULT_COLUMNS = FAILED_STARTS + MAX_UNITS


class Site(NamedTuple):
    """What all copies of a plant share.

    Attributes:
        plant: its record.
        tables: of the shield, `ShieldTables`.
        shielded: whether the shield stands between proposal and plant.
        by_order: `choice` of the moments is the proposal, not `proposed`.
    """

    plant: PlantArrays
    tables: Any
    shielded: bool
    by_order: bool


class Rows(NamedTuple):
    """Memory of N copies; a step writes to it.

    Attributes:
        states: [N] of `STATE`.
        moments: [N] of `MOMENT`; proposals and wishes are set before a step.
        live: [N], others are left as they are.
        bank: [N, steps + 1, 3] load, wind, PV, kW; column k + 1 realises in step k.
        daily_l: [N, days] fuel per day, added to.
    """

    states: NDArray[Any]
    moments: NDArray[Any]
    live: NDArray[np.bool_]
    bank: NDArray[np.float64]
    daily_l: NDArray[np.float64]


class Chances(NamedTuple):
    """Faults and errors of one step.

    Attributes:
        faults: [steps, FAULT_COLUMNS] plan of faults, or no rows.
        draws: [N, 2·MAX_UNITS] uniform draws for trips, then failed starts, or no columns.
        noise: [N] error of the charge reading in -1..1, or none.
    """

    faults: NDArray[np.float64]
    draws: NDArray[np.float64]
    noise: NDArray[np.float64]


class Turn(NamedTuple):
    """One copy in one step: its memory, what realises, and the chances of all copies."""

    s: State
    m: Moment
    now: NDArray[np.float64]
    chances: Chances
    row: int


class Struck(NamedTuple):
    """What the step did before anybody could answer.

    Attributes:
        legal: the proposal was one that units can take.
        battery: the battery is there.
        sudden_kw: power that changed at once.
    """

    legal: bool
    battery: bool
    sudden_kw: float


class Outer(NamedTuple):
    """Exchange with the outer grid in one step: limits kW (export not positive), prices L/kWh."""

    import_kw: float
    export_kw: float
    import_l: float
    export_l: float


@inner
def planned(turn: Turn, column: int) -> float:
    """Entry of the fault plan for this step, 0 where none is planned."""
    faults = turn.chances.faults
    return faults[turn.s.step, column] if len(faults) > 0 else 0.0


@inner
def drawn(turn: Turn, column: int) -> float:
    """A copy's draw, below 1; 1, which nothing strikes at, where none was made."""
    draws = turn.chances.draws
    return draws[turn.row, column] if draws.shape[1] > 0 else 1.0


@inner
def reading_error(turn: Turn) -> float:
    """Of a copy's charge reading, as a share of the largest, -1..1."""
    noise = turn.chances.noise
    return noise[turn.row] if len(noise) > 0 else 0.0


@inner
def book_day(plant: PlantArrays, rows: Rows, row: int, step: int) -> None:
    """Add the fuel of a copy's `step`, which is over, to its day."""
    m = rows.moments[row]
    rows.daily_l[row, int(step * plant.step_min / 1440.0)] += m.fuel_l + m.start_l
