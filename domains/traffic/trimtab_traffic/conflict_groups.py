"""Chooses, per signal, groups of movements that exclude each other, and their optimistic physics.

Two movements exclude each other if all their links are foes and no stage moves both. Groups are
taken from two or three stages at a time. Every vehicle is counted in at most one set of groups, so
costs of all sets add up.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.conflict_queue import ConflictQueue, TokenBucket
from trimtab_traffic.floor import Passages, Turn
from trimtab_traffic.junction_dp import exhaustive_service
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.safexml import XmlElement, elements
from trimtab_traffic.signals import Signal, TrafficNetwork

MOVING_CHARS = "gGsoO"
"""States in which SUMO lets a vehicle pass: green, right turn on red after a stop, off."""
ACTUATED_MIN_GREEN_S = 5
"""Shortest green of SUMO's actuated programs in the benchmark settings, s."""
Groups = tuple[tuple[int, ...], ...]
"""Turns of each group, indices into `Passages.turns`."""
_SETS_PER_SIGNAL = 6
_FAST_DRIVERS = 2.0
"""Standard deviations of the speed factor by which the fastest drivers exceed the mean."""


@dataclass(frozen=True, slots=True)
class Drivers:
    """The most favourable values over all vehicle types of a demand (SUMO's defaults if unset).

    Attributes:
        space_m: vehicle length plus standing gap.
        tau_s: time gap of the car-following model.
        decel_mps2: gentlest comfortable braking.
        speed_factor: on the speed limit.
    """

    space_m: float = 7.5
    tau_s: float = 1.0
    decel_mps2: float = 4.5
    speed_factor: float = 1.2

    def headway_s(self, speed_mps: float) -> float:
        """Shortest headway of a moving platoon at the speed limit, tau + space / speed."""
        return self.tau_s + self.space_m / (speed_mps * self.speed_factor)

    def yellow_used_s(self, speed_mps: float) -> int:
        """Seconds of yellow in which a vehicle that cannot stop may still pass.

        Braking distance of SUMO's Euler integration: the speed falls in steps of 1 s.
        """
        speed = speed_mps * self.speed_factor
        steps = int(speed / self.decel_mps2)
        braking_m = steps * speed - self.decel_mps2 * steps * (steps + 1) / 2.0
        return math.ceil(braking_m / speed)


def read_drivers(files: Iterable[Path]) -> Drivers:
    """Most favourable driver values over all `vType` of demand files."""
    types = [Drivers(), *(_driver(e) for path in files for e in _vtypes(path))]
    return Drivers(
        space_m=min(d.space_m for d in types),
        tau_s=min(d.tau_s for d in types),
        decel_mps2=min(d.decel_mps2 for d in types),
        speed_factor=max(d.speed_factor for d in types),
    )


def _vtypes(path: Path) -> Iterator[XmlElement]:
    for element in elements(path):
        if element.name == "vType":
            yield element
        elif element.name == "vTypeDistribution":
            yield from element.find_all("vType")


def _driver(vtype: XmlElement) -> Drivers:
    text = vtype.attributes.get("speedFactor", "1")
    values = [float(x) for x in text.rpartition("(")[2].rstrip(")").split(",")]
    deviation = values[1] if len(values) > 1 else vtype.number("speedDev", 0.1)
    return Drivers(
        space_m=vtype.number("length", 5.0) + vtype.number("minGap", 2.5),
        tau_s=vtype.number("tau", 1.0),
        decel_mps2=vtype.number("decel", 4.5),
        speed_factor=values[0] + _FAST_DRIVERS * deviation,
    )


@dataclass(frozen=True, slots=True)
class ConflictSet:
    """Groups of one signal with the vehicles counted in them.

    Attributes:
        signal: its id.
        groups: turns of each group, indices into `Passages.turns`.
        vehicles: counted vehicles, each once.
        model: their queues; caps are not set yet.
        exhaustive_veh_s: cost of serving exhaustively, which the optimum does not exceed.
    """

    signal: str
    groups: Groups
    vehicles: NDArray[np.int64]
    model: ConflictQueue
    exhaustive_veh_s: int


