"""Programs written anew keep the shipped stages and, under field rules, the law."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest
from trimtab_traffic.controllers.rewriting import (
    GreenLimits,
    legal_actuated,
    legal_as_its_kind,
    legal_fixed,
    limits_s,
    longest_red_s,
    retyped,
    stage_cycle,
)
from trimtab_traffic.network import compile_network
from trimtab_traffic.plans import is_stage
from trimtab_traffic.profiles import field_profile, resco_profile
from trimtab_traffic.rules import SignalTiming, intergreen_plan, signal_timing
from trimtab_traffic.signals import GREEN_CHARS, Phase, Program
from trimtab_traffic.sources import find_net

NETS = ("cologne1", "cologne3", "grid4x4", "ingolstadt7w")


def timings(profile=None) -> list[SignalTiming]:
    out = []
    for name in NETS:
        network = compile_network(find_net(name).net_file)
        out += [
            signal_timing(network, s, profile or field_profile())
            for s in network.controllable[:3]
            if not any(p.next for p in s.program.phases)
        ]
    return out


@pytest.fixture(scope="module", name="field")
def field_timings() -> list[SignalTiming]:
    return timings()


def runs(phases: tuple[Phase, ...], link: int) -> list[tuple[str, float, float]]:
    """(character, begin, end) of one link over three cycles, equal neighbours joined."""
    out: list[tuple[str, float, float]] = []
    at = 0.0
    for phase in (*phases, *phases, *phases):
        shown = "G" if phase.state[link] in GREEN_CHARS else phase.state[link]
        if out and out[-1][0] == shown:
            out[-1] = (shown, out[-1][1], at + phase.duration_s)
        else:
            out.append((shown, at, at + phase.duration_s))
        at += phase.duration_s
    return out


def check_legal(timing: SignalTiming, phases: tuple[Phase, ...]) -> None:
    """Yellow after green, clearance between conflicting greens, minimum green; all cyclic."""
    asked = timing.requirements
    shown = [runs(phases, k) for k in range(timing.signal.n_links)]
    for k, own in enumerate(shown):
        inside = own[1:-1]
        for (now, begin, end), (then, _, cleared) in zip(inside, inside[1:], strict=False):
            if now != "G":
                continue
            assert end - begin >= asked.min_green_s - 1e-9
            if asked.yellow_s[k] > 0:
                assert then == "y"
                assert cleared - end >= asked.yellow_s[k] - 1e-9
            for foe in np.flatnonzero(timing.signal.foes[k]):
                starts = [b for c, b, _ in shown[foe] if c == "G" and b >= end]
                need = max(
                    asked.yellow_s[k] + asked.all_red_s[k][foe], asked.pedestrian_clearance_s[k]
                )
                if starts:
                    assert min(starts) - end >= need - 1e-9


def test_a_legal_plan_keeps_yellow_clearance_and_minimum_green(field):
    for timing in field:
        check_legal(timing, legal_fixed(timing).phases)


def test_a_legal_plan_keeps_the_order_of_stages(field):
    for timing in field:
        cycle = stage_cycle(timing)
        states = [p.state for p in legal_fixed(timing).phases if is_stage(p)]
        stages = [s for s in states if s in timing.stage_states]
        shipped = [timing.stage_states[k] for k in cycle.stages]
        assert [s for s in stages if s in shipped][: len(shipped)] == shipped


def test_a_legal_plan_keeps_the_cycle_where_the_minimum_greens_fit(field):
    for timing in field:
        cycle = stage_cycle(timing)
        least = cycle.lost_s + sum(float(timing.min_green_s[k]) for k in cycle.stages)
        expected = max(round(timing.signal.program.cycle_s), least)
        assert legal_fixed(timing).cycle_s == expected


def test_legal_transitions_are_those_of_the_intergreen_plan(field):
    for timing in field:
        cycle = stage_cycle(timing)
        following = (*cycle.stages[1:], cycle.stages[0])
        for a, b, gap in zip(cycle.stages, following, cycle.gaps, strict=True):
            plan = intergreen_plan(timing, a, b)
            assert [(p.state, p.duration_s) for p in gap] == [(i.state, i.duration_s) for i in plan]


def test_an_actuated_plan_is_legal_at_its_shortest_and_longest_greens(field):
    for timing in field:
        phases = legal_actuated(timing, "actuated", GreenLimits(5, 50), {}).phases
        for limit in ("min_duration_s", "max_duration_s"):
            fixed = tuple(
                p if isnan(getattr(p, limit)) else Phase(p.state, getattr(p, limit)) for p in phases
            )
            check_legal(timing, fixed)


def test_no_link_waits_longer_than_the_maximum_red_at_the_longest_greens(field):
    for timing in field:
        low = float(timing.min_green_s.max())
        phases = legal_actuated(timing, "actuated", GreenLimits(5, 90), {}).phases
        greens = [p.max_duration_s for p in phases if not isnan(p.max_duration_s)]
        assert longest_red_s(phases) <= timing.rules.max_red_s or max(greens) == low


def test_a_retyped_program_changes_only_type_and_green_limits():
    for timing in timings(resco_profile()):
        shipped = timing.signal.program
        program = retyped(shipped, "actuated", GreenLimits(5, 50), {"max-gap": "2.5"})
        assert (program.type, program.offset_s) == ("actuated", shipped.offset_s)
        assert dict(program.parameters) == dict(shipped.parameters) | {"max-gap": "2.5"}
        for new, old in zip(program.phases, shipped.phases, strict=True):
            assert (new.state, new.duration_s) == (old.state, old.duration_s)
            if is_stage(old):
                assert (new.min_duration_s, new.max_duration_s) == (5, 50)
            else:
                assert repr(new) == repr(old)


def test_the_longest_red_counts_across_the_cycles_end():
    phases = (Phase("rG", 10.0), Phase("Gr", 20.0), Phase("rr", 5.0))
    assert longest_red_s(phases) == 25.0


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("actuated", (nan, nan), (30.0, 30.0)),
        ("actuated", (5.0, nan), (5.0, inf)),
        ("actuated", (nan, 40.0), (30.0, 40.0)),
        ("delay_based", (5.0, 40.0), (5.0, 40.0)),
        ("static", (5.0, 40.0), (30.0, 30.0)),
    ],
)
def test_limits_of_a_green_are_read_as_sumo_reads_them(kind, given, read):
    phase = Phase("G", 30.0, *given)
    assert limits_s(Program("0", kind, 0.0, (phase,), ()), phase) == read


def nema(timing: SignalTiming, longest_s: float) -> SignalTiming:
    """The signal as if it were shipped with a ring of NEMA phases that change in 3 s of yellow."""
    times = {"yellow": "3", "red": "0"}
    phases = tuple(
        Phase(s, 99.0, 5.0, longest_s, extra=tuple(times.items())) for s in timing.stage_states
    )
    signal = replace(timing.signal, programs=(Program("0", "NEMA", 0.0, phases, ()),))
    return replace(timing, signal=signal)


def test_a_nema_program_is_made_legal_within_its_splits(field):
    for timing in field:
        program = legal_as_its_kind(nema(timing, 40.0))
        assert (program.id, program.type) == ("0-legal", "NEMA")
        for phase in program.phases:
            links = [k for k, c in enumerate(phase.state) if c in GREEN_CHARS]
            yellow, red = (float(dict(phase.extra)[name]) for name in ("yellow", "red"))
            assert yellow >= timing.yellow_s[links].max()
            assert yellow + red >= timing.clearance_s[links].max()
            assert phase.min_duration_s == timing.rules.min_green_s
            assert phase.max_duration_s + yellow + red == 43.0


def test_a_nema_program_whose_splits_have_no_room_is_left(field):
    assert {legal_as_its_kind(nema(timing, 7.0)) for timing in field} == {None}
