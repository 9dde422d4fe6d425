"""Units at the begin of an episode: in which mode, for how long already, at which power.

Real logs seldom begin with all units off. What a scenario states becomes modes and timers of
`arrays` in whole steps, rounded to the safe side: the time still to go is rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import COOL, MAX_UNITS, OFF, RUN, TRIPPED, WARM, PlantArrays, steps_of
from trimtab_grid.plant import Genset, Plant

FirstMode = Literal["off", "warming", "running", "cooling", "tripped"]
_CODES = {"off": OFF, "warming": WARM, "running": RUN, "cooling": COOL, "tripped": TRIPPED}
COLD_SHARE = 0.3
"""Running mean of a unit that the scenario does not tell of, as a share of prime power."""


class FirstUnit(StrictModel):
    """One unit at the begin; units that are not named are off, long since."""

    unit: str = Field(description="name of the genset")
    mode: FirstMode = Field(description="what it does")
    minutes: float = Field(ge=0, description="how long it has done so, min")
    power_kw: float | None = Field(
        default=None, ge=0, description="power of a running unit, kW; its least load if empty"
    )
    mean_kw: float | None = Field(
        default=None,
        ge=0,
        description="running mean for the mean-power rule, kW; 30 % of prime if empty",
    )


def fault_of(units: Sequence[FirstUnit], plant: Plant) -> str:
    """What is wrong with units at the begin of a plant's episode; empty if nothing is."""
    gensets = {genset.name: genset for genset in plant.gensets}
    seen: set[str] = set()
    for unit in units:
        if unit.unit not in gensets:
            return f"first_units: unit {unit.unit!r}; name one of {sorted(gensets)}"
        if unit.unit in seen:
            return f"first_units: {unit.unit} is named twice; name each unit once"
        seen.add(unit.unit)
        wrong = _timer_fault(unit, gensets[unit.unit]) or _power_fault(unit, gensets[unit.unit])
        if wrong:
            return f"first_units: {unit.unit}: {wrong}"
    return ""


def _timer_fault(unit: FirstUnit, genset: Genset) -> str:
    lasts = {
        "warming": ("warm_up_min", genset.warm_up_min),
        "cooling": ("cool_down_min", genset.cool_down_min),
        "tripped": ("repair_min", genset.repair_min),
    }
    if unit.mode not in lasts:
        return ""
    name, most = lasts[unit.mode]
    if unit.minutes < most:
        return ""
    after = {"warming": "running", "cooling": "off", "tripped": "off"}[unit.mode]
    return (
        f"{unit.mode} for {unit.minutes:g} min, but {name} is {most:g}: give less than that, or "
        f"mode {after}"
    )


def _power_fault(unit: FirstUnit, genset: Genset) -> str:
    if unit.mean_kw is not None and unit.mean_kw > genset.prime_kw:
        return f"mean_kw {unit.mean_kw:g} is above prime_kw {genset.prime_kw:g}"
    if unit.power_kw is None:
        return ""
    if unit.mode != "running":
        return f"power_kw is given, but the unit is {unit.mode}: leave it out"
    most = genset.overload_kw or genset.prime_kw
    if not genset.min_kw <= unit.power_kw <= most:
        return f"power_kw {unit.power_kw:g} lies outside its limits {genset.min_kw:g} to {most:g}"
    return ""


@dataclass(frozen=True, slots=True)
class FirstUnits:
    """The units of a plant at the begin, at one step length.

    Attributes:
        mode: [MAX_UNITS] modes of `arrays`.
        timer: [MAX_UNITS] timers, steps.
        power_kw: [MAX_UNITS] power before the first step.
        mean_kw: [MAX_UNITS] running means.
        run_min: [MAX_UNITS] minutes that running units have run.
    """

    mode: IntArray
    timer: IntArray
    power_kw: FloatArray
    mean_kw: FloatArray
    run_min: FloatArray

    def put(self, plant: PlantArrays, states: NDArray[Any], moments: NDArray[Any]) -> None:
        """Write the units into copies, [M] each, that begin."""
        n = int(plant.n)
        for memory in (states, moments):
            for name in ("mode", "timer", "power_kw", "mean_kw"):
                memory[name][:, :n] = getattr(self, name)[:n]

    def state(self, plant: PlantArrays) -> tuple[tuple[int, int], ...]:
        """(mode, timer) of every unit, as planners take them."""
        pairs = zip(self.mode, self.timer, strict=True)
        return tuple((int(m), int(t)) for m, t in pairs)[: int(plant.n)]


def first_units(units: Sequence[FirstUnit], plant: Plant, record: PlantArrays) -> FirstUnits:
    """Units at the begin as modes and timers.

    Args:
        units: of the scenario, without a fault (`fault_of`).
        plant: whose units they are.
        record: of the plant at the scenario's step.
    """
    whole = [np.zeros(MAX_UNITS, np.int64) for _ in range(2)]
    parts = [np.zeros(MAX_UNITS) for _ in range(3)]
    found = FirstUnits(whole[0], whole[1], parts[0], parts[1], parts[2])
    found.mean_kw[:] = COLD_SHARE * np.asarray(record.prime_kw)
    names = [genset.name for genset in plant.gensets]
    for unit in units:
        i = names.index(unit.unit)
        found.mode[i] = _CODES[unit.mode]
        found.timer[i] = _timer(unit, plant.gensets[i], record, i)
        found.power_kw[i] = _power_kw(unit, record, i)
        if unit.mean_kw is not None:
            found.mean_kw[i] = unit.mean_kw
        if unit.mode == "running":
            found.run_min[i] = unit.minutes
    return found


def _timer(unit: FirstUnit, genset: Genset, record: PlantArrays, i: int) -> int:
    """Steps still to go; for a running unit those of its minimum run that are behind it."""
    lasts = {
        "off": genset.min_down_min,
        "warming": genset.warm_up_min,
        "running": genset.min_run_min,
        "cooling": genset.cool_down_min,
        "tripped": genset.repair_min,
    }
    left = max(0, steps_of(lasts[unit.mode] - unit.minutes, float(record.step_min)))
    if unit.mode == "running":
        least = int(record.min_run_steps[i])
        left = max(0, left - int(record.published))  # the published plant stops a minute earlier
        return max(0, least - left)
    return left if unit.mode == "off" else max(1, left)


def _power_kw(unit: FirstUnit, record: PlantArrays, i: int) -> float:
    fixed = {"warming": record.warm_kw[i], "cooling": record.cool_kw[i]}
    if unit.mode == "running":
        return float(record.min_kw[i] if unit.power_kw is None else unit.power_kw)
    return float(fixed.get(unit.mode, 0.0))
