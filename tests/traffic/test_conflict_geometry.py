"""Clearing times follow from the paths' geometry alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab_traffic.conflict_geometry import (
    Path,
    all_red_s,
    connection_path,
    pedestrian_clearance_s,
)
from trimtab_traffic.network import TrafficNetwork


def straight(
    start: tuple[float, float], end: tuple[float, float], speed_mps: float = 10.0, **more: bool
) -> Path:
    """A straight path sampled every metre."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    stations = np.linspace(0, length, round(length) + 1)
    points = np.column_stack(
        [np.interp(stations, [0, length], [a, b]) for a, b in zip(start, end, strict=True)]
    )
    return Path(points, stations, speed_mps, speed_mps, more.get("crossing", False))


EAST = straight((-10, 0), (10, 0))
NORTH = straight((0, -10), (0, 10))


def test_a_longer_vehicle_needs_longer_to_clear() -> None:
    assert all_red_s(EAST, NORTH, 12) - all_red_s(EAST, NORTH, 6) == pytest.approx(0.6)


def test_a_far_entry_needs_less_all_red() -> None:
    far = straight((0, -30), (0, 10))
    assert all_red_s(EAST, far, 6) == pytest.approx(all_red_s(EAST, NORTH, 6) - 2.0)


def test_merging_paths_conflict_to_their_common_end() -> None:
    merging = straight((-10, -20), (10, 0))
    to_the_end = (20 + 6) / 10 - merging.length_m / 10
    assert all_red_s(EAST, merging, 6) >= to_the_end


def test_towards_a_crossing_nobody_is_credited_with_an_entering_time() -> None:
    walk = straight((8, -6), (8, 6), speed_mps=1.2, crossing=True)
    # the vehicle must have left the crossing's 4 m half width: 10 + 8 + 2 m plus its length
    assert all_red_s(EAST, walk, 6) == pytest.approx((20 + 6) / 10)


def test_paths_that_never_meet_use_their_closest_points() -> None:
    aside = straight((-10, 5), (10, 5))
    assert np.isfinite(all_red_s(EAST, aside, 6))


@given(st.floats(-500, 500), st.floats(-500, 500))
def test_clearing_times_do_not_depend_on_where_the_junction_lies(dx: float, dy: float) -> None:
    moved = [
        straight((-10 + dx, dy), (10 + dx, dy)),
        straight((dx, -10 + dy), (dx, 10 + dy)),
    ]
    assert all_red_s(moved[0], moved[1], 6) == pytest.approx(all_red_s(EAST, NORTH, 6), abs=0.11)


def test_paths_of_a_network_start_at_the_stop_line_and_are_sampled_evenly(
    wheel_net: Callable[[str], TrafficNetwork],
) -> None:
    network = wheel_net("cologne1")
    for connection in network.signals[0].connections:
        path = connection_path(network, connection)
        stop_line = network.lanes[connection.in_lane].polyline_m[-1]
        assert np.allclose(path.points_m[0], stop_line, atol=0.2)
        assert np.diff(path.distance_m).max() <= 1.0
        assert path.clear_speed_mps <= path.enter_speed_mps


def test_walking_time_is_length_over_speed() -> None:
    assert pedestrian_clearance_s(straight((0, 0), (0, 12)), 1.2) == pytest.approx(10.0)
