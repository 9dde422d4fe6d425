"""NEMA phases of a junction from its geometry: two rings, two barriers.

Numbering as in the Signal Timing Manual (FHWA-HOP-08-024, ch. 4): one street's throughs are phases
2 and 6, the other's 4 and 8; each odd phase is the left turn that crosses the through of the next
number (1 crosses 2, 5 crosses 6, 3 crosses 4, 7 crosses 8). Ring 1 holds 1-4, ring 2 holds 5-8; a
ring shows one phase at a time, and both rings stay on the same street.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from trimtab_traffic.rules import conflicting_greens
from trimtab_traffic.signals import Connection, Signal, TrafficNetwork

LEFT_DIRECTIONS = frozenset("lLt")
"""SUMO's turning directions that cross the opposing through: left, partly left, U-turn."""

MAX_ANGLE_OFF_DEG = 50.0
"""Approaches within this of exactly opposite face each other, degrees."""

SIDES = ((1, 2, 5, 6), (3, 4, 7, 8))
"""Phases of each street: ring 1 left and through, ring 2 left and through."""

_LEVEL = {"G": 2, "g": 1}


@dataclass(frozen=True, slots=True)
class RingBarrier:
    """NEMA phases of one signal.

    Attributes:
        states: phase number → state with only that phase's links green.
        rings: phases of ring 1 and ring 2 in their order, 0 where a phase does not exist.
        barriers: last phases of each street, (ring 1, ring 2).
    """

    states: dict[int, str]
    rings: tuple[tuple[int, ...], tuple[int, ...]]
    barriers: tuple[tuple[int, int], tuple[int, int]]


def ring_barrier(network: TrafficNetwork, signal: Signal) -> RingBarrier | str:
    """The signal's ring-barrier structure, or one line saying why its geometry has none."""
    if signal.crossing.any():
        return "it has pedestrian crossings, which SUMO's NEMA controller cannot clear"
    streets = _streets(network, signal)
    if isinstance(streets, str):
        return streets
    states: dict[int, str] = {}
    for (left_b, through_a, left_a, through_b), (a, b) in zip(SIDES, streets, strict=True):
        states |= _approach_phases(signal, a, through_a, left_a, faced=bool(b))
        states |= _approach_phases(signal, b, through_b, left_b, faced=bool(a))
    rings = _rings(states)
    conflict = _resolve(signal, states, rings)
    if conflict is not None:
        return f"links {conflict[0]} and {conflict[1]} would be green together and neither yields"
    dark = {c.link for c in signal.connections} - {
        k for state in states.values() for k, c in enumerate(state) if c in _LEVEL
    }
    if dark:
        return f"links {sorted(dark)} fit no phase"
    ends = tuple((rings[0][k], rings[1][k]) for k in (1, 3))
    return RingBarrier(states, rings, (ends[0], ends[1]))


def _streets(
    network: TrafficNetwork, signal: Signal
) -> tuple[tuple[list[Connection], list[Connection]], ...] | str:
    """Both streets as pairs of facing approaches (the second may be empty), or why not."""
    approaches: dict[str, list[Connection]] = {}
    for c in signal.connections:
        if not c.on_road:
            return "it has turns in two steps"
        approaches.setdefault(network.lanes[c.in_lane].edge, []).append(c)
    if not 2 <= len(approaches) <= 4:  # noqa: PLR2004
        return f"it has {len(approaches)} approaches, not 2 to 4"
    found = list(approaches.values())
    headings = [_heading_deg(network, c[0].in_lane) for c in found]
    pairs = [
        (_off_opposite_deg(headings[i], headings[j]), i, j)
        for i in range(len(found))
        for j in range(i + 1, len(found))
    ]
    off, i, j = min(pairs)
    rest = [k for k in range(len(found)) if k not in (i, j)]
    if off > MAX_ANGLE_OFF_DEG:
        if len(found) > 2:  # noqa: PLR2004
            return "no two of its approaches face each other"
        return (found[i], []), (found[j], [])
    if not rest:
        return "its two approaches face each other and nothing crosses"
    if len(rest) == 2 and _off_opposite_deg(*(headings[k] for k in rest)) > MAX_ANGLE_OFF_DEG:  # noqa: PLR2004
        return "two of its approaches do not face each other"
    return (found[i], found[j]), (found[rest[0]], found[rest[1]] if len(rest) > 1 else [])


def _heading_deg(network: TrafficNetwork, lane: str) -> float:
    x, y = np.diff(network.lanes[lane].polyline_m[-2:], axis=0)[0]
    return float(np.degrees(np.arctan2(y, x)))


def _off_opposite_deg(a: float, b: float) -> float:
    return abs((a - b) % 360.0 - 180.0)


def _approach_phases(
    signal: Signal, approach: list[Connection], through: int, left: int, *, faced: bool
) -> dict[int, str]:
    """States of an approach's through and, where it has lanes of its own, left phase."""
    if not approach:
        return {}
    turning = {c.link for c in approach if c.direction in LEFT_DIRECTIONS}
    ahead = {c.link for c in approach} - turning
    ahead_lanes = {c.in_lane for c in approach if c.link in ahead}
    own_lanes = any(c.link in turning and c.in_lane not in ahead_lanes for c in approach)
    if not (faced and own_lanes and ahead):
        return {through: _state(signal, ahead | turning, ())}
    shared = {c.link for c in approach if c.link in turning and c.in_lane in ahead_lanes}
    permissive = shared | {j for j in turning if any(s[j] == "g" for s in signal.stage_states)}
    return {through: _state(signal, ahead, permissive), left: _state(signal, turning, ())}


def _state(signal: Signal, protected: Iterable[int], permissive: Iterable[int]) -> str:
    shown = dict.fromkeys(permissive, "g") | dict.fromkeys(protected, "G")
    return "".join(shown.get(link, "r") for link in range(signal.n_links))


def _rings(states: dict[int, str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Phases of both rings; a ring without any on a street repeats the other's."""
    one: list[int] = []
    two: list[int] = []
    for left_b, through_a, left_a, through_b in SIDES:
        first = [p if p in states else 0 for p in (left_b, through_a)]
        second = [p if p in states else 0 for p in (left_a, through_b)]
        one += first
        two += second if any(second) else first
    return tuple(one), tuple(two)


def _resolve(
    signal: Signal, states: dict[int, str], rings: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[int, int] | None:
    """Lower greens that must yield, in place; a pair of links that cannot be resolved, or None."""
    for street in (slice(0, 2), slice(2, 4)):
        for p, q in product(filter(None, rings[0][street]), filter(None, rings[1][street])):
            while bad := conflicting_greens(
                _merged(states[p], states[q]), signal.foes, signal.yields
            ):
                a, b = bad[0]
                lower = next((x for x, y in ((a, b), (b, a)) if signal.yields[x, y]), None)
                if lower is None:
                    return a, b
                for phase in (p, q):
                    state = states[phase]
                    if state[lower] == "G":
                        states[phase] = f"{state[:lower]}g{state[lower + 1 :]}"
    return None


def _merged(one: str, two: str) -> str:
    """What SUMO shows when two phases run together: the stronger green of each link."""
    return "".join(max(a, b, key=lambda c: _LEVEL.get(c, 0)) for a, b in zip(one, two, strict=True))
