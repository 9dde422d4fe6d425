"""Approach groups: what a split can tell apart, and what probes say about each.

A group holds the links of one signal that come from one street and are green in the same stages,
so that a move of green serves them alike. Estimates are pooled per group, smoothed, and held where
no probe came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.probe_fleet import REACH_M, ProbeFleet
from trimtab_traffic.probes import probe_queue_veh
from trimtab_traffic.signals import Connection, Signal, TrafficNetwork

DELAY_SPREAD = 0.6
"""Standard deviation of single delays over their mean: arrivals spread over red and green."""
MAX_WALK = 6
"""Streets followed, where there is only one way on, to find the next signal."""


@dataclass(frozen=True)
class ApproachGroups:
    """Groups of all controllable signals, signal by signal.

    Attributes:
        signal: [groups] row of the signal.
        lanes: [groups] n; a lane that groups share counts in parts.
        served: [groups, most stages] bool, green in that stage.
        of_link: [links] group of each link, -1 where no stage serves it.
        downstream: [groups, groups] share of the group's ways out that lead to another group
            before any other signal.
    """

    signal: IntArray
    lanes: FloatArray
    served: BoolArray
    of_link: IntArray
    downstream: FloatArray

    @classmethod
    def of(cls, network: TrafficNetwork) -> ApproachGroups:
        """Groups of a network."""
        signals = network.controllable
        width = max((len(s.stage_states) for s in signals), default=0)
        first = np.cumsum([0, *(s.n_links for s in signals)])
        of_link = np.full(int(first[-1]), -1, dtype=np.int64)
        rows: list[int] = []
        served: list[list[bool]] = []
        lanes_of: list[set[str]] = []
        edges_of: list[str] = []
        ways_out: list[list[str]] = []
        for row, signal in enumerate(signals):
            for (edge, pattern), connections in _groups(network, signal).items():
                of_link[first[row] + np.array([c.link for c in connections])] = len(rows)
                rows.append(row)
                served.append([*pattern, *[False] * (width - len(pattern))])
                lanes_of.append({c.in_lane for c in connections})
                edges_of.append(edge)
                ways_out.append([network.lanes[c.out_lane].edge for c in connections])
        uses: dict[str, int] = defaultdict(int)
        for lanes in lanes_of:
            for lane in lanes:
                uses[lane] += 1
        return cls(
            signal=np.array(rows, dtype=np.int64),
            lanes=np.array([sum(1.0 / uses[lane] for lane in lanes) for lanes in lanes_of]),
            served=np.array(served, dtype=bool).reshape(len(rows), width),
            of_link=of_link,
            downstream=_downstream(network, edges_of, ways_out),
        )

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.signal)

    def green_share(self, greens_s: FloatArray, cycle_s: FloatArray) -> FloatArray:
        """Green share g / C of each group, [groups].

        Args:
            greens_s: [signals, stages].
            cycle_s: [signals].
        """
        green = (self.served * greens_s[self.signal]).sum(axis=1)
        return np.asarray(green / cycle_s[self.signal])


def _groups(
    network: TrafficNetwork, signal: Signal
) -> dict[tuple[str, tuple[bool, ...]], list[Connection]]:
    """Connections of each group of a signal, by street and stages served."""
    groups: dict[tuple[str, tuple[bool, ...]], list[Connection]] = defaultdict(list)
    for link, connections in enumerate(signal.link_connections):
        pattern = tuple(bool(on) for on in signal.stage_green[:, link])
        for connection in connections:
            if connection.on_road and any(pattern):
                groups[network.lanes[connection.in_lane].edge, pattern].append(connection)
    return groups


def _downstream(
    network: TrafficNetwork, edges_of: Sequence[str], ways_out: Sequence[Sequence[str]]
) -> FloatArray:
    """Share of each group's ways out that reach another group within `MAX_WALK` streets."""
    groups_on: dict[str, list[int]] = defaultdict(list)
    for group, edge in enumerate(edges_of):
        groups_on[edge].append(group)
    leaving: dict[str, list[str]] = defaultdict(list)
    for road in network.edges.values():
        if road.carries_cars:
            leaving[road.from_junction].append(road.id)
    matrix = np.zeros((len(edges_of), len(edges_of)))
    for group, outs in enumerate(ways_out):
        for out in outs:
            street: str | None = out
            for _ in range(MAX_WALK):
                if street is None or street in groups_on:
                    break
                onward = leaving[network.edges[street].to_junction]
                street = onward[0] if len(onward) == 1 else None
            for reached in groups_on.get(street or "", ()):
                matrix[group, reached] += 1.0 / (len(outs) * len(groups_on[street or ""]))
    return matrix


