"""Probe vehicles: what a share of the traffic tells, between decisions, about delay and queues.

A probe reports its odometer every `PING_S` and the stop line ahead of it. An *approach* begins
where it passes the last stop line, enters the network, or comes within `REACH_M` of the next; its
travel time T over the length L gives the delay d = max(0, T - L/v_f), and on an approach of n lanes
the queue q = min(n L/s_j, d s) with s = (n/h) (g/C), jam spacing s_j = 7.5 m, headway h = 2 s per
lane, free speed v_f and green share g/C. The variance of a mean delay over an interval falls as
1/(p N). `ProbeFleet` follows the probes; `probe_queues` makes the queues of the sensor model.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.signals import VEHICLE_SPACE_M, TrafficNetwork

HEADWAY_S = 2.0
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
