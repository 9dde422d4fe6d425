"""The bootstrap against an independent implementation, and what it must never claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from trimtab.contracts.errors import EvidenceError
from trimtab.evidence import bootstrap
from trimtab.evidence.bootstrap import bootstrap_interval, paired_difference
from trimtab.evidence.statistics import iqm, mean

values = hnp.arrays(np.float64, st.integers(3, 12), elements=st.floats(-1e3, 1e3))


def _rng():
    return np.random.default_rng(7)


def test_interval_of_a_mean_agrees_with_scipys_percentile_bootstrap():
    x = np.random.default_rng(0).normal(50, 5, 30)
    ours = bootstrap_interval([x], mean, _rng(), resamples=20_000)
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, method="percentile", rng=_rng()
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.05)
    assert ours.high == pytest.approx(theirs.high, abs=0.05)


def test_interval_equals_a_plain_loop_over_the_same_draws():
    x = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    rows = _rng().integers(5, size=(2000, 5))
    means = [np.mean([x[i] for i in row]) for row in rows]
    expected = np.quantile(means, [0.025, 0.975])
    got = bootstrap_interval([x], mean, _rng(), resamples=2000)
    assert [got.low, got.high] == pytest.approx(expected, abs=1e-12)


def test_episodes_stay_inside_their_seed():
    # Three seeds that differ by far more than their episodes: the spread between seeds rules.
    x = np.array([[0.0] * 50, [10.0] * 50, [20.0] * 50])
    nested = bootstrap_interval([x], mean, _rng())
    flat = bootstrap_interval([x.ravel()], mean, _rng())
    assert nested.high - nested.low > 5 * (flat.high - flat.low)


def test_strata_are_not_mixed():
    scenarios = [np.full(4, 1.0), np.full(4, 100.0)]
    interval = bootstrap_interval(scenarios, mean, _rng())
    assert interval.low == interval.high == 50.5


def test_blocks_of_resamples_leave_the_number_of_resamples_unchanged(monkeypatch):
    x = np.random.default_rng(0).normal(size=(10, 20))
    seen = []

    def counted(resampled):
        seen.append(resampled.shape)
        return mean(resampled)

    monkeypatch.setattr(bootstrap, "_BLOCK_VALUES", 150_000)
    bootstrap_interval([x], counted, _rng(), resamples=2000)
    assert seen == [(750, 200), (750, 200), (500, 200)]


@settings(max_examples=30, deadline=None)
@given(values)
def test_interval_lies_inside_the_sample_and_repeats_for_the_same_seed(x):
    first = bootstrap_interval([x], iqm, _rng(), resamples=2000)
    assert x.min() - 1e-9 <= first.low <= first.high <= x.max() + 1e-9
    assert first == bootstrap_interval([x], iqm, _rng(), resamples=2000)


@pytest.mark.parametrize("strata", [[[1.0, 2.0]], [[1.0, 2.0, 3.0], [4.0, 5.0]]])
def test_fewer_than_three_seeds_give_no_interval(strata):
    assert bootstrap_interval(strata, mean, _rng()) is None


def test_fewer_than_2000_resamples_are_refused():
    with pytest.raises(EvidenceError, match="at least 2000"):
        bootstrap_interval([[1.0, 2.0, 3.0]], mean, _rng(), resamples=100)


def test_scores_of_three_dimensions_are_refused():
    with pytest.raises(EvidenceError, match=r"\[seeds, episodes\]"):
        bootstrap_interval([np.zeros((3, 2, 2))], mean, _rng())


def test_no_scenario_is_refused():
    with pytest.raises(EvidenceError, match="at least one scenario"):
        bootstrap_interval([], mean, _rng())


@settings(max_examples=30, deadline=None)
@given(values, st.floats(-50, 50))
def test_paired_difference_of_a_constant_shift_is_that_shift(x, shift):
    difference = paired_difference([x + shift], [x], _rng(), resamples=2000)
    assert difference.mean == pytest.approx(shift, abs=1e-9)
    assert difference.interval.low == pytest.approx(shift, abs=1e-9)
    assert difference.interval.high == pytest.approx(shift, abs=1e-9)


def test_pairing_sees_a_difference_that_independent_samples_hide():
    rng = np.random.default_rng(3)
    demand = rng.normal(100, 20, 10)
    a, b = demand - 2 + rng.normal(0, 0.2, 10), demand + rng.normal(0, 0.2, 10)
    difference = paired_difference([a], [b], _rng())
    assert difference.interval.high < -1.5
    assert difference.crn_gain > 1000
    assert difference.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


def test_swapping_the_sides_mirrors_the_difference():
    a, b = np.array([3.0, 5.0, 4.0, 8.0]), np.array([1.0, 6.0, 2.0, 2.0])
    forward, backward = paired_difference([a], [b], _rng()), paired_difference([b], [a], _rng())
    assert forward.mean == -backward.mean
    assert forward.interval.low == pytest.approx(-backward.interval.high, abs=0.3)
    assert forward.p_value == pytest.approx(backward.p_value)


def test_two_seeds_give_a_difference_without_interval_or_p_value():
    difference = paired_difference([[1.0, 2.0]], [[0.0, 0.0]], _rng())
    assert (difference.mean, difference.interval, difference.p_value) == (1.5, None, None)
    assert difference.seeds == 2


def test_other_seeds_on_the_two_sides_are_refused():
    with pytest.raises(EvidenceError, match="same seeds"):
        paired_difference([[1.0, 2.0, 3.0]], [[1.0, 2.0]], _rng())


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(1, 2, True), (-2, -1, True), (-1, 1, False), (0, 1, False)]
)
def test_an_interval_that_touches_zero_does_not_exclude_it(low, high, expected):
    assert bootstrap.Interval(low, high).excludes_zero is expected
