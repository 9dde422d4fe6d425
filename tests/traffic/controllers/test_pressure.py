"""Stage scores against a slow reading of their definitions, one vehicle and link at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trimtab_traffic.controllers import pressure
from trimtab_traffic.controllers.stages import StageLayout, StageRule

SEEDS = range(40)
Slow = Callable[[Any, Any, int, Callable[[str], float], Callable[[str], float]], float]


def stages(junctions: Any) -> list[tuple[Any, str, int]]:
    """(signal, state, first link column) of every stage in flat order."""
    out, first = [], 0
    for signal in junctions.network.signals:
        out += [(signal, state, first) for state in signal.stage_states]
        first += signal.n_links
    return out


def green(state: str) -> list[int]:
    return [j for j, c in enumerate(state) if c in "gG"]


def slow_wave(traffic, signal, state, first) -> float:
    return sum(traffic.approaching[first + j] for j in green(state))


def slow_mp_move(traffic, signal, state, first) -> float:
    total = 0.0
    for j in green(state):
        n = traffic.approaching[first + j]
        total += n
        if n > 0 and signal.link_connections[j]:
            exit_lane = signal.link_connections[j][0].out_lane
            total -= traffic.vehicles[traffic.lanes.index(exit_lane)] / len(
                signal.link_connections[j]
            )
    return total


def slow_split(traffic, signal, state, counts) -> float:
    leaving = Counter(c.in_lane for c in signal.connections)
    return sum(
        (counts[traffic.lanes.index(c.in_lane)] - counts[traffic.lanes.index(c.out_lane)])
        / leaving[c.in_lane]
        for j in green(state)
        for c in signal.link_connections[j]
    )


def slow_mp_split(traffic, signal, state, first) -> float:
    return slow_split(traffic, signal, state, traffic.vehicles)


def slow_mph_split(traffic, signal, state, first) -> float:
    return slow_split(traffic, signal, state, traffic.halting)


def slow_greedy(traffic, signal, state, first) -> float:
    served = {c.in_lane for j in green(state) for c in signal.link_connections[j]}
    return sum(traffic.halting[traffic.lanes.index(lane)] for lane in served)


def slow_mp_naive(traffic, signal, state, first) -> float:
    beyond: dict[str, list[float]] = {}
    for j in green(state):
        for c in signal.link_connections[j]:
            here = traffic.vehicles[traffic.lanes.index(c.out_lane)]
            beyond.setdefault(c.in_lane, []).append(here)
    return sum(
        traffic.vehicles[traffic.lanes.index(lane)] - np.mean(exits)
        for lane, exits in beyond.items()
    )


RULES = {
    "wave": (lambda layout: pressure.wave(layout, 50.0), slow_wave),
    "mp_move": (pressure.movement_pressure, slow_mp_move),
    "mp_split": (pressure.vehicle_split_pressure, slow_mp_split),
    "mph_split": (pressure.halting_split_pressure, slow_mph_split),
    "greedy": (pressure.greedy, slow_greedy),
    "mp_naive": (pressure.naive_pressure, slow_mp_naive),
}


@pytest.mark.parametrize("name", RULES)
def test_scores_equal_the_slow_reading_of_their_definition(name, junctions):
    fast, slow = RULES[name]
    for seed in SEEDS:
        made = junctions(seed)
        layout = StageLayout.of(made.network, made.traffic.lanes)
        expected = [slow(made.traffic, s, state, first) for s, state, first in stages(made)]
        np.testing.assert_allclose(fast(layout)(made.traffic), expected, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_an_empty_network_scores_zero_everywhere(name, junctions):
    fast, _ = RULES[name]
    made = junctions(3)
    for counts in (made.traffic.approaching, made.traffic.vehicles, made.traffic.halting):
        counts[:] = 0.0
    layout = StageLayout.of(made.network, made.traffic.lanes)
    assert not fast(layout)(made.traffic).any()


def test_wave_reads_the_radius_it_was_given(junctions, no_obs):
    made = junctions(1)
    StageRule(made, rule=pressure.wave, radius_m=100.0).act(no_obs)
    assert made.traffic.radii_m == [100.0]


def test_longest_queue_serves_the_longest_queue_of_each_signal(junctions, no_obs):
    for seed in SEEDS:
        made = junctions(seed)
        chosen = StageRule(made, rule=pressure.longest_queue).act(no_obs).discrete[0, :, 0]
        for signal, stage in zip(made.network.signals, chosen, strict=True):
            longest = [
                max(
                    (
                        made.traffic.halting[made.traffic.lanes.index(c.in_lane)]
                        for j in green(state)
                        for c in signal.link_connections[j]
                    ),
                    default=0.0,
                )
                for state in signal.stage_states
            ]
            assert longest[stage] == max(longest)


def test_an_advantage_keeps_the_present_stage_until_others_queue_longer(junctions, no_obs):
    for seed in SEEDS:
        made = junctions(seed)
        held = StageRule(made, rule=pressure.longest_queue, advantage_veh=1e3).act(no_obs)
        assert (held.discrete[0, :, 0] == made.traffic.present).all()
