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
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.state import TrafficState

REQUEST_RADIUS_M = 200.0
"""Distance from which emergency vehicles and buses ask for green, m."""


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
        self._exit_link, self._exit_lane = _exits(network, state.exit_lanes)
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
        np.maximum.at(flat, self._exit_link, self._state.free_space_m()[self._exit_lane])
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
