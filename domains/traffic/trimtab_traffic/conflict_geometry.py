"""Clearing times between conflicting paths, from the internal lane geometry of the network.

Method: both paths are sampled every metre from their stop lines. Sample pairs closer than the
conflict width form the conflict zone (crossing, merging and grazing paths alike); paths that never
come that close conflict at their closest pair. Over the zone the all-red time is
max (s_clear + L_vehicle) / v_clear - s_enter / v_enter (RiLSA clearing minus entering time), with
the clearing vehicle at the speed of its internal lane and the entering one at its approach speed
(flying start). Towards a crossing the entering time is 0: pedestrians step off from either kerb.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.signals import Connection, TrafficNetwork

SAMPLE_STEP_M = 1.0
CONFLICT_WIDTH_M = 2.5
"""Paths closer than this conflict: vehicle width 1.8 m plus clearance, m."""

CROSSING_WIDTH_M = 4.0
"""Paths closer than this to a crossing's centre line conflict with it, m."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path through the junction: samples [points, 2] m, their distance from the stop line, m."""

    points_m: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    clear_speed_mps: float
    enter_speed_mps: float
    crossing: bool

    @property
    def length_m(self) -> float:
        """Length of the path, m."""
        return float(self.distance_m[-1])


def _centre_line(network: TrafficNetwork, connection: Connection) -> NDArray[np.float64]:
    if connection.via:
        return np.concatenate([network.lanes[lane].polyline_m for lane in connection.via])
    start = network.lanes[connection.in_lane].polyline_m[-1]
    end = network.lanes[connection.out_lane].polyline_m[0]
    return np.array([start, end])


def connection_path(network: TrafficNetwork, connection: Connection) -> Path:
    """Sample the path of a controlled connection.

    Without internal lanes the path is the straight line between the two lanes.
    """
    line = _centre_line(network, connection)
    along = np.concatenate(([0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()))
    stations = np.linspace(0.0, along[-1], int(along[-1] / SAMPLE_STEP_M) + 2)
    points = np.column_stack([np.interp(stations, along, line[:, k]) for k in (0, 1)])
    inside = [network.lanes[lane].speed_mps for lane in connection.via]
    approach = network.lanes[connection.in_lane].speed_mps
    return Path(points, stations, min([*inside, approach]), approach, connection.crossing)


def all_red_s(clearing: Path, entering: Path, vehicle_length_m: float) -> float:
    """All-red time between two conflicting paths, s; may be negative (entering is slower)."""
    gap = np.hypot(*(clearing.points_m[:, None, :] - entering.points_m[None, :, :]).T).T
    width = CROSSING_WIDTH_M if entering.crossing else CONFLICT_WIDTH_M
    zone = gap <= max(width, float(gap.min()))
    leaves_s = (clearing.distance_m + vehicle_length_m) / clearing.clear_speed_mps
    arrives_s = np.zeros_like(entering.distance_m)
    if not entering.crossing:
        arrives_s = entering.distance_m / entering.enter_speed_mps
    return float((leaves_s[:, None] - arrives_s[None, :])[zone].max())


def pedestrian_clearance_s(crossing: Path, walking_speed_mps: float) -> float:
    """Time to walk the whole crossing, s."""
    return crossing.length_m / walking_speed_mps
