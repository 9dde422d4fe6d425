import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from trimtab_grid import automaton
from trimtab_grid.arrays import COOL, HOLD, OFF, RUN, START, STOP, TRIPPED, WARM

MIN_RUN = [30, 30]


def life(command, steps):
    """States held by one unit of plant A under a command at the first step it is legal."""
    state, held = (OFF, 0), []
    for k in range(steps):
        order = command.get(k, HOLD)
        state = automaton.commanded(*state, order, 3, 6, 0)
        held.append(state)
        state = automaton.ticked(*state, 30, 0)
    return held


def test_a_start_warms_for_three_steps_and_then_runs():
    assert [mode for mode, _ in life({0: START}, 5)] == [WARM, WARM, WARM, RUN, RUN]


def test_the_run_timer_counts_completed_steps_and_saturates_at_the_min_run_time():
    held = life({0: START}, 40)
    assert held[3] == (RUN, 0)
    assert held[33] == (RUN, 30)
    assert held[39] == (RUN, 30)


def test_a_stop_cools_for_six_steps_and_may_go_straight_to_warm_up():
    held = life({0: START, 33: STOP, 39: START}, 41)
    assert [mode for mode, _ in held[33:40]] == [COOL] * 6 + [WARM]


def test_the_min_down_time_is_whole_before_a_start():
    state = automaton.commanded(RUN, 1, STOP, 0, 0, 3)
    off = 0
    while not automaton.startable(*state):
        off += state[0] == OFF
        state = automaton.ticked(*state, 1, 3)
    assert off == 3


def test_a_repaired_unit_waits_for_its_return_to_service():
    state = automaton.tripped(2)
    for _ in range(5):
        state = automaton.ticked(*state, 30, 0)
    assert state == (TRIPPED, 0)
    assert automaton.startable(*automaton.returned())


@pytest.mark.parametrize(
    ("mode", "timer", "start", "stop"),
    [
        ([OFF, OFF], [0, 0], 0, -1),
        ([RUN, OFF], [30, 0], 1, 0),
        ([RUN, RUN], [30, 29], -1, -1),
        ([RUN, RUN], [0, 30], -1, 1),
        ([RUN, WARM], [30, 2], -1, -1),
        ([OFF, COOL], [0, 1], -1, -1),
        ([TRIPPED, OFF], [9, 0], 1, -1),
    ],
)
def test_order_rules_name_the_unit_to_start_and_to_stop(mode, timer, start, stop):
    assert automaton.next_to_start(mode, timer, 2) == start
    assert automaton.last_to_stop(mode, timer, 2, MIN_RUN) == stop


def test_under_order_rules_only_one_unit_changes_per_step():
    mode, timer = [RUN, RUN], [30, 30]
    assert not automaton.commands_legal(1, [STOP, STOP], mode, timer, 2, MIN_RUN)
    assert automaton.commands_legal(0, [STOP, STOP], mode, timer, 2, MIN_RUN)
    assert not automaton.commands_legal(1, [STOP, HOLD], mode, timer, 2, MIN_RUN)
    assert automaton.commands_legal(1, [HOLD, STOP], mode, timer, 2, MIN_RUN)


def test_the_downward_fallback_keeps_the_running_units_it_must():
    out = [9, 9]
    automaton.fallback_down(0, [RUN, RUN], [30, 30], 2, MIN_RUN, 1, out)
    assert out == [HOLD, STOP]
    automaton.fallback_down(1, [RUN, RUN], [30, 30], 2, MIN_RUN, 2, out)
    assert out == [HOLD, HOLD]


@njit
def compiled_step(order, choice, mode, timer, min_run, out, held):
    legal = automaton.order_commands(choice, mode, timer, 2, min_run, out)
    allowed = automaton.commands_legal(order, out, mode, timer, 2, min_run)
    for i in range(2):
        held[i, 0], held[i, 1] = automaton.commanded(mode[i], timer[i], out[i], 3, 6, 0)
        held[i, 2], held[i, 3] = automaton.ticked(held[i, 0], held[i, 1], min_run[i], 0)
    return legal, allowed


def unit_states():
    return st.one_of(
        st.just((OFF, 0)),
        st.tuples(st.just(WARM), st.integers(1, 3)),
        st.tuples(st.just(RUN), st.integers(0, 30)),
        st.tuples(st.just(COOL), st.integers(1, 6)),
        st.tuples(st.just(TRIPPED), st.integers(0, 9)),
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(unit_states(), min_size=2, max_size=2), st.sampled_from([STOP, HOLD, START]))
def test_compiled_and_interpreted_transitions_are_the_same(states, choice):
    mode, timer = (np.array(row) for row in zip(*states, strict=True))
    min_run = np.array(MIN_RUN)
    results = []
    for step in (compiled_step, compiled_step.py_func):
        out, held = np.zeros(2, np.int64), np.zeros((2, 4), np.int64)
        results.append((step(1, choice, mode, timer, min_run, out, held), out, held))
    (one, out_one, held_one), (two, out_two, held_two) = results
    assert one == two
    assert one[1]
    assert (out_one == out_two).all()
    assert (held_one == held_two).all()
