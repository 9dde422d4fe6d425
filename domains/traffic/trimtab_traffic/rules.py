"""Signal timing under a rule profile: yellow, intergreen matrix, minimum greens, transitions.

All times the shield uses are whole seconds, rounded up; the unrounded requirements are kept beside
them as plain numbers for the independent monitor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_traffic.conflict_geometry import (
    Path,
    all_red_s,
    connection_path,
    pedestrian_clearance_s,
)
from trimtab_traffic.profiles import (
    RuleProfile,
    Rules,
    field_profile,
    resco_profile,
)
from trimtab_traffic.signals import GREEN_CHARS, Signal, TrafficNetwork

__all__ = [
    "Interval",
    "Requirements",
    "RuleProfile",
    "Rules",
    "SignalTiming",
    "conflicting_greens",
    "field_profile",
    "intergreen_plan",
    "requirement_numbers",
    "ite_yellow_s",
    "resco_profile",
    "rilsa_yellow_s",
    "signal_timing",
]

GRAVITY_MPS2 = 9.81
MIN_ITE_YELLOW_S = 3.0
"""Shortest yellow ITE and MUTCD allow, s."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A signal state shown for a time."""

    state: str
    duration_s: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the rules ask of one signal, unrounded, as plain numbers; None or 0: nothing asked.

    Attributes:
        yellow_s: per link; 0 for crossings.
        all_red_s: [clearing link][entering link], after the end of yellow.
        pedestrian_clearance_s: per link, from the end of walk to a conflicting green.
        served: links that some stage serves, so that a red limit applies to them.
    """

    yellow_s: tuple[float, ...]
    all_red_s: tuple[tuple[float, ...], ...]
    pedestrian_clearance_s: tuple[float, ...]
    min_green_s: float
    walk_s: float
    max_red_s: float | None
    served: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SignalTiming:
    """A signal's stages and times under one profile; times in whole s.

    Attributes:
        stage_states: as shipped under ``resco``; under ``field`` a green that conflicts with
            another is lowered to permissive (``g``) where the right of way lets it yield.
        yellow_s: [links]; 0 for crossings under ``field``.
        clearance_s: [links, links] from the end of green of the row until the column may be green:
            the intergreen matrix; for links that do not conflict the row's yellow.
        min_green_s: [stages].
        notes: what was changed or is unusual, one line each.
    """

    signal: Signal
    rules: Rules
    stage_states: tuple[str, ...]
    yellow_s: NDArray[np.int64]
    clearance_s: NDArray[np.int64]
    min_green_s: NDArray[np.int64]
    requirements: Requirements
    notes: tuple[str, ...]


def ite_yellow_s(
    speed_mps: float,
    reaction_time_s: float = 1.0,
    deceleration_mps2: float = 3.05,
    grade: float = 0.0,
) -> float:
    """Yellow by the ITE kinematic formula, s: t_r + v / (2 a + 2 g G), at least 3 s."""
    braking = 2 * deceleration_mps2 + 2 * GRAVITY_MPS2 * grade
    return max(MIN_ITE_YELLOW_S, reaction_time_s + speed_mps / braking)


def rilsa_yellow_s(speed_mps: float) -> float:
    """Yellow by the RiLSA table, s: 3 up to 50 km/h, 4 up to 60, 5 above."""
    speed_kmh = round(speed_mps * 3.6, 1)
    return 3.0 if speed_kmh <= 50 else 4.0 if speed_kmh <= 60 else 5.0  # noqa: PLR2004


def conflicting_greens(
    state: str, foes: NDArray[np.bool_], yields: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Pairs of conflicting links whose greens the right of way does not resolve.

    Two ``G`` never; ``g`` beside ``G`` only where it must yield; two ``g`` where one of them must.
    """
    green = [k for k, c in enumerate(state) if c in GREEN_CHARS]
    bad = []
    for n, a in enumerate(green):
        for b in green[n + 1 :]:
            a_yields = state[a] == "g" and bool(yields[a, b])
            b_yields = state[b] == "g" and bool(yields[b, a])
            if foes[a, b] and not a_yields and not b_yields:
                bad.append((a, b))
    return bad


