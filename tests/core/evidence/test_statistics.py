"""Statistics against independent formulas, and the invariants they must keep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from trimtab.contracts.errors import EvidenceError
from trimtab.evidence import statistics as s

finite = st.floats(-1e6, 1e6, allow_nan=False, width=64)
samples = hnp.arrays(np.float64, st.integers(1, 40), elements=finite)


@given(samples)
def test_iqm_equals_scipys_quarter_trimmed_mean(x):
    assert s.iqm(x) == pytest.approx(stats.trim_mean(x, 0.25), rel=1e-9, abs=1e-9)


@given(samples, finite)
def test_iqm_moves_with_a_shift_and_stays_inside_the_sample(x, shift):
    assert x.min() - 1e-6 <= s.iqm(x) <= x.max() + 1e-6
    assert s.iqm(x + shift) == pytest.approx(s.iqm(x) + shift, abs=1e-6)


def test_iqm_reduces_the_last_axis_only():
    x = np.arange(24.0).reshape(3, 8)
    assert s.iqm(x) == pytest.approx([3.5, 11.5, 19.5])


@given(st.lists(st.tuples(samples, samples), min_size=1, max_size=4))
def test_probability_of_improvement_equals_the_mann_whitney_statistic(tasks):
    xs, ys = [x for x, _ in tasks], [y for _, y in tasks]
    expected = np.mean([stats.mannwhitneyu(x, y).statistic / (x.size * y.size) for x, y in tasks])
    assert s.probability_of_improvement(xs, ys) == pytest.approx(expected, abs=1e-9)


@given(samples, samples)
def test_probabilities_of_improvement_of_both_sides_add_to_one(x, y):
    forward = s.probability_of_improvement([x], [y])
    assert forward + s.probability_of_improvement([y], [x]) == pytest.approx(1.0, abs=1e-12)


def test_probability_of_improvement_wants_the_same_tasks_on_both_sides():
    with pytest.raises(EvidenceError, match="got 2 and 1"):
        s.probability_of_improvement([[1.0], [2.0]], [[1.0]])


@given(samples, hnp.arrays(np.float64, 5, elements=finite))
def test_profile_is_the_share_of_scores_above_each_threshold(x, tau):
    expected = [np.mean(x > t) for t in tau]
    assert s.performance_profile(x, tau) == pytest.approx(expected, abs=1e-12)


def test_optimality_gap_does_not_reward_scores_above_the_bound():
    assert s.optimality_gap([0.5, 1.0, 7.0]) == pytest.approx(1 - (0.5 + 1 + 1) / 3)


def _cvar_by_integration(x, alpha):
    """Mean of the quantile function on [0, alpha], each of n equal steps of the sample."""
    ordered, n = np.sort(x), len(x)
    lengths = [max(0.0, min((i + 1) / n, alpha) - i / n) for i in range(n)]
    return float(np.dot(ordered, lengths) / alpha)


@given(
    hnp.arrays(np.float64, st.integers(20, 60), elements=finite),
    st.floats(0.5, 1.0),
)
def test_cvar_is_the_mean_of_the_quantile_function_over_the_tail(x, alpha):
    assert s.cvar_lower(x, alpha) == pytest.approx(
        _cvar_by_integration(x, alpha), rel=1e-9, abs=1e-6
    )


def test_cvar_counts_the_last_value_by_its_fraction():
    x = np.arange(1.0, 26.0)  # alpha 0.5: 12 whole values and half of the 13th
    assert s.cvar_lower(x, 0.5) == pytest.approx((sum(range(1, 13)) + 6.5) / 12.5)
    assert -s.cvar_lower(-x, 0.5) == pytest.approx((sum(range(14, 26)) + 6.5) / 12.5)


@given(hnp.arrays(np.float64, 30, elements=finite))
def test_cvar_of_the_whole_sample_is_its_mean(x):
    assert s.cvar_lower(x, 1.0) == pytest.approx(x.mean(), rel=1e-9, abs=1e-6)
    assert s.cvar_lower(x, 0.5) <= x.mean() + 1e-6 <= -s.cvar_lower(-x, 0.5) + 2e-6


def test_a_tail_of_few_samples_is_given_where_it_is_asked_for():
    assert s.cvar_lower([4.0, 1.0, 2.0, 3.0], 0.375, least=0) == pytest.approx(
        (1.0 + 0.5 * 2.0) / 1.5
    )


def test_cvar_refuses_a_tail_of_fewer_than_ten_samples():
    with pytest.raises(EvidenceError, match="at least 200 values"):
        s.cvar_lower(np.arange(20.0), 0.05)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.1])
def test_cvar_refuses_a_share_outside_zero_to_one(alpha):
    with pytest.raises(EvidenceError, match="expected a share"):
        s.cvar_lower(np.arange(20.0), alpha)


def test_no_event_seen_prints_the_rule_of_three():
    assert s.event_rate_upper95(0, 1_000_000) == pytest.approx(3e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 400])
def test_seen_events_get_the_exact_poisson_limit(count):
    assert s.event_rate_upper95(count, 5) == pytest.approx(
        stats.chi2.ppf(0.95, 2 * (count + 1)) / 2 / 5, rel=1e-9
    )


@pytest.mark.parametrize(("count", "exposure"), [(-1, 5), (0, 0)])
def test_event_rate_refuses_impossible_counts(count, exposure):
    with pytest.raises(EvidenceError, match="exposure > 0"):
        s.event_rate_upper95(count, exposure)


@given(hnp.arrays(np.float64, st.integers(3, 20), elements=st.floats(-100, 100), unique=True))
def test_t_test_of_one_scenario_equals_scipy(x):
    if x.std(ddof=1) < 1e-6:
        return
    expected = stats.ttest_1samp(x, 0.0).pvalue
    assert s.t_test_p_value([x]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_t_test_keeps_differences_between_scenarios_out_of_the_noise():
    rng = np.random.default_rng(1)
    strata = [10.0 + rng.normal(0, 0.5, 5), 1.0 + rng.normal(0, 0.5, 5)]
    assert s.t_test_p_value(strata) < 1e-6 < s.t_test_p_value([np.concatenate(strata)])


def test_t_test_of_constant_differences_needs_no_variance():
    assert s.t_test_p_value([[2.0, 2.0, 2.0]]) == 0.0
    assert s.t_test_p_value([[0.0, 0.0, 0.0]]) == 1.0


def test_t_test_refuses_a_single_seed():
    with pytest.raises(EvidenceError, match="Add seeds"):
        s.t_test_p_value([[1.0, 2.0], [1.0]])


def _holm_by_definition(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, running = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = running
    return adjusted


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_holm_equals_its_definition_and_never_lowers_a_p_value(p):
    adjusted = s.holm(p)
    assert adjusted == pytest.approx(_holm_by_definition(p), abs=1e-12)
    assert (adjusted >= np.array(p) - 1e-15).all()


def test_holm_matches_a_textbook_example():
    assert s.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_crn_gain_is_the_variance_ratio():
    x, y = np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.5, 2.4, 3.7, 5.1])
    expected = (x.var(ddof=1) + y.var(ddof=1)) / (x - y).var(ddof=1)
    assert s.crn_gain(x, y) == pytest.approx(expected, rel=1e-12)


def test_crn_gain_is_undefined_for_one_seed_or_a_constant_difference():
    assert s.crn_gain([1.0], [2.0]) is None
    assert s.crn_gain([1.0, 2.0], [2.0, 3.0]) is None
    assert s.crn_gain([0.0, 1.0, 1.0], [5e-160, 1.0, 1.0]) is None


def test_power_helper_follows_its_formula():
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert s.seeds_needed(3.0, 1.0) == math.ceil((z * 3.0) ** 2)
    assert s.seeds_needed(0.0, 1.0) == 2


def test_power_helper_refuses_an_effect_of_zero():
    with pytest.raises(EvidenceError, match="other than 0"):
        s.seeds_needed(1.0, 0.0)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_samples_that_carry_nothing_are_refused(bad):
    with pytest.raises(EvidenceError, match="iqm: expected"):
        s.iqm(bad)
