"""The exhaustive check passes sound shields and catches every broken one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trimtab_traffic.automaton import SignalAutomaton, compile_automaton
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.recovery import UNLIMITED_S, Deadlines
from trimtab_traffic.rules import RuleProfile, field_profile, resco_profile, signal_timing
from trimtab_traffic.shield import ShieldState, SignalShield
from trimtab_traffic.shield_check import check_automaton, check_network

Compiler = Callable[[str], TrafficNetwork]
Writer = Callable[..., Path]
Mutation = Callable[[SignalAutomaton], SignalAutomaton]


def automaton_of(
    network: TrafficNetwork, profile: RuleProfile, decision_s: int = 1, signal: int = 0
) -> SignalAutomaton:
    """Automaton of one signal of a network."""
    timing = signal_timing(network, network.controllable[signal], profile)
    return compile_automaton(timing, decision_s)


@pytest.mark.parametrize("name", ["cologne8", "arterial4x4", "ingolstadt21w", "fokr_bs", "a10kw"])
@pytest.mark.parametrize("decision_s", [1, 5])
def test_field_shields_hold_for_every_signal(
    name: str, decision_s: int, wheel_net: Compiler
) -> None:
    for result in check_network(wheel_net(name), field_profile(), decision_s):
        assert result.holds, (result.signal, result.violations, result.trace)
        assert result.states > 4
        assert result.corners > 2


@pytest.mark.parametrize("name", ["cologne8", "grid4x4"])
def test_resco_shields_hold_for_every_signal(name: str, wheel_net: Compiler) -> None:
    assert all(result.holds for result in check_network(wheel_net(name), resco_profile()))


@pytest.mark.parametrize("successors", ["fixed", "ring_barrier"])
def test_ordered_successor_graphs_hold_too(successors: str, wheel_net: Compiler) -> None:
    profile = field_profile(successors=successors, max_red_s=150)
    for name in ("cologne8", "2way-gen", "arterial4x4"):
        results = check_network(wheel_net(name), profile, 5)
        assert all(result.holds for result in results)


def test_tight_limits_still_leave_a_choice(wheel_net: Compiler) -> None:
    profile = field_profile(max_red_s=60, max_green_s=15, min_green_s=12)
    assert all(result.holds for result in check_network(wheel_net("cologne3"), profile, 5))


def test_conflicts_kept_as_shipped_are_listed(wheel_net: Compiler) -> None:
    results = {r.signal: r for r in check_network(wheel_net("ingolstadt7w"), resco_profile())}
    assert results["gneJ210"].holds
    assert any("links 6 and 8" in line for line in results["gneJ210"].shipped_conflicts)
    assert not any(r.shipped_conflicts for name, r in results.items() if name != "gneJ210")


def shorten(
    automaton: SignalAutomaton, drop: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> SignalAutomaton:
    """Alter the states of every transition."""
    shown = tuple(
        tuple(drop(states) if i != j else states for j, states in enumerate(row))
        for i, row in enumerate(automaton.shown)
    )
    lengths = np.array([[len(states) for states in row] for row in shown])
    return replace(automaton, shown=shown, transition_s=lengths)


def later(automaton: SignalAutomaton, seconds: int) -> SignalAutomaton:
    """Shift all deadlines."""
    table = automaton.deadlines
    moved = np.where(table.limit_s < UNLIMITED_S, table.limit_s + seconds, table.limit_s)
    return replace(automaton, deadlines=Deadlines(moved, table.max_red_s))


MUTATIONS: dict[str, tuple[Mutation, set[str]]] = {
    "all-red dropped": (
        lambda a: shorten(a, lambda states: tuple(s for s in states if "y" in s)),
        {"all_red"},
    ),
    "last second of every transition dropped": (
        lambda a: shorten(a, lambda states: states[:-1]),
        {"all_red"},
    ),
    "first second of every yellow dropped": (
        lambda a: shorten(a, lambda states: states[1:]),
        {"yellow"},
    ),
    "yellow shown as red": (
        lambda a: shorten(a, lambda states: tuple(s.replace("y", "r") for s in states)),
        {"yellow"},
    ),
    "no transition at all": (lambda a: shorten(a, lambda _: ()), {"yellow", "all_red"}),
    "minimum green one second short": (
        lambda a: replace(a, min_green_s=a.min_green_s - 1),
        {"min_green"},
    ),
    "deadlines a second late": (lambda a: later(a, 1), {"max_red"}),
    "a stage that nothing can follow in time": (
        lambda a: replace(
            a,
            deadlines=Deadlines(
                np.where(
                    (np.arange(len(a.served)) == 1)[:, None, None, None], -1, a.deadlines.limit_s
                ),
                a.deadlines.max_red_s,
            ),
        ),
        {"dead_end"},
    ),
    "all links green in the second stage": (
        lambda a: replace(
            a,
            timing=replace(
                a.timing,
                stage_states=(a.timing.stage_states[0], "G" * a.signal.n_links)
                + a.timing.stage_states[2:],
            ),
        ),
        {"conflict"},
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_automaton_is_caught_with_a_trace(name: str, wheel_net: Compiler) -> None:
    mutate, expected = MUTATIONS[name]
    sound = automaton_of(wheel_net("cologne1"), field_profile())
    assert check_automaton(sound).holds
    result = check_automaton(mutate(sound))
    assert expected <= set(result.violations)
    assert result.trace


def test_a_crossing_closed_too_late_is_caught(wheel_net: Compiler) -> None:
    network = wheel_net("fokr_bs")
    timing = signal_timing(network, network.controllable[0], field_profile())
    crossing = timing.signal.crossing[:, None]
    hasty = replace(timing, clearance_s=np.where(crossing, 3, timing.clearance_s))
    result = check_automaton(compile_automaton(hasty, 1))
    assert "pedestrian_clearance" in result.violations
    assert "breaks" in result.trace[-1]


def test_a_walk_cut_short_is_caught(wheel_net: Compiler) -> None:
    network = wheel_net("fokr_bs")
    timing = signal_timing(network, network.controllable[0], field_profile(walk_s=12))
    hasty = replace(timing, min_green_s=np.full_like(timing.min_green_s, 7))
    assert "walk" in check_automaton(compile_automaton(hasty, 1)).violations


@pytest.mark.parametrize(("max_red_s", "decision_s"), [(20, 1), (30, 3)])
def test_corners_agree_with_the_exploration_of_all_ages(
    max_red_s: int, decision_s: int, wheel_net: Compiler
) -> None:
    # three stages, ages kept in full: what the corner argument claims must hold state by state
    profile = field_profile(
        max_red_s=max_red_s, min_green_s=2, max_green_s=9, yellow_rule="fixed", all_red_floor_s=1
    )
    automaton = automaton_of(wheel_net("cologne3"), profile, decision_s)
    assert check_automaton(automaton).holds
    shield = SignalShield([automaton])
    seen: set[bytes] = set()
    state = shield.initial()
    while len(state.stage):
        legal = shield.legal(state)
        assert legal.mask.any(axis=1).all()
        rows, choices = np.nonzero(legal.mask)
        nxt = shield.advance(take(state, rows), choices)
        assert nxt.age_s.max() <= automaton.deadlines.max_red_s
        table = np.column_stack(
            [np.where(nxt.elapsed_s < 0, nxt.previous, nxt.stage), nxt.stage]
            + [np.minimum(nxt.elapsed_s, 9), nxt.age_s]
        )
        _, unique = np.unique(table, axis=0, return_index=True)
        fresh = [k for k in unique.tolist() if table[k].tobytes() not in seen]
        seen |= {table[k].tobytes() for k in fresh}
        state = take(nxt, np.array(fresh, dtype=np.int64))
    assert len(seen) > 50


def take(state: ShieldState, rows: np.ndarray) -> ShieldState:
    """Rows of a state."""
    names = ("automaton", "previous", "stage", "elapsed_s", "age_s", "bus_s")
    return ShieldState(**{name: getattr(state, name)[rows] for name in names})


def test_unicode_and_single_link_classes_are_checked(two_streets: Writer) -> None:
    network = compile_network(two_streets(tls="Königstraße"))
    (result,) = check_network(network, field_profile(), 1)
    assert result.holds
    assert result.signal == "Königstraße"
