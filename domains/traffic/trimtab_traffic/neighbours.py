"""Which signals traffic reaches next: the edges along which learned controllers pass messages."""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.signals import TrafficNetwork

MAX_NEIGHBOUR_M = 1500.0
"""Signals further apart than this along the road are not called neighbours, m."""


def neighbours(network: TrafficNetwork) -> NDArray[np.int32]:
    """Pairs of controllable signals: traffic leaves the first and meets the second before others.

    Returns:
        [pairs, 2] indices into `network.controllable`, in rising order; the second's stop line
        lies at most `MAX_NEIGHBOUR_M` of road behind the first's.
    """
    lanes, signals = network.lanes, network.controllable
    arrives = {lanes[lane].edge: k for k, s in enumerate(signals) for lane in s.approach_lanes}
    roads = _roads(network, frozenset(arrives))
    for k, signal in enumerate(signals):
        exits = {lanes[lane].edge for lane in signal.exit_lanes if lanes[lane].carries_cars}
        roads.add_weighted_edges_from((k, e, _length_m(network, e)) for e in exits)
    found = set()
    for k in range(len(signals)):
        reached = nx.single_source_dijkstra_path_length(roads, k, cutoff=MAX_NEIGHBOUR_M)
        found |= {(k, arrives[edge]) for edge in reached if edge in arrives}
    pairs = sorted((one, other) for one, other in found if one != other)
    return np.array(pairs, np.int32).reshape(-1, 2)


def _roads(network: TrafficNetwork, last: frozenset[str]) -> nx.DiGraph:
    """Edges as nodes, weighted by the length of the one entered; none leads on from the `last`."""
    roads = nx.DiGraph()
    for edge in network.edges.values():
        ahead = () if edge.id in last else edge.successors
        roads.add_weighted_edges_from((edge.id, e, _length_m(network, e)) for e in ahead)
    return roads


def _length_m(network: TrafficNetwork, edge: str) -> float:
    return network.lanes[network.edges[edge].lanes[0]].length_m
