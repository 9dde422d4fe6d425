"""The episode of a scenario and seed as its bound sees it."""

from __future__ import annotations

import numpy as np

from trimtab_grid.bounds import Year
from trimtab_grid.problem import GridControl
from trimtab_grid.scenario import GridScenario
from trimtab_grid.unit_graph import State

_HARMLESS = frozenset({"forecast_stuck", "forecast_missing"})
"""Faults that touch neither plant nor shield."""


def fault_margin(scenario: GridScenario) -> float | None:
    """How far faults may let the charge leave 0..1; None where no fault touches the plant.

    Charge leaves its window by no more than the shield's belief is wrong: the bias of a reading.
    """
    faults = [fault for fault in scenario.faults if fault.kind not in _HARMLESS]
    units = scenario.resolved_plant().gensets
    random = any(g.trips_per_year > 0 or g.start_failure_probability > 0 for g in units)
    if not faults and not random:
        return None
    return max((abs(f.size) for f in faults if f.kind == "soc_bias"), default=0.0)


def episode_of(control: GridControl, seed: int) -> Year:
    """Load, renewables and first charge state of one seed, as the simulator plays them."""
    control.reset(np.array([seed], dtype=np.int64))
    future = np.asarray(control.resource("future"))[0]
    first = float(control.resource("state").states["soc_first"][0])
    load, wind, pv = (np.ascontiguousarray(future[:, k]) for k in range(3))
    scenario = control.scenario
    return Year(
        control.plant,
        scenario.step_min,
        load,
        wind,
        pv,
        first,
        units_of(control),
        control.outer_series(0),
        fault_margin(scenario),
    )


def units_of(control: GridControl) -> State:
    """Observed (mode, timer) of each unit of the first copy."""
    state, units = control.resource("state").states[0], int(control.arrays.n)
    pairs = zip(state["mode"][:units], state["timer"][:units], strict=True)
    return tuple((int(mode), int(timer)) for mode, timer in pairs)
