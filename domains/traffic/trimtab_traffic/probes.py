"""Probe vehicles: what a share of the traffic tells, between decisions, about delay and queues.

A probe reports its odometer every `PING_S` and the stop line ahead of it. An *approach* begins
where it passes the last stop line, enters the network, or comes within `REACH_M` of the next; its
travel time T over the length L gives the delay d = max(0, T - L/v_f), and on an approach of n lanes
the queue q = min(n L/s_j, d s) with s = (n/h) (g/C), jam spacing s_j = 7.5 m, headway h = 2 s per
lane, free speed v_f and green share g/C. The variance of a mean delay over an interval falls as
1/(p N). `ProbeFleet` follows the probes; `ProbeQueues` makes the queues of the sensor model.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.signals import VEHICLE_SPACE_M, TrafficNetwork

if TYPE_CHECKING:
    from trimtab_traffic.state import TrafficState

HEADWAY_S = 2.0
GREEN_MEMORY_S = 180.0
"""Time constant of the measured green share, s (two cycles)."""
PING_S = 5.0
"""Time between two reports of a probe, s; within the 1-30 s of commercial probe fleets."""
REACH_M = 600.0
"""Longest approach that is measured, m."""


def is_probe(vehicle: str, penetration: float, seed: int) -> bool:
    """Whether a vehicle is a probe: fixed by its id and the seed, so controllers meet the same."""
    return zlib.crc32(f"probe {seed} {vehicle}".encode()) < penetration * 2**32


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


@dataclass(frozen=True, slots=True)
class Passages:
    """Approaches of probes; arrays [passages].

    Attributes:
        links: column of the link approached, in the order of `TrafficState`'s link quantities.
        time_s: when the stop line was passed, or the time of the last report.
        delay_s: d, so far where the stop line lies still ahead.
        length_m: L, length driven.
    """

    links: IntArray
    time_s: FloatArray
    delay_s: FloatArray
    length_m: FloatArray

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float, float]]) -> Passages:
        """From rows of link, time, delay, length."""
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        return cls(table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3])


@dataclass(slots=True)
class _Track:
    """One probe on its way to its next stop line; odometer in m."""

    odometer_m: float
    time_s: float
    link: int = -1
    stop_line_m: float = inf
    begin_m: float = 0.0
    begin_s: float = inf

    def time_at(self, odometer_m: float, now_m: float, now_s: float) -> float:
        """When it was at `odometer_m`, between the last report and this one."""
        driven = now_m - self.odometer_m
        share = (odometer_m - self.odometer_m) / driven if driven > 0 else 1.0
        return self.time_s + min(max(share, 0.0), 1.0) * (now_s - self.time_s)


class ProbeFleet:
    """Probes of one simulation; reads nothing until somebody watches.

    Whether a vehicle is a probe follows from its id and the seed (`is_probe`), so all controllers
    see the same probes, and those of a smaller share are among those of a larger one.

    Args:
        network: the static model.
        share: p, share of vehicles that are probes.

    Attributes:
        share: p.
        begin_s: begin of the episode.
        watched: whether probes are to be read.
        next_ping_s: time of the next report.
    """

    def __init__(self, network: TrafficNetwork, share: float) -> None:
        signals = network.controllable
        first = np.cumsum([0, *(s.n_links for s in signals)])
        self._offset = {s.id: int(k) for s, k in zip(signals, first, strict=False)}
        self._free_mps = np.full(int(first[-1]), inf)
        for signal in signals:
            for c in signal.connections:
                if c.on_road:
                    speed = network.lanes[c.in_lane].speed_mps
                    self._free_mps[self._offset[signal.id] + c.link] = speed
        self.share = share
        self.watched = False
        self.begin(0.0, 0)

    def begin(self, time_s: float, seed: int) -> None:
        """Start an episode; the seed draws the probes."""
        self.begin_s, self.next_ping_s, self._seed = time_s, time_s + PING_S, seed
        self._is_probe: dict[str, bool] = {}
        self._tracks: dict[str, _Track] = {}
        self._passed: list[tuple[float, float, float, float]] = []

    def passed(self, since_s: float) -> Passages:
        """Approaches whose stop line was passed at or after `since_s`."""
        return Passages.of([row for row in self._passed if row[1] >= since_s])

    def under_way(self) -> Passages:
        """Approaches still being driven, as of the last report."""
        tracks = (t for t in self._tracks.values() if t.link >= 0 and t.begin_s < t.time_s)
        return Passages.of([self._row(t, t.time_s, t.odometer_m) for t in tracks])

    def ping(self, api: Any, time_s: float) -> None:
        """Take the reports of this instant.

        Args:
            api: the running simulation.
            time_s: its time.
        """
        self.next_ping_s = time_s + PING_S
        odometer_of = api.vehicle.getDistance
        present: dict[str, _Track] = {}
        for vehicle in filter(self.reports, api.vehicle.getIDList()):
            now_m = float(odometer_of(vehicle))
            track = self._tracks.pop(vehicle, None)
            if track is None:
                track = _Track(now_m, time_s)
                self._aim(track, api, vehicle, now_m, now_m, time_s)
            elif now_m >= track.stop_line_m:
                line_m = track.stop_line_m
                passed_s = self._pass(track, now_m, time_s)
                self._aim(track, api, vehicle, now_m, line_m, passed_s)
            if track.begin_s == inf and now_m >= track.begin_m:
                track.begin_s = track.time_at(track.begin_m, now_m, time_s)
            track.odometer_m, track.time_s = now_m, time_s
            present[vehicle] = track
        for gone in self._tracks.values():  # arrived behind their last stop line
            if gone.link >= 0:
                ahead_s = (gone.stop_line_m - gone.odometer_m) / self._free_mps[gone.link]
                at_s = min(time_s, gone.time_s + max(ahead_s, 0.0))
                gone.begin_s = min(gone.begin_s, at_s)
                self._passed.append(self._row(gone, at_s, gone.stop_line_m))
        self._tracks = present

    def reports(self, vehicle: str) -> bool:
        """Whether a vehicle is one of the probes."""
        known = self._is_probe.get(vehicle)
        if known is None:
            known = is_probe(vehicle, self.share, self._seed)
            self._is_probe[vehicle] = known
        return known

    def _pass(self, track: _Track, now_m: float, now_s: float) -> float:
        """Note that it passed its stop line; the time it did."""
        at_s = track.time_at(track.stop_line_m, now_m, now_s)
        if track.begin_s == inf:
            track.begin_s = track.time_at(track.begin_m, now_m, now_s)
        if track.link >= 0:
            self._passed.append(self._row(track, at_s, track.stop_line_m))
        return at_s

    def _aim(
        self, track: _Track, api: Any, vehicle: str, now_m: float, from_m: float, from_s: float
    ) -> None:
        """Look for the stop line ahead; the approach begins at `from_m` or `REACH_M` before it."""
        ahead = api.vehicle.getNextTLS(vehicle)
        if not ahead:
            track.link, track.stop_line_m, track.begin_m, track.begin_s = -1, inf, inf, inf
            return
        signal, link, distance_m, _ = ahead[0]
        offset = self._offset.get(signal)
        track.link = -1 if offset is None else offset + link
        track.stop_line_m = now_m + float(distance_m)
        track.begin_m = max(from_m, track.stop_line_m - REACH_M)
        track.begin_s = from_s if track.begin_m == from_m else inf

    def _row(self, track: _Track, at_s: float, at_m: float) -> tuple[float, float, float, float]:
        length_m = max(at_m - track.begin_m, 0.0)
        delay_s = max(0.0, at_s - track.begin_s - length_m / self._free_mps[track.link])
        return float(track.link), at_s, delay_s, length_m


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
