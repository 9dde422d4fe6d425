import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import TrimtabError
from trimtab_traffic.webster import (
    CycleLimits,
    control_delay_s,
    critical_flow_ratios,
    cycle_s,
    green_splits_s,
    incremental_delay_s,
    uniform_delay_s,
    whole_seconds,
)

LIMITS = CycleLimits(20, 120)


def test_cycle_is_websters_formula_inside_the_limits():
    assert cycle_s(12.0, 0.6, LIMITS) == pytest.approx((1.5 * 12 + 5) / 0.4)


@pytest.mark.parametrize(("ratio", "expected"), [(0.96, 120.0), (1.4, 120.0), (0.0, 20.0)])
def test_cycle_is_clipped_also_where_webster_diverges(ratio, expected):
    assert cycle_s(8.0, ratio, LIMITS) == expected


def test_exclusive_stages_need_their_largest_flow_ratio():
    serves = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert critical_flow_ratios(serves, np.array([0.2, 0.3, 0.25])) == pytest.approx([0.3, 0.25])


def test_a_movement_served_by_two_stages_uses_the_green_of_both():
    serves = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    ratios = critical_flow_ratios(serves, np.array([0.2, 0.5, 0.3]))
    assert ratios.sum() == pytest.approx(0.5)


def test_splits_of_exclusive_stages_are_websters_rule():
    flow_ratios = np.array([0.3, 0.2, 0.1])
    greens = green_splits_s(np.eye(3), flow_ratios, 72.0, np.full(3, 5.0))
    assert greens == pytest.approx(72.0 * flow_ratios / flow_ratios.sum())


def test_minimum_greens_are_kept_and_the_rest_is_shared():
    greens = green_splits_s(np.eye(3), np.array([0.4, 0.2, 0.001]), 60.0, np.full(3, 6.0))
    assert greens == pytest.approx([36.0, 18.0, 6.0])


def test_minimum_greens_that_do_not_fit_are_refused():
    with pytest.raises(TrimtabError, match="use a longer cycle"):
        green_splits_s(np.eye(2), np.array([0.4, 0.2]), 9.0, np.full(2, 5.0))


def test_maximum_greens_are_kept():
    greens = green_splits_s(
        np.eye(2), np.array([0.6, 0.1]), 60.0, np.full(2, 5.0), np.full(2, 35.0)
    )
    assert greens == pytest.approx([35.0, 25.0])


def test_maximum_greens_that_do_not_fill_the_cycle_are_refused():
    with pytest.raises(TrimtabError, match="use a shorter cycle"):
        green_splits_s(np.eye(2), np.array([0.4, 0.2]), 90.0, np.full(2, 5.0), np.full(2, 40.0))


def test_without_any_flow_the_cycle_is_shared_evenly():
    assert green_splits_s(np.eye(2), np.zeros(2), 30.0, np.full(2, 5.0)) == pytest.approx([15, 15])


@given(
    st.lists(st.floats(0.01, 0.5), min_size=2, max_size=5),
    st.floats(40, 120),
)
def test_splits_equalise_the_degree_of_saturation(flow_ratios, available_s):
    ratios = np.array(flow_ratios)
    greens = green_splits_s(np.eye(len(ratios)), ratios, available_s, np.zeros(len(ratios)))
    assert greens.sum() == pytest.approx(available_s)
    assert np.ptp(ratios / greens) <= 1e-6 * (ratios / greens).max()


@given(st.lists(st.floats(5, 60), min_size=1, max_size=6))
def test_rounding_keeps_the_sum_and_moves_no_green_by_a_second(greens_s):
    greens = np.array(greens_s)
    total = round(greens.sum())
    rounded = whole_seconds(greens * total / greens.sum(), total)
    assert sum(rounded) == total
    assert np.abs(rounded - greens * total / greens.sum()).max() < 1


def test_delay_terms_are_the_manuals():
    # HCM 2000 eq. 16-11 and 16-12 by hand: C 60, g 24, X 0.8, c 720, T 0.25.
    assert uniform_delay_s(60, 24, 0.8) == pytest.approx(0.5 * 60 * 0.36 / (1 - 0.32))
    by_hand = 225 * (-0.2 + math.sqrt(0.04 + 8 * 0.5 * 0.8 / (720 * 0.25)))
    assert incremental_delay_s(0.8, 720, 0.25) == pytest.approx(by_hand)


@given(st.floats(50, 850), st.floats(51, 900))
def test_control_delay_grows_with_flow(low, high):
    low, high = sorted((low, high))
    assert control_delay_s(60, 30, low, 1800) <= control_delay_s(60, 30, high, 1800) + 1e-9
