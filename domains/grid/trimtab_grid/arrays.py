"""A plant at one step length as one numpy record: what compiled code, tables and proofs read.

Times become whole steps, rounded up; ramps and load changes become kW per step, infinite where
the plant names none. Per-unit fields are padded to `MAX_UNITS` with zeros: loop over `n`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_grid.plant import Battery, FuelCurve, Genset, Plant

MAX_UNITS = 8
MAX_POINTS = 12
"""Most points of a fuel curve."""

OFF, WARM, RUN, COOL, TRIPPED = range(5)
"""Unit modes. The timer beside them: OFF, the min-down steps still to go (0: may start); WARM,
COOL, TRIPPED, the steps still to go (>= 1); RUN, completed run steps, saturated at min_run."""
STOP, HOLD, START = -1, 0, 1
"""Commands to a unit."""
NO_BATTERY, LINEAR, QUADRATIC, COMPAT = range(4)
_BATTERY_MODELS = {"linear": LINEAR, "quadratic": QUADRATIC, "compat": COMPAT}


def _all(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


def _units(kind: type, names: str) -> list[tuple[str, type, int]]:
    return [(name, kind, MAX_UNITS) for name in names.split()]


PLANT = np.dtype(
    [
        *_all(
            np.int64,
            # gensets, fixed start order?, economic sharing?, largest unit in reserve?
            "n order economic largest_unit "
            # the disturbances name single trips? is the coming step known?
            "unit_trips step_known "
            # battery model code; may it hold the frequency alone?
            "battery_model grid_forming "
            # steps until shed load is off; published rounding and stop rule (compat battery)
            "shed_delay_steps published "
            # under-frequency relays: their stages, and the steps they keep load off
            "ufls_stages ufls_hold_steps",
        ),
        *_units(
            np.int64,
            # durations in steps; points of the fuel curve (0: affine)
            "warm_steps cool_steps min_run_steps min_down_steps repair_steps curve_points "
            # straight parts of the cheapest mixture between min_kw and overload
            "parts",
        ),
        *_units(
            np.float64,
            # powers, kW; ramp in kW per step
            "prime_kw min_kw overload_kw warm_kw cool_kw ramp_kw "
            # affine fuel, L/kWh and L/h; one start, L
            "slope_l_kwh no_load_l_h start_fuel_l "
            # mean power: share of prime (0: none), window in minutes
            "mean_share mean_window_min "
            # overload: budget and window, minutes
            "overload_min overload_window_min "
            # faults: probability per running step, per start; overhaul, h; inertia and droop
            "trip_probability start_failure overhaul_h inertia_s droop_hz",
        ),
        # per stage of under-frequency relays: threshold, delay, share of the load
        *_units(np.float64, "ufls_hz ufls_delay_s ufls_share"),
        ("curve_kw", np.float64, (MAX_UNITS, MAX_POINTS)),
        ("curve_l_h", np.float64, (MAX_UNITS, MAX_POINTS)),
        # lower convex hull of the fuel curve: upper ends, kW, and slopes, L/kWh
        ("part_end_kw", np.float64, (MAX_UNITS, MAX_POINTS)),
        ("part_slope", np.float64, (MAX_UNITS, MAX_POINTS)),
        *_all(
            np.float64,
            "step_min step_h "
            # battery: inverter rating; envelope powers P_dis, P_ch; envelope energy E, kWh
            "power_kw discharge_kw charge_kw energy_kwh charge_efficiency discharge_efficiency "
            "standby_kw soc_initial soc_min soc_max reserve_soc_min reserve_soc_max "
            # quadratic model: Ah, A, V per unit of charge state, V, ohm
            "capacity_ah current_max_a voltage_slope_v voltage_base_v resistance_ohm "
            "temperature_c "
            # renewables, dump and shed load, kW
            "wind_kw pv_kw dump_kw shed_kw "
            # disturbances; changes in kW per step
            "load_min_kw load_max_kw load_rise_kw load_fall_kw soc_error "
            # reserve rule and frequency
            "reserve_load_share reserve_wind_share reserve_pv_share frequency_hz battery_droop_hz",
        ),
    ],
    align=True,
)
"""One plant at one step length. Fields are attributes of the record, in compiled code as here."""

PlantArrays = Any
"""A `numpy.record` of dtype `PLANT` (numpy cannot type its attributes)."""


def steps_of(minutes: float, step_min: float) -> int:
    """Whole steps that cover a time; a hair above a whole number counts as that number."""
    return math.ceil(minutes / step_min - 1e-9)


def plant_arrays(plant: Plant, step_min: float) -> PlantArrays:
    """The record of a plant at a step of `step_min` minutes (1 s .. 60 min).

    Raises:
        InputFileError: the step length is not legal, or a fuel curve has too many points.
    """
    return stacked((plant,), step_min)[0]


def stacked(plants: Sequence[Plant], step_min: float) -> NDArray[Any]:
    """Records of several plants at one step length, shape [plants].

    Raises:
        InputFileError: see `plant_arrays`.
    """
    if not 1.0 / 60.0 - 1e-9 <= step_min <= 60.0 + 1e-9:
        msg = f"step_min {step_min} is not legal: choose 1 s (0.016667) to 60 min"
        raise InputFileError(msg)
    records = np.zeros(len(plants), PLANT).view(np.recarray)
    for record, plant in zip(records, plants, strict=True):
        _pack(record, plant, step_min)
    return records


def _pack(record: PlantArrays, plant: Plant, step_min: float) -> None:
    record.n = len(plant.gensets)
    record.order = plant.commitment == "order"
    record.economic = plant.sharing == "economic"
    record.largest_unit = plant.reserve.largest_unit
    record.step_min, record.step_h = step_min, step_min / 60.0
    for i, genset in enumerate(plant.gensets):
        _pack_genset(record, i, genset, step_min)
    if plant.battery is not None and plant.battery.model == "compat":
        record.min_run_steps = np.maximum(record.min_run_steps - 1, 0)  # stops after 29 of 30 min
    if plant.battery is None:
        record.energy_kwh = record.charge_efficiency = record.discharge_efficiency = 1.0
    else:
        _pack_battery(record, plant.battery)
    record.wind_kw = 0.0 if plant.wind is None else plant.wind.rated_kw
    pv = plant.pv
    record.pv_kw = 0.0 if pv is None else (pv.inverter_kw or pv.rated_kw)
    record.dump_kw, record.shed_kw = plant.dump_kw, plant.shed_kw
    record.shed_delay_steps = steps_of(plant.shed_delay_min, step_min)
    record.ufls_stages = len(plant.ufls.stages)
    record.ufls_hold_steps = steps_of(plant.ufls.hold_min, step_min)
    for k, stage in enumerate(plant.ufls.stages):
        record.ufls_hz[k], record.ufls_delay_s[k] = stage.threshold_hz, stage.delay_s
        record.ufls_share[k] = stage.load_share
    record.reserve_load_share = plant.reserve.load_share
    record.reserve_wind_share = plant.reserve.wind_share
    record.reserve_pv_share = plant.reserve.pv_share
    record.frequency_hz = plant.frequency_hz
    _pack_disturbances(record, plant, step_min)


def _pack_disturbances(record: PlantArrays, plant: Plant, step_min: float) -> None:
    d = plant.disturbances
    record.load_min_kw, record.load_max_kw = d.load_min_kw, d.load_max_kw
    record.load_rise_kw = _per_step(d.load_rise_kw_per_min, step_min)
    record.load_fall_kw = _per_step(d.load_fall_kw_per_min, step_min)
    record.soc_error = d.soc_error
    record.unit_trips, record.step_known = d.unit_trips, d.step_known


def _per_step(kw_per_min: float | None, step_min: float) -> float:
    return math.inf if kw_per_min is None else kw_per_min * step_min


def _pack_genset(record: PlantArrays, i: int, genset: Genset, step_min: float) -> None:
    record.warm_steps[i] = steps_of(genset.warm_up_min, step_min)
    record.cool_steps[i] = steps_of(genset.cool_down_min, step_min)
    record.warm_kw[i], record.cool_kw[i] = genset.warm_up_kw, genset.cool_down_kw
    record.min_run_steps[i] = steps_of(genset.min_run_min, step_min)
    record.min_down_steps[i] = steps_of(genset.min_down_min, step_min)
    record.repair_steps[i] = max(1, steps_of(genset.repair_min, step_min))
    record.prime_kw[i], record.min_kw[i] = genset.prime_kw, genset.min_kw
    record.overload_kw[i] = genset.overload_kw or genset.prime_kw
    record.ramp_kw[i] = _per_step(genset.ramp_kw_per_min, step_min)
    record.start_fuel_l[i] = genset.start_fuel_l
    record.mean_share[i] = genset.mean_power_share or 0.0
    record.mean_window_min[i] = genset.mean_power_window_min
    record.overload_min[i] = genset.overload_min
    record.overload_window_min[i] = genset.overload_window_min
    record.trip_probability[i] = genset.trips_per_year * step_min / (8760.0 * 60.0)
    record.start_failure[i] = genset.start_failure_probability
    record.overhaul_h[i] = genset.overhaul_h
    record.inertia_s[i], record.droop_hz[i] = genset.inertia_s, genset.droop_hz
    _pack_fuel(record, i, genset.fuel, genset.name)


def _pack_fuel(record: PlantArrays, i: int, fuel: FuelCurve, unit: str) -> None:
    if not fuel.points:
        record.slope_l_kwh[i], record.no_load_l_h[i] = fuel.slope_l_kwh, fuel.no_load_l_h
        record.parts[i] = 1
        record.part_end_kw[i, 0], record.part_slope[i, 0] = math.inf, fuel.slope_l_kwh
        return
    if len(fuel.points) > MAX_POINTS:
        msg = (
            f"genset {unit}: its fuel curve has {len(fuel.points)} points, at most {MAX_POINTS} "
            "are used: leave some out"
        )
        raise InputFileError(msg)
    record.curve_points[i] = len(fuel.points)
    for k, (kw, l_h) in enumerate(fuel.points):
        record.curve_kw[i, k], record.curve_l_h[i, k] = kw, l_h
    hull = _lower_hull(fuel.points)
    record.parts[i] = len(hull) - 1
    for k, ((x0, y0), (x1, y1)) in enumerate(pairwise(hull)):
        record.part_end_kw[i, k], record.part_slope[i, k] = x1, (y1 - y0) / (x1 - x0)
    record.part_end_kw[i, len(hull) - 2] = math.inf


def _lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (y1 - y0) * (x - x0) < (y - y0) * (x1 - x0):
                break
            hull.pop()
        hull.append((x, y))
    return hull


_SAME_NAMES = (
    "power_kw",
    "energy_kwh",
    "charge_efficiency",
    "discharge_efficiency",
    "standby_kw",
    "soc_initial",
    "soc_min",
    "soc_max",
    "temperature_c",
)


def _pack_battery(record: PlantArrays, battery: Battery) -> None:
    record.battery_model = _BATTERY_MODELS[battery.model]
    record.published = battery.model == "compat"
    record.grid_forming = battery.grid_forming
    for name in _SAME_NAMES:
        record[name] = getattr(battery, name)
    record.discharge_kw = battery.discharge_kw or battery.power_kw
    record.charge_kw = battery.charge_kw or battery.power_kw
    record.battery_droop_hz = battery.droop_hz
    low, high = battery.reserve_soc_min, battery.reserve_soc_max
    record.reserve_soc_min = battery.soc_min if low is None else low
    record.reserve_soc_max = battery.soc_max if high is None else high
    if battery.quadratic is not None:
        for name, value in battery.quadratic.model_dump().items():
            record[name] = value
