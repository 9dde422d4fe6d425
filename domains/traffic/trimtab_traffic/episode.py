"""Figures of one episode: sampled queues, and the sums SUMO wrote when it was closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.delay import trip_metrics
from trimtab_traffic.demand import Demand
from trimtab_traffic.metrics import GRIDLOCK_VEH, STUCK_S
from trimtab_traffic.signals import VEHICLE_SPACE_M
from trimtab_traffic.simulation import Outputs
from trimtab_traffic.state import TrafficState
from trimtab_traffic.trips import read_edge_loss, read_statistics, read_trips

SAMPLE_S = 30.0
"""Time between two samples of all queues, s: rare, since SUMO pays for every lane asked."""


class EpisodeFigures:
    """Collects the figures of one episode after the other.

    Args:
        state: read without sensor error.
        demand: planned departures.
        begin_s: begin of the evaluated horizon.
        end_s: its end.

    Attributes:
        next_sample_s: when the queues are to be looked at next.
    """

    def __init__(self, state: TrafficState, demand: Demand, begin_s: float, end_s: float) -> None:
        self._state, self._demand = state, demand
        self._begin_s, self._end_s = begin_s, end_s
        self.next_sample_s = begin_s
        self._queues: list[NDArray[Any]] = []
        self._times_s: list[float] = []

    def begin(self, time_s: float) -> None:
        """Start an episode at `time_s`."""
        self.next_sample_s = max(self._begin_s, time_s) + SAMPLE_S
        self._queues.clear()
        self._times_s.clear()

    def sample(self, time_s: float) -> None:
        """Sample the queues if it is time to."""
        if time_s >= self.next_sample_s:
            self.next_sample_s += SAMPLE_S
            self._queues.append(self._state.approach_halting())
            self._times_s.append(time_s)

    def stuck_vehicles(self, api: Any) -> int:
        """Vehicles that have been standing for `STUCK_S` or more."""
        waits = map(api.vehicle.getWaitingTime, api.vehicle.getIDList())
        return sum(wait >= STUCK_S for wait in waits)

    def metrics(self, outputs: Outputs, stuck: int) -> dict[str, float]:
        """All metrics of the episode whose outputs are complete."""
        trips = read_trips(outputs.trips)
        queues = self._queue_m()
        return {
            **trip_metrics(trips, self._demand, self._begin_s, self._end_s),
            "queue_mean_m": float(queues.mean()) if queues.size else 0.0,
            "queue_p95_m": float(self._queue_p95_m().max(initial=0.0)),
            "teleports": read_statistics(outputs.statistics)["teleports"]["total"],
            "stuck_veh": float(stuck),
            "gridlock": float(stuck >= GRIDLOCK_VEH),
        }

    def details(self, outputs: Outputs | None) -> Mapping[str, Mapping[str, float]]:
        """Per edge the seconds lost, per approach lane the 95 % queue, per time the mean queue."""
        lanes = self._state.approach_lanes
        means = self._queue_m().mean(axis=1)
        return {
            "edge_delay_s": {} if outputs is None else read_edge_loss(outputs.edges),
            "queue_p95_m": dict(zip(lanes, self._queue_p95_m().tolist(), strict=True)),
            "queue_m": {f"{t:g}": float(q) for t, q in zip(self._times_s, means, strict=True)},
        }

    def _queue_m(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """[samples, approach lanes]."""
        shape = (len(self._queues), len(self._state.approach_lanes))
        return np.array(self._queues, dtype=np.float64).reshape(shape) * VEHICLE_SPACE_M

    def _queue_p95_m(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        queues = np.sort(self._queue_m(), axis=0)
        if not len(queues):
            return np.zeros(queues.shape[1])
        # linear between samples as `np.percentile`, which loads numpy.ma: 5 % of a short episode
        below, share = divmod(0.95 * (len(queues) - 1), 1.0)
        low, high = queues[int(below)], queues[min(int(below) + 1, len(queues) - 1)]
        return np.asarray(low + (high - low) * share)