def _lowered(signal: Signal, stage: int, where: str) -> tuple[str, list[str]]:
    """Lower conflicting greens of a stage to permissive ones."""
    state = list(signal.stage_states[stage])
    notes = []
    while bad := conflicting_greens("".join(state), signal.foes, signal.yields):
        a, b = bad[0]
        lower = next((x for x, y in ((a, b), (b, a)) if signal.yields[x, y]), None)
        if lower is None:
            msg = (
                f"{where}: signal {signal.id!r} stage {stage} ({signal.stage_states[stage]}) is "
                f"green for conflicting links {a} and {b}, neither yields; separate them in netedit"
            )
            raise InputFileError(msg)
        state[lower] = "g"
        notes.append(
            f"signal {signal.id!r} stage {stage}: links {a} and {b} are both G and conflict; "
            f"link {lower} is shown g and yields"
        )
    return "".join(state), notes


def _yellow_of(rules: Rules, speed_mps: float) -> float:
    if rules.yellow_rule == "fixed":
        return float(rules.yellow_s)
    if rules.yellow_rule == "rilsa":
        return rilsa_yellow_s(speed_mps)
    return ite_yellow_s(speed_mps, rules.reaction_time_s, rules.deceleration_mps2, rules.grade)


def _link_yellow(network: TrafficNetwork, signal: Signal, rules: Rules) -> NDArray[np.float64]:
    """Yellow per link from the fastest approach lane it serves, [links] s."""
    yellow = np.zeros(signal.n_links)
    for link, connections in enumerate(signal.link_connections):
        speeds = [network.lanes[c.in_lane].speed_mps for c in connections if not c.crossing]
        if speeds or rules.yellow_rule == "fixed":
            yellow[link] = _yellow_of(rules, max(speeds, default=0.0))
    return yellow


