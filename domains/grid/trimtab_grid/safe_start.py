"""Whether the begin of an episode lies in the shield's safe set, and what is missing where not."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import MAX_UNITS, RUN, PlantArrays
from trimtab_grid.conditions import window
from trimtab_grid.engine.step import SUDDEN_MIN
from trimtab_grid.first_units import FirstUnits
from trimtab_grid.shield_kernel import is_safe
from trimtab_grid.shield_rules import (
    HIGH,
    LOW,
    above_kwh,
    below_kwh,
    need_high_kwh,
    need_low_kwh,
)
from trimtab_grid.shield_tables import BuiltTables, build_tables, table_key
from trimtab_grid.tubes import Tube, Units, reachable, reduction_full, side_down, side_up

LOADS: Final = 41
"""Loads between the limits at which a begin is looked at."""


@dataclass(frozen=True, slots=True)
class Start:
    """The units at the begin, and what the safe set asks of the battery there.

    Attributes:
        plant: its record.
        built: tables of the plant.
        mode: [MAX_UNITS] of the units.
        timer: [MAX_UNITS].
        loads: [LOADS] within the limits, kW.
        low_kwh: [LOADS] needed above the lower end of the reserve window.
        high_kwh: [LOADS] needed below its upper end.
        told: the units in words.
    """

    plant: PlantArrays
    built: BuiltTables
    mode: IntArray
    timer: IntArray
    loads: FloatArray
    low_kwh: FloatArray
    high_kwh: FloatArray
    told: str

    @classmethod
    def of(cls, plant: PlantArrays, built: BuiltTables, first: FirstUnits | None) -> Start:
        """The begin with these units; all off, long since, if None."""
        nothing = np.zeros(MAX_UNITS, np.int64)
        mode, timer = (nothing, nothing) if first is None else (first.mode, first.timer)
        loads = np.linspace(float(plant.load_min_kw), float(plant.load_max_kw), LOADS)
        units = _units(plant, mode, timer)
        tables = built.tables
        keys = [table_key(tables.key, side, plant, units) for side in (LOW, HIGH)]
        low = np.array([need_low_kwh(tables, keys[LOW], load) for load in loads])
        high = np.array([need_high_kwh(tables, keys[HIGH], load) for load in loads])
        told = "all units off" if first is None else "the begin with first_units"
        return cls(plant, built, mode, timer, loads, low, high, told)

    def holds(self, soc: float) -> bool:
        """Whether this charge is safe at every load."""
        tables, units = self.built.tables, (self.mode, self.timer)
        return all(is_safe(self.plant, tables, *units, soc, soc, float(x)) for x in self.loads)


def told_missing(start: Start, soc: float | None = None) -> str:
    """The kWh or kW that a begin lacks at a charge, or at any charge.

    Args:
        start: the begin.
        soc: its charge state; None: the best one.
    """
    plant = start.plant
    low, high = float(start.low_kwh.max()), float(start.high_kwh.max())
    if math.isinf(low) or math.isinf(high):
        return _missing_kw(start, deficit=math.isinf(low))
    if soc is None:
        window = (plant.reserve_soc_max - plant.reserve_soc_min) * plant.energy_kwh
        return f"{low + high - float(window):.1f} kWh of battery are missing"
    lacks = ((low - above_kwh(plant, soc), "above"), (high - below_kwh(plant, soc), "below"))
    lack, side = max(lacks)
    end = "lower" if side == "above" else "upper"
    return f"{float(lack):.1f} kWh are missing {side} the {end} end of its reserve window"


def _missing_kw(start: Start, *, deficit: bool) -> str:
    """Power of the battery that is missing on the worse side, from the fallback's own tube."""
    built = start.built
    which, make = (LOW, side_up) if deficit else (HIGH, side_down)
    side = make(built.plant, built.exact, built.grids[which])
    tube = Tube(built.plant, built.exact, side)
    units = _units(start.plant, start.mode, start.timer)
    needs = [tube.need(units, cell) for cell in range(side.grid.count)]
    peak = float(max(need.peak_kw for need in needs))
    have = float(built.plant.discharge_kw if deficit else built.plant.charge_kw)
    way = "discharge" if deficit else "charge"
    if peak > have:
        return f"{peak - have:.1f} kW of {way} power are missing"
    both = window(build_tables(start.plant))
    if not both.holds:
        return str(both)
    return f"no {way} power is enough for every load that the next step may bring"


