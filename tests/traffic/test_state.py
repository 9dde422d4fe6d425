"""What controllers read agrees with SUMO's own answers, asked one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from trimtab.contracts.spec import Action
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

Maker = Callable[..., SignalsProblem]


def counted_one_by_one(problem: SignalControl, radius_m: float) -> list[int]:
    """n_j(R) from every vehicle's own list of signals ahead."""
    api = problem.session.api
    offsets = dict(zip(problem.signal_ids, problem.state.first_link.tolist(), strict=False))
    counts = [0] * int(problem.state.first_link[-1])
    for vehicle in api.vehicle.getIDList():
        ahead = api.vehicle.getNextTLS(vehicle)
        if ahead and ahead[0][0] in offsets and ahead[0][2] <= radius_m:
            counts[offsets[ahead[0][0]] + ahead[0][1]] += 1
    return counts


def choose(problem: SignalControl, k: int) -> Action:
    sizes = [len(signal.stage_states) for signal in problem.network.controllable]
    return Action(discrete=np.array([k % size for size in sizes])[None, :, None])


@pytest.mark.parametrize("wheel", ["cologne3", "ingolstadt7w"])
def test_approach_counts_equal_those_counted_vehicle_by_vehicle(wheel: str) -> None:
    model = SignalsProblem.model_validate(
        {"network": {"wheel": wheel}, "rules": {"profile": "resco"}, "horizon_s": 300}
    )
    with SignalControl(model) as problem:
        problem.reset(np.array([1]))
        total = 0
        for k in range(20):
            problem.step(choose(problem, k // 3))
            for radius_m in (50.0, 200.0, 100.0):
                expected = counted_one_by_one(problem, radius_m)
                assert problem.state.approach_count(radius_m).tolist() == expected
                total += sum(expected)
        assert total > 100


def test_slow_vehicles_inside_the_junction_belong_to_the_link_they_came_by() -> None:
    generated = {"columns": 1, "rows": 1, "vehicles_per_h": 2800}
    model = SignalsProblem.model_validate(
        {"network": {"generated": generated}, "rules": {"profile": "resco"}, "horizon_s": 400}
    )
    with SignalControl(model) as problem:
        problem.reset(np.array([1]))
        (signal,) = problem.network.controllable
        link_of = {lane: c.link for c in signal.connections if c.on_road for lane in c.via}
        total = 0
        for k in range(30):
            problem.step(choose(problem, k // 2))
            vehicles = problem.session.api.vehicle
            speeds: dict[str, list[float]] = {}
            for name in vehicles.getIDList():
                speeds.setdefault(vehicles.getLaneID(name), []).append(vehicles.getSpeed(name))
            expected = [0.0] * signal.n_links
            for lane, link in link_of.items():
                if np.mean(speeds.get(lane, [99.0])) < 2.0:
                    expected[link] += len(speeds[lane])
            assert problem.state.box_slow_veh(2.0).tolist() == expected
            total += sum(expected)
        assert total > 5


def test_lane_quantities_come_in_the_order_of_lanes(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        for _ in range(3):
            problem.step(choose(problem, 1))
        state, lane = problem.state, problem.session.api.lane
        assert state.lanes == ("WC_0", "SC_0", "CE_0", "CN_0")
        assert state.lane_vehicles().tolist() == [
            lane.getLastStepVehicleNumber(name) for name in state.lanes
        ]
        assert state.lane_halting().tolist() == [
            lane.getLastStepHaltingNumber(name) for name in state.lanes
        ]
        assert state.lane_halting()[0] == state.approach_halting()[0] > 0
        assert 0 < state.occupancy()[0] < 1


def test_exit_space_shrinks_by_one_vehicle_each(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        assert problem.state.free_space_m().tolist() == [200.0, 200.0]
        for _ in range(3):
            problem.step(choose(problem, 0))
        vehicles = problem.state.lane_vehicles()[2]
        assert vehicles > 0
        assert problem.state.free_space_m()[0] == pytest.approx(200.0 - 7.5 * vehicles)


def test_the_head_vehicle_waits_since_its_light_went_red(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        for _ in range(6):
            problem.step(choose(problem, 1))
        waits = problem.state.head_wait_s()
        assert waits[0] > 20
        assert waits[1] < 5


def test_a_quantity_is_read_once_per_decision(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        problem.step(choose(problem, 0))
        first = problem.state.lane_vehicles()
        assert problem.state.lane_vehicles() is first
        problem.step(choose(problem, 0))
        assert problem.state.lane_vehicles() is not first


def test_stage_and_elapsed_are_those_of_the_mirrored_signals(two_street_problem: Maker) -> None:
    with SignalControl(two_street_problem()) as problem:
        problem.reset(np.array([1]))
        problem.step(choose(problem, 0))
        problem.step(choose(problem, 1))
        assert problem.state.stage().tolist() == [1]
        assert problem.state.stage_elapsed_s().tolist() == [7]
        assert problem.state.time_s == 20
