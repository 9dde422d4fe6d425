"""Varaiya's pressure against a slow reading of the formula, and its turning ratios."""

from __future__ import annotations

from typing import Any

import numpy as np
from trimtab_traffic.controllers.max_pressure import SATURATION_VEH_S, MaxPressure

SEEDS = range(30)


def movements(made: Any) -> list[tuple[Any, Any, float]]:
    """(signal, movement, x) of all movements; a shared link counts in equal parts."""
    out, first = [], 0
    for signal in made.network.signals:
        for m in signal.movements:
            x = 0.0
            for link in m.links:
                sharing = sum(link in other.links for other in signal.movements)
                x += made.traffic.approaching[first + link] / sharing
            out.append((signal, m, x))
        first += signal.n_links
    return out


def slow_pressures(made: Any, seen: list[float]) -> list[float]:
    flat = movements(made)
    roads = {m.in_edge for _, m, _ in flat}

    def beyond(signal: Any, m: Any) -> float:
        if m.out_edge not in roads:
            lanes = {
                c.out_lane
                for j in m.links
                for c in signal.link_connections[j]
                if c.out_lane.startswith(f"{m.out_edge}_")
            }
            return sum(made.traffic.halting[made.traffic.lanes.index(x)] for x in lanes)
        ahead = [(x, s) for (_, k, x), s in zip(flat, seen, strict=True) if k.in_edge == m.out_edge]
        return sum(x * s for x, s in ahead) / sum(s for _, s in ahead)

    pressures = []
    for signal in made.network.signals:
        for state in signal.stage_states:
            total = 0.0
            for owner, m, x in flat:
                if owner is signal:
                    on = [j for j in m.links if state[j] in "gG"]
                    served = {c.in_lane for j in on for c in signal.link_connections[j]}
                    total += SATURATION_VEH_S * len(served) * (x - beyond(signal, m))
            pressures.append(total)
    return pressures


def test_the_stage_of_greatest_pressure_is_played(junctions, no_obs):
    for seed in SEEDS:
        made = junctions(seed)
        made.traffic.approaching += 1.0  # every movement is seen, so every ratio is defined
        controller = MaxPressure(made, memory_s=1e-6)
        picked = controller.act(no_obs).discrete[0, :, 0]
        seen = [x for _, _, x in movements(made)]
        pressures = slow_pressures(made, seen)
        first = 0
        for signal, stage in zip(made.network.signals, picked, strict=True):
            own = pressures[first : first + len(signal.stage_states)]
            assert own[stage] >= max(own) - 1e-6
            first += len(signal.stage_states)


def test_turning_ratios_add_up_to_one_on_every_road(junctions, no_obs):
    for seed in SEEDS:
        made = junctions(seed)
        controller = MaxPressure(made)
        for _ in range(3):
            controller.act(no_obs)
        roads = [m.in_edge for _, m, _ in movements(made)]
        ratios = controller.turning_ratios()
        for road in set(roads):
            on_road = [r for r, name in zip(ratios, roads, strict=True) if name == road]
            assert np.isclose(sum(on_road), 1.0)


def test_a_reset_forgets_the_turning_ratios(junctions, no_obs):
    made = junctions(2)
    controller = MaxPressure(made)
    before = controller.turning_ratios()
    controller.act(no_obs)
    controller.reset(np.array([1]))
    np.testing.assert_array_equal(controller.turning_ratios(), before)