def _clearing_times(
    network: TrafficNetwork, signal: Signal, rules: Rules
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All-red [links, links] and pedestrian clearance [links], s."""
    all_red = np.zeros((signal.n_links, signal.n_links))
    walking = np.zeros(signal.n_links)
    paths: list[list[Path]] = [
        [connection_path(network, c) for c in connections if c.request >= 0]
        for connections in signal.link_connections
    ]
    for link in np.flatnonzero(signal.crossing):
        if rules.walking_speed_mps is not None:
            walking[link] = max(
                pedestrian_clearance_s(p, rules.walking_speed_mps) for p in paths[link]
            )
    if rules.all_red_rule == "none":
        return all_red, walking
    for clearing, entering in np.argwhere(signal.foes & ~signal.crossing[:, None]):
        longest = max(
            all_red_s(p, q, rules.vehicle_length_m)
            for p in paths[clearing]
            for q in paths[entering]
        )
        all_red[clearing, entering] = max(rules.all_red_floor_s, longest)
    return all_red, walking


def signal_timing(network: TrafficNetwork, signal: Signal, profile: RuleProfile) -> SignalTiming:
    """Derive a signal's times under a profile.

    Raises:
        InputFileError: a stage gives green to conflicting links and none of them yields.
    """
    rules = profile.for_signal(signal.id)
    lowered = [_lowered(signal, k, str(network.path)) for k in range(len(signal.stage_states))]
    notes = [note for _, more in lowered for note in more]
    states = tuple(state for state, _ in lowered)
    if profile.name == "resco":
        states = signal.stage_states
        notes = [f"{note} under profile field only" for note in notes]
    yellow = _link_yellow(network, signal, rules)
    all_red, walking = _clearing_times(network, signal, rules)
    shown_yellow = np.ceil(yellow - 1e-9)
    clearing = np.maximum(
        shown_yellow[:, None] + np.ceil(all_red - 1e-9), np.ceil(walking)[:, None]
    )
    clearance = np.where(signal.foes, clearing, shown_yellow[:, None])
    green = signal.stage_green
    served = np.logical_or.reduce(green, axis=0, initial=False)
    walk = (green & signal.crossing).any(axis=1) * rules.walk_s
    return SignalTiming(
        signal=signal,
        rules=rules,
        stage_states=states,
        yellow_s=shown_yellow.astype(np.int64),
        clearance_s=clearance.astype(np.int64),
        min_green_s=np.maximum(rules.min_green_s, walk).astype(np.int64),
        requirements=Requirements(
            yellow_s=tuple(yellow.tolist()),
            all_red_s=tuple(tuple(row) for row in all_red.tolist()),
            pedestrian_clearance_s=tuple(walking.tolist()),
            min_green_s=float(rules.min_green_s),
            walk_s=float(rules.walk_s),
            max_red_s=None if rules.max_red_s is None else float(rules.max_red_s),
            served=tuple(served.tolist()),
        ),
        notes=tuple(notes),
    )


def requirement_numbers(network: TrafficNetwork, profile: RuleProfile) -> dict[str, dict[str, Any]]:
    """Required times of every controllable signal as plain numbers, for the monitor."""
    return {
        signal.id: asdict(signal_timing(network, signal, profile).requirements)
        for signal in network.controllable
    }


def intergreen_plan(timing: SignalTiming, start: int, end: int) -> tuple[Interval, ...]:
    """States to run through between the greens of two different stages.

    With a fixed yellow and no all-red this is the RESCO transition: for the yellow time, links that
    lose green show ``y`` and all others stay as they are. Otherwise every link that loses green is
    cut as late as its yellow and its clearance against the links that gain green allow, so that all
    are cleared at the same instant; links that stay green show the weaker of their two greens;
    links that gain green wait. Crossings go from green straight to red. An empty plan means the
    stages follow directly.
    """
    now, then = timing.stage_states[start], timing.stage_states[end]
    rules = timing.rules
    if rules.yellow_rule == "fixed" and rules.all_red_rule == "none":
        state = "".join(
            "y" if a in GREEN_CHARS and b not in GREEN_CHARS else a
            for a, b in zip(now, then, strict=True)
        )
        return (Interval(state, rules.yellow_s),)
    losing = [k for k, a in enumerate(now) if a in GREEN_CHARS and then[k] not in GREEN_CHARS]
    gaining = np.array(
        [b in GREEN_CHARS and a not in GREEN_CHARS for a, b in zip(now, then, strict=True)]
    )
    lowered = _lowered_links(timing, now, then, gaining)
    needed = {k: _cut_ahead_s(timing, k, gaining, end) for k in (*losing, *lowered)}
    total = max(needed.values(), default=0)
    cuts = {k: total - needed[k] for k in losing}
    ends = {k: cut + int(timing.yellow_s[k]) for k, cut in cuts.items()}
    times = sorted({0, total, *cuts.values(), *ends.values()})
    return tuple(
        Interval(
            "".join(
                _shown(a, b, at, cuts.get(k, total), ends.get(k, total))
                for k, (a, b) in enumerate(zip(now, then, strict=True))
            ),
            until - at,
        )
        for at, until in zip(times[:-1], times[1:], strict=True)
    )


def _cut_ahead_s(timing: SignalTiming, link: int, gaining: NDArray[np.bool_], end: int) -> int:
    """How long before the greens of stage `end` a link's green is cut.

    Foes that only a later stage serves gain green after the shortest green of `end`, not before.
    """
    clearance_s = timing.clearance_s[link]
    against_gaining = clearance_s[gaining].max(initial=clearance_s[link])
    return int(max(against_gaining, clearance_s.max() - timing.min_green_s[end]))


def _lowered_links(
    timing: SignalTiming, now: str, then: str, gaining: NDArray[np.bool_]
) -> Iterable[int]:
    """Links that go from protected to permissive while a foe gains green."""
    for k, (a, b) in enumerate(zip(now, then, strict=True)):
        if a == "G" and b == "g" and (timing.signal.foes[k] & gaining).any():
            yield k


def _shown(now: str, then: str, at: int, cut: int, red_from: int) -> str:
    """Character of one link during a transition."""
    if now not in GREEN_CHARS:
        return now
    if then in GREEN_CHARS:
        return "g" if "g" in (now, then) else "G"
    return now if at < cut else "y" if at < red_from else "r"
