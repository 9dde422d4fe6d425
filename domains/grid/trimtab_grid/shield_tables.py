"""Build a plant's shield tables, with the facts that its certificate states about them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.exact import LoadGrid, Number, exact_plant
from trimtab_grid.shield_rules import HIGH, LOW, SHIELD, ShieldTables, unit_key
from trimtab_grid.tubes import (
    NOTHING,
    QUANTUM_KWH,
    Need,
    Side,
    Tube,
    Units,
    held,
    legal_commands,
    reachable,
    side_down,
    side_up,
    trips,
)

LOAD_CELLS = 28
"""About how many load cells a table has."""
MOST_ENTRIES = 400_000
"""Most states of a table; more are refused."""


@dataclass(frozen=True, slots=True)
class Filled:
    """One tabulated side and the worst it holds, over reachable states.

    Attributes:
        kwh: [keys, cells] needs.
        states: reachable reduced unit-state combinations.
        worst: sup R (in quanta; infinite if a deficit or surplus would last) and sup of power.
        free_kwh: energy from which on every legal command in every reachable state is safe.
    """

    kwh: NDArray[np.float64]
    states: frozenset[Units]
    worst: Need
    free_kwh: float

    @property
    def energy_kwh(self) -> float:
        """Sup R, kWh."""
        return self.worst.quanta * float(QUANTUM_KWH)


@dataclass(frozen=True, slots=True)
class BuiltTables:
    """Tables with their facts and exact inputs.

    Attributes:
        tables: for the runtime.
        plant: the plant in exact fractions.
        exact: same look-up rules as `tables.key`, limits in exact fractions.
        grids: load grids of both sides.
        up: the deficit side.
        down: the surplus side.
    """

    tables: ShieldTables
    plant: Any
    exact: Any
    grids: tuple[LoadGrid, LoadGrid]
    up: Filled
    down: Filled


def forming_units(plant: Any) -> int:
    """Running units that must be kept: none with a grid-forming battery, a spare one for trips."""
    if plant.grid_forming:
        return 0
    return 2 if plant.unit_trips else 1


def exact_limits(plant: Any) -> Any:
    """Load changes as finite fractions, grid-forming units and ramp bands.

    A running unit with a ramp that cannot cross its whole range in one step is used only in the
    band above its least load that one step does cross: then every power of the band can follow
    every other, and the ramp needs no state.
    """
    span = plant.load_max_kw - plant.load_min_kw
    units = range(plant.n)
    key = SimpleNamespace(
        rise_kw=min(plant.load_rise_kw, span),
        fall_kw=min(plant.load_fall_kw, span),
        forming_units=forming_units(plant),
        band_kw=[min(plant.prime_kw[i], plant.min_kw[i] + plant.ramp_kw[i]) for i in units],
    )
    return SimpleNamespace(key=key)


def build_tables(record: PlantArrays, cells: int = LOAD_CELLS) -> BuiltTables:
    """Compute both tables of a plant.

    Args:
        record: of `arrays.PLANT`.
        cells: about how many load cells to distinguish.

    Raises:
        InputFileError: the plant has too many unit states for tables.
    """
    plant = exact_plant(record)
    limits = exact_limits(plant)
    rising = LoadGrid.of(plant, limits.key.rise_kw, plant.load_max_kw, cells)
    falling = LoadGrid.of(plant, limits.key.fall_kw, plant.load_min_kw, cells)
    sides = (side_up(plant, limits, rising), side_down(plant, limits, falling))
    key = key_record(limits, sides)
    _complete(limits, key)
    up = fill(plant, limits, sides[LOW], LOW, plant.discharge_kw)
    down = fill(plant, limits, sides[HIGH], HIGH, plant.charge_kw)
    key.free_kwh[:] = up.free_kwh, down.free_kwh
    tables = ShieldTables(key, up.kwh, down.kwh)
    return BuiltTables(tables, plant, limits, (rising, falling), up, down)


def key_record(limits: Any, sides: tuple[Side, Side]) -> Any:
    """The look-up record of two sides."""
    key = np.zeros(1, SHIELD).view(np.recarray)[0]
    for which, side in enumerate(sides):
        side.reduction.write(key, which)
        key.cell_kw[which] = float(side.grid.width_kw)
    for name in ("rise_kw", "fall_kw", "forming_units"):
        key[name] = getattr(limits.key, name)
    key.band_kw[: len(limits.key.band_kw)] = [float(band) for band in limits.key.band_kw]
    return key


def _complete(limits: Any, key: Any) -> None:
    """Give the exact look-up rules the integers of the record."""
    for name in ("first", "span", "stride"):
        setattr(limits.key, name, np.array(key[name]))


def fill(plant: Any, limits: Any, side: Side, which: int, power_limit_kw: Number) -> Filled:
    """Tabulate one side over all reachable states and load cells."""
    reduction, grid = side.reduction, side.grid
    if reduction.keys * grid.count > MOST_ENTRIES:
        msg = (
            f"the shield's table would have {reduction.keys} unit states x {grid.count} loads, at "
            f"most {MOST_ENTRIES} entries are built: lengthen the step or merge like units"
        )
        raise InputFileError(msg)
    kwh = np.full((reduction.keys, grid.count), math.inf)
    tube, worst = Tube(plant, limits, side), NOTHING
    states = reachable(plant, limits, reduction)
    for units in states:
        key = table_key(limits.key, which, plant, units)
        for cell in range(grid.count):
            need = tube.need(units, cell)
            worst = worst.worst(need)
            if need.peak_kw <= power_limit_kw:
                kwh[key, cell] = need.quanta * float(QUANTUM_KWH)
    free = free_kwh(plant, limits, side, tube, states, power_limit_kw)
    return Filled(kwh, frozenset(states), worst, free)


def free_kwh(
    plant: Any,
    limits: Any,
    side: Side,
    tube: Tube,
    states: Iterable[Units],
    power_limit_kw: Number,
) -> float:
    """The most that any legal command, any single trip and the worst load can ask for.

    Infinite where some command can ask for more power than the battery has.
    """
    start = side.worst_cell
    most = NOTHING
    for units in states:
        for commands in legal_commands(plant, units):
            for absent in (-1, *trips(plant, units)):
                step = held(plant, limits, units, commands, absent)
                need = tube.need(step.after, side.next_cell(start))
                most = most.worst(need.after(*side.cost(step, start)))
    return most.quanta * float(QUANTUM_KWH) if most.peak_kw <= power_limit_kw else math.inf


def table_key(key: Any, side: int, plant: Any, units: Units) -> int:
    """Row of a unit-state combination in a table."""
    return sum(
        int(unit_key(key, side, i, mode, timer, plant.repair_steps[i]))
        for i, (mode, timer) in enumerate(units)
    )
