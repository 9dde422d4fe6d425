import numpy as np
import pytest
from trimtab.contracts.records import DesignRecord
from trimtab.evidence.regret import (
    Target,
    calls_to,
    curve_calls,
    median_calls,
    open_gap,
    regret_at,
    regret_curve,
)

TARGET = Target(optimum=10.0, start=20.0, sign=1.0)


def search(*improvements: tuple[int, float]) -> DesignRecord:
    return DesignRecord("x", 1, {}, {}, improvements=improvements)


def test_before_a_feasible_design_the_regret_is_that_of_todays_design() -> None:
    calls = np.array([1, 2, 3, 4])
    found = regret_at(search((2, 25.0), (3, 15.0)), calls, TARGET)
    assert found.tolist() == [1.0, 1.0, 0.5, 0.5]
    unknown = regret_at(search((3, 15.0)), calls, Target(10.0, None, 1.0))
    assert np.isnan(unknown[:2]).all()
    assert unknown[2:].tolist() == [0.5, 0.5]


def test_a_headline_to_maximise_counts_the_other_way() -> None:
    target = Target(optimum=10.0, start=5.0, sign=-1.0)
    assert regret_at(search((1, 9.0)), np.array([1]), target).tolist() == pytest.approx([0.1])


def test_the_curve_has_median_quartiles_and_an_interval() -> None:
    searches = [search((1, 10.0 + k)) for k in range(1, 6)]
    curve = regret_curve(searches, 8, TARGET, np.random.default_rng(0))
    assert curve.calls.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert curve.median == pytest.approx(0.3)
    assert (curve.q25[0], curve.q75[0]) == pytest.approx((0.2, 0.4))
    assert (curve.low <= curve.median).all()
    assert (curve.high >= curve.median).all()
    assert (curve.low[0], curve.high[0]) == pytest.approx((0.1, 0.5))


def test_the_median_ignores_searches_without_a_design_until_they_are_half() -> None:
    target = Target(10.0, None, 1.0)
    searches = [search((1, 11.0)), search((1, 12.0)), search((4, 11.0))]
    curve = regret_curve(searches, 4, target, np.random.default_rng(0))
    assert curve.median[0] == pytest.approx(0.2)
    half = regret_curve([search((1, 11.0)), search()], 4, target, np.random.default_rng(0))
    assert np.isnan(half.median).all()
    assert np.isnan(half.low).all()


def test_calls_to_the_optimum_are_infinite_where_it_is_never_met() -> None:
    hit, missed = search((3, 12.0), (7, 10.0)), search((2, 10.1))
    assert calls_to(hit, TARGET) == 7
    assert calls_to(missed, TARGET) == np.inf
    assert calls_to(missed, TARGET, within=0.01) == 2
    assert median_calls([hit, hit, missed], TARGET) == 7
    assert median_calls([hit, missed, missed], TARGET) is None


def test_the_open_gap_is_the_area_under_regret_in_that_of_today() -> None:
    assert open_gap(search((1, 10.0)), 4, TARGET) == 0.0
    assert open_gap(search(), 4, TARGET) == 1.0
    assert open_gap(search((3, 10.0)), 4, TARGET) == pytest.approx(0.5)
    assert open_gap(search((1, 10.0)), 4, Target(10.0, None, 1.0)) is None
    assert open_gap(search((1, 10.0)), 4, Target(10.0, 10.0, 1.0)) is None


def test_curves_are_given_at_every_early_call_and_the_last() -> None:
    calls = curve_calls(1000)
    assert calls[:4].tolist() == [1, 2, 3, 4]
    assert calls[-1] == 1000
    assert len(calls) <= 40


def test_an_optimum_of_zero_is_measured_in_todays_value() -> None:
    target = Target(optimum=0.0, start=4.0, sign=1.0)
    assert target.of(np.array(1.0)) == 0.25
