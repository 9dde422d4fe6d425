"""Stage scores from counts: wave, the max-pressure family, greedy and longest queue.

`wave` and `mp_move` count vehicles by the link they will use next, which needs perfect knowledge of
routes; the lane-based scores need lane detectors only. Definitions follow RESCO (Ault & Sharon,
NeurIPS 2021 Datasets and Benchmarks) and, for pressure, Varaiya (Transp. Res. C 36, 2013).

Symbols: n(j) vehicles whose next signalled link is j within a radius; V, H all and halting vehicles
of a lane (< 0.1 m/s).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.controllers.stages import Counts, Score, StageLayout, Sum

MOVEMENT_RADIUS_M = 200.0
"""Radius of RESCO's MAXPRESSURE, m."""


def wave(layout: StageLayout, radius_m: float) -> Score:
    """Σ over green links of n(j) within `radius_m`: serve whom most are coming to."""
    links = layout.links_of_stages()
    return lambda state: links(state.approach_count(radius_m))


def movement_pressure(layout: StageLayout) -> Score:
    """Σ over green links of n(j) − 1{n(j) > 0} · V(first exit lane of j) / connections of j."""
    links = layout.links_of_stages()
    has_exit, exit_lane, share = _first_exits(layout)

    def score(state: Counts) -> FloatArray:
        approaching = state.approach_count(MOVEMENT_RADIUS_M)
        beyond = state.lane_vehicles()[exit_lane] * share
        return links(np.where(has_exit & (approaching > 0), approaching - beyond, approaching))

    return score


def _first_exits(layout: StageLayout) -> tuple[BoolArray, IntArray, FloatArray]:
    """Per link: whether it has connections, column of the first exit lane, 1 / connections."""
    rows = [
        [c for c in connections if c.on_road]
        for signal in layout.signals
        for connections in signal.link_connections
    ]
    has_exit = np.array([bool(row) for row in rows], dtype=bool)
    column = np.array([layout.lanes[row[0].out_lane] if row else 0 for row in rows], dtype=np.int64)
    share = np.array([1.0 / max(1, len(row)) for row in rows])
    return has_exit, column, share


def split_pressure(layout: StageLayout) -> Sum:
    """Σ over green connections of (x(in) − x(out)) / connections that leave lane `in`."""
    return Sum.of(_split_terms(layout), layout.n_stages)


def _split_terms(layout: StageLayout) -> Iterable[tuple[int, int, float]]:
    leaving = {s.id: Counter(c.in_lane for c in s.connections if c.on_road) for s in layout.signals}
    for stage, c, signal in layout.green_connections():
        share = 1.0 / leaving[signal.id][c.in_lane]
        yield stage, layout.lanes[c.in_lane], share
        yield stage, layout.lanes[c.out_lane], -share


def vehicle_split_pressure(layout: StageLayout) -> Score:
    """`split_pressure` of all vehicles (mp_split)."""
    pressure = split_pressure(layout)
    return lambda state: pressure(state.lane_vehicles())


def halting_split_pressure(layout: StageLayout) -> Score:
    """`split_pressure` of halting vehicles (mph_split), closest to RESCO's MAXPRESSURE."""
    pressure = split_pressure(layout)
    return lambda state: pressure(state.lane_halting())


def served_lanes(layout: StageLayout) -> Sum:
    """Per stage the sum over the distinct in-lanes it serves."""
    pairs = {(stage, layout.lanes[c.in_lane]) for stage, c, _ in layout.green_connections()}
    return Sum.of(((stage, lane, 1.0) for stage, lane in sorted(pairs)), layout.n_stages)


def greedy(layout: StageLayout) -> Score:
    """Σ over distinct served in-lanes of H(in)."""
    lanes = served_lanes(layout)
    return lambda state: lanes(state.lane_halting())


def naive_pressure(layout: StageLayout) -> Score:
    """Σ over distinct served in-lanes of V(in) − mean V(exit lanes): a counter-example.

    It credits a whole lane to a stage that serves one of its movements, so shared lanes starve.
    """
    exits: dict[tuple[int, str], list[str]] = {}
    for stage, c, _ in layout.green_connections():
        exits.setdefault((stage, c.in_lane), []).append(c.out_lane)
    terms: list[tuple[int, int, float]] = []
    for (stage, in_lane), out_lanes in exits.items():
        terms.append((stage, layout.lanes[in_lane], 1.0))
        terms += [(stage, layout.lanes[lane], -1.0 / len(out_lanes)) for lane in out_lanes]
    pressure = Sum.of(terms, layout.n_stages)
    return lambda state: pressure(state.lane_vehicles())


def longest_queue(layout: StageLayout, advantage_veh: float = 0.0) -> Score:
    """Longest queue H among the lanes a stage serves; equal ones by their total queue.

    Args:
        layout: stages and lanes.
        advantage_veh: added to the present stage, vehicles: others must queue longer to win.
    """
    lanes = served_lanes(layout)
    first = layout.first_stage[:-1]

    def score(state: Counts) -> FloatArray:
        halting = state.lane_halting()
        longest = np.zeros(layout.n_stages)
        np.maximum.at(longest, lanes.rows, halting[lanes.columns])
        total = lanes(halting)
        longest += total / (1.0 + total.max(initial=0.0))  # below 1 vehicle: decides ties only
        longest[first + state.stage()] += advantage_veh
        return longest

    return score
