"""Sensor models and faults: what controllers are told, compared with what is there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from trimtab.contracts.spec import Action
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sensors import SensedState
from trimtab_traffic.shield import WATCHDOG

Maker = Callable[..., SignalsProblem]
HOLD = Action(discrete=np.ones((1, 1, 1), dtype=np.int64))  # SC green, a queue grows on WC


def sensed(problem: SignalControl) -> SensedState:
    assert isinstance(problem.state, SensedState)
    return problem.state


def after(problem: SignalControl, decisions: int, seed: int = 1) -> SensedState:
    problem.reset(np.array([seed]))
    for _ in range(decisions):
        problem.step(HOLD)
    return sensed(problem)


def test_an_e2_sees_all_vehicles_in_its_range_and_none_beyond(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(sensors={"kind": "e2", "range_m": 40})) as problem:
        state = after(problem, 6)
        expected = state.true.approach_count(40.0)
        assert expected[0] >= 5
        assert state.approach_count(40.0).tolist() == expected.tolist()
        assert state.approach_count(200.0).tolist() == expected.tolist()
        assert state.lane_halting()[0] <= state.true.lane_halting()[0]
        assert state.head_wait_s().tolist() == state.true.head_wait_s().tolist()


def test_e1_loops_follow_the_queue_between_them(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem(sensors={"kind": "e1", "range_m": 150})) as problem:
        problem.reset(np.array([1]))
        for _ in range(10):
            problem.step(HOLD)
            state = sensed(problem)
            there = int(state.true.approach_count(150.0)[0])
            assert abs(state.lane_vehicles()[0] - there) <= 2
        assert state.lane_halting()[0] > 8
        assert state.head_wait_s()[0] > 30


def test_all_probes_give_the_true_approach_counts(two_street_problem: Maker) -> None:
    sensors = {"kind": "probes", "penetration": 1.0}
    with SignalControl(two_street_problem(sensors=sensors)) as problem:
        state = after(problem, 6)
        assert state.approach_count(200.0).tolist() == state.true.approach_count(200.0).tolist()


def test_few_probes_estimate_queues_from_those_that_passed(two_street_problem: Maker) -> None:
    sensors = {"kind": "probes", "penetration": 0.4}
    with SignalControl(two_street_problem(sensors=sensors, horizon_s=240)) as problem:
        problem.reset(np.array([1]))
        for k in range(20):
            problem.step(HOLD if k < 8 else Action(discrete=np.zeros((1, 1, 1), dtype=np.int64)))
        state = sensed(problem)
        assert state.probes is not None
        queue = state.probes.queue_veh()
        assert 1 < queue[0] <= 200 / 7.5
        assert state.probes.age_s()[0] < 120
        assert state.lane_halting()[0] == pytest.approx(queue[0])


@pytest.mark.parametrize(("kind", "seen"), [("stuck_on", 26), ("stuck_off", 0)])
def test_stuck_detectors_report_full_or_empty(
    kind: str, seen: int, two_street_problem: Maker
) -> None:
    sensors = {"range_m": 200, "faults": [{"kind": kind, "share": 1.0}]}
    with SignalControl(two_street_problem(sensors=sensors)) as problem:
        state = after(problem, 4)
        assert state.lane_vehicles()[:2].tolist() == [seen, seen]
        assert not state.ok[:2].any()


def test_a_fault_begins_and_ends_in_its_window(two_street_problem: Maker) -> None:
    fault = {"kind": "stuck_off", "share": 1.0, "start_s": 30, "end_s": 60}
    with SignalControl(two_street_problem(sensors={"faults": [fault]})) as problem:
        problem.reset(np.array([1]))
        good = []
        for _ in range(8):
            problem.step(HOLD)
            good.append(bool(sensed(problem).ok[:2].all()))
        assert good == [True, True, False, False, False, True, True, True]


def test_latency_reports_the_past(two_street_problem: Maker) -> None:
    fault = {"kind": "latency", "share": 1.0, "latency_s": 20}
    with SignalControl(two_street_problem(sensors={"faults": [fault]})) as problem:
        problem.reset(np.array([1]))
        true, told = [], []
        for _ in range(6):
            problem.step(HOLD)
            state = sensed(problem)
            true.append(int(state.true.approach_count(200.0)[0]))
            told.append(int(state.approach_count(200.0)[0]))
        assert told[2:] == true[:4]


def test_dropout_holds_the_last_reading(two_street_problem: Maker) -> None:
    fault = {"kind": "dropout", "share": 1.0, "probability": 1.0, "start_s": 45}
    with SignalControl(two_street_problem(sensors={"faults": [fault]})) as problem:
        problem.reset(np.array([1]))
        told = []
        for _ in range(8):
            problem.step(HOLD)
            told.append(int(sensed(problem).approach_count(200.0)[0]))
        assert len(set(told[4:])) == 1


def test_struck_lanes_depend_on_the_seed_alone(two_street_problem: Maker) -> None:
    sensors = {"faults": [{"kind": "stuck_off", "share": 0.5}]}
    with SignalControl(two_street_problem(sensors=sensors)) as problem:
        struck = [after(problem, 1, seed).ok.tolist() for seed in range(12)]
        assert struck == [after(problem, 1, seed).ok.tolist() for seed in range(12)]
        assert len({tuple(row) for row in struck}) > 1


def test_silent_detectors_put_the_watchdog_on_the_shipped_plan(two_street_problem: Maker) -> None:
    sensors = {"faults": [{"kind": "stuck_off", "share": 1.0}]}
    model = two_street_problem(sensors=sensors, rules={"profile": "field"}, horizon_s=300)
    with SignalControl(model) as problem:
        problem.reset(np.array([1]))
        reasons = set()
        step = problem.step(HOLD)
        while not step.done[0]:
            step = problem.step(HOLD)
            reasons.add(int(step.reason[0, 0]))
        assert WATCHDOG in reasons
