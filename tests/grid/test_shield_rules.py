"""The compiled shield and the proof's reading of the same expressions decide alike."""

import numpy as np
import pytest
from numba import njit
from trimtab_grid import shield_kernel as kernel
from trimtab_grid import shield_rules
from trimtab_grid.arrays import LINEAR, plant_arrays
from trimtab_grid.model import soc_after
from trimtab_grid.plant import load_plant
from trimtab_grid.proof import rebound, unit_states
from trimtab_grid.shield_tables import build_tables
from trimtab_grid.tubes import legal_commands, split

POINTS = 1_000_000


@pytest.fixture(scope="module")
def record():
    return plant_arrays(load_plant("plant-a"), 1.0)


@pytest.fixture(scope="module")
def built(record):
    return build_tables(record)


@njit
def decide(plant, tables, mode, timer, command, soc, load, out):
    for k in range(len(soc)):
        low = shield_rules.lowest_load_kw(plant, tables, load[k])
        high = shield_rules.highest_load_kw(plant, tables, load[k])
        o = kernel.Outlook(mode, timer, soc[k], soc[k], low, high, 0.0)
        out[k, 0] = kernel.is_admissible(plant, tables, o, command)
        out[k, 1] = kernel.is_safe(plant, tables, mode, timer, soc[k], soc[k], load[k])


def edges(grid, *, up):
    """Loads at which the cell changes, from the proof's exact grid."""
    shift = 0 if up else 1
    return np.array([float((c + shift) * grid.width_kw) for c in range(grid.count - 1)])


def vector_rules(built):
    """The shield's own code over arrays of loads and charges, as the proof runs it on symbols."""

    def need_low(tables, key, load):
        cells = np.searchsorted(edges(built.grids[0], up=True), load, side="left")
        return tables.low_kwh[key][cells]

    def need_high(tables, key, load):
        return tables.high_kwh[key][0]

    return rebound(
        vars(shield_rules),
        _max=np.maximum,
        _min=np.minimum,
        _both=np.logical_and,
        need_low_kwh=need_low,
        need_high_kwh=need_high,
    )


def test_a_million_states_are_decided_alike_at_run_time_and_by_the_proofs_expressions(
    record, built
):
    assert built.grids[1].count == 1
    rules, rng = vector_rules(built), np.random.default_rng(1)
    pairs = [(u, c) for u in unit_states(built) for c in legal_commands(built.plant, u)]
    count = POINTS // len(pairs) + 1
    decisions, admitted = 0, 0
    for units, command in pairs:
        mode, timer = (np.array(row) for row in split(units))
        soc = rng.uniform(0.05, 0.95, count)
        soc[::2] = rng.uniform(0.05, 0.2, len(soc[::2]))
        load = rng.uniform(0.0, 570.0, count)
        out = np.zeros((count, 2), bool)
        decide(record, built.tables, mode, timer, np.array(command), soc, load, out)
        low = rules.lowest_load_kw(record, built.tables, load)
        high = rules.highest_load_kw(record, built.tables, load)
        args = (record, built.tables, mode, timer)
        expected = rules.admissible(*args, command, soc, soc, low, high, 0.0)
        assert (out[:, 0] == expected).all()
        assert (out[:, 1] == rules.in_safe_set(*args, soc, soc, load)).all()
        decisions, admitted = decisions + count, admitted + int(out[:, 0].sum())
    assert decisions >= POINTS
    assert 0.1 < admitted / decisions < 0.9


def test_the_quadratic_battery_never_moves_further_than_the_envelope_of_the_proof(record):
    linear = record.copy()
    linear.battery_model = LINEAR
    for soc in np.linspace(0.05, 0.95, 31):
        for power in np.linspace(-600.0, 577.0, 41):
            moved = soc_after(record, soc, power, record.step_h) - soc
            envelope = soc_after(linear, soc, power, record.step_h) - soc
            assert abs(moved) <= abs(envelope) + 1e-12
            assert moved * envelope >= 0.0
