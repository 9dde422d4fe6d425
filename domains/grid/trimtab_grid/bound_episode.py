"""Which episodes have a proven bound, and the episode of a scenario and seed."""

from __future__ import annotations

import numpy as np

from trimtab_grid.bounds import Year
from trimtab_grid.problem import GridControl
from trimtab_grid.scenario import GridScenario
from trimtab_grid.unit_graph import State


def boundable(scenario: GridScenario) -> bool:
    """Whether the bound's plant is a relaxation of the simulated one.

    Not with faults, whose alarms let limits be crossed; not with an outer grid, which the bound
    does not know; not for the published plant's battery, whose losses depend on the step.
    """
    plant = scenario.resolved_plant()
    faulty = any(g.trips_per_year > 0 or g.start_failure_probability > 0 for g in plant.gensets)
    compat = plant.battery is not None and plant.battery.model == "compat"
    outer = getattr(scenario, "outer_grid", None)
    return not (scenario.faults or outer or faulty or compat)


def episode_of(control: GridControl, seed: int) -> Year:
    """Load, renewables and first charge state of one seed, as the simulator plays them."""
    control.reset(np.array([seed], dtype=np.int64))
    future = np.asarray(control.resource("future"))[0]
    first = float(control.resource("state").states["soc_first"][0])
    load, wind, pv = (np.ascontiguousarray(future[:, k]) for k in range(3))
    return Year(control.plant, control.scenario.step_min, load, wind, pv, first, units_of(control))


def units_of(control: GridControl) -> State:
    """Observed (mode, timer) of each unit of the first copy."""
    state, units = control.resource("state").states[0], int(control.arrays.n)
    pairs = zip(state["mode"][:units], state["timer"][:units], strict=True)
    return tuple((int(mode), int(timer)) for mode, timer in pairs)
