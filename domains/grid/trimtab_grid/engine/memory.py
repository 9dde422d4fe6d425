"""Memory of the simulator: what a copy carries on, and the facts of its last step.

Both are records, one a copy, so that a snapshot is one array and fields are strided columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_grid.ageing import RAINFLOW
from trimtab_grid.arrays import MAX_UNITS

BINS = 13
"""Parts of the overload window, and the one in progress."""
LEVELS = 7
"""Relaxation levels of spec 3.7: index 6 mean power .. 2 trip limits; 0 and 1 are not used."""
SHED, TRIP_LIMITS, SOC_RESERVE, OVERLOAD_TIME, MIN_LOAD, MEAN_POWER = range(1, 7)

ALARMS = (
    "",
    "state outside the safe set",
    "load beyond its limits",
    "second unit unavailable",
    "battery unavailable",
    "charge reading contradicts its prediction",
)
CALM, OUTSIDE, OVERLOADED, SECOND_TRIP, BATTERY_OUT, SENSOR_FAULT = range(6)
"""Alarm codes, indices into `ALARMS`."""


def _all(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


def _units(kind: type, names: str) -> list[tuple[str, type, int]]:
    return [(name, kind, MAX_UNITS) for name in names.split()]


STATE = np.dtype(
    [
        # steps done; steps since shedding was called for (-1: not); alarm code
        *_all(np.int64, "step shed_wait alarm"),
        # under-frequency relays: stages that are out, steps until they may return
        *_all(np.int64, "ufls_stages ufls_left"),
        *_units(np.int64, "mode timer"),
        # last power, kW; running mean, kW; overload minutes in the window
        *_units(np.float64, "power_kw mean_kw overload_used_min"),
        ("overload_bin_min", np.float64, (MAX_UNITS, BINS)),
        # true charge state, and the belief about it
        *_all(np.float64, "soc soc_first soc_lo soc_hi"),
        # share of the load that relays keep off
        ("ufls_share", np.float64),
        # sums over the episode
        *_all(
            np.float64,
            "fuel_l start_l starts genset_h genset_kwh throughput_kwh load_kwh unserved_kwh "
            "renewable_kwh curtailed_kwh dumped_kwh surplus_kwh imported_kwh exported_kwh "
            "exchange_cost_l interventions intervention_kw reserve_short_min degraded_min "
            "alarms soc_hours lowest_hz steepest_hz_s trips failed_starts ufls_kwh ufls_events",
        ),
        ("relaxed_min", np.float64, LEVELS),
        ("unit_h", np.float64, MAX_UNITS),
        ("flow", RAINFLOW),
    ],
    align=True,
)
"""One copy between two steps."""

MOMENT = np.dtype(
    [
        # choice of the order interface (-1, 0, 1) as executed; whether the proposal was changed
        *_all(np.int64, "alarm commit_reason dispatch_reason choice changed"),
        # modes and timers during the step; what was proposed and executed; faults that struck
        *_units(np.int64, "mode timer proposed command tripped start_failed"),
        *_units(np.float64, "power_kw floor_kw cap_kw top_kw mean_kw overload_used_min"),
        *_units(np.int64, "pinned"),
        ("relaxed", np.int64, LEVELS),
        *_all(
            np.float64,
            # battery: wish, setpoint after the shield, interval, power; charge states after
            "wish_kw setpoint_kw low_kw high_kw battery_kw soc soc_lo soc_hi soc_reading "
            # what realised and what came of it, kW
            "load_kw wind_kw pv_kw wind_used_kw pv_used_kw exchange_kw dump_kw shed_kw deficit_kw "
            "surplus_kw reserve_missing_kw frequency_hz "
            # shed by under-frequency relays (part of shed_kw), and the frequency as they acted
            "ufls_kw ufls_hz "
            # of this step: litres, kWh
            "fuel_l start_l throughput_kwh unserved_kwh curtailed_kwh exchange_cost_l",
        ),
        # of observations, not of steps
        *_units(np.int64, "scratch scratch_mode scratch_timer"),
    ],
    align=True,
)
"""Facts of one step: what logs keep and monitors read."""

State = Any
Moment = Any
"""Elements of arrays of dtype `STATE` and `MOMENT`."""
