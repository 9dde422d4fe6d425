import math

import numpy as np
import pytest
from trimtab_grid import shield_kernel as kernel
from trimtab_grid.arrays import OFF, RUN, TRIPPED, plant_arrays
from trimtab_grid.plant import load_plant
from trimtab_grid.shield_tables import build_tables
from trimtab_grid.tubes import reachable, reduction_full


@pytest.fixture(scope="module")
def built():
    return build_tables(plant_arrays(load_plant("plant-a"), 1.0))


@pytest.fixture(scope="module")
def shielded(built):
    return plant_arrays(load_plant("plant-a"), 1.0), built.tables


@pytest.fixture(scope="module")
def legal_states(built):
    return sorted(reachable(built.plant, built.exact, reduction_full(built.plant)))


def commit(shielded, units, soc, load, proposed, battery_kw=0.0):
    mode, timer = (np.array(row) for row in zip(*units, strict=True))
    out = np.zeros(2, np.int64)
    ahead = kernel.look_ahead(*shielded, (mode, timer), (soc, soc), load, math.nan, math.nan)
    reason = kernel.commit(*shielded, ahead, np.array(proposed), battery_kw, out)
    return reason, list(out)


def test_the_published_counterexample_lies_outside_the_safe_set_and_starts_a_unit(shielded):
    off = np.zeros(2, np.int64)
    assert not kernel.is_safe(*shielded, off, off, 0.098, 0.098, 490.0)
    reason, out = commit(shielded, [(OFF, 0), (OFF, 0)], 0.098, 490.0, [0, 0])
    assert kernel.REASONS[reason].startswith("degraded")
    assert out == [1, 0]


def test_an_admissible_proposal_is_kept(shielded):
    for proposed in ([0, 0], [0, -1]):
        units = [(RUN, 30), (RUN, 30)]
        assert commit(shielded, units, 0.5, 300.0, proposed) == (kernel.UNCHANGED, proposed)


def test_an_illegal_stop_becomes_a_hold_and_says_so(shielded):
    units = [(RUN, 30), (RUN, 29)]
    assert commit(shielded, units, 0.5, 300.0, [0, -1]) == (kernel.ILLEGAL, [0, 0])


def test_a_stop_that_a_trip_would_punish_is_withheld(shielded):
    units = [(RUN, 30), (RUN, 30)]
    reason, out = commit(shielded, units, 0.1, 500.0, [0, -1])
    assert (kernel.REASONS[reason], out) == ("deficit", [0, 0])


def test_a_full_battery_forces_a_stop_before_the_surplus_cannot_be_stored(shielded):
    units = [(RUN, 30), (RUN, 30)]
    soc = 0.95 - 3.0 / 600.0
    reason, out = commit(shielded, units, soc, 100.0, [0, 0])
    assert (kernel.REASONS[reason], out) == ("surplus", [0, -1])


def test_a_start_is_withheld_when_its_min_run_would_overfill_the_battery(shielded):
    reason, out = commit(shielded, [(OFF, 0), (OFF, 0)], 0.94, 100.0, [1, 0])
    assert (kernel.REASONS[reason], out) == ("surplus", [0, 0])


def interval(shielded, units, soc, load, renewables):
    mode, timer = (np.array(row) for row in zip(*units, strict=True))
    now = kernel.Outlook(mode, timer, soc, soc, load, load, renewables)
    return kernel.battery_interval(*shielded, now, 0.0)


def test_the_battery_interval_keeps_balance_between_caps_and_floors(shielded):
    low, high = interval(shielded, [(RUN, 30), (OFF, 0)], 0.5, 500.0, 50.0)
    assert low == pytest.approx(50.0)
    assert high == pytest.approx(380.0)


def test_the_battery_interval_ends_where_the_safe_charge_ends(shielded):
    units = [(RUN, 30), (RUN, 30)]
    record, tables = shielded
    _, high = interval(shielded, units, 0.06, 500.0, 0.0)
    soc = 0.06 - high / 60.0 / 0.95 / 600.0
    modes = np.array([RUN, RUN])
    timers = np.array([30, 30])
    assert high > 0
    assert kernel.is_safe(record, tables, modes, timers, soc, soc, 500.0)
    assert not kernel.is_safe(record, tables, modes, timers, soc - 1e-6, soc, 500.0)


def test_declared_load_is_shed_after_a_trip_before_the_safe_margin_is_touched(shielded):
    units = [(TRIPPED, 1439), (RUN, 30)]
    low, high = interval(shielded, units, 0.05, 570.0, 0.0)
    assert low == high == pytest.approx(0.0, abs=1e-6)


def test_outside_the_safe_set_the_battery_serves_the_load_down_to_the_reserve_window(shielded):
    units = [(OFF, 0), (OFF, 0)]
    assert interval(shielded, units, 0.06, 300.0, 0.0) == pytest.approx((300.0, 300.0))
    limit = 0.001 * 600.0 * 0.95 * 60.0
    assert interval(shielded, units, 0.051, 300.0, 0.0) == pytest.approx((limit, limit))


def test_a_repaired_unit_returns_only_where_a_new_trip_would_be_survived(shielded):
    for soc, returned in ((0.5, 1), (0.0501, 0)):
        mode, timer = np.array([TRIPPED, RUN]), np.array([0, 30])
        assert kernel.return_repaired(*shielded, mode, timer, soc, soc, 560.0) == returned
        assert mode[0] == (OFF if returned else TRIPPED)


def drawn(rng, legal_states, count):
    for index in rng.integers(0, len(legal_states), count):
        yield legal_states[index]


def test_commands_that_stand_when_proposed_again_are_the_identity(shielded, legal_states):
    rng = np.random.default_rng(1)
    for units in drawn(rng, legal_states, 400):
        soc, load = rng.uniform(0.05, 0.95), rng.uniform(0.0, 570.0)
        proposed = list(rng.integers(-1, 2, 2))
        reason, out = commit(shielded, units, soc, load, proposed)
        again, same = commit(shielded, units, soc, load, out)
        assert same == out
        assert again in (kernel.UNCHANGED, kernel.DEGRADED)
        assert (reason == kernel.UNCHANGED) == (out == proposed) or reason == kernel.DEGRADED


def test_the_quick_test_never_passes_what_the_full_one_refuses(shielded, legal_states):
    record, tables = shielded
    full = tables._replace(key=tables.key.copy())
    full.key.free_kwh[:] = math.inf
    rng = np.random.default_rng(2)
    for units in drawn(rng, legal_states, 400):
        soc, load = rng.uniform(0.05, 0.95), rng.uniform(0.0, 570.0)
        proposed = list(rng.integers(-1, 2, 2))
        quick = commit((record, tables), units, soc, load, proposed)
        assert quick == commit((record, full), units, soc, load, proposed)