def lowest_within_hz(plant: PlantArrays) -> float:
    """Lowest frequency, by droop, that the declared disturbances can bring.

    In one step the worst unit of those that run trips at prime power, and where steps are short the
    load rises as it may and all renewables vanish; the others that run and a grid-forming battery
    hold against it.
    """
    n, sudden = int(plant.n), 0.0
    if plant.step_min <= SUDDEN_MIN:
        span = float(plant.load_max_kw - plant.load_min_kw)
        sudden = min(float(plant.load_rise_kw), span) + float(plant.wind_kw + plant.pv_kw)
    battery = 0.0
    if plant.grid_forming and plant.battery_droop_hz > 0.0:
        battery = float(plant.power_kw / plant.battery_droop_hz)
    lowest = float(plant.frequency_hz)
    for running in itertools.product((False, True), repeat=n):
        for lost in [-1, *(i for i in range(n) if running[i] and plant.unit_trips)]:
            stiff = battery + sum(
                float(plant.prime_kw[i] / plant.droop_hz[i])
                for i in range(n)
                if running[i] and i != lost and plant.droop_hz[i] > 0.0
            )
            fall = sudden + (float(plant.prime_kw[lost]) if lost >= 0 else 0.0)
            if stiff > 0.0:
                lowest = min(lowest, float(plant.frequency_hz) - fall / stiff)
    return lowest


def require_last_resort(plant: PlantArrays) -> None:
    """Refuse under-frequency relays that would act within the declared disturbances.

    Raises:
        InputFileError: the first threshold lies above the lowest frequency of the set D.
    """
    lowest = lowest_within_hz(plant)
    if plant.ufls_stages > 0 and plant.ufls_hz[0] > lowest:
        msg = (
            f"ufls: the first threshold, {float(plant.ufls_hz[0]):g} Hz, lies above {lowest:.2f} "
            "Hz, which the declared disturbances can bring: shedding would not be the last resort; "
            "lower it, stiffen the plant (droop_hz, a larger grid-forming battery), or shield: "
            "false"
        )
        raise InputFileError(msg)


def require_reachable(built: BuiltTables, plant: PlantArrays, first: FirstUnits) -> None:
    """Refuse units at the begin that the proof does not know, or a power beyond a ramp's band.

    Raises:
        InputFileError: no legal commands, single trips and repairs lead there from all units off.
    """
    reduction = reduction_full(built.plant)
    units = _units(plant, first.mode, first.timer)
    reduced = tuple(reduction.unit(i, m, t) for i, (m, t) in enumerate(units))
    if reduced not in reachable(built.plant, built.exact, reduction):
        msg = (
            "first_units: no commands, single trip and repair lead to these modes and times "
            f"together in whole steps of {float(plant.step_min):g} min (a unit that has just "
            "started without warm-up, or stopped without cool-down, has done so for one step; "
            "commitment: order starts or stops one unit a step), so the shield promises nothing "
            "there: mend them, or shield: false"
        )
        raise InputFileError(msg)
    for i in range(int(plant.n)):
        band = float(built.tables.key.band_kw[i])
        if first.mode[i] == RUN and first.power_kw[i] > band:
            msg = (
                f"first_units: unit {i + 1} runs at {first.power_kw[i]:g} kW, behind the shield it "
                f"may run at most at {band:g}: lower power_kw, or shield: false"
            )
            raise InputFileError(msg)


def _units(plant: Any, mode: IntArray, timer: IntArray) -> Units:
    pairs = zip(mode, timer, strict=True)
    return tuple((int(m), int(t)) for m, t in pairs)[: int(plant.n)]
