"""Signal programs written anew: other type, other green limits, intergreens that keep the rules.

Two ways, chosen by the rule profile. Under ``resco`` a program keeps its phases and only its type
and the limits of its greens change (the published benchmark's settings). Under ``field`` the order
of stages is kept and everything between them is put in from `rules.intergreen_plan`, so that the
program is legal: yellow, all-red, pedestrian clearance, minimum green, maximum red.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isinf, isnan, nan

import numpy as np
from trimtab.contracts.spec import FloatArray

from trimtab_traffic.plans import is_stage
from trimtab_traffic.rules import SignalTiming, intergreen_plan
from trimtab_traffic.signals import GREEN_CHARS, Phase, Program
from trimtab_traffic.webster import whole_seconds

STRETCHED = ("actuated", "delay_based")
"""Program types of SUMO's that stretch the greens of a cycle by traffic and change nothing else."""


@dataclass(frozen=True, slots=True)
class GreenLimits:
    """Shortest and longest green an actuated program may give, s."""

    min_s: float = 5.0
    max_s: float = 50.0


@dataclass(frozen=True, slots=True)
class StageCycle:
    """One shipped cycle as stages in their order.

    Attributes:
        stages: stage index of each green; equal neighbours are one.
        green_s: shipped green of each.
        limits_s: shipped shortest and longest green, [stages, 2]; infinite where nothing ends it.
        gaps: legal transition after each green, before the next.
        start_s: beginning of the first green after the cycle's zero.
    """

    stages: tuple[int, ...]
    green_s: FloatArray
    limits_s: FloatArray
    gaps: tuple[tuple[Phase, ...], ...]
    start_s: float

    @property
    def lost_s(self) -> float:
        """Time of all transitions."""
        return sum(phase.duration_s for gap in self.gaps for phase in gap)

    def phases(self, greens: Sequence[Phase]) -> tuple[Phase, ...]:
        """The whole cycle, `greens` in place of its stages."""
        pairs = zip(greens, self.gaps, strict=True)
        return tuple(phase for green, gap in pairs for phase in (green, *gap))


def retyped(
    program: Program, kind: str, limits: GreenLimits, parameters: Mapping[str, str]
) -> Program:
    """The program as another SUMO type: greens get limits, all else stays as shipped."""
    phases = tuple(
        replace(p, min_duration_s=limits.min_s, max_duration_s=limits.max_s) if is_stage(p) else p
        for p in program.phases
    )
    return _as_kind(program, kind, phases, parameters)


def legal_fixed(timing: SignalTiming) -> Program:
    """The shipped stages in their order with legal intergreens, fixed greens, the shipped cycle.

    Greens shrink in proportion to make room for longer intergreens, never below the minimum; where
    that does not fit, the cycle grows.
    """
    cycle = stage_cycle(timing)
    low = timing.min_green_s[list(cycle.stages)].astype(np.float64)
    total = max(round(timing.signal.program.cycle_s - cycle.lost_s), int(low.sum()))
    greens = whole_seconds(shared_out(cycle.green_s, low, float(total)), total)
    states = timing.stage_states
    phases = [Phase(states[k], float(g)) for k, g in zip(cycle.stages, greens, strict=True)]
    shipped = timing.signal.program
    return replace(
        shipped,
        id=f"{shipped.id}-legal",
        type="static",
        offset_s=shipped.offset_s + cycle.start_s,
        phases=cycle.phases(phases),
        parameters=(),
    )


def legal_as_its_kind(timing: SignalTiming) -> Program | None:
    """The shipped program with legal intergreens and minimum greens, otherwise as its owner has it.

    An actuated one keeps its type, the limits of its greens and its parameters; None for a program
    that does more than stretch the greens of a cycle or of a NEMA ring.
    """
    shipped = timing.signal.program
    if shipped.type == "static":
        return legal_fixed(timing)
    if shipped.type == "NEMA":
        return _legal_rings(timing)
    if shipped.type not in STRETCHED or any(phase.extra for phase in shipped.phases):
        return None
    cycle = stage_cycle(timing)
    low = timing.min_green_s[list(cycle.stages)].astype(np.float64)
    times = np.maximum(np.column_stack((cycle.green_s, cycle.limits_s)), low[:, None])
    greens = [
        Phase(timing.stage_states[k], green, least, nan if isinf(most) else most)
        for k, (green, least, most) in zip(cycle.stages, times.tolist(), strict=True)
    ]
    fixed = legal_fixed(timing)
    return _as_kind(fixed, shipped.type, cycle.phases(greens), dict(shipped.parameters))


def _legal_rings(timing: SignalTiming) -> Program | None:
    """A NEMA program with legal changes and minimum greens; None where they leave no green.

    Splits stay, since both rings must reach a barrier together: the longest greens give way.
    """
    shipped = timing.signal.program
    phases = []
    for phase in shipped.phases:
        extra = dict(phase.extra)
        try:
            own_yellow, own_red = float(extra["yellow"]), float(extra["red"])
        except (KeyError, ValueError):
            return None
        asked_yellow, asked_red = change_s(timing, phase.state)
        yellow = max(own_yellow, asked_yellow)
        red = max(own_red, asked_yellow + asked_red - yellow)
        least = max(phase.min_duration_s, float(timing.rules.min_green_s))
        most = phase.max_duration_s + own_yellow + own_red - yellow - red
        if not least <= most:
            return None
        extra |= {"yellow": f"{yellow:g}", "red": f"{red:g}"}
        legal = replace(phase, min_duration_s=least, max_duration_s=most)
        phases.append(replace(legal, extra=tuple(extra.items())))
    return replace(shipped, id=f"{shipped.id}-legal", phases=tuple(phases))


