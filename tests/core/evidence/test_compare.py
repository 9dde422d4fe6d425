"""Comparisons: the headline share, its limits, bounds that are beaten, and what is said."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from trimtab.contracts.errors import BoundError, EvidenceError, UnknownNameError
from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.spec import Metric
from trimtab.evidence.compare import compare
from trimtab.evidence.result import Result

FIXED = [49.0, 50.0, 48.0, 51.0, 49.5]
WAVE = [18.4, 18.9, 18.0, 19.5, 18.7]


def test_share_of_the_gap_is_taken_per_seed(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "wave_50": WAVE}, bound=7.5))
    expected = [(r - c) / (r - 7.5) for r, c in zip(FIXED, WAVE, strict=True)]
    gap = result.row("wave_50").gap_closed
    assert gap.per_seed == pytest.approx(expected)
    assert gap.mean == pytest.approx(np.mean(expected))
    assert gap.ci95[0] < gap.mean < gap.ci95[1]


def test_the_reference_closes_nothing_and_is_the_only_row_of_that_role(make_matrix):
    matrix = make_matrix(
        {"fixed": FIXED, "actuated": [43.0, 44.0, 43.5, 45.0, 44.2]},
        {"fixed": {"role": "reference"}, "actuated": {"role": "reference"}},
        bound=7.5,
        references=("fixed", "actuated"),
    )
    result = compare(matrix)
    assert result.reference == "actuated"
    assert result.reference_candidates == ("fixed", "actuated")
    assert {row.name: row.role for row in result.rows} == {
        "actuated": "reference",
        "fixed": "classical",
    }
    assert result.row("actuated").gap_closed.ci95 == (0.0, 0.0)


def test_a_candidate_that_lost_seeds_is_no_reference(make_matrix):
    matrix = make_matrix(
        {"fixed": FIXED, "actuated": [40.0, None, 40.0, 40.0, 40.0]},
        references=("fixed", "actuated"),
    )
    assert compare(matrix).reference == "fixed"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(20.0, 60.0), min_size=3, max_size=5),
    st.floats(0.0, 15.0),
    st.floats(0.1, 0.9),
)
def test_share_is_recovered_and_does_not_depend_on_the_sense(make_matrix, fixed, bound, share):
    rows = {"fixed": fixed, "x": [r - share * (r - bound) for r in fixed]}
    low = compare(make_matrix(rows, bound=bound))
    assert low.row("x").gap_closed.mean == pytest.approx(share)
    gain = Metric("true_delay_s", "s", "max")
    high = compare(
        make_matrix(
            {n: [-v for v in row] for n, row in rows.items()},
            bound=[-bound] * len(fixed),
            headline=gain,
            metrics=(gain,),
        )
    )
    assert high.row("x").gap_closed.mean == pytest.approx(share)
    assert high.rows[0].name == low.rows[0].name


def test_a_gap_below_one_percent_of_the_reference_is_not_available(make_matrix):
    matrix = make_matrix({"fixed": [50.0] * 3, "x": [49.9] * 3}, bound=49.6)
    result = compare(matrix)
    gap = result.row("x").gap_closed
    assert (gap.mean, gap.ci95, gap.per_seed) == (None, None, (None,) * 3)
    assert any("less than 1 %" in note for note in result.notes)


def test_a_gap_of_just_one_percent_is_available(make_matrix):
    result = compare(make_matrix({"fixed": [50.0] * 3, "x": [49.75] * 3}, bound=49.5))
    assert result.row("x").gap_closed.mean == pytest.approx(0.5)


def test_a_share_above_one_is_printed_as_such_and_the_bound_relabelled(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "x": [7.0] * 5}, bound=7.5, kind="model"))
    assert result.row("x").gap_closed.mean > 1.0
    assert result.bound.kind == "best_known"
    assert result.bound.beaten_by == ("x",)
    assert any("beaten by x" in note for note in result.notes)


def test_beating_a_proven_bound_is_an_error_that_names_row_seed_and_values(make_matrix):
    matrix = make_matrix({"fixed": FIXED, "x": [8.0, 7.0, 8.0, 8.0, 8.0]}, bound=7.5, kind="proven")
    with pytest.raises(BoundError, match="'x' reached 7 s on seed 2, past the proven bound of 7.5"):
        compare(matrix)


def test_reaching_a_proven_bound_up_to_round_off_is_allowed(make_matrix):
    matrix = make_matrix({"fixed": FIXED, "x": [7.5 - 1e-12] * 5}, bound=7.5, kind="proven")
    assert compare(matrix).bound.kind == "proven"


def test_who_breaks_the_rules_beats_no_bound(make_matrix):
    matrix = make_matrix(
        {"fixed": FIXED, "x": [7.0] * 5}, {"x": {"violations": 1}}, bound=7.5, kind="proven"
    )
    assert compare(matrix).bound.beaten_by == ()


def test_a_bound_of_mixed_kinds_takes_the_name_of_the_weakest(make_matrix):
    bounds = {
        s: Bound(7.5, k, k) for s, k in zip(range(1, 4), ("proven", "floor", "model"), strict=True)
    }
    result = compare(make_matrix({"fixed": FIXED[:3]}, bounds=bounds))
    assert result.bound.kind == "floor"
    assert result.bound.how == "proven; floor; model"


def test_worst_seed_follows_the_sense_of_the_metric(make_matrix):
    row = compare(make_matrix({"fixed": FIXED})).row("fixed")
    assert (row.metrics["true_delay_s"].worst, row.metrics["true_delay_s"].worst_seed) == (51.0, 4)
    assert row.metrics["throughput_veh"].worst == 2000.0 - 51.0


def test_mean_interval_and_interquartile_mean_summarise_the_seeds(make_matrix):
    summary = compare(make_matrix({"fixed": FIXED})).row("fixed").metrics["true_delay_s"]
    assert summary.mean == pytest.approx(np.mean(FIXED))
    assert summary.iqm == pytest.approx(stats.trim_mean(FIXED, 0.25))
    assert min(FIXED) <= summary.ci95[0] < summary.mean < summary.ci95[1] <= max(FIXED)
    assert summary.per_seed == tuple(FIXED)


def test_a_metric_that_does_not_apply_is_null_and_never_zero(make_matrix):
    bus = Metric("bus_delay_s", "s", "min")
    matrix = make_matrix({"fixed": FIXED})
    matrix = make_matrix({"fixed": FIXED}, metrics=(*matrix.metrics, bus))
    summary = compare(matrix).row("fixed").metrics["bus_delay_s"]
    assert (summary.mean, summary.worst, summary.per_seed) == (None, None, (None,) * 5)


def test_rows_are_ordered_by_the_headline(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "b": [30.0] * 5, "a": [20.0] * 5}))
    assert [row.name for row in result.rows] == ["a", "b", "fixed"]


def test_paired_difference_against_the_reference_equals_the_paired_t_test(make_matrix):
    versus = compare(make_matrix({"fixed": FIXED, "wave_50": WAVE})).row("wave_50").versus_reference
    assert versus.mean == pytest.approx(np.mean(WAVE) - np.mean(FIXED))
    assert versus.p_holm == pytest.approx(stats.ttest_rel(WAVE, FIXED).pvalue)
    assert (versus.verdict, versus.versus, versus.probability) == ("better", "fixed", 1.0)


def test_p_values_are_adjusted_for_the_number_of_rows(make_matrix):
    noisy = [FIXED[i] + d for i, d in enumerate([-1.0, -2.0, -0.5, -3.0, -1.0])]
    alone = compare(make_matrix({"fixed": FIXED, "x": noisy}))
    crowd = {f"y{i}": [v + 0.1 * (-1) ** s for s, v in enumerate(FIXED)] for i in range(6)}
    among = compare(make_matrix({"fixed": FIXED, "x": noisy} | crowd))
    first, then = (r.row("x").versus_reference for r in (alone, among))
    assert then.p_holm == pytest.approx(7 * first.p_holm)
    assert (first.verdict, then.verdict) == ("better", "not shown")
    assert first.ci95 == then.ci95


def test_never_better_when_the_interval_includes_zero(make_matrix):
    mixed = [FIXED[i] + d for i, d in enumerate([-5.0, 4.0, -6.0, 5.0, -1.0])]
    versus = compare(make_matrix({"fixed": FIXED, "x": mixed})).row("x").versus_reference
    assert versus.ci95[0] < 0.0 < versus.ci95[1]
    assert versus.verdict == "not shown"


def test_fewer_than_three_seeds_give_raw_values_and_no_interval(make_matrix):
    result = compare(make_matrix({"fixed": FIXED[:2], "x": WAVE[:2]}, bound=7.5))
    row = result.row("x")
    assert row.metrics["true_delay_s"].ci95 is None
    assert row.gap_closed.ci95 is None
    assert row.versus_reference.verdict == "too few seeds"
    assert any("carry no interval" in note for note in result.notes)


def test_a_failed_seed_is_null_flags_the_row_and_keeps_pairs_together(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "x": [18.0, None, 18.0, 19.0, 18.5]}, bound=7.5))
    row = result.row("x")
    assert row.metrics["true_delay_s"].per_seed == (18.0, None, 18.0, 19.0, 18.5)
    assert row.gap_closed.per_seed[1] is None
    assert row.flags == ("incomplete",)
    assert row.versus_reference.seeds == 4
    assert "x finished 4 of 5 seeds." in result.notes


def test_what_a_controller_tells_of_itself_is_said_once_for_all_seeds(make_matrix):
    told = {"x": {"notes": ("plays the plan",)}}
    notes = compare(make_matrix({"fixed": FIXED, "x": FIXED}, told)).notes
    assert [note for note in notes if "plays the plan" in note] == ["x: plays the plan"]


def test_a_row_without_a_common_seed_gets_no_difference(make_matrix):
    result = compare(make_matrix({"fixed": [49.0, None], "x": [None, 18.0]}))
    assert result.row("x").versus_reference is None


def test_one_seed_is_said_in_the_singular(make_matrix):
    result = compare(make_matrix({"fixed": [49.0], "x": [18.0]}))
    assert "1 seed carries no interval: raw values only, add seeds." in result.notes


def test_violations_carry_an_upper_bound_of_their_rate(make_matrix):
    result = compare(
        make_matrix({"fixed": FIXED, "x": WAVE}, {"fixed": {"violations": 2}, "x": {}})
    )
    clean = result.row("x").violations["min_green"]
    assert (clean.count, clean.exposure) == (0, 5000)
    assert clean.upper95 == pytest.approx(3 / 5000)
    broken = result.row("fixed").violations["min_green"]
    assert broken.count == 10
    assert broken.upper95 == pytest.approx(stats.chi2.ppf(0.95, 22) / 2 / 5000)


def test_the_budget_of_a_row_includes_its_training(make_matrix):
    matrix = make_matrix({"fixed": FIXED, "x": WAVE}, {"x": {"trained": Budget(40, 1000, 90.0)}})
    row = compare(matrix).row("x")
    assert (row.budget.evaluations, row.budget.env_steps) == (45, 1000 + 5 * 720)
    assert row.budget.cpu_s == pytest.approx(92.5)
    assert row.trained.cpu_s == 90.0
    assert row.run_cpu_s == pytest.approx(2.5)


def test_regret_is_the_mean_distance_to_the_bound(make_matrix):
    row = compare(make_matrix({"fixed": FIXED}, bound=7.5)).row("fixed")
    assert row.regret == pytest.approx(np.mean(FIXED) - 7.5)


def test_adding_a_controller_leaves_the_other_rows_as_they_were(make_matrix):
    small = compare(make_matrix({"fixed": FIXED, "x": WAVE}, bound=7.5)).row("x")
    large = compare(make_matrix({"fixed": FIXED, "y": [60.0] * 5, "x": WAVE}, bound=7.5)).row("x")
    assert small.metrics == large.metrics
    assert small.gap_closed == large.gap_closed


def test_the_same_matrix_gives_the_same_bytes(make_matrix):
    rows = {"fixed": FIXED, "x": WAVE}
    assert compare(make_matrix(rows, bound=7.5)).to_json() == (
        compare(make_matrix(rows, bound=7.5)).to_json()
    )


def test_no_reference_and_no_bound_are_said_plainly(make_matrix):
    result = compare(make_matrix({"x": WAVE}))
    assert (result.reference, result.bound) == (None, None)
    assert result.row("x").gap_closed.mean is None
    assert any("No reference" in n for n in result.notes)
    assert any("no bound" in n for n in result.notes)


def test_the_json_document_keeps_the_public_key_names(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "x": WAVE}, bound=7.5, profile="resco"))
    document = json.loads(result.to_json())
    assert document["schema"] == "trimtab/result/1"
    assert {
        "scenario",
        "domain",
        "profile",
        "headline",
        "reference",
        "bound",
        "rows",
        "recommendation",
        "run_id",
        "run_dir",
        "report",
        "manifest",
    } <= set(document)
    assert {"kind", "mean", "per_seed", "how", "certificate"} <= set(document["bound"])
    row = document["rows"][0]
    assert {
        "name",
        "role",
        "shielded",
        "needs",
        "metrics",
        "gap_closed",
        "violations",
        "interventions",
        "budget",
        "regret",
    } <= set(row)
    assert {"unit", "sense", "mean", "ci95", "worst", "per_seed"} <= set(
        row["metrics"]["true_delay_s"]
    )
    assert {"mean", "ci95"} <= set(row["gap_closed"])
    assert {"count", "upper95"} <= set(row["violations"]["min_green"])
    assert {"evaluations", "env_steps", "cpu_s"} <= set(row["budget"])
    assert {"name", "why"} <= set(document["recommendation"])


def test_a_result_survives_the_round_trip_through_json(make_matrix):
    result = compare(make_matrix({"fixed": FIXED, "x": WAVE}, bound=7.5))
    assert Result.from_json(result.to_json()) == result


def test_asking_for_a_row_that_is_not_there_names_the_known_ones(make_matrix):
    with pytest.raises(UnknownNameError, match="fixed"):
        compare(make_matrix({"fixed": FIXED})).row("fixd")


def test_an_empty_matrix_is_refused(make_matrix):
    with pytest.raises(EvidenceError, match="got none"):
        make_matrix({"fixed": FIXED}, records=[])


def test_a_headline_that_is_not_declared_is_refused(make_matrix):
    with pytest.raises(EvidenceError, match="not among the metrics"):
        make_matrix({"fixed": FIXED}, metrics=())


def test_an_episode_that_comes_twice_is_refused(make_matrix):
    matrix = make_matrix({"fixed": FIXED})
    with pytest.raises(EvidenceError, match="seed 1 comes twice"):
        make_matrix({"fixed": FIXED}, records=[*matrix.records, matrix.records[0]])


def test_an_episode_nobody_asked_for_is_refused(make_matrix):
    with pytest.raises(EvidenceError, match="was not asked for"):
        make_matrix({"fixed": FIXED}, seeds=(1, 2))


def test_a_headline_that_is_not_finite_is_refused(make_matrix):
    with pytest.raises(EvidenceError, match="expected a finite true_delay_s"):
        make_matrix({"fixed": [49.0, float("nan")]})
