"""Queues of approach roads as probe vehicles tell them: one of the sensor models."""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.probes import probe_queue_veh
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.state import TrafficState

GREEN_MEMORY_S = 180.0
"""Time constant of the measured green share, s (two cycles)."""


class ProbeQueues:
    """Queue of each approach road from the probes that passed its stop line.

    Args:
        state: names roads and signals, gives time, stages and the fleet.
    """

    def __init__(self, state: TrafficState) -> None:
        self._state = state
        lanes = state.approach_lanes
        edges = list(dict.fromkeys(state.network.lanes[lane].edge for lane in lanes))
        index = {edge: k for k, edge in enumerate(edges)}
        self._edge_of_lane = np.array([index[state.network.lanes[x].edge] for x in lanes])
        self._edge_of_link = _edge_of_links(state.network, index)
        self._n_lanes = np.bincount(self._edge_of_lane, minlength=len(edges))
        self._green = _green_of_edges(state, index)
        self._share = np.full(len(edges), 0.5)
        self._delay_s = np.zeros(len(edges))
        self._length_m = np.zeros(len(edges))
        self._heard_s = np.zeros(len(edges))
        self._time_s = 0.0

    def begin(self) -> None:
        """Nothing is known at the begin of an episode."""
        self._state.fleet.watched = True
        self._share[:], self._delay_s[:], self._length_m[:] = 0.5, 0.0, 0.0
        self._time_s = self._state.time_s
        self._heard_s[:] = self._state.time_s

    def update(self) -> None:
        """Take in the probes that passed a stop line since the last decision."""
        since_s, self._time_s = self._time_s, self._state.time_s
        weight = 1.0 - np.exp(-(self._time_s - since_s) / GREEN_MEMORY_S)
        self._share += weight * (self._green_now() - self._share)
        passed = self._state.fleet.passed(since_s)
        roads = self._edge_of_link[passed.links]
        for k in np.flatnonzero(roads >= 0).tolist():
            road = roads[k]
            self._delay_s[road], self._length_m[road] = passed.delay_s[k], passed.length_m[k]
            self._heard_s[road] = passed.time_s[k]

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


def _edge_of_links(network: TrafficNetwork, index: dict[str, int]) -> IntArray:
    """Approach road of each link, -1 where it comes from none, [links]."""
    found: list[int] = []
    for signal in network.controllable:
        for connections in signal.link_connections:
            roads = [index[network.lanes[c.in_lane].edge] for c in connections if c.on_road]
            found.append(roads[0] if roads else -1)
    return np.array(found, dtype=np.int64)
