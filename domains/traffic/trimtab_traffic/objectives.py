"""Reward channels of the `graph` interface: what each signal costs those who pass it.

`delay`, `queue` and `max_wait` are always there. The others stand in the spec, and are read from
SUMO, only where the scenario's `weights` name them (a weight of 0 is enough). All are read without
sensor error: they judge a controller, they do not inform it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from trimtab.contracts.spec import BoolArray, Float32Array, FloatArray, IntArray, RewardChannel

from trimtab_traffic.requests import Kerbs
from trimtab_traffic.scenario import OBJECTIVES, REWARDS
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.simulation import getter
from trimtab_traffic.state import SIGHT_M, STANDING_MPS, TrafficState

UNITS = {
    "delay": "veh", "queue": "veh", "max_wait": "s", "stops": "1", "co2": "g/s",
    "bus_delay": "pers", "pedestrian_wait": "pers",
}  # fmt: skip
FREE_SPEED_MPS = 13.9
"""Speed against which lost time is counted, 50 km/h."""
HALTS = "device.tripinfo.waitingCount"
"""SUMO's count of a vehicle's halts, the one that its trip file ends with."""


def asked_channels(weights: Mapping[str, float]) -> tuple[str, ...]:
    """The channels of a scenario with these weights, in the order of `OBJECTIVES`."""
    return tuple(name for name in OBJECTIVES if name in REWARDS or name in weights)


def reward_channels(weights: Mapping[str, float]) -> tuple[RewardChannel, ...]:
    """The channels as the spec declares them, all to be minimised."""
    return tuple(
        RewardChannel(name, UNITS[name], "min", weights.get(name, 0.0))
        for name in asked_channels(weights)
    )


class LocalRewards:
    """Reads the channels of every signal at a decision.

    delay: vehicles times the share of their speed that is lost, those not let in yet included.
    queue: standing vehicles. max_wait: longest standing time of a head vehicle, s.
    stops: halts since the last decision, those of vehicles that have left since included.
    co2: emitted on approaches, exits and inside the junction, g/s.
    bus_delay: persons aboard, the driver too, times the share of the bus's speed that is lost.
    pedestrian_wait: persons at the kerb of a signalled crossing.

    Args:
        network: static model.
        state: read without sensor error.
        weights: of the scenario.
        bus_ids: planned buses.
    """

    def __init__(
        self,
        network: TrafficNetwork,
        state: TrafficState,
        weights: Mapping[str, float],
        bus_ids: frozenset[str],
    ) -> None:
        signals = network.controllable
        self._state, self._bus_ids, self._size = state, bus_ids, len(signals)
        self._owner = np.repeat(np.arange(len(signals)), [s.n_links for s in signals])
        self._kerbs = Kerbs(network, state.simulation)
        self._emitters = tuple(_lane_owners(network).items())
        readers: Mapping[str, Callable[[], FloatArray]] = {
            "delay": self._delay,
            "queue": self._queue,
            "max_wait": self._max_wait,
            "stops": self._stops,
            "co2": self._co2,
            "bus_delay": self._bus_delay,
            "pedestrian_wait": self._pedestrian_wait,
        }
        self._readers = tuple(readers[name] for name in asked_channels(weights))
        self._halts: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def reset(self) -> None:
        """A new episode begins."""
        self._halts.clear()
        self._seen.clear()

    def read(self) -> Float32Array:
        """Rewards of this decision, [1, signals, channels]; call once per decision."""
        return np.stack([reader() for reader in self._readers], axis=-1)[None].astype(np.float32)

    def _owners(self) -> IntArray:
        """Signal ahead of each vehicle seen, [vehicles]."""
        return np.asarray(self._owner[self._state.sightings(SIGHT_M).links])

    def _lost(self) -> FloatArray:
        """Share of its speed that each vehicle seen loses, [vehicles]."""
        return np.clip(1.0 - self._state.speeds_mps(SIGHT_M) / FREE_SPEED_MPS, 0.0, 1.0)

    def _per_signal(self, owner: IntArray, amount: FloatArray | BoolArray) -> FloatArray:
        """Sums by owner, [signals]."""
        return np.bincount(owner, amount, self._size).astype(np.float64)

    def _delay(self) -> FloatArray:
        return self._per_signal(self._owners(), self._lost()) + self._state.waiting_outside()

    def _queue(self) -> FloatArray:
        standing = self._state.speeds_mps(SIGHT_M) < STANDING_MPS
        return self._per_signal(self._owners(), standing)

    def _max_wait(self) -> FloatArray:
        longest = np.zeros(self._size)
        np.maximum.at(longest, self._owner, self._state.head_wait_s())
        return longest

    def _stops(self) -> FloatArray:
        """A vehicle's new halts count where it is now, or was if it has left the approaches."""
        api = self._state.simulation()
        ask = api.vehicle.getParameter
        here = dict(
            zip(self._state.sightings(SIGHT_M).vehicles, self._owners().tolist(), strict=True)
        )
        left = self._seen.keys() - here.keys()
        running = set(api.vehicle.getIDList()) if left else set()
        stops = np.zeros(self._size)
        for vehicle, row in ({v: self._seen[v] for v in left & running} | here).items():
            halts = int(ask(vehicle, HALTS) or 0)
            stops[row] += halts - self._halts.get(vehicle, 0)
            self._halts[vehicle] = halts
        self._seen = here
        return stops

    def _co2(self) -> FloatArray:
        emitted = getter(self._state.simulation(), "lane", "getCO2Emission")
        grams = np.zeros(self._size)
        for lane, row in self._emitters:
            grams[row] += emitted(lane) / 1000.0
        return grams

    def _bus_delay(self) -> FloatArray:
        aboard = self._state.simulation().vehicle.getPersonNumber
        persons = np.array(
            [
                1.0 + aboard(vehicle) if vehicle in self._bus_ids else 0.0
                for vehicle in self._state.sightings(SIGHT_M).vehicles
            ]
        )
        return self._per_signal(self._owners(), self._lost() * persons)

    def _pedestrian_wait(self) -> FloatArray:
        return self._per_signal(self._owner, self._kerbs.waiting())


def _lane_owners(network: TrafficNetwork) -> dict[str, int]:
    """Row of the signal that each lane belongs to; an approach belongs to the signal ahead."""
    signals = network.controllable
    behind = {
        lane: row
        for row, s in enumerate(signals)
        for lane in (*s.exit_lanes, *(v for c in s.connections for v in c.via))
    }
    return behind | {lane: row for row, s in enumerate(signals) for lane in s.approach_lanes}
