"""Approach groups: what a split can tell apart, and what probes say about each.

A group holds the links of one signal that come from one street and show the same letter in every
stage (green, yielding green or red), so that a move of green serves them alike.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.probes import ProbeFleet
from trimtab_traffic.signals import Connection, Signal, TrafficNetwork


@dataclass(frozen=True)
class ApproachGroups:
    """Groups of all controllable signals, signal by signal.

    Attributes:
        signal: [groups] row of the signal.
        lanes: [groups] n; a lane that groups share counts in parts.
        served: [groups, most stages] bool, green in that stage.
        yields: [groups, most stages] bool, green but yielding to others.
        of_link: [links] group of each link, -1 where no stage serves it.
    """

    signal: IntArray
    lanes: FloatArray
    served: BoolArray
    yields: BoolArray
    of_link: IntArray

    @classmethod
    def of(cls, network: TrafficNetwork) -> ApproachGroups:
        """Groups of a network."""
        signals = network.controllable
        width = max((len(s.stage_states) for s in signals), default=0)
        first = np.cumsum([0, *(s.n_links for s in signals)])
        of_link = np.full(int(first[-1]), -1, dtype=np.int64)
        rows: list[int] = []
        letters: list[str] = []
        lanes_of: list[set[str]] = []
        for row, signal in enumerate(signals):
            for (_, pattern), connections in _groups(network, signal).items():
                of_link[first[row] + np.array([c.link for c in connections])] = len(rows)
                rows.append(row)
                letters.append(pattern.ljust(width, "r"))
                lanes_of.append({c.in_lane for c in connections})
        uses: dict[str, int] = defaultdict(int)
        for lanes in lanes_of:
            for lane in lanes:
                uses[lane] += 1
        return cls(
            signal=np.array(rows, dtype=np.int64),
            lanes=np.array([sum(1.0 / uses[lane] for lane in lanes) for lanes in lanes_of]),
            served=np.array([[c in "Gg" for c in row] for row in letters], bool).reshape(-1, width),
            yields=np.array([[c == "g" for c in row] for row in letters], bool).reshape(-1, width),
            of_link=of_link,
        )

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.signal)

    def service(self, yielding: float) -> FloatArray:
        """Worth of a second of each stage to each group, [groups, stages], 0..1.

        Args:
            yielding: worth of a second in which the group yields.
        """
        return np.where(self.yields, yielding, self.served.astype(np.float64))


def _groups(network: TrafficNetwork, signal: Signal) -> dict[tuple[str, str], list[Connection]]:
    """Connections of each group of a signal, by street and letters shown."""
    groups: dict[tuple[str, str], list[Connection]] = defaultdict(list)
    for link, connections in enumerate(signal.link_connections):
        pattern = "".join(state[link] for state in signal.stage_states)
        for connection in connections:
            if connection.on_road and set(pattern) & set("Gg"):
                groups[network.lanes[connection.in_lane].edge, pattern].append(connection)
    return groups


class ProbeEstimates:
    """What probes told per group.

    Args:
        groups: the groups.
        memory_s: time in which a flow is forgotten to 1/e.

    Attributes:
        probes: [groups] probes counted in `exposure_s`, both forgotten with the past.
        fresh: [groups] delays of the last interval.
        fresh_s: [groups] their sum, s.
    """

    def __init__(self, groups: ApproachGroups, memory_s: float) -> None:
        self._groups, self._memory_s = groups, memory_s
        self.reset(0.0)

    def reset(self, time_s: float) -> None:
        """Forget everything; time stands at `time_s`."""
        self.probes, self.fresh, self.fresh_s = (np.zeros(self._groups.count) for _ in range(3))
        self.exposure_s, self._since_s = 0.0, time_s

    def update(self, fleet: ProbeFleet, time_s: float, expected_s: FloatArray) -> None:
        """Take in what passed since the last update, and probes held up longer than expected.

        Args:
            fleet: the probes.
            time_s: now.
            expected_s: [groups] delay expected.
        """
        passed, waiting = fleet.passed(self._since_s), fleet.under_way()
        elapsed_s, self._since_s = time_s - self._since_s, time_s
        count, delay_s = self._sums(passed.links, passed.delay_s)
        group = self._groups.of_link[waiting.links]
        held = (group >= 0) & (waiting.delay_s > expected_s[group])
        more, longer_s = self._sums(waiting.links[held], waiting.delay_s[held])
        self.fresh, self.fresh_s = count + more, delay_s + longer_s
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
