"""Queues from probe vehicles: travel time of those that pass, held until the next one comes.

For an approach road of n lanes and length L a probe with travel time T has the delay
d = max(0, T - L / v_f); queue q = min(n L / s_j, d s) with s = (n / h) (g / C), jam spacing
s_j = 7.5 m, headway h = 2 s per lane, free speed v_f and green share g / C of the road's links.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.signals import VEHICLE_SPACE_M
from trimtab_traffic.simulation import getter

if TYPE_CHECKING:
    from trimtab_traffic.state import TrafficState

HEADWAY_S = 2.0
GREEN_MEMORY_S = 180.0
"""Time constant of the measured green share, s (two cycles)."""


def is_probe(vehicle: str, penetration: float) -> bool:
    """Whether a vehicle is a probe: fixed by its id, so all controllers meet the same ones."""
    return zlib.crc32(f"probe {vehicle}".encode()) < penetration * 2**32


def probe_queue_veh(
    delay_s: FloatArray, lanes: FloatArray | IntArray, length_m: FloatArray, green_share: FloatArray
) -> FloatArray:
    """Queue from the delay of probes, vehicles; all arguments broadcast.

    Args:
        delay_s: d, mean delay of a probe on the approach.
        lanes: n.
        length_m: L, where a queue longer than the approach is cut.
        green_share: g / C.
    """
    storage = lanes * length_m / VEHICLE_SPACE_M
    return np.asarray(np.minimum(storage, delay_s * lanes / HEADWAY_S * green_share))


class ProbeQueues:
    """Follows probes over the approach roads.

    Args:
        state: names roads and signals, gives time and stages.
        penetration: share of probes.
    """

    def __init__(self, state: TrafficState, penetration: float) -> None:
        self._state, self._penetration = state, penetration
        lanes = state.approach_lanes
        edges = list(dict.fromkeys(state.network.lanes[lane].edge for lane in lanes))
        index = {edge: k for k, edge in enumerate(edges)}
        self._edge_of_lane = np.array([index[state.network.lanes[x].edge] for x in lanes])
        first = [state.network.lanes[state.network.edges[e].lanes[0]] for e in edges]
        self._length_m = np.array([lane.length_m for lane in first])
        self._free_s = self._length_m / np.array([lane.speed_mps for lane in first])
        self._n_lanes = np.bincount(self._edge_of_lane, minlength=len(edges))
        self._green = _green_of_edges(state, index)
        self._share = np.full(len(edges), 0.5)
        self._delay_s = np.zeros(len(edges))
        self._heard_s = np.zeros(len(edges))
        self._entered: dict[str, tuple[int, float]] = {}
        self._probes: dict[str, bool] = {}
        self._time_s = 0.0

    def begin(self) -> None:
        """Nothing is known at the begin of an episode."""
        self._share[:], self._delay_s[:] = 0.5, 0.0
        self._entered.clear()
        self._probes.clear()
        self._time_s = self._state.time_s
        self._heard_s[:] = self._state.time_s

    def update(self) -> None:
        """Take in the probes that entered or left an approach road since the last decision."""
        now_s = self._state.time_s
        elapsed_s, self._time_s = now_s - self._time_s, now_s
        weight = 1.0 - np.exp(-elapsed_s / GREEN_MEMORY_S)
        self._share += weight * (self._green_now() - self._share)
        present = self._present()
        for probe, (edge, entered_s) in list(self._entered.items()):
            if present.get(probe) != edge:
                travel_s = now_s - elapsed_s / 2.0 - entered_s
                self._delay_s[edge] = max(0.0, travel_s - self._free_s[edge])
                self._heard_s[edge] = now_s
                del self._entered[probe]
        for probe, edge in present.items():
            self._entered.setdefault(probe, (edge, now_s - elapsed_s / 2.0))

    def queue_veh(self) -> FloatArray:
        """Queue of each approach road, held since its last probe, [roads]."""
        return probe_queue_veh(self._delay_s, self._n_lanes, self._length_m, self._share)

    def age_s(self) -> FloatArray:
        """Time since a probe last left each approach road, [roads]."""
        return self._time_s - self._heard_s

    def lane_queue_veh(self) -> FloatArray:
        """Queue per lane: roads' queues, evenly over their lanes; 0 on exit lanes, [lanes]."""
        everywhere = np.zeros(len(self._state.lanes))
        shared = self.queue_veh() / np.maximum(self._n_lanes, 1)
        everywhere[: len(self._edge_of_lane)] = shared[self._edge_of_lane]
        return everywhere

    def _present(self) -> dict[str, int]:
        """Probe → approach road it is on."""
        ids_of = getter(self._state.simulation(), "lane", "getLastStepVehicleIDs")
        found: dict[str, int] = {}
        for lane, edge in zip(self._state.approach_lanes, self._edge_of_lane.tolist(), strict=True):
            for vehicle in ids_of(lane):
                if vehicle not in self._probes:
                    self._probes[vehicle] = is_probe(vehicle, self._penetration)
                if self._probes[vehicle]:
                    found[vehicle] = edge
        return found

    def _green_now(self) -> FloatArray:
        """Share of each road's links that are green, [roads]."""
        stage, elapsed = self._state.stage(), self._state.stage_elapsed_s()
        total = np.zeros(len(self._share))
        for k, table in enumerate(self._green):
            if elapsed[k] >= 0:
                total += table[int(stage[k])]
        return total


def _green_of_edges(state: TrafficState, index: dict[str, int]) -> list[FloatArray]:
    """Per signal [stages, roads]: share of the road's controlled connections green in a stage."""
    tables = []
    for signal in state.network.controllable:
        table = np.zeros((len(signal.stage_states), len(index)))
        count = np.zeros(len(index))
        for c in signal.connections:
            if c.on_road:
                edge = index[state.network.lanes[c.in_lane].edge]
                count[edge] += 1
                table[:, edge] += signal.stage_green[:, c.link]
        tables.append(table / np.maximum(count, 1))
    return tables
