"""What controllers see through detectors: E1 loops, E2 lane areas, probe vehicles, and faults.

A sensor model turns the vehicles near the stop lines into *readings*: what its detectors report.
Lane and link quantities of `SensedState` are sums over readings, so every controller, rule or
learned, sees the same error. Detectors without route knowledge (E1, E2) spread the vehicles of a
shared lane over its links. Faults strike lanes drawn by seed: stuck on, stuck off, dropout (the
last reading is held), latency. Random draws depend on seed, episode and decision alone.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_traffic.loop_counts import LoopCounts
from trimtab_traffic.probe_queues import ProbeQueues
from trimtab_traffic.scenario import SensorFault, Sensors
from trimtab_traffic.signals import VEHICLE_SPACE_M
from trimtab_traffic.simulation import STANDING_SPEED_MPS, getter
from trimtab_traffic.state import SIGHT_M, Sightings, TrafficState

VEHICLE_LENGTH_M = 5.0
_FAULTS = Stream("sensors")


@dataclass(frozen=True, slots=True)
class Readings:
    """What the detectors report at one decision, one row per (supposed) vehicle.

    Attributes:
        distance_m, links, lanes: as in `Sightings`.
        speed_mps, wait_s: [rows].
    """

    distance_m: FloatArray
    links: IntArray
    lanes: IntArray
    speed_mps: FloatArray
    wait_s: FloatArray

    def of_lanes(self, wanted: BoolArray) -> Readings:
        """Rows on the wanted lanes (bool per lane column)."""
        rows = wanted[self.lanes]
        return Readings(*(getattr(self, name)[rows] for name in _COLUMNS))

    def joined(self, other: Readings) -> Readings:
        """Rows of both, nearest first."""
        both = [np.concatenate([getattr(self, n), getattr(other, n)]) for n in _COLUMNS]
        order = np.argsort(both[0], kind="stable")
        return Readings(*(column[order] for column in both))


_COLUMNS = ("distance_m", "links", "lanes", "speed_mps", "wait_s")


@dataclass
class _Fault:
    """A fault of the scenario and the lanes it strikes in this episode."""

    setting: SensorFault
    lanes: BoolArray
    held: Readings | None = None
    past: deque[tuple[float, Readings]] = field(default_factory=deque)


class SensedState(TrafficState):
    """`TrafficState` as the sensors of a scenario report it.

    Args:
        true: the state without sensor error.
        sensors: the scenario's sensors.
        begin_s: begin of the horizon, from which fault times count.

    Attributes:
        true: the state without sensor error.
        loops, probes: the model's memory, where it has one.
        ok: [lanes] bool, False where a watchdog knows the detector to be bad.
    """

    def __init__(self, true: TrafficState, sensors: Sensors, begin_s: float) -> None:
        super().__init__(true.network, true.simulation)
        self.true = true
        self.ok = np.ones(len(self.lanes), dtype=bool)
        self._sensors, self._begin_s = sensors, begin_s
        self._links_of_lane = _links_of_lanes(self)
        self.loops = LoopCounts(self, sensors.range_m) if sensors.kind == "e1" else None
        self.probes = ProbeQueues(self) if sensors.kind == "probes" else None
        self._faults: list[_Fault] = []
        self._seed = self._episode = self._decision = 0
        self._bad_since_s = np.full(len(self.lanes), math.inf)
        self._readings: Readings | None = None

    def begin(self, seed: int, episode: int) -> None:
        """Start an episode: draw the lanes that faults strike."""
        self._seed, self._episode, self._decision = seed, episode, 0
        self.ok[:] = True
        self._bad_since_s[:] = math.inf
        draws = self._uniform(len(self._sensors.faults) * len(self.lanes))
        exits_only = np.array([not links for links in self._links_of_lane])
        self._faults = [
            _Fault(setting, (row < setting.share) & ~exits_only)
            for setting, row in zip(
                self._sensors.faults, draws.reshape(-1, len(self.lanes)), strict=True
            )
        ]
        for memory in (self.loops, self.probes):
            if memory is not None:
                memory.begin()

    def refresh(self, time_s: float, stage: IntArray, stage_elapsed_s: IntArray) -> None:
        """See `TrafficState.refresh`; models with a memory read at every decision."""
        self.true.refresh(time_s, stage, stage_elapsed_s)
        super().refresh(time_s, stage, stage_elapsed_s)
        self._readings = None
        self._decision += 1

    @property
    def has_memory(self) -> bool:
        """Whether readings must be taken at every decision, asked for or not."""
        return bool(self.loops or self.probes or self._faults)

    @property
    def share(self) -> float:
        """Share of the vehicles within range that sensors without fault report."""
        return self._sensors.penetration if self.probes is not None else 1.0

    def read(self) -> Readings:
        """Readings of this decision, taken once."""
        if self._readings is None:
            if self.probes is not None:
                self.probes.update()
            readings = self._plain()
            for fault in self._faults:
                readings = self._with_fault(fault, readings)
            self._readings = readings
        return self._readings

    def stale_s(self) -> FloatArray:
        """Seconds since half of a signal's detectors were last good, [signals]."""
        lane_age = np.where(self.ok, 0.0, np.maximum(self.time_s - self._bad_since_s, 0.0))
        column = {lane: k for k, lane in enumerate(self.lanes)}
        return np.array(
            [
                float(np.median([lane_age[column[lane]] for lane in s.approach_lanes] or [0.0]))
                for s in self.network.controllable
            ]
        )

    def _plain(self) -> Readings:
        """Readings without faults."""
        if self.loops is not None:
            return self._placed(self.loops.update(), self.loops.standing_s)
        seen = self.true.sightings(SIGHT_M)
        keep = seen.lanes >= 0
        if self.probes is not None:
            keep = np.array([self.fleet.reports(v) for v in seen.vehicles], bool)
            keep &= seen.lanes >= 0
        if self._sensors.kind == "e2":
            keep &= seen.distance_m <= self._sensors.range_m
        links = seen.links
        if self._sensors.kind == "e2":
            links = np.array(
                [
                    self._any_link(lane, vehicle) if lane >= 0 else link
                    for lane, link, vehicle in zip(
                        seen.lanes.tolist(), links.tolist(), seen.vehicles, strict=True
                    )
                ],
                dtype=np.int64,
            )
        return self._of_vehicles(replace(seen, links=links), keep)

    def _of_vehicles(self, seen: Sightings, keep: BoolArray) -> Readings:
        speed_of = getter(self.simulation(), "vehicle", "getSpeed")
        wait_of = getter(self.simulation(), "vehicle", "getWaitingTime")
        vehicles = [seen.vehicles[k] for k in np.flatnonzero(keep)]
        return Readings(
            seen.distance_m[keep],
            seen.links[keep],
            seen.lanes[keep],
            np.array([speed_of(v) for v in vehicles], dtype=np.float64),
            np.array([wait_of(v) for v in vehicles], dtype=np.float64),
        )

    def _any_link(self, lane: int, vehicle: str) -> int:
        """A link of the lane, the same for one vehicle, evenly spread over vehicles."""
        links = self._links_of_lane[lane]
        return links[zlib.crc32(vehicle.encode()) % len(links)]

    def _placed(self, counts: IntArray, standing_s: FloatArray) -> Readings:
        """Supposed vehicles, queued from the stop line, for counts per lane."""
        lanes = np.repeat(np.arange(len(counts)), counts)
        first = np.cumsum(counts) - counts
        place = np.arange(len(lanes)) - first[lanes]
        links = [
            self._links_of_lane[lane][k % len(self._links_of_lane[lane])]
            for lane, k in zip(lanes.tolist(), place.tolist(), strict=True)
        ]
        stands = standing_s[lanes] > 0
        readings = Readings(
            np.asarray(place * VEHICLE_SPACE_M, dtype=np.float64),
            np.array(links, dtype=np.int64),
            lanes,
            np.where(stands, 0.0, self.true.lane_speed_limit_mps[lanes] / 2.0),
            np.where(place == 0, standing_s[lanes], 0.0),
        )
        return readings.joined(_NOTHING)

    def _with_fault(self, fault: _Fault, readings: Readings) -> Readings:
        setting, since_s = fault.setting, self.time_s - self._begin_s
        if not setting.start_s <= since_s < (setting.end_s or math.inf):
            self._mend(fault.lanes)
            return readings
        if setting.kind == "latency":
            return self._delayed(fault, readings)
        struck = fault.lanes.copy()
        if setting.kind == "dropout":
            struck &= self._uniform(len(struck)) < setting.probability
        self._mend(fault.lanes & ~struck)
        self._break(struck)
        rest = readings.of_lanes(~struck)
        if setting.kind == "stuck_on":
            return rest.joined(self._full(struck))
        if setting.kind == "dropout":
            if fault.held is not None:
                rest = rest.joined(fault.held.of_lanes(struck))
            fault.held = rest
        return rest

    def _delayed(self, fault: _Fault, readings: Readings) -> Readings:
        fault.past.append((self.time_s, readings))
        while len(fault.past) > 1 and self.time_s - fault.past[1][0] >= fault.setting.latency_s:
            fault.past.popleft()
        self._break(fault.lanes)
        old = fault.past[0][1]
        return readings.of_lanes(~fault.lanes).joined(old.of_lanes(fault.lanes))

    def _full(self, lanes: BoolArray) -> Readings:
        """A queue over the whole range of each lane, as a detector that is always on reports."""
        reach_m = min(SIGHT_M, self._sensors.range_m)
        places = np.minimum(self.lane_length_m, reach_m) // VEHICLE_SPACE_M
        has_links = np.array([bool(links) for links in self._links_of_lane])
        counts = np.where(lanes & has_links, np.maximum(places, 1), 0).astype(np.int64)
        age_s = np.where(lanes, np.maximum(self.time_s - self._bad_since_s, 1.0), 0.0)
        return self._placed(counts, age_s)

    def _break(self, lanes: BoolArray) -> None:
        self._bad_since_s[lanes & self.ok] = self.time_s
        self.ok[lanes] = False

    def _mend(self, lanes: BoolArray) -> None:
        self.ok[lanes] = True
        self._bad_since_s[lanes] = math.inf

    def _uniform(self, n: int) -> FloatArray:
        seed, episode = np.array([self._seed]), np.array([self._episode])
        draws = _FAULTS.uniform(seed, episode, self._decision, max(n, 1))
        return np.asarray(draws[0, :n])

    def sightings(self, radius_m: float) -> Sightings:
        """Readings within a radius as sightings; the rows carry no vehicle ids."""
        seen = self.read()
        near = seen.distance_m <= max(radius_m, 0.0)
        nobody = ("",) * int(near.sum())
        return Sightings(seen.links[near], seen.distance_m[near], seen.lanes[near], nobody)

    def speeds_mps(self, radius_m: float) -> FloatArray:
        """See `TrafficState.speeds_mps`."""
        seen = self.read()
        return np.asarray(seen.speed_mps[seen.distance_m <= max(radius_m, 0.0)])

    def approach_count(self, radius_m: float) -> FloatArray:
        """Readings per link; probes are scaled up by their share, [links]."""
        counts = super().approach_count(radius_m).astype(np.float64)
        return counts / self._sensors.penetration if self.probes is not None else counts

    def lane_vehicles(self) -> FloatArray:
        """Readings per lane, probes scaled up, [lanes]; 0 where there is no detector."""
        counts = np.bincount(self.read().lanes, minlength=len(self.lanes)).astype(np.float64)
        return counts / self._sensors.penetration if self.probes is not None else counts

    def lane_halting(self) -> FloatArray:
        """Standing readings per lane; with probes the queue estimated from travel times."""
        seen = self.read()
        if self.probes is not None:
            return self.probes.lane_queue_veh()
        stands = seen.lanes[seen.speed_mps < STANDING_SPEED_MPS]
        return np.bincount(stands, minlength=len(self.lanes)).astype(np.float64)

    def approach_halting(self) -> FloatArray:
        """`lane_halting` of approach lanes."""
        return self.lane_halting()[: len(self.approach_lanes)]

    def occupancy(self) -> FloatArray:
        """Share of the lane that readings cover, [lanes], 0..1."""
        covered = self.lane_vehicles() * VEHICLE_LENGTH_M / self.lane_length_m
        return np.asarray(np.minimum(covered, 1.0))

    def free_space_m(self) -> FloatArray:
        """Length left on each exit lane as far as detectors know, [exit lanes]."""
        columns = self.exit_columns
        taken = VEHICLE_SPACE_M * self.lane_vehicles()[columns]
        return np.asarray(np.maximum(self.lane_length_m[columns] - taken, 0.0))

    def box_slow_veh(self, below_mps: float) -> FloatArray:
        """See `TrafficState.box_slow_veh`; detectors on approach lanes see nothing there."""
        if self._sensors.kind != "perfect":
            return np.zeros(int(self.first_link[-1]))
        return self.true.box_slow_veh(below_mps)

    def head_wait_s(self) -> FloatArray:
        """Standing time of the nearest reading of each link, [links]."""
        seen = self.read()
        waits = np.zeros(int(self.first_link[-1]))
        links, first = np.unique(seen.links, return_index=True)
        waits[links] = seen.wait_s[first]
        return waits


_NOTHING = Readings(
    np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
)


def _links_of_lanes(state: TrafficState) -> list[list[int]]:
    """Link columns of each lane column; empty for lanes that are only exits."""
    column = {lane: k for k, lane in enumerate(state.lanes)}
    found: list[list[int]] = [[] for _ in state.lanes]
    for signal, first in zip(state.network.controllable, state.first_link, strict=False):
        for c in signal.connections:
            link = int(first) + c.link
            if c.on_road and link not in found[column[c.in_lane]]:
                found[column[c.in_lane]].append(link)
    return found
