"""Timing formulas, profiles and transitions keep the numbers of the specification."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.rules import (
    Interval,
    conflicting_greens,
    field_profile,
    intergreen_plan,
    ite_yellow_s,
    resco_profile,
    rilsa_yellow_s,
    signal_timing,
)

Compiler = Callable[[str], TrafficNetwork]
Writer = Callable[..., Path]


@pytest.mark.parametrize(("speed_kmh", "yellow_s"), [(50, 3.3), (60, 3.7), (70, 4.2)])
def test_ite_yellow_has_the_tabled_values(speed_kmh: float, yellow_s: float) -> None:
    assert ite_yellow_s(speed_kmh / 3.6) == pytest.approx(yellow_s, abs=0.05)


@pytest.mark.parametrize(("speed_kmh", "yellow_s"), [(50, 3), (60, 4), (70, 5)])
def test_rilsa_yellow_has_the_tabled_values(speed_kmh: float, yellow_s: float) -> None:
    assert rilsa_yellow_s(speed_kmh / 3.6) == yellow_s


@given(st.floats(5, 40), st.floats(0.01, 10))
def test_ite_yellow_grows_with_speed_and_shrinks_uphill(speed_mps: float, more: float) -> None:
    assert ite_yellow_s(speed_mps + more) >= ite_yellow_s(speed_mps)
    assert ite_yellow_s(speed_mps, grade=0.05) <= ite_yellow_s(speed_mps)


def test_field_profile_has_the_limits_of_the_target() -> None:
    profile = field_profile()
    assert (profile.min_green_s, profile.max_green_s, profile.max_red_s) == (7, 60, 120)
    assert (profile.yellow_rule, profile.all_red_rule) == ("ite", "geometric")
    assert profile.spillback_guard


def test_resco_profile_leaves_the_rest_of_the_interval_green() -> None:
    assert resco_profile().min_green_s == 7
    assert resco_profile(5, 2).min_green_s == 3
    assert resco_profile().max_red_s is None


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="min_green_s 30 is above max_green_s 20"):
        field_profile(min_green_s=30, max_green_s=20)
    with pytest.raises(ValueError, match="leaves no green"):
        resco_profile(5, 5)


def test_overrides_change_one_signal_only_and_are_checked_at_once() -> None:
    profile = field_profile(overrides={"A": {"min_green_s": 12}})
    assert profile.for_signal("A").min_green_s == 12
    assert profile.for_signal("B").min_green_s == 7
    with pytest.raises(ValueError, match="min_gren_s"):
        field_profile(overrides={"A": {"min_gren_s": 12}})


def test_all_red_of_two_crossing_streets_is_clearing_minus_entering_time(
    two_streets: Writer,
) -> None:
    # the paths cross 9.6 m behind WC's stop line and 6.4 m behind SC's at a right angle; within the
    # 2.5 m conflict width clearing minus entering path is longest at 45 degrees; 6 m vehicle
    net = compile_network(two_streets())
    required = signal_timing(net, net.signals[0], field_profile(all_red_floor_s=0)).requirements
    assert required.all_red_s[0][1] == pytest.approx(
        (9.6 + 6 - 6.4 + 2.5 * 2**0.5) / 13.89, abs=0.05
    )
    assert required.all_red_s[0][0] == 0.0
    assert required.yellow_s[0] == pytest.approx(3.28, abs=0.01)


def test_the_all_red_floor_holds(two_streets: Writer) -> None:
    net = compile_network(two_streets())
    required = signal_timing(net, net.signals[0], field_profile(all_red_floor_s=2)).requirements
    assert required.all_red_s[0][1] == 2.0


def test_field_transition_shows_yellow_then_all_red(two_streets: Writer) -> None:
    net = compile_network(two_streets())
    timing = signal_timing(net, net.signals[0], field_profile())
    assert intergreen_plan(timing, 0, 1) == (Interval("yr", 4), Interval("rr", 1))


def test_resco_transition_yellows_only_the_links_that_lose_green(wheel_net: Compiler) -> None:
    net = wheel_net("arterial4x4")
    for signal in net.controllable:
        timing = signal_timing(net, signal, resco_profile(5, 2))
        for i, now in enumerate(signal.stage_states):
            for j, then in enumerate(signal.stage_states):
                (interval,) = intergreen_plan(timing, i, j)
                assert interval.duration_s == 2
                for a, b, shown in zip(now, then, interval.state, strict=True):
                    assert shown == ("y" if a in "gG" and b in "rs" else a)


def test_a_crossing_is_closed_for_its_walking_time_before_a_foe_gains_green(
    wheel_net: Compiler,
) -> None:
    net = wheel_net("fokr_bs")
    (signal,) = net.controllable
    timing = signal_timing(net, signal, field_profile())
    seen = 0
    for i in range(len(timing.stage_states)):
        for j in range(len(timing.stage_states)):
            plan = intergreen_plan(timing, i, j) if i != j else ()
            for link in np.flatnonzero(signal.crossing):
                closes = signal.stage_green[i, link] and not signal.stage_green[j, link]
                gains = signal.stage_green[j] & ~signal.stage_green[i]
                if closes and (signal.foes[link] & gains).any():
                    seen += 1
                    red_s = sum(x.duration_s for x in plan if x.state[link] == "r")
                    assert red_s >= timing.requirements.pedestrian_clearance_s[link]
                    assert not any(x.state[link] == "y" for x in plan)
    assert seen > 0


def test_a_transition_waits_only_for_the_foes_of_links_that_gain_green(
    wheel_net: Compiler,
) -> None:
    net = wheel_net("cologne1")
    (signal,) = net.controllable
    timing = signal_timing(net, signal, field_profile())
    asked, green = timing.requirements, signal.stage_green
    shorter = 0
    for i, j in permutations(range(len(green)), 2):
        gains = np.flatnonzero(green[j] & ~green[i])
        loses = np.flatnonzero(green[i] & ~green[j])
        if not loses.size:
            continue
        all_red_s = {k: max((asked.all_red_s[k][e] for e in gains), default=0.0) for k in loses}
        need_s = max(ceil(asked.yellow_s[k]) + ceil(all_red_s[k]) for k in loses)
        assert sum(x.duration_s for x in intergreen_plan(timing, i, j)) == need_s
        shorter += need_s < timing.clearance_s[loses].max()
    assert shorter > 0


def test_a_foe_that_only_a_later_stage_serves_finds_a_crossing_cleared(wheel_net: Compiler) -> None:
    net = wheel_net("fokr_bs")
    (signal,) = net.controllable
    timing = signal_timing(net, signal, field_profile())
    green, seen = signal.stage_green, 0
    for i, j, k in permutations(range(len(timing.stage_states)), 3):
        plan = intergreen_plan(timing, i, j)
        green_s = timing.min_green_s[j] + sum(x.duration_s for x in intergreen_plan(timing, j, k))
        for link in np.flatnonzero(signal.crossing & green[i] & ~green[j] & ~green[k]):
            if (signal.foes[link] & green[k] & ~green[j]).any():
                seen += 1
                red_s = sum(x.duration_s for x in plan if x.state[link] == "r")
                assert red_s + green_s >= timing.requirements.pedestrian_clearance_s[link]
    assert seen > 0


@pytest.mark.parametrize("name", ["cologne8", "grid4x4", "ingolstadt21w", "fokr_bs", "a10kw"])
def test_field_transitions_never_show_conflicting_greens(name: str, wheel_net: Compiler) -> None:
    net = wheel_net(name)
    for signal in net.controllable:
        timing = signal_timing(net, signal, field_profile())
        for i in range(len(timing.stage_states)):
            for j in range(len(timing.stage_states)):
                for interval in intergreen_plan(timing, i, j) if i != j else ():
                    assert interval.duration_s > 0
                    assert not conflicting_greens(interval.state, signal.foes, signal.yields)


def test_a_conflict_that_right_of_way_resolves_is_lowered_under_field_only(
    wheel_net: Compiler,
) -> None:
    net = wheel_net("ingolstadt7w")
    signal = net.signal("gneJ210")
    assert signal_timing(net, signal, resco_profile()).stage_states == signal.stage_states
    timing = signal_timing(net, signal, field_profile())
    assert timing.stage_states[2] == "rrrrGGggGGGGrr"
    assert "links 6 and 8 are both G and conflict" in timing.notes[0]


def test_a_conflict_that_nothing_resolves_is_refused(two_streets: Writer) -> None:
    phases = ['<phase duration="9" state="GG"/>', '<phase duration="9" state="rG"/>']
    net = compile_network(two_streets(phases))
    with pytest.raises(InputFileError, match=r"stage 0 \(GG\).*links 0 and 1, neither yields"):
        signal_timing(net, net.signals[0], resco_profile())


def test_conflicting_greens_follow_the_right_of_way() -> None:
    foes = np.array([[False, True], [True, False]])
    yields = np.array([[False, True], [False, False]])
    assert conflicting_greens("GG", foes, yields) == [(0, 1)]
    assert conflicting_greens("Gg", foes, yields) == [(0, 1)]
    assert conflicting_greens("gG", foes, yields) == []
    assert conflicting_greens("gg", foes, yields) == []
    assert conflicting_greens("gg", foes, np.zeros_like(yields)) == [(0, 1)]
    assert conflicting_greens("Gr", foes, yields) == []
