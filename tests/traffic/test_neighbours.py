"""Neighbouring signals, against networks whose layout tells them and against a walk by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from trimtab_traffic import neighbours as module
from trimtab_traffic.neighbours import close_pairs, lock_notes, neighbours
from trimtab_traffic.network import TrafficNetwork

Compiler = Callable[[str], TrafficNetwork]


@pytest.mark.parametrize("name", ["grid4x4", "arterial4x4"])
def test_the_neighbours_of_a_grid_are_those_one_block_away(name: str, wheel_net: Compiler) -> None:
    net = wheel_net(name)
    place = np.array([s.position_m for s in net.controllable])
    rank = [np.unique(place[:, axis].round(), return_inverse=True)[1] for axis in (0, 1)]
    steps = sum(abs(r[:, None] - r[None]) for r in rank)
    assert neighbours(net).tolist() == np.argwhere(steps == 1).tolist()


def test_signals_beyond_the_limit_and_behind_another_signal_are_no_neighbours(
    wheel_net: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = wheel_net("cologne8")
    shortest = walked(net)
    expected = sorted(pair for pair, m in shortest.items() if m <= module.MAX_NEIGHBOUR_M)
    assert [tuple(pair) for pair in neighbours(net).tolist()] == expected
    median_m = float(np.median(list(shortest.values())))
    monkeypatch.setattr(module, "MAX_NEIGHBOUR_M", median_m)
    nearer = sorted(pair for pair, m in shortest.items() if m <= median_m)
    assert [tuple(pair) for pair in neighbours(net).tolist()] == nearer
    assert 0 < len(nearer) < len(expected)


def test_signals_too_close_for_a_queue_between_them_are_named(wheel_net: Compiler) -> None:
    net = wheel_net("ingolstadt21w")
    assert close_pairs(net) == (
        ("243641585", "gneJ257", 12.1),
        ("30503246", "30624898", 15.35),
    )
    assert "'243641585' and 'gneJ257' stand 12 m apart" in lock_notes(net)[0]
    assert close_pairs(wheel_net("cologne8")) == ()


def walked(net: TrafficNetwork) -> dict[tuple[int, int], float]:
    """Shortest way between stop lines, relaxed edge by edge until nothing changes."""
    signals = net.controllable
    arrives = {net.lanes[lane].edge: k for k, s in enumerate(signals) for lane in s.approach_lanes}
    length = {e.id: net.lanes[e.lanes[0]].length_m for e in net.edges.values()}
    found: dict[tuple[int, int], float] = {}
    for k, signal in enumerate(signals):
        best = {
            net.lanes[lane].edge: length[net.lanes[lane].edge]
            for lane in signal.exit_lanes
            if net.lanes[lane].carries_cars
        }
        changed = True
        while changed:
            changed = False
            for edge in [e for e in best if e not in arrives]:
                for ahead in net.edges[edge].successors:
                    if best[edge] + length[ahead] < best.get(ahead, np.inf) - 1e-9:
                        best[ahead], changed = best[edge] + length[ahead], True
        for edge, far in best.items():
            if edge in arrives and arrives[edge] != k:
                pair = (k, arrives[edge])
                found[pair] = min(far, found.get(pair, np.inf))
    return found
