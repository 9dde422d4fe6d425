"""Mattson's stack against hits that one counts by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab_hardware.cache.stack_distance import lru_hits


def test_a_set_forgets_the_line_that_was_not_used_for_longest() -> None:
    assert lru_hits([1, 2, 1, 3, 2, 1], sets=1, ways=2) == 1
    assert lru_hits([1, 2, 1, 3, 2, 1], sets=1, ways=3) == 3


def test_lines_of_other_sets_push_nothing_out() -> None:
    assert lru_hits([0, 1, 2, 3, 0], sets=1, ways=2) == 0
    assert lru_hits([0, 1, 3, 5, 0], sets=2, ways=1) == 1


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 4))
def test_more_ways_never_hit_less(lines: list[int], ways: int) -> None:
    assert lru_hits(lines, 2, ways) <= lru_hits(lines, 2, ways + 1)


@pytest.mark.parametrize("sets", [1, 4])
def test_enough_ways_miss_each_line_once(sets: int) -> None:
    lines = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    assert lru_hits(lines, sets, 16) == len(lines) - len(set(lines))