def change_s(timing: SignalTiming, state: str) -> tuple[float, float]:
    """Yellow and red after the greens of a state, whatever follows, s."""
    links = [k for k, shown in enumerate(state) if shown in GREEN_CHARS]
    yellow = float(timing.yellow_s[links].max(initial=0))
    return yellow, float(timing.clearance_s[links].max(initial=0)) - yellow


def fixed_greens(program: Program) -> Program:
    """The program as shipped, but every phase lasts its duration."""
    return replace(program, id=f"{program.id}-static", type="static", parameters=())


def limits_s(program: Program, phase: Phase) -> tuple[float, float]:
    """Shortest and longest time of a phase, as SUMO reads ``minDur`` and ``maxDur``."""
    free = not isnan(phase.min_duration_s)
    if program.type not in STRETCHED or not (free or phase.max_duration_s > phase.duration_s):
        return phase.duration_s, phase.duration_s
    least = phase.min_duration_s if free else phase.duration_s
    return least, inf if isnan(phase.max_duration_s) else phase.max_duration_s


def legal_actuated(
    timing: SignalTiming, kind: str, limits: GreenLimits, parameters: Mapping[str, str]
) -> Program:
    """`legal_fixed` as an actuated type whose greens stay within the rules.

    The longest green is lowered until no link waits longer than the maximum red even when every
    other green lasts as long as it may.
    """
    cycle, rules = stage_cycle(timing), timing.rules
    low = [max(limits.min_s, float(timing.min_green_s[k])) for k in cycle.stages]
    top = int(min(limits.max_s, rules.max_green_s or limits.max_s))

    def phases() -> tuple[Phase, ...]:
        longest = [max(green, float(top)) for green in low]
        return cycle.phases(
            [
                Phase(timing.stage_states[k], high, least, high)
                for k, least, high in zip(cycle.stages, low, longest, strict=True)
            ]
        )

    while top > min(low) and rules.max_red_s and longest_red_s(phases()) > rules.max_red_s:
        top -= 1
    fixed = legal_fixed(timing)
    shipped = timing.signal.program
    return _as_kind(fixed, kind, phases(), dict(shipped.parameters) | dict(parameters))


def stage_cycle(timing: SignalTiming) -> StageCycle:
    """The shipped program's stages in order, with legal transitions between them."""
    states, program = timing.signal.stage_states, timing.signal.program
    shown: list[tuple[int, FloatArray]] = []  # stage; its green, shortest and longest green
    start_s = at_s = 0.0
    for phase in program.phases:
        if is_stage(phase):
            stage = states.index(phase.state)
            times = np.array((phase.duration_s, *limits_s(program, phase)))
            if shown and shown[-1][0] == stage:
                shown[-1] = (stage, shown[-1][1] + times)
            else:
                start_s = start_s if shown else at_s
                shown.append((stage, times))
        at_s += phase.duration_s
    if len(shown) > 1 and shown[0][0] == shown[-1][0]:  # a green across the cycle's zero
        _, before = shown.pop()
        shown[0] = (shown[0][0], shown[0][1] + before)
        start_s -= float(before[0])
    stages = tuple(stage for stage, _ in shown)
    gaps = tuple(
        tuple(Phase(x.state, float(x.duration_s)) for x in intergreen_plan(timing, a, b))
        if a != b
        else ()
        for a, b in zip(stages, (*stages[1:], stages[0]), strict=True)
    )
    times = np.array([times for _, times in shown])
    return StageCycle(stages, times[:, 0], times[:, 1:], gaps, start_s)


def longest_red_s(phases: Sequence[Phase]) -> float:
    """Longest time without green of a link that the repeated phases serve, s."""
    longest = 0.0
    for link in range(len(phases[0].state)):
        green = [phase.state[link] in GREEN_CHARS for phase in phases]
        if not any(green):
            continue
        red = 0.0
        for phase, on in zip((*phases, *phases), (*green, *green), strict=True):
            red = 0.0 if on else red + phase.duration_s
            longest = max(longest, red)
    return longest


def _as_kind(
    program: Program, kind: str, phases: tuple[Phase, ...], parameters: Mapping[str, str]
) -> Program:
    merged = dict(program.parameters) | dict(parameters)
    return replace(
        program,
        id=f"{program.id}-{kind}",
        type=kind,
        phases=phases,
        parameters=tuple(sorted(merged.items())),
    )


def shared_out(wanted: FloatArray, low: FloatArray, total: float) -> FloatArray:
    """Shares of `total` in proportion to `wanted`, each at least `low` (whose sum fits)."""
    at_low = np.zeros(len(wanted), dtype=bool)
    while True:
        rest = total - float(low[at_low].sum())
        free = float(wanted[~at_low].sum())
        share = np.where(at_low, low, wanted * (rest / free if free else 0.0))
        short = ~at_low & (share < low)
        if not short.any():
            return np.asarray(share)
        at_low |= short
