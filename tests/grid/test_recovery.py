"""From every admissible state, on both faces of the safe set, the shield recovers."""

import numpy as np
import pytest
from trimtab_grid.adversary import (
    CHECKS,
    GENES,
    GREEDY,
    STUCK,
    UNSAFE,
    WORLD,
    attack_all,
    new_worlds,
)
from trimtab_grid.arrays import COOL, RUN, WARM, plant_arrays
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import unit_states
from trimtab_grid.shield_tables import build_tables, table_key

LOADS = 25


def plant(**limits):
    plant_a = load_plant("plant-a")
    changed = plant_a.disturbances.model_copy(update=limits)
    return plant_arrays(plant_a.model_copy(update={"disturbances": changed}), 1.0)


def needs_kwh(built, side, kwh, units, loads):
    row = kwh[table_key(built.exact.key, side, built.plant, units)]
    cells = loads / float(built.grids[side].width_kw)
    rounded = np.ceil(cells - 1e-9) if side == 0 else np.floor(cells + 1e-9)
    return row[np.minimum(rounded.astype(int), len(row) - 1)]


def seen_for(record, i, mode, timer):
    """Steps a unit has been in its mode, as its timer implies."""
    total = {WARM: record.warm_steps[i], COOL: record.cool_steps[i]}
    if mode == RUN:
        return timer if timer < record.min_run_steps[i] else 1 << 20
    return total[mode] - timer if mode in total else 1 << 20


def faces(record, built):
    """Every reachable unit state x load x both faces of S, with the belief as wide as it gets."""
    states = unit_states(built)
    loads = np.linspace(record.load_min_kw, record.load_max_kw, LOADS)
    worlds = np.empty(len(states) * LOADS * 2, WORLD).view(np.recarray)
    worlds[:] = new_worlds(record, len(worlds), 3, 0.5)
    grid = np.asarray(worlds).reshape(len(states), 2, LOADS)
    width = 2 * record.soc_error
    for k, units in enumerate(states):
        for i, (mode, timer) in enumerate(units):
            grid["mode"][k, ..., i] = grid["seen"][k, ..., i] = mode
            grid["timer"][k, ..., i] = timer
            grid["length"][k, ..., i] = seen_for(record, i, mode, timer)
        low = needs_kwh(built, 0, built.tables.low_kwh, units, loads)
        high = needs_kwh(built, 1, built.tables.high_kwh, units, loads)
        bottom = record.reserve_soc_min + low / record.energy_kwh
        top = record.reserve_soc_max - high / record.energy_kwh
        assert (top - bottom >= width).all()
        grid["load_kw"][k] = loads
        grid["soc_lo"][k] = bottom, top - width
        grid["soc_hi"][k] = bottom + width, top
    grid["soc"] = 0.5 * (grid["soc_lo"] + grid["soc_hi"])
    return worlds


@pytest.mark.parametrize("limits", [{}, {"soc_error": 0.02}], ids=["exact", "sensor error"])
def test_every_state_on_the_faces_of_the_safe_set_survives_load_wind_trips_and_readings(limits):
    record = plant(**limits)
    built = build_tables(record)
    worlds = faces(record, built)
    assert len(worlds) >= 65_600
    attack_all(record, built.tables, worlds, 40, GREEDY, np.zeros(GENES))
    found = dict(zip(CHECKS, worlds.violations.sum(axis=0).tolist(), strict=True))
    assert found == dict.fromkeys(CHECKS, 0)
    assert worlds.trips.sum() > 0.2 * len(worlds)


def test_just_outside_the_safe_set_the_shield_says_so():
    record = plant()
    built = build_tables(record)
    worlds = faces(record, built)
    below = worlds[worlds.soc < 0.3]
    below = below[(below.soc > 0.1) & (below.mode[:, 0] < 4) & (below.mode[:, 1] < 4)]
    below.soc -= 0.01
    below.soc_lo[:] = below.soc_hi[:] = below.soc
    attack_all(record, built.tables, below, 1, GREEDY, np.zeros(GENES))
    told = (below.violations[:, STUCK] > 0) | (below.violations[:, UNSAFE] > 0)
    assert told.mean() > 0.2
