"""Random signals and recorded traffic for controller tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.spec import FloatArray, IntArray, Obs
from trimtab_traffic.signals import (
    Connection,
    Movement,
    Phase,
    Program,
    Signal,
    TrafficNetwork,
)


@dataclass
class RecordedTraffic:
    """Traffic written down by hand: what a controller would read at one decision."""

    lanes: tuple[str, ...]
    approaching: FloatArray
    vehicles: FloatArray
    halting: FloatArray
    present: IntArray
    elapsed_s: FloatArray = field(default_factory=lambda: np.zeros(0))
    radii_m: list[float] = field(default_factory=list)

    def approach_count(self, radius_m: float) -> FloatArray:
        self.radii_m.append(radius_m)
        return self.approaching

    def lane_vehicles(self) -> FloatArray:
        return self.vehicles

    def lane_halting(self) -> FloatArray:
        return self.halting

    def stage(self) -> IntArray:
        return self.present

    def stage_elapsed_s(self) -> FloatArray:
        return self.elapsed_s


@dataclass
class Junctions:
    """A network of random signals with one moment of random traffic."""

    network: TrafficNetwork
    traffic: RecordedTraffic

    @property
    def spec(self) -> SpecOfTen:
        return SpecOfTen()

    def resource(self, need: str) -> object:
        return {"model": self.network, "state": self.traffic}[need]


@dataclass(frozen=True)
class SpecOfTen:
    dt_s: float = 10.0


def _signal(rng: np.random.Generator, name: str, roads: list[str]) -> Signal:
    n_links = int(rng.integers(2, 9))
    lanes = [f"{road}_{k}" for road in roads for k in range(2)]
    connections = []
    for link in range(n_links):
        for _ in range(int(rng.integers(0, 3))):
            start, end = rng.choice(len(lanes), 2, replace=False)
            connections.append(
                Connection(link, lanes[start], lanes[end], (), "s", "j", 0, crossing=False)
            )
    turns: dict[tuple[str, str], set[int]] = {}
    for c in connections:
        ends = (c.in_lane.rpartition("_")[0], c.out_lane.rpartition("_")[0])
        turns.setdefault(ends, set()).add(c.link)
    states = {"".join(rng.choice(list("Ggrrs"), n_links)) for _ in range(6)}
    states = sorted(s for s in states if set(s) & set("gG"))
    while len(states) < 2:
        states.append("G" * len(states) + "g" * (n_links - len(states)))
    return Signal(
        id=name,
        programs=(Program("0", "static", 0.0, tuple(Phase(s, 10.0) for s in states), ()),),
        n_links=n_links,
        connections=tuple(connections),
        movements=tuple(Movement(*k, "s", tuple(sorted(v))) for k, v in turns.items()),
        stage_states=tuple(states),
        foes=np.zeros((n_links, n_links), dtype=bool),
        yields=np.zeros((n_links, n_links), dtype=bool),
        crossing=np.zeros(n_links, dtype=bool),
        position_m=(0.0, 0.0),
    )


def random_junctions(seed: int) -> Junctions:
    """One to four random signals on shared roads, with random counts."""
    rng = np.random.default_rng(seed)
    signals = tuple(
        _signal(rng, f"tls{k}", [f"road{k}", f"road{k + 1}", f"side{k}", f"exit{k}"])
        for k in range(int(rng.integers(1, 5)))
    )
    lanes = tuple(
        dict.fromkeys(lane for s in signals for lane in (*s.approach_lanes, *s.exit_lanes))
    )
    network = TrafficNetwork(
        path=Path("random.net.xml"),
        version="1.20",
        signals=signals,
        lanes={},
        edges={},
        ahead={},
        switched_by_clock=False,
        warnings=(),
        digest="",
    )
    vehicles = rng.integers(0, 12, len(lanes))
    traffic = RecordedTraffic(
        lanes=lanes,
        approaching=rng.integers(0, 8, sum(s.n_links for s in signals)).astype(np.float64),
        vehicles=vehicles.astype(np.float64),
        halting=rng.binomial(vehicles, 0.5).astype(np.float64),
        present=np.array([int(rng.integers(len(s.stage_states))) for s in signals]),
        elapsed_s=rng.integers(0, 40, len(signals)).astype(np.float64),
    )
    return Junctions(network, traffic)


@pytest.fixture
def junctions() -> Callable[[int], Junctions]:
    """Maker of random networks by seed."""
    return random_junctions


@pytest.fixture
def no_obs() -> Obs:
    """An observation without an action mask."""
    return Obs(obs=np.zeros((1, 1, 0), np.float32), alive=np.ones((1, 1), dtype=bool))
