"""The shield is the identity on legal stages, and each limit and wish does what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import ActionError, InputFileError
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.rules import field_profile, resco_profile
from trimtab_traffic.shield import (
    REASONS,
    ShieldInputs,
    ShieldState,
    SignalShield,
    compile_shield,
    restrict,
)
from trimtab_traffic.sources import find_net

Compiler = Callable[[str], TrafficNetwork]
Writer = Callable[..., Path]


@pytest.fixture
def street_shield(two_streets: Writer) -> Callable[..., SignalShield]:
    """Shield of the two-street network at 1 s decisions; keyword arguments change the profile."""

    def build(**changes: Any) -> SignalShield:
        return compile_shield(compile_network(two_streets()), field_profile(**changes), 1)

    return build


def run(
    shield: SignalShield, state: ShieldState, stage: int, decisions: int
) -> tuple[ShieldState, list[str]]:
    """Propose one stage at each of some decisions; return the state and the reasons met."""
    reasons = []
    for _ in range(decisions):
        proposed = np.full(len(state.stage), stage)
        executed, changed, reason = shield.project(state, proposed)
        assert (changed == (executed != proposed)).all()
        reasons += [REASONS[r] for r in reason]
        state = shield.advance(state, executed)
    return state, reasons


def test_minimum_green_holds_a_stage_and_then_lets_it_go(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield()
    state, reasons = run(shield, shield.initial(), 1, 8)
    assert reasons == ["minimum green"] * 7 + ["unchanged"]
    assert shield.state_strings(state) == ["yr"]


def test_a_running_transition_cannot_be_left(street_shield: Callable[..., SignalShield]) -> None:
    shield = street_shield()
    state, _ = run(shield, shield.initial(), 1, 8)
    _, reasons = run(shield, state, 0, 4)
    assert reasons == ["transition running"] * 4


def test_maximum_green_forces_a_change(street_shield: Callable[..., SignalShield]) -> None:
    shield = street_shield(max_green_s=20)
    state, reasons = run(shield, shield.initial(), 0, 21)
    assert reasons == ["unchanged"] * 20 + ["maximum green"]
    assert state.stage.tolist() == [1]


def test_maximum_red_forces_a_change_just_in_time(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield(max_red_s=30, max_green_s=None)
    state, ages = shield.initial(), []
    for _ in range(200):
        executed, _, _ = shield.project(state, np.zeros(1, dtype=int))
        state = shield.advance(state, executed)
        ages.append(int(state.age_s.max()))
    assert max(ages) == 30


def test_an_impossible_maximum_red_is_relaxed_by_name(two_streets: Writer) -> None:
    net = compile_network(two_streets())
    shield = compile_shield(net, field_profile(max_red_s=10, min_green_s=12), 1)
    (note,) = shield.automata[0].notes
    assert "max red 10 s cannot be met" in note
    assert "relaxed to 22 s" in note


def test_fixed_order_only_offers_the_next_stage(wheel_net: Compiler) -> None:
    shield = compile_shield(wheel_net("cologne1"), resco_profile(successors="fixed"))
    state = replace(shield.initial(), elapsed_s=np.array([50]))
    legal = shield.legal(state)
    assert legal.mask.tolist() == [[True, True, False, False]]
    assert [REASONS[r] for r in legal.reason[0]][2:] == ["successor graph"] * 2


def test_ring_barrier_goes_forward_within_a_street_and_then_to_the_other(
    wheel_net: Compiler,
) -> None:
    shield = compile_shield(wheel_net("2way-gen"), resco_profile(successors="ring_barrier"))
    successors = shield.automata[0].successors
    assert successors.tolist() == [
        [True, True, True, True],
        [False, True, True, True],
        [True, True, True, True],
        [True, True, False, True],
    ]


def test_the_watchdog_follows_the_shipped_plan_once_sensors_are_stale(
    wheel_net: Compiler,
) -> None:
    network = wheel_net("cologne8")
    shield = compile_shield(network, field_profile(), 1)
    state = shield.initial()
    followed = 0
    for t in range(400):
        inputs = ShieldInputs(stale_s=np.full(len(state.stage), 31.0), time_s=t)
        executed, _, _ = shield.project(state, np.zeros(len(state.stage), dtype=int), inputs)
        state = shield.advance(state, executed)
        planned = [a.plan_stage[(t - a.plan_offset_s) % len(a.plan_stage)] for a in shield.automata]
        followed += int((state.stage == planned).sum())
    # a phase shorter than the minimum green and its transition can be entered late
    assert followed > 0.7 * 400 * len(state.stage)


def test_fresh_sensors_leave_the_choice_alone(street_shield: Callable[..., SignalShield]) -> None:
    shield = street_shield()
    state, _ = run(shield, shield.initial(), 0, 10)
    inputs = ShieldInputs(stale_s=np.array([5.0]), time_s=0)
    assert shield.legal(state, inputs).mask.all()


def test_preemption_serves_the_emergency_vehicle_as_soon_as_it_is_safe(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield()
    state, inputs = shield.initial(), ShieldInputs(preemption=np.array([[False, True]]))
    for _ in range(13):
        executed, _, reason = shield.project(state, np.zeros(1, dtype=int), inputs)
        state = shield.advance(state, executed, inputs)
    assert state.stage.tolist() == [1]
    assert state.elapsed_s.tolist() == [1]
    assert REASONS[reason[0]] == "minimum green"


def test_a_bus_is_granted_its_window_and_then_locked_out(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield(bus_window_s=10, bus_lockout_s=15, max_green_s=None)
    state, inputs = shield.initial(), ShieldInputs(bus=np.array([[True, False]]))
    held = []
    for _ in range(40):
        legal = shield.legal(state, inputs)
        held.append(not legal.mask[0, 1])
        state = shield.advance(state, np.zeros(1, dtype=int), inputs)
    # s 0-6 minimum green, to 9 the window, 10-24 locked out, 25-34 the next window
    assert held == [True] * 10 + [False] * 15 + [True] * 10 + [False] * 5


def test_a_bus_that_has_passed_starts_the_lockout(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield(bus_window_s=10, bus_lockout_s=15)
    state = shield.initial()
    state = shield.advance(state, state.stage, ShieldInputs(bus=np.array([[True, False]])))
    state = shield.advance(state, state.stage)
    assert state.bus_s.tolist() == [11]
    assert shield.advance(state, state.stage, seconds=14).bus_s.tolist() == [-1]


def test_the_spillback_guard_keeps_green_away_from_a_full_exit(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield()
    state, _ = run(shield, shield.initial(), 0, 10)
    legal = shield.legal(state, ShieldInputs(exit_space_m=np.array([[50.0, 7.0]])))
    assert legal.mask.tolist() == [[True, False]]
    assert REASONS[legal.reason[0, 1]] == "spillback guard"
    both_full = ShieldInputs(exit_space_m=np.array([[2.0, 7.0]]))
    assert shield.legal(state, both_full).mask.all()


def test_the_spillback_guard_can_be_switched_off(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield(spillback_guard=False)
    state, _ = run(shield, shield.initial(), 0, 10)
    assert shield.legal(state, ShieldInputs(exit_space_m=np.array([[50.0, 0.0]]))).mask.all()


def test_without_recall_a_crossing_ages_only_after_a_call(wheel_net: Compiler) -> None:
    shield = compile_shield(wheel_net("fokr_bs"), field_profile(pedestrian_recall=False), 1)
    automaton = shield.automata[0]
    quiet = shield.initial()
    crossing = np.flatnonzero(automaton.pedestrian_class & ~automaton.served[0])
    link = automaton.class_links[crossing[0]][0]
    quiet = shield.advance(quiet, quiet.stage, seconds=20)
    assert quiet.age_s[0, crossing].max() == 0
    call = np.zeros((1, shield.n_links), dtype=bool)
    call[0, link] = True
    called = shield.advance(quiet, quiet.stage, ShieldInputs(pedestrian_call=call), seconds=1)
    later = shield.advance(called, called.stage, seconds=9)
    assert later.age_s[0, crossing[0]] == 10


@pytest.mark.parametrize("name", ["cologne8", "arterial4x4", "fokr_bs"])
@pytest.mark.parametrize("decision_s", [1, 5])
def test_the_schedule_shows_what_the_state_says_every_second(
    name: str, decision_s: int, wheel_net: Compiler
) -> None:
    shield = compile_shield(wheel_net(name), field_profile(), decision_s)
    rng = np.random.default_rng(3)
    state = shield.initial()
    shown = shield.state_strings(state)
    for _ in range(60):
        proposed = rng.integers(0, shield.n_stages, len(state.stage))
        executed, _, _ = shield.project(state, proposed)
        events = shield.schedule(state, executed)
        for second in range(decision_s):
            for _, row, text in (e for e in events if e[0] == second):
                assert text != shown[row]
                shown[row] = text
            now = shield.advance(state, executed, seconds=second)
            assert shield.state_strings(now) == shown
        state = shield.advance(state, executed)


def test_resco_stages_alternate_yellow_and_green_within_the_interval(wheel_net: Compiler) -> None:
    shield = compile_shield(wheel_net("cologne1"), resco_profile())
    state = shield.initial()
    state = shield.advance(state, state.stage)
    events = shield.schedule(state, np.array([2]))
    assert [second for second, _, _ in events] == [0, 3]
    assert shield.legal(shield.advance(state, np.array([2]))).mask.all()


def test_copies_of_a_network_do_not_influence_each_other(wheel_net: Compiler) -> None:
    shield = compile_shield(wheel_net("cologne8"), field_profile())
    rng = np.random.default_rng(5)
    one, many = shield.initial(), shield.initial(copies=3)
    n = len(one.stage)
    for _ in range(100):
        proposed = rng.integers(0, shield.n_stages, 3 * n)
        executed, _, _ = shield.project(many, proposed)
        alone, _, _ = shield.project(one, proposed[n : 2 * n])
        assert (executed[n : 2 * n] == alone).all()
        many, one = shield.advance(many, executed), shield.advance(one, alone)
    assert (many.age_s[n : 2 * n] == one.age_s).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_projection_is_idempotent_and_masks_never_empty(seed: int) -> None:
    shield = SHIELD
    rng = np.random.default_rng(seed)
    state = shield.initial()
    rows, links = len(state.stage), shield.n_links
    for t in range(40):
        inputs = ShieldInputs(
            exit_space_m=rng.uniform(0, 30, (rows, links)),
            preemption=rng.random((rows, links)) < 0.02,
            bus=rng.random((rows, links)) < 0.05,
            stale_s=rng.uniform(0, 40, rows),
            time_s=5.0 * t,
        )
        legal = shield.legal(state, inputs)
        assert legal.mask.any(axis=1).all()
        assert ((legal.reason == 0) == legal.mask).all()
        proposed = rng.integers(0, shield.n_stages, rows)
        executed, changed, reason = shield.project(state, proposed, inputs)
        assert legal.mask[np.arange(rows), executed].all()
        assert ((reason != 0) == changed).all()
        again, unchanged, _ = shield.project(state, executed, inputs)
        assert (again == executed).all()
        assert not unchanged.any()
        state = shield.advance(state, executed, inputs)
        assert state.age_s.max() <= 120


@given(st.data())
def test_older_reds_never_allow_more(data: st.DataObject) -> None:
    shield = SHIELD
    state = replace(shield.initial(), elapsed_s=np.full(len(shield.automata), 20))
    n = state.age_s.shape[1]
    young = np.array(data.draw(st.lists(st.integers(0, 90), min_size=n, max_size=n)))
    older = young + np.array(data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)))
    masks = [
        shield.mask(replace(state, age_s=np.tile(age, (len(state.stage), 1))))
        for age in (young, older)
    ]
    limit = np.stack([a.deadlines.limit_s[0].min(axis=(0, 1)).min() for a in shield.automata])
    in_time = older.max() <= limit  # where a deadline is lost already, the least late is offered
    assert not (masks[1] & ~masks[0])[in_time].any()


def test_restricting_keeps_at_least_one_choice() -> None:
    mask = np.array([[True, True, False], [True, False, False]])
    wanted = np.array([[False, True, True], [False, True, True]])
    assert restrict(mask, wanted).tolist() == [[False, True, False], [True, False, False]]


def test_stage_indices_out_of_range_are_refused(
    street_shield: Callable[..., SignalShield],
) -> None:
    shield = street_shield()
    with pytest.raises(ActionError, match=r"must lie in 0\.\.1, got 7\.\.7"):
        shield.project(shield.initial(), np.array([7]))


def test_a_network_without_choices_is_refused(two_streets: Writer) -> None:
    net = compile_network(two_streets(['<phase duration="30" state="Gr"/>']))
    with pytest.raises(InputFileError, match="nothing to decide"):
        compile_shield(net, field_profile())


SHIELD = compile_shield(compile_network(find_net("cologne8").net_file), field_profile())
