"""What the shield is told besides the signal state: exit space, priority vehicles, pedestrians."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.delay import EMERGENCY_PREFIX
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.scenario import Priority
from trimtab_traffic.sensors import SensedState
from trimtab_traffic.shield import ShieldInputs
from trimtab_traffic.signals import VEHICLE_SPACE_M, TrafficNetwork
from trimtab_traffic.state import TrafficState

REQUEST_RADIUS_M = 200.0
"""Distance from which emergency vehicles and buses ask for green, m."""
EXIT_STRETCH_M = 2 * VEHICLE_SPACE_M
"""An exit shorter than that is looked at together with the lane that continues it, m."""


class Kerbs:
    """Persons before the signalled crossings of a network; false where there are no crossings.

    Args:
        network: the static model.
        simulation: gives the simulation.
    """

    def __init__(self, network: TrafficNetwork, simulation: Callable[[], Any]) -> None:
        self._crossings, self._simulation = _crossings(network), simulation
        self._links = sum(s.n_links for s in network.controllable)

    def __bool__(self) -> bool:
        return bool(self._crossings)

    def waiting(self) -> FloatArray:
        """Persons who stand before the crossing of a link, [links]."""
        counts = np.zeros(self._links)
        api = self._simulation()
        if not self._crossings or not api.person.getIDCount():
            return counts
        for link, walking_area, crossing in self._crossings:
            persons = api.edge.getLastStepPersonIDs(walking_area)
            counts[link] += sum(api.person.getNextEdge(person) == crossing for person in persons)
        return counts


class RequestReader:
    """Reads the inputs of the shield, only those that the rules and the scenario use.

    Args:
        network: the static model.
        profile: its rules say whether exit space and pedestrian calls matter.
        priority: which vehicles signals serve first.
        bus_ids: planned buses.
        state: read without sensor error: emergency calls and exit loops are equipment of their own.
        simulation: gives the simulation (for persons).
        sensed: what detectors report, for the watchdog, where there are faults.
    """

    def __init__(
        self,
        network: TrafficNetwork,
        profile: RuleProfile,
        priority: Priority,
        bus_ids: frozenset[str],
        state: TrafficState,
        simulation: Callable[[], Any],
        sensed: SensedState | None = None,
    ) -> None:
        signals = network.controllable
        rules = [profile.for_signal(signal.id) for signal in signals]
        self._state, self._bus_ids = state, bus_ids
        self._sensed = sensed
        self._guards = any(rule.spillback_guard for rule in rules)
        self._emergency = priority.emergency_every_s is not None
        self._buses = priority.bus and bool(bus_ids)
        self._shape = (len(signals), max((s.n_links for s in signals), default=0))
        self._row = np.repeat(np.arange(len(signals)), [s.n_links for s in signals])
        self._link = np.arange(len(self._row)) - state.first_link[self._row]
        self._exit_link, self._exit = _exits(network, state.exit_lanes)
        stretches = [exit_stretch(network, lane) for lane in state.exit_lanes]
        self._exit_lanes = tuple(lane for stretch in stretches for lane in stretch)
        self._stretch = np.repeat(np.arange(len(stretches)), list(map(len, stretches)))
        lengths_m = [network.lanes[lane].length_m for lane in self._exit_lanes]
        self._stretch_m = np.bincount(self._stretch, lengths_m)
        calls = any(not rule.pedestrian_recall for rule in rules)
        self._kerbs = Kerbs(network, simulation)
        self._calls_heard = calls and bool(self._kerbs)

    @property
    def needed(self) -> bool:
        """Whether anything is read at all."""
        watched = self._sensed is not None
        return bool(self._guards or self._emergency or self._buses or self._calls_heard or watched)

    def read(self) -> ShieldInputs | None:
        """Inputs at this decision, or None when nothing is needed."""
        if not self.needed:
            return None
        return ShieldInputs(
            exit_space_m=self._exit_space_m() if self._guards else None,
            preemption=self._asked(self.emergencies()) if self._emergency else None,
            bus=self._asked(self.buses()) if self._buses else None,
            pedestrian_call=self._asked(self.persons()) if self._calls_heard else None,
            stale_s=None if self._sensed is None else self._sensed.stale_s(),
            time_s=self._state.time_s,
        )

    def _exit_space_m(self) -> FloatArray:
        flat = np.full(len(self._row), -np.inf)
        vehicles = np.bincount(self._stretch, self._state.vehicles_on(self._exit_lanes))
        free_m = np.maximum(self._stretch_m - VEHICLE_SPACE_M * vehicles, 0.0)
        free_m[vehicles == 0] = np.inf  # an empty exit has room, however short
        np.maximum.at(flat, self._exit_link, free_m[self._exit])
        return self._padded(np.where(np.isfinite(flat), flat, np.inf), np.inf)

    def emergencies(self) -> FloatArray:
        """Emergency vehicles that the scenario adds and that approach a link, [links]."""
        return self._approaching(_is_emergency if self._emergency else None)

    def buses(self) -> FloatArray:
        """Planned buses that approach a link, [links]."""
        return self._approaching(self._bus_ids.__contains__ if self._bus_ids else None)

    def persons(self) -> FloatArray:
        """Persons who stand before the crossing of a link, [links]."""
        return self._kerbs.waiting()

    def _approaching(self, wanted: Callable[[str], bool] | None) -> FloatArray:
        counts = np.zeros(len(self._row))
        if wanted is not None:
            seen = self._state.sightings(REQUEST_RADIUS_M)
            asked = np.array([wanted(vehicle) for vehicle in seen.vehicles], dtype=bool)
            np.add.at(counts, seen.links[asked & (seen.distance_m <= REQUEST_RADIUS_M)], 1.0)
        return counts

    def _asked(self, counts: FloatArray) -> BoolArray:
        return self._padded(counts > 0, fill=False)

    def _padded(self, flat: NDArray[Any], fill: float) -> NDArray[Any]:
        table = np.full(self._shape, fill, dtype=flat.dtype)
        table[self._row, self._link] = flat
        return table


def exit_stretch(network: TrafficNetwork, lane: str) -> tuple[str, ...]:
    """The exit lane, and what continues it until `EXIT_STRETCH_M` are reached or a signal stands.

    Networks drawn from maps cut roads into pieces of a few decimetres. Such a piece never has room
    for a vehicle, so the guard, asked about it alone, would keep the movement red for ever.
    """
    stretch, length_m = [lane], network.lanes[lane].length_m
    while length_m < EXIT_STRETCH_M:
        onward = [a for a in network.ahead.get(stretch[-1], ()) if a not in stretch]
        if not onward:
            break
        stretch.append(max(onward, key=lambda a: network.lanes[a].length_m))
        length_m += network.lanes[stretch[-1]].length_m
    return tuple(stretch)


def _is_emergency(vehicle: str) -> bool:
    return vehicle.startswith(EMERGENCY_PREFIX)


def _exits(network: TrafficNetwork, exit_lanes: Iterable[str]) -> tuple[IntArray, IntArray]:
    """(link column, exit lane column) of every controlled road connection."""
    column = {lane: k for k, lane in enumerate(exit_lanes)}
    pairs: list[tuple[int, int]] = []
    first = 0
    for signal in network.controllable:
        pairs += [(first + c.link, column[c.out_lane]) for c in signal.connections if c.on_road]
        first += signal.n_links
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _crossings(network: TrafficNetwork) -> tuple[tuple[int, str, str], ...]:
    """(link column, walking area, crossing edge) of every signalled crossing."""
    found: list[tuple[int, str, str]] = []
    first = 0
    for signal in network.controllable:
        found += [
            (first + c.link, c.in_lane.rpartition("_")[0], c.out_lane.rpartition("_")[0])
            for c in signal.connections
            if c.crossing
        ]
        first += signal.n_links
    return tuple(found)