class ProbeEstimates:
    """Delay, length and flow per group; delays hold their last value where no probe came.

    Args:
        groups: the groups.
        smoothing: weight of one probe's delay against the past, 0..1; n probes weigh
            1 - (1 - w)^n.
        memory_s: time in which a flow is forgotten to 1/e.

    Attributes:
        delay_s: [groups] d, 0 before the first probe.
        length_m: [groups] L.
        weight: [groups] probes that the delay rests on, forgotten with the past.
        probes: [groups] probes counted in `exposure_s`, both forgotten with the past.
    """

    def __init__(self, groups: ApproachGroups, smoothing: float, memory_s: float) -> None:
        self._groups, self._keep, self._memory_s = groups, 1.0 - smoothing, memory_s
        self.reset(0.0)

    def reset(self, time_s: float) -> None:
        """Forget everything; time stands at `time_s`."""
        n = self._groups.count
        self.delay_s, self.length_m = np.zeros(n), np.full(n, REACH_M)
        self.weight, self.probes = np.zeros(n), np.zeros(n)
        self.exposure_s, self._since_s = 0.0, time_s

    def update(self, fleet: ProbeFleet, time_s: float) -> None:
        """Take in what passed since the last update, and probes held up longer than expected."""
        passed, waiting = fleet.passed(self._since_s), fleet.under_way()
        count, delay = self._sums(passed.links, passed.delay_s)
        _, length = self._sums(passed.links, passed.length_m)
        expected_s = self.delay_s[self._groups.of_link[waiting.links]]
        held = waiting.delay_s > expected_s
        more, longer = self._sums(waiting.links[held], waiting.delay_s[held])
        self._blend(self.length_m, count, length)
        self._blend(self.delay_s, count + more, delay + longer)
        self.weight = self.weight * self._keep ** (count + more) + count + more
        self._count(count, time_s - self._since_s)
        self._since_s = time_s

    def _count(self, count: FloatArray, elapsed_s: float) -> None:
        keep = np.exp(-elapsed_s / self._memory_s)
        self.probes = keep * self.probes + count
        self.exposure_s = keep * self.exposure_s + elapsed_s

    def _sums(self, links: IntArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Per group the number of passages and the sum of their values."""
        group, n = self._groups.of_link[links], self._groups.count
        use = group >= 0
        return (
            np.bincount(group[use], minlength=n).astype(np.float64),
            np.bincount(group[use], values[use], n).astype(np.float64),
        )

    def _blend(self, held: FloatArray, count: FloatArray, total: FloatArray) -> None:
        keep = np.where(self.weight > 0, self._keep**count, 0.0)
        mean = total / np.maximum(count, 1.0)
        held[:] = np.where(count > 0, keep * held + (1.0 - keep) * mean, held)

    @property
    def standard_error_s(self) -> FloatArray:
        """Of the delay, [groups]; infinite before the first probe; falls as 1/sqrt(p N)."""
        some = np.maximum(self.weight, 1.0)
        return np.where(self.weight > 0, DELAY_SPREAD * self.delay_s / np.sqrt(some), np.inf)

    def queue_veh(self, green_share: FloatArray) -> FloatArray:
        """Queue by `probe_queue_veh`, [groups]."""
        lanes = self._groups.lanes
        return probe_queue_veh(self.delay_s, lanes, self.length_m, green_share)

    def flow_vps(self, share: float, prior_probes: float, planned_share: FloatArray) -> FloatArray:
        """Vehicles per second of each group, [groups], from counts drawn towards the plan.

        The prior of a group is its part of the signal's flow as the plan's greens divide it,
        worth `prior_probes` counted probes (Poisson counts, gamma prior).

        Args:
            share: p of the fleet.
            prior_probes: strength of the prior.
            planned_share: [groups] g / C of the plan.
        """
        exposure = max(self.exposure_s, 1e-9)
        signal, n = self._groups.signal, int(self._groups.signal.max(initial=-1)) + 1
        capacity = self._groups.lanes * planned_share
        possible = np.maximum(np.bincount(signal, capacity, n), 1e-9)
        expected = (np.bincount(signal, self.probes, n) / possible)[signal] * capacity
        shrunk = expected * (self.probes + prior_probes) / (expected + prior_probes)
        return np.asarray(shrunk / (share * exposure))


def uniform_delay_s(green_share: FloatArray, cycle_s: FloatArray) -> FloatArray:
    """Delay of evenly arriving traffic at capacity, 0.5 C (1 - g/C), s (Webster's first term)."""
    return np.asarray(0.5 * cycle_s * (1.0 - green_share))
