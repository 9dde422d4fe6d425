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
        self._state, self._bus_ids, self._simulation = state, bus_ids, simulation
        self._sensed = sensed
        self._guards = any(rule.spillback_guard for rule in rules)
        self._emergency = priority.emergency_every_s is not None
        self._buses = priority.bus and bool(bus_ids)
        self._shape = (len(signals), max((s.n_links for s in signals), default=0))
        self._row = np.repeat(np.arange(len(signals)), [s.n_links for s in signals])
        self._link = np.arange(len(self._row)) - state.first_link[self._row]
        self._exit_link, self._exit_lane = _exits(network, state.exit_lanes)
        calls = any(not rule.pedestrian_recall for rule in rules)
        self._crossings = _crossings(network) if calls else ()

    @property
    def needed(self) -> bool:
        """Whether anything is read at all."""
        watched = self._sensed is not None
        return bool(self._guards or self._emergency or self._buses or self._crossings or watched)

    def read(self) -> ShieldInputs | None:
        """Inputs at this decision, or None when nothing is needed."""
        if not self.needed:
            return None
        return ShieldInputs(
            exit_space_m=self._exit_space_m() if self._guards else None,
            preemption=self._asked_by(_is_emergency) if self._emergency else None,
            bus=self._asked_by(self._bus_ids.__contains__) if self._buses else None,
            pedestrian_call=self._calls() if self._crossings else None,
            stale_s=None if self._sensed is None else self._sensed.stale_s(),
            time_s=self._state.time_s,
        )

    def _exit_space_m(self) -> FloatArray:
        flat = np.full(len(self._row), -np.inf)
        np.maximum.at(flat, self._exit_link, self._state.free_space_m()[self._exit_lane])
        return self._padded(np.where(np.isfinite(flat), flat, np.inf), np.inf)

    def _asked_by(self, wanted: Callable[[str], bool]) -> BoolArray:
        seen = self._state.sightings(REQUEST_RADIUS_M)
        asked = [bool(wanted(vehicle)) for vehicle in seen.vehicles]
        flat = np.zeros(len(self._row), dtype=bool)
        flat[seen.links[np.array(asked, dtype=bool)]] = True
        return self._padded(flat, fill=False)

    def _calls(self) -> BoolArray:
        """Crossings that a person stands before."""
        api = self._simulation()
        flat = np.zeros(len(self._row), dtype=bool)
        for link, walking_area, crossing in self._crossings:
            persons = api.edge.getLastStepPersonIDs(walking_area)
            flat[link] |= any(api.person.getNextEdge(person) == crossing for person in persons)
        return self._padded(flat, fill=False)

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
