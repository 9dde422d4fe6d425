"""Each constraint is broken once in a log that is otherwise right."""

import numpy as np
import pytest
from trimtab.contracts.errors import EvidenceError
from trimtab_grid.monitor import CONSTRAINTS, OUTSIDE, GridMonitor
from trimtab_grid.plant import load_plant

OFF, WARM, RUN, COOL, TRIPPED = range(5)
STEPS = 120


@pytest.fixture
def plant():
    plant = load_plant("plant-a")
    gensets = tuple(g.model_copy(update={"ramp_kw_per_min": 400.0}) for g in plant.gensets)
    return plant.model_copy(update={"gensets": gensets})


@pytest.fixture
def log():
    """G1 starts at once and runs; G2 warms from step 10, runs 40 steps, cools and starts again."""
    mode = np.full((STEPS, 2), RUN)
    mode[:3, 0] = WARM
    mode[:10, 1], mode[10:13, 1], mode[53:59, 1] = OFF, WARM, COOL
    mode[59:80, 1], mode[80:83, 1] = OFF, WARM
    power = np.select([mode == WARM, mode == RUN], [100.0, 150.0], 0.0)
    zero = np.zeros(STEPS)
    return {
        "mode": mode,
        "tripped": np.zeros((STEPS, 2), int),
        "start_failed": np.zeros((STEPS, 2), int),
        "power_kw": power,
        "battery_kw": 300.0 - power.sum(axis=1),
        "soc": np.full(STEPS, 0.5),
        "load_kw": np.full(STEPS, 300.0),
        "wind_kw": np.full(STEPS, 50.0),
        "alarm": np.zeros(STEPS, int),
        "soc_first": 0.5,
        "before": np.array([300.0, 50.0, 0.0]),
        **{
            name: zero.copy()
            for name in (
                *("pv_kw", "wind_used_kw", "pv_used_kw", "exchange_kw", "dump_kw", "shed_kw"),
                *("deficit_kw", "surplus_kw"),
            )
        },
    }


def broken(plant, log):
    found = GridMonitor(plant, 1.0).check(log)
    return {name for name, violations in found.items() if violations.count}


def test_a_right_log_breaks_nothing_and_every_constraint_is_looked_at(plant, log):
    found = GridMonitor(plant, 1.0).check(log)
    assert {name for name, v in found.items() if v.count} == set()
    assert all(found[name].exposure > 0 for name in CONSTRAINTS)


def set_power(log, step, unit, kw):
    log["battery_kw"][step] += log["power_kw"][step, unit] - kw
    log["power_kw"][step, unit] = kw


def shift(log, name, step, kw):
    log[name][step] += kw
    log["battery_kw"][step] += -kw if name in ("deficit_kw", "shed_kw") else kw


def set_modes(log, unit, first, last, mode):
    log["mode"][first:last, unit] = mode
    kw = {OFF: 0.0, WARM: 100.0, RUN: 150.0, COOL: 0.0, TRIPPED: 0.0}[mode]
    for step in range(first, last):
        set_power(log, step, unit, kw)


def late_second_start(log):
    set_modes(log, 1, 8, 10, WARM)
    set_modes(log, 1, 11, 13, RUN)


def two_changes_at_once(log):
    set_modes(log, 0, 0, 10, OFF)
    set_modes(log, 0, 10, 13, WARM)


def overload_too_long(log):
    for step in range(20, 90):
        set_power(log, step, 0, 410.0)


def steep(log):
    set_power(log, 30, 0, 420.0)
    set_power(log, 31, 0, 10.0)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("balance", lambda log: log["battery_kw"].__setitem__(7, 99.0)),
        ("deficit", lambda log: shift(log, "deficit_kw", 7, 1.0)),
        ("surplus", lambda log: shift(log, "surplus_kw", 7, 1.0)),
        ("shedding", lambda log: shift(log, "shed_kw", 7, 1.0)),
        ("charge_window", lambda log: log["soc"].__setitem__(7, 0.0499)),
        ("curtailment", lambda log: shift(log, "dump_kw", 7, 1.0)),
        ("unit_load", lambda log: set_power(log, 30, 0, 119.0)),
        ("transition", lambda log: set_modes(log, 1, 80, 83, RUN)),
        ("warm_up", lambda log: set_modes(log, 1, 12, 13, RUN)),
        ("cool_down", lambda log: set_modes(log, 1, 57, 59, OFF)),
        ("min_run", lambda log: (set_modes(log, 1, 40, 46, COOL), set_modes(log, 1, 46, 60, OFF))),
        ("order", two_changes_at_once),
        ("overload_time", overload_too_long),
        ("ramp", steep),
    ],
)
def test_a_broken_constraint_is_named(plant, log, name, change):
    change(log)
    assert name in broken(plant, log)
    if name not in ("ramp", "overload_time"):
        assert broken(plant, log) == {name}


def test_the_battery_rating_is_watched(plant, log):
    log["battery_kw"][7] += 700.0
    log["exchange_kw"][7] -= 700.0
    assert broken(plant, log) == {"battery_power"}


def test_the_mean_power_rule_is_counted_as_soft(plant, log):
    short = tuple(
        g.model_copy(update={"mean_power_window_min": 30.0, "ramp_kw_per_min": None})
        for g in plant.gensets
    )
    for step in range(20, 120):
        set_power(log, step, 0, 400.0)
    assert broken(plant.model_copy(update={"gensets": short}), log) == {"mean_power"}


def test_without_a_grid_forming_battery_some_unit_must_run(plant, log):
    battery = plant.battery.model_copy(update={"grid_forming": False})
    assert broken(plant.model_copy(update={"battery": battery}), log) == {"grid_forming"}


def test_declared_shedding_after_a_trip_is_no_violation(plant, log):
    set_modes(log, 0, 60, STEPS, TRIPPED)
    log["tripped"][60, 0] = 1
    shift(log, "shed_kw", 61, 170.0)
    assert broken(plant, log) == set()
    shift(log, "shed_kw", 60, 1.0)
    assert broken(plant, log) == {"shedding"}


def test_degraded_steps_are_excused_only_if_the_disturbance_left_its_set(plant, log):
    shift(log, "deficit_kw", 7, 1.0)
    log["alarm"][7] = 1
    assert broken(plant, log) == {"deficit"}
    log["load_kw"][6] += 300.0
    log["battery_kw"][6] += 300.0
    log["alarm"][6] = 2
    assert broken(plant, log) == {OUTSIDE}


def test_a_log_without_a_column_is_refused(plant, log):
    del log["soc"]
    with pytest.raises(EvidenceError, match="lacks soc"):
        GridMonitor(plant, 1.0).check(log)
