"""The shield of a plant or its refusal: tubes where both fallbacks fit, else the fixed point."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from trimtab.contracts.errors import InputFileError

from trimtab_grid.arrays import PLANT, PlantArrays
from trimtab_grid.conditions import (
    both_fallbacks_fit,
    cheapest_repair,
    conditions,
    require_adequate,
)
from trimtab_grid.fixed_point import greatest_safe_set
from trimtab_grid.shield_tables import BuiltTables, build_tables
from trimtab_grid.table_size import require_room

ENERGY_TRIALS = (1.25, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0)
"""Factors of battery energy that are tried to name what is missing."""


def safe_tables(record: PlantArrays) -> BuiltTables:
    """Tables under which the shield keeps its promise on a plant.

    Args:
        record: of `arrays.PLANT`.

    Raises:
        InputFileError: capacity is missing, the safe set is empty, or the plant has too many unit
            states; the message names the missing kW and kWh.
    """
    return _safe_tables(bytes(record.tobytes()))


@lru_cache(maxsize=16)
def _safe_tables(content: bytes) -> BuiltTables:
    record = np.frombuffer(content, PLANT).view(np.recarray)[0]
    require_room(record)
    built = build_tables(record)
    require_adequate(built)
    if both_fallbacks_fit(built):
        return built
    greatest = greatest_safe_set(record)
    if greatest is None:
        msg = f"the plant cannot be kept safe: {missing(record, built)}"
        raise InputFileError(msg)
    return greatest


def _undeclared(record: PlantArrays) -> str:
    """What the user may declare instead of building, where the load is left to do as it likes."""
    rates = {"rise": record.load_rise_kw, "fall": record.load_fall_kw}
    left_open = [f"load_{name}_kw_per_min" for name, kw in rates.items() if np.isinf(kw)]
    if not left_open:
        return ""
    return f" Or declare how fast the load changes ({', '.join(left_open)}): left open, it is any."


def missing(record: PlantArrays, built: BuiltTables) -> str:
    """What a plant lacks for any safe set: the conditions that fail, or energy for one step."""
    failing = [c for c in conditions(built) if not c.holds]
    if failing:
        told = "; ".join(f"{c} ({c.remedy})" for c in failing)
        return f"{told}. {cheapest_repair(built)}{_undeclared(record)}"
    low, high = float(record.load_min_kw), float(record.load_max_kw)
    swing = f"no command is safe for every load of {low:g} to {high:g} kW that one step may bring"
    for factor in ENERGY_TRIALS:
        larger = record.copy()
        larger.energy_kwh *= factor
        if greatest_safe_set(larger) is not None:
            more = float(larger.energy_kwh - record.energy_kwh)
            return f"{swing}: at most {more:.0f} kWh of battery are missing, or a shorter step"
    return f"{swing}: battery power is missing, or the load of the coming step must be known"
