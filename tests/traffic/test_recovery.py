"""Deadline tables: choices they call safe never lead to a dead end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_traffic.recovery import UNLIMITED_S, Cycle, deadlines


def cycle_of(served: np.ndarray, transition: np.ndarray, min_green: int, step: int) -> Cycle:
    """A free cycle with one minimum green."""
    slots = -(-(transition + min_green) // step) * step
    free = np.ones((len(served), len(served)), dtype=bool)
    return Cycle(served, free, transition, slots, step)


def two_stages(max_red_s: int | None) -> np.ndarray:
    """Limits of two stages that serve one class each: 6 s transitions, 7 s green, 1 s steps."""
    transition = np.array([[0, 6], [6, 0]])
    table = deadlines(cycle_of(np.eye(2, dtype=bool), transition, 7, 1), max_red_s)
    return table.limit_s


def test_two_stages_are_due_when_transition_time_is_left() -> None:
    limit = two_stages(60)
    assert limit[0, 0, 0].tolist() == [UNLIMITED_S, 60 - 1 - 6]
    assert limit[0, 1, 0].tolist() == [60 - 13 - 6, 60 - 6]


def test_without_a_maximum_red_nothing_is_ever_due() -> None:
    assert (two_stages(None) == UNLIMITED_S).all()


@pytest.mark.parametrize(("asked", "given_s"), [(18, 19), (19, 19), (25, 25)])
def test_an_impossible_limit_is_raised_to_the_least_possible(asked: int, given_s: int) -> None:
    transition = np.array([[0, 6], [6, 0]])
    table = deadlines(cycle_of(np.eye(2, dtype=bool), transition, 7, 1), asked)
    assert table.max_red_s == given_s


def test_a_stage_that_serves_everything_is_a_recovery_of_its_own() -> None:
    served = np.array([[True, True], [True, False]])
    table = deadlines(cycle_of(served, np.array([[0, 5], [5, 0]]), 7, 1), 30)
    assert table.limit_s[0, 0].min() >= UNLIMITED_S
    assert table.limit_s[1, 0, 0].tolist() == [UNLIMITED_S, 25]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_safe_choice_is_followed_by_a_safe_choice(
    n: int, classes: int, step: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    served = rng.random((n, classes)) < 0.5
    served[rng.integers(0, n, classes), np.arange(classes)] = True
    transition = rng.integers(0, 12, (n, n))
    np.fill_diagonal(transition, val=0)
    cycle = cycle_of(served, transition, int(rng.integers(2, 10)), step)
    table = deadlines(cycle, int(rng.integers(40, 120)))
    limit, most = table.limit_s, table.max_red_s
    for stage, choice, row in np.argwhere(limit.min(axis=3) >= 0).tolist():
        # the oldest ages that allow the choice, aged until the next free decision
        age = np.where(served[stage], 0, np.minimum(limit[stage, choice, row], most))
        if choice == stage:
            age = np.where(served[stage], 0, age + step)
        else:
            arrival = np.where(served[stage], 0, age + transition[stage, choice])
            assert (arrival[served[choice]] <= most).all()
            slot = int(cycle.slot_s[stage, choice])
            age = np.where(served[choice], 0, age + slot)
        assert (age <= most).all()
        exits = (limit[choice] >= age).all(axis=2).any(axis=1)
        exits[choice] &= bool(served[choice].all())
        assert exits.any()