@dataclass(frozen=True, slots=True)
class Junctions:
    """What conflict sets of a network are made from.

    Attributes:
        passages: unhindered crossing times.
        drivers: most favourable driver values.
        profile: rules whose shortest yellow and green are assumed.
        slots: horizon, s.
    """

    network: TrafficNetwork
    passages: Passages
    drivers: Drivers
    profile: RuleProfile
    slots: int

    def all_vehicles(self) -> NDArray[np.bool_]:
        """[vehicles] bool, all True: nobody is counted yet."""
        return np.ones(int(self.passages.vehicle.max(initial=-1)) + 1, dtype=bool)

    def sets(self) -> list[ConflictSet]:
        """Sets of groups, costliest first; every vehicle is in at most one."""
        volumes = np.bincount(self.passages.turn, minlength=len(self.passages.turns))
        free = self.all_vehicles()
        heap: list[tuple[int, int, ConflictSet]] = []
        for index, signal in enumerate(self.network.controllable):
            for groups in _candidates(index, signal, self.passages.turns, volumes):
                found = self.set_of(signal, groups, free)
                heapq.heappush(heap, (-found.exhaustive_veh_s, len(heap), found))
        chosen = []
        while heap:
            _, order, found = heapq.heappop(heap)
            if not free[found.vehicles].all():
                found = self.set_of(self.network.signal(found.signal), found.groups, free)
            if heap and -found.exhaustive_veh_s > heap[0][0]:
                heapq.heappush(heap, (-found.exhaustive_veh_s, order, found))
            elif found.exhaustive_veh_s > 0:
                chosen.append(found)
                free[found.vehicles] = False
        return chosen

    def set_of(self, signal: Signal, groups: Groups, free: NDArray[np.bool_]) -> ConflictSet:
        """Groups of one signal, fed by the first passage of each vehicle that is `free`."""
        passages = self.passages
        member = np.full(len(passages.turns), -1)
        for number, group in enumerate(groups):
            member[list(group)] = number
        rows = np.flatnonzero((member[passages.turn] >= 0) & free[passages.vehicle])
        vehicles, first = np.unique(passages.vehicle[rows], return_index=True)
        rows = rows[first]
        slot = np.ceil(passages.time_s[rows] - 1e-6).astype(np.int64)
        inside = (slot >= 0) & (slot < self.slots)
        arrivals = np.zeros((len(groups), self.slots), dtype=np.int64)
        np.add.at(arrivals, (member[passages.turn[rows]][inside], slot[inside]), 1)
        model = self._physics(signal, groups, arrivals)
        cost, _ = exhaustive_service(model)
        return ConflictSet(signal.id, groups, vehicles, model, cost)

    def _physics(
        self, signal: Signal, groups: Groups, arrivals: NDArray[np.int64]
    ) -> ConflictQueue:
        """Most favourable discharge, lost times and minimum run of the groups."""
        turns = self.passages.turns
        lanes = [sorted({lane for k in group for lane in turns[k].lanes}) for group in groups]
        speeds = [max(self.network.lanes[lane].speed_mps for lane in found) for found in lanes]
        yellow, green = _shortest_times(signal, self.profile)
        used = [min(yellow, self.drivers.yellow_used_s(speed)) for speed in speeds]
        return ConflictQueue(
            arrivals=arrivals,
            buckets=tuple(
                TokenBucket.of(len(found), self.drivers.headway_s(speed))
                for found, speed in zip(lanes, speeds, strict=True)
            ),
            lost_s=tuple(
                tuple(0 if a == b else yellow - used[a] for b in range(len(groups)))
                for a in range(len(groups))
            ),
            min_run_s=max(1, green + min(used)),
            caps=(0,) * len(groups),
        )


def exclusive(signal: Signal, first: Turn, second: Turn) -> bool:
    """Whether no vehicle of one turn may move while the other does."""
    if not signal.foes[np.ix_(first.links, second.links)].all():
        return False
    return not any(
        any(state[k] in MOVING_CHARS for k in first.links)
        and any(state[k] in MOVING_CHARS for k in second.links)
        for state in signal.stage_states
    )


def _candidates(
    index: int, signal: Signal, turns: tuple[Turn, ...], volumes: NDArray[np.int64]
) -> list[Groups]:
    """The most promising sets of a signal: those whose smaller groups are large."""
    own = [k for k, turn in enumerate(turns) if turn.signal == index and volumes[k]]
    excludes = {(a, b): exclusive(signal, turns[a], turns[b]) for a in own for b in own}
    moves = [
        [k for k in own if any(state[j] in MOVING_CHARS for j in turns[k].links)]
        for state in signal.stage_states
    ]
    ranked: dict[Groups, int] = {}
    for size in (2, 3):
        for stages in combinations(moves, size):
            groups = _made_exclusive(stages, excludes, volumes)
            if groups:
                counts = sorted(int(volumes[list(group)].sum()) for group in groups)
                ranked[groups] = sum(counts[:-1])
    return sorted(ranked, key=lambda groups: -ranked[groups])[:_SETS_PER_SIGNAL]


def _made_exclusive(
    stages: tuple[list[int], ...],
    excludes: dict[tuple[int, int], bool],
    volumes: NDArray[np.int64],
) -> Groups:
    """Groups left when the smallest turns that share time with another group are dropped."""
    shared = {k for a, b in combinations(stages, 2) for k in set(a) & set(b)}
    groups = [[k for k in stage if k not in shared] for stage in stages]
    while True:
        clashing = {
            k
            for first, second in combinations(groups, 2)
            for a in first
            for b in second
            if not excludes[a, b]
            for k in (a, b)
        }
        if not clashing:
            break
        least = min(clashing, key=lambda k: (volumes[k], k))
        groups = [[k for k in group if k != least] for group in groups]
    return tuple(tuple(group) for group in groups) if all(groups) else ()


def _shortest_times(signal: Signal, profile: RuleProfile) -> tuple[int, int]:
    """Shortest yellow and green any program may show: of the rules, as shipped, or actuated."""
    rules = profile.for_signal(signal.id)
    shipped = signal.program.phases
    yellows = [p.duration_s for p in shipped if "y" in p.state.lower()]
    if rules.yellow_rule == "fixed":
        yellows.append(float(rules.yellow_s))
    greens = [p.duration_s for p in shipped if p.state in signal.stage_states]
    return (
        math.floor(min(yellows, default=0.0)),
        math.floor(min(*greens, float(rules.min_green_s), float(ACTUATED_MIN_GREEN_S))),
    )
