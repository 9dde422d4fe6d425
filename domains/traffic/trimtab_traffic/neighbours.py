"""Which signals traffic reaches next: the edges along which learned controllers pass messages."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.signals import TrafficNetwork

MAX_NEIGHBOUR_M = 1500.0
"""Signals further apart than this along the road are not called neighbours, m."""
CLOSE_M = 25.0
"""Between signals that are nearer than this no more than three cars have room, m."""


def neighbours(network: TrafficNetwork) -> NDArray[np.int32]:
    """Pairs of controllable signals: traffic leaves the first and meets the second before others.

    Returns:
        [pairs, 2] indices into `network.controllable`, in rising order; the second's stop line
        lies at most `MAX_NEIGHBOUR_M` of road behind the first's.
    """
    return np.array(sorted(_distances_m(network, MAX_NEIGHBOUR_M)), np.int32).reshape(-1, 2)


def close_pairs(network: TrafficNetwork) -> tuple[tuple[str, str, float], ...]:
    """Ids of signals at most `CLOSE_M` apart along the road, and how far, m; the nearest first."""
    nearest: dict[tuple[int, int], float] = {}
    for (one, other), far_m in _distances_m(network, CLOSE_M).items():
        pair = (min(one, other), max(one, other))
        nearest[pair] = min(far_m, nearest.get(pair, far_m))
    ids = [signal.id for signal in network.controllable]
    ranked = sorted(nearest.items(), key=lambda found: (found[1], found[0]))
    return tuple((ids[one], ids[other], far_m) for (one, other), far_m in ranked)


def lock_notes(network: TrafficNetwork) -> tuple[str, ...]:
    """Which signals stand so close that a jam can close a ring over both."""
    return tuple(
        f"signals {one!r} and {other!r} stand {far_m:.0f} m apart: the few vehicles that fit "
        "between them can lock both junctions; run the two as one signal"
        for one, other, far_m in close_pairs(network)
    )


def _distances_m(network: TrafficNetwork, cutoff_m: float) -> dict[tuple[int, int], float]:
    """Road from stop line to stop line, m, for pairs that follow each other within the cutoff."""
    lanes, signals = network.lanes, network.controllable
    arrives = {lanes[lane].edge: k for k, s in enumerate(signals) for lane in s.approach_lanes}
    roads = _roads(network, frozenset(arrives))
    for k, signal in enumerate(signals):
        exits = {lanes[lane].edge for lane in signal.exit_lanes if lanes[lane].carries_cars}
        roads.add_weighted_edges_from((k, e, _length_m(network, e)) for e in exits)
    found: dict[tuple[int, int], float] = {}
    for k in range(len(signals)):
        reached = nx.single_source_dijkstra_path_length(roads, k, cutoff=cutoff_m)
        for edge, far_m in reached.items():
            if edge in arrives and arrives[edge] != k:
                pair = (k, arrives[edge])
                found[pair] = min(far_m, found.get(pair, far_m))
    return found


def _roads(network: TrafficNetwork, last: frozenset[str]) -> nx.DiGraph:
    """Edges as nodes, weighted by the length of the one entered; none leads on from the `last`."""
    roads = nx.DiGraph()
    for edge in network.edges.values():
        ahead = () if edge.id in last else edge.successors
        roads.add_weighted_edges_from((edge.id, e, _length_m(network, e)) for e in ahead)
    return roads


def _length_m(network: TrafficNetwork, edge: str) -> float:
    return network.lanes[network.edges[edge].lanes[0]].length_m
