"""What controllers may read of the traffic at a decision: arrays, read lazily, once per decision.

Columns are those of the static model: link quantities run over the links of all controllable
signals, signal by signal; lane quantities over `TrafficState.lanes` (approach lanes, then exit
lanes that are no approach). A quantity costs SUMO calls only when a controller asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.loops import stop_line_loop
from trimtab_traffic.probes import ProbeFleet
from trimtab_traffic.signals import VEHICLE_SPACE_M, TrafficNetwork
from trimtab_traffic.simulation import getter

SIGHT_M = 200.0
"""Distance within which head vehicles are looked for, m."""
STANDING_MPS = 2.0
"""Slower vehicles count as queued (they move up within a queue)."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """Vehicles within a radius of the stop line of their next signalled link, nearest first.

    Attributes:
        links: [vehicles] column of that link.
        distance_m: [vehicles].
        lanes: [vehicles] column of the lane they are on, -1 before the approach lanes.
        vehicles: their ids.
    """

    links: IntArray
    distance_m: FloatArray
    lanes: IntArray
    vehicles: tuple[str, ...]


class TrafficState:
    """The live state of one simulation without sensor error.

    Args:
        network: the static model.
        simulation: gives the simulation to read (libsumo or a traci connection).

    Attributes:
        lanes: ids of the columns of lane quantities.
        exit_lanes: ids of the columns of `free_space_m`.
        first_link: [signals + 1] first column of each signal's links.
        fleet: probe vehicles, read between decisions once somebody sets its `watched`.
        time_s: time of the decision.
        simulation: gives the simulation.
    """

    def __init__(self, network: TrafficNetwork, simulation: Callable[[], Any]) -> None:
        signals = network.controllable
        approach = dict.fromkeys(lane for s in signals for lane in s.approach_lanes)
        exits = dict.fromkeys(lane for s in signals for lane in s.exit_lanes)
        self.network = network
        self.fleet = ProbeFleet(network, 1.0)
        self.approach_lanes = tuple(approach)
        self.exit_lanes = tuple(exits)
        self.lanes = tuple(approach | exits)
        self.first_link = np.cumsum([0, *(s.n_links for s in signals)])
        column = {lane: k for k, lane in enumerate(self.lanes)}
        self.exit_columns = np.array([column[lane] for lane in self.exit_lanes], dtype=np.int64)
        self.lane_length_m = np.array([network.lanes[lane].length_m for lane in self.lanes])
        self.lane_speed_limit_mps = np.array([network.lanes[x].speed_mps for x in self.lanes])
        self.time_s = 0.0
        self._box_lanes = tuple(
            (lane, int(first) + c.link)
            for s, first in zip(signals, self.first_link, strict=False)
            for c in s.connections
            if c.on_road
            for lane in c.via
        )
        self._offsets = {s.id: int(k) for s, k in zip(signals, self.first_link, strict=False)}
        self._arrives = {
            network.lanes[lane].edge: k for k, s in enumerate(signals) for lane in s.approach_lanes
        }
        self._zones: dict[float, tuple[tuple[str, int], ...]] = {}
        self._cache: dict[Any, Any] = {}
        self.simulation = simulation
        self._stage = np.zeros(len(signals), dtype=np.int64)
        self._stage_elapsed_s = np.zeros(len(signals), dtype=np.int64)

    def refresh(self, time_s: float, stage: IntArray, stage_elapsed_s: IntArray) -> None:
        """Forget what was read: a new decision begins.

        Args:
            time_s: simulation time.
            stage: [signals] stage shown or being entered.
            stage_elapsed_s: [signals] seconds of its green, negative during its transition.
        """
        self.time_s = time_s
        self._stage = stage
        self._stage_elapsed_s = stage_elapsed_s
        self.forget()

    def forget(self) -> None:
        """Forget what was read: time has passed."""
        self._cache.clear()

    def stage(self) -> IntArray:
        """Stage shown or being entered, [signals]."""
        return self._stage

    def stage_elapsed_s(self) -> IntArray:
        """Seconds of green of that stage, negative while its transition runs, [signals]."""
        return self._stage_elapsed_s

    def lane_vehicles(self) -> FloatArray | IntArray:
        """V: vehicles per lane, [lanes]."""
        return self._per_lane("getLastStepVehicleNumber", self.lanes, np.int64)

    def lane_halting(self) -> FloatArray | IntArray:
        """H: vehicles slower than 0.1 m/s per lane, [lanes]."""
        halting: IntArray = self._cached("halting", self._count_halting)
        return halting

    def approach_halting(self) -> FloatArray | IntArray:
        """H of approach lanes only, [approach lanes]."""
        return self._per_lane("getLastStepHaltingNumber", self.approach_lanes, np.int64)

    def occupancy(self) -> FloatArray:
        """Share of each lane's length that vehicles cover, [lanes], 0..1."""
        return self._per_lane("getLastStepOccupancy", self.lanes, np.float64)

    def passed_veh(self) -> IntArray:
        """Vehicles that reached the stop line since the begin, [approach lanes].

        Needs the stop-line loops that interface `cycle` puts in.
        """
        count = self.simulation().inductionloop.getIntervalVehicleNumber
        loops = map(stop_line_loop, self.approach_lanes)
        return np.fromiter(map(count, loops), np.int64, len(self.approach_lanes))

    def free_space_m(self) -> FloatArray:
        """Length left for queued vehicles on each exit lane, [exit lanes]."""
        vehicles = self._per_lane("getLastStepVehicleNumber", self.exit_lanes, np.int64)
        free: FloatArray = self.lane_length_m[self.exit_columns] - VEHICLE_SPACE_M * vehicles
        return np.maximum(free, 0.0)

    def vehicles_on(self, lanes: tuple[str, ...]) -> IntArray:
        """V of any lanes, [lanes]; give the same tuple each time."""
        return self._per_lane("getLastStepVehicleNumber", lanes, np.int64)

    def approach_count(self, radius_m: float) -> FloatArray | IntArray:
        """n_j(R): vehicles whose next signalled link is j, at most `radius_m` away, [links]."""
        seen = self.sightings(radius_m)
        near = seen.links[seen.distance_m <= radius_m]
        return np.bincount(near, minlength=int(self.first_link[-1]))

    def head_wait_s(self) -> FloatArray:
        """Standing time of the vehicle nearest to each stop line, [links]; 0 without one."""
        seen = self.sightings(SIGHT_M)
        waits = np.zeros(int(self.first_link[-1]))
        head = np.full(len(waits), -1)
        head[seen.links[::-1]] = np.arange(len(seen.links))[::-1]  # the nearest is written last
        wait_of = getter(self.simulation(), "vehicle", "getWaitingTime")
        for link in np.flatnonzero(head >= 0):
            waits[link] = wait_of(seen.vehicles[head[link]])
        return waits

    def sightings(self, radius_m: float) -> Sightings:
        """Vehicles at most `radius_m` (or a radius asked before, if larger) from a stop line."""
        known = [key for key in self._cache if isinstance(key, float) and key >= radius_m]
        key = min(known, default=float(radius_m))
        seen: Sightings = self._cached(key, lambda: self._look(key))
        return seen

    def speeds_mps(self, radius_m: float) -> FloatArray:
        """Speed of each vehicle of `sightings(radius_m)`, [vehicles]."""
        seen = self.sightings(radius_m)
        speed_of = getter(self.simulation(), "vehicle", "getSpeed")
        speeds: FloatArray = self._cached(
            ("speeds", len(seen.vehicles)),
            lambda: np.fromiter(map(speed_of, seen.vehicles), np.float64, len(seen.vehicles)),
        )
        return speeds

    def box_slow_veh(self, below_mps: float) -> FloatArray:
        """Vehicles inside the junction, past their stop line, on lanes slower than that, [links].

        A vehicle that stands there when its green has ended blocks the streams it crosses.
        """
        count_of = getter(self.simulation(), "lane", "getLastStepVehicleNumber")
        speed_of = getter(self.simulation(), "lane", "getLastStepMeanSpeed")
        counts = np.zeros(int(self.first_link[-1]))
        for lane, link in self._box_lanes:
            vehicles = count_of(lane)
            if vehicles and speed_of(lane) < below_mps:
                counts[link] += vehicles
        return counts

    def waiting_outside(self) -> FloatArray:
        """Vehicles not yet let into the network, at the first signal of their route, [signals]."""
        counts = np.zeros(len(self._stage))
        api = self.simulation()
        for vehicle in api.simulation.getPendingVehicles():
            route = api.vehicle.getRoute(vehicle)
            first = next((self._arrives[e] for e in route if e in self._arrives), None)
            if first is not None:
                counts[first] += 1.0
        return counts

    def _look(self, radius_m: float) -> Sightings:
        api = self.simulation()
        ids_of = getter(api, "lane", "getLastStepVehicleIDs")
        next_signals = getter(api, "vehicle", "getNextTLS")
        offset_of = self._offsets.get
        rows: list[tuple[float, int, int, str]] = []
        for lane, column in self._zone(radius_m):
            for vehicle in reversed(ids_of(lane)):
                ahead = next_signals(vehicle)
                if not ahead:
                    continue
                signal, link, distance_m, _ = ahead[0]
                if distance_m > radius_m:
                    if column >= 0:
                        break  # vehicles come in order: those behind are further away
                    continue
                offset = offset_of(signal)
                if offset is not None:
                    rows.append((distance_m, offset + link, column, vehicle))
        rows.sort()
        return Sightings(
            links=np.array([row[1] for row in rows], dtype=np.int64),
            distance_m=np.array([row[0] for row in rows], dtype=np.float64),
            lanes=np.array([row[2] for row in rows], dtype=np.int64),
            vehicles=tuple(row[3] for row in rows),
        )

    def _zone(self, radius_m: float) -> tuple[tuple[str, int], ...]:
        """Lanes with points at most `radius_m` before a stop line; column, -1 if further up."""
        if radius_m not in self._zones:
            approach = {lane: column for column, lane in enumerate(self.approach_lanes)}
            further = _upstream(self.simulation(), self.network, self.approach_lanes, radius_m)
            self._zones[radius_m] = tuple(
                (approach | {lane: -1 for lane in further if lane not in approach}).items()
            )
        return self._zones[radius_m]

    def _count_halting(self) -> IntArray:
        """Only lanes with vehicles are asked: most are empty at most times."""
        halting_on = getter(self.simulation(), "lane", "getLastStepHaltingNumber")
        present = zip(self.lanes, self.lane_vehicles().tolist(), strict=True)
        halting = [halting_on(lane) if vehicles else 0 for lane, vehicles in present]
        return np.array(halting, np.int64)

    def _per_lane(self, name: str, lanes: tuple[str, ...], dtype: type[np.generic]) -> NDArray[Any]:
        get = getter(self.simulation(), "lane", name)
        key = (name, id(lanes))
        values: NDArray[Any] = self._cached(
            key, lambda: np.fromiter(map(get, lanes), dtype, len(lanes))
        )
        return values

    def _cached(self, key: Any, read: Callable[[], Any]) -> Any:
        if key not in self._cache:
            self._cache[key] = read()
        return self._cache[key]


def _upstream(
    api: Any, network: TrafficNetwork, lanes: Iterable[str], radius_m: float
) -> Iterable[str]:
    """Lanes whose end lies within reach before the stop lines of `lanes`, no signal in between."""
    length_m = api.lane.getLength
    short = {lane for lane in lanes if length_m(lane) < radius_m}
    if not short:
        return ()
    import networkx as nx

    signalled = {
        (c.in_lane, c.via[0] if c.via else c.out_lane)
        for s in network.signals
        for c in s.connections
    }
    before = nx.DiGraph()
    before.add_nodes_from(short)
    for lane in api.lane.getIDList():
        ahead = {link[4] or link[0] for link in api.lane.getLinks(lane)}
        free = (target for target in ahead if (lane, target) not in signalled)
        before.add_weighted_edges_from((target, lane, length_m(target)) for target in free)
    reached: dict[str, float] = nx.multi_source_dijkstra_path_length(before, short, radius_m)
    return reached
