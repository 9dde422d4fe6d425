"""Probe vehicles report delays before stop lines; the fleet follows from ids and the seed alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab_traffic.probes import Passages, is_probe, probe_queue_veh
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.trips import read_trips, trips_digest

Maker = Callable[..., SignalsProblem]


def play(model: SignalsProblem, *, watched: bool = True, seed: int = 1) -> tuple[Passages, str]:
    with SignalControl(model, "native") as problem:
        problem.state.fleet.watched = watched
        problem.reset(np.array([seed]))
        while not problem.step(None).done[0]:
            pass
        return problem.state.fleet.passed(-1.0), trips_digest(problem.outputs.trips)


def with_share(make: Maker, share: float) -> SignalsProblem:
    return make(horizon_s=600, sensors={"penetration": share})


@given(seed=st.integers(0, 2**31 - 1))
def test_a_seed_draws_its_share_of_the_vehicles(seed: int) -> None:
    names = [f"a.{k}" for k in range(1000)]
    drawn = [name for name in names if is_probe(name, 0.1, seed)]
    assert 50 < len(drawn) < 160
    assert drawn == [name for name in names if is_probe(name, 0.1, seed)]
    assert drawn != [name for name in names if is_probe(name, 0.1, seed + 1)]
    assert all(is_probe(name, 0.3, seed) for name in drawn)


def test_the_queue_of_a_probe_delay_follows_the_formula() -> None:
    queue = probe_queue_veh(np.array([20.0]), np.array([2.0]), np.array([300.0]), np.array([0.4]))
    assert queue == pytest.approx([20.0 * 2 / 2.0 * 0.4])


@given(delay_s=st.floats(0, 1e4), lanes=st.floats(0.5, 4), length_m=st.floats(0, 300))
def test_a_queue_never_exceeds_the_approach(delay_s: float, lanes: float, length_m: float) -> None:
    numbers = (np.array([x]) for x in (delay_s, lanes, length_m, 0.5))
    assert probe_queue_veh(*numbers)[0] <= lanes * length_m / 7.5 + 1e-9


def test_full_penetration_sees_every_vehicle_and_nearly_all_its_lost_time(
    two_street_problem: Maker,
) -> None:
    with SignalControl(with_share(two_street_problem, 1.0), "native") as problem:
        problem.state.fleet.watched = True
        problem.reset(np.array([1]))
        while not problem.step(None).done[0]:
            pass
        trips = read_trips(problem.outputs.trips)
        passed = problem.state.fleet.passed(-1.0)
    assert len(passed.links) == trips.arrived.sum()
    assert set(passed.links.tolist()) == {0, 1}
    assert passed.delay_s.mean() == pytest.approx(trips.time_loss_s.mean(), rel=0.4)
    assert passed.length_m.max() < 200.0
    assert passed.length_m.min() > 100.0  # the first report comes at most 5 s after departure


def test_a_smaller_fleet_is_part_of_a_larger_one(two_street_problem: Maker) -> None:
    few, _ = play(with_share(two_street_problem, 0.2))
    every, _ = play(with_share(two_street_problem, 1.0))
    rows = set(zip(every.links.tolist(), every.time_s.tolist(), strict=True))
    assert 0 < len(few.links) < 0.5 * len(every.links)
    assert set(zip(few.links.tolist(), few.time_s.tolist(), strict=True)) <= rows


def test_reading_probes_does_not_change_the_traffic(two_street_problem: Maker) -> None:
    model = with_share(two_street_problem, 0.5)
    nothing, expected = play(model, watched=False)
    seen, found = play(model)
    assert len(nothing.links) == 0
    assert len(seen.links) > 0
    assert found == expected
