"""How figures read."""

import pytest
from trimtab.evidence import words
from trimtab.evidence.result import (
    BudgetSummary,
    GapClosed,
    PairedSummary,
    Row,
    ViolationSummary,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (43.621, "43.6"),
        (1470.71, "1,470.7"),
        (4.0567, "4.06"),
        (0.01234, "0.0123"),
        (123456.7, "123,457"),
        (2046.0, "2,046"),
        (-3.14159, "−3.14"),
        (0.0, "0"),
        (3e-6, "3.0e−06"),
        (None, "n/a"),
        (float("nan"), "n/a"),
    ],
)
def test_numbers_keep_three_digits_and_a_true_minus(value, text):
    assert words.number(value) == text


def test_a_value_that_rounds_to_zero_loses_its_sign():
    assert words.number(-0.004, 2) == "0.00"
    assert words.number(8.5e-5, 0) == "0"


def test_an_interval_shows_the_decimals_its_width_needs():
    assert words.with_interval(49.0312, (49.012, 49.049)) == "49.031 [49.012, 49.049]"
    assert words.with_interval(49.5, (48.2, 51.0)) == "49.5 [48.2, 51.0]"
    assert words.with_interval(49.5, None) == "49.5"
    assert words.with_interval(None, None) == "n/a"


def test_a_share_is_written_in_per_cent_also_above_one():
    assert words.percent(GapClosed(mean=1.5, ci95=(0.75, 2.0))) == (150.0, (75.0, 200.0))
    assert words.percent(GapClosed()) == (None, None)


def test_a_column_shares_the_decimals_that_half_of_its_rows_need():
    column = [(15.11, (14.86, 15.35)), (18.2, (17.2, 19.1)), (37.1, (35.3, 39.1)), (1.0, None)]
    assert words.common_decimals(column) == 1
    assert words.common_decimals([(1.0, None), (0.0, (0.0, 0.0))]) is None


def test_a_metric_reads_as_words_with_its_unit_once():
    assert words.metric_header("true_delay_s", "s") == "true delay (s)"
    assert words.metric_header("stops", "") == "stops"
    assert words.metric_words("co2_kg", "kg") == "co2"
    assert words.metric_words("energy_delay_uj_us", "µJ·µs") == "energy delay"
    assert words.metric_words("throughput_veh_h", "veh/h") == "throughput"
    assert words.metric_words("energy_pj_per_bit", "pJ/bit") == "energy"
    assert words.with_article("energy delay") == "an energy delay"
    assert words.with_article("mass") == "a mass"


def test_small_p_values_are_not_spelled_out():
    assert [words.p_value_text(p) for p in (0.0312, 3e-6, None)] == ["0.031", "< 0.0001", "n/a"]


def _comparison(ci95, verdict, p_holm=0.08):
    return PairedSummary(
        versus="fixed", mean=-0.3, ci95=ci95, p_holm=p_holm, verdict=verdict,
        probability=0.6, seeds=5, crn_gain=None,
    )  # fmt: skip


def test_better_is_only_written_for_a_verdict_of_better():
    text = words.difference_text(_comparison((-0.9, 0.2), "not shown"), "s")
    assert text == "−0.3 s [−0.9, 0.2] (no difference shown, the interval includes 0)"
    text = words.difference_text(_comparison((-0.5, -0.1), "better", 0.01), "s")
    assert text.endswith("(better)")


def test_an_interval_off_zero_that_fails_the_adjustment_says_so():
    text = words.verdict_text(_comparison((-0.5, -0.1), "not shown"))
    assert text == "no difference shown after Holm's adjustment (p = 0.08)"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1.0417e-4, "1.1e−04"), (6e-4, "6.0e−04"), (9.99e-7, "1.0e−06"), (0.6, "0.600")],
)
def test_an_upper_bound_of_a_rate_is_rounded_up(rate, text):
    assert words.rate_text(rate) == text


def _row(violations, *, shielded=True, interventions=0, decisions=0):
    return Row(
        name="x", role="classical", shielded=shielded, needs=(), metrics={}, gap_closed=GapClosed(),
        violations=violations, interventions=interventions, decisions=decisions,
        budget=BudgetSummary(), trained=BudgetSummary(),
    )  # fmt: skip


def test_rules_never_checked_have_a_count_but_no_bound():
    assert words.violations_text(_row({})) == "not watched"
    unchecked = {"max_red": ViolationSummary(count=0, upper95=None, exposure=0)}
    assert words.violations_text(_row(unchecked)) == "0"


def test_a_clean_row_is_bounded_by_all_its_checks_together():
    rules = {
        "min_green": ViolationSummary(count=0, upper95=1e-3, exposure=2995),
        "walk": ViolationSummary(count=0, upper95=0.6, exposure=5),
    }
    assert words.violations_text(_row(rules)) == "0 (≤ 1.0e−03)"


def test_a_column_has_no_more_digits_than_its_largest_value_bears():
    kw = [(88.06651649, (87.1, 89.1)), (1.8e-6, (1.6e-6, 1.9e-6)), (2.9e-6, (2.6e-6, 3.2e-6))]
    assert words.common_decimals(kw) == 3
    dust = [(5.8e-8, (1e-8, 1.1e-7)), (0.0, (0.0, 0.0))]
    assert words.common_decimals(dust) == 0


def test_interventions_are_a_share_of_decisions_where_they_are_counted():
    assert words.interventions_text(_row({}, interventions=5, decisions=200)) == "2.5 %"
    assert words.interventions_text(_row({}, interventions=5)) == "5"
    assert words.interventions_text(_row({}, shielded=False)) == "no shield"


def test_a_long_name_keeps_its_start_and_its_end():
    name = "my_company.signals.controllers:AdaptiveGreenWave"
    assert words.shorten(name) == "my_company.s…s:AdaptiveGreenWave"
    assert words.shorten("graph_policy_tuned") == "graph_policy_tuned"
