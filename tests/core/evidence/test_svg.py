"""SVG building blocks: ticks, escaping, and text that tells the truth about its value."""

import math

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st
from trimtab.evidence import svg

values = st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=1, max_size=8)


@given(values, st.booleans(), st.booleans())
def test_a_scale_holds_every_value_and_has_few_ticks_at_a_nice_step(data, zero, tight):
    scale = svg.nice_scale(data, 0.0, 100.0, zero=zero, tight=tight)
    slack = 1e-9 * max(abs(scale.low), abs(scale.high))
    assert all(scale.low - slack <= v <= scale.high + slack for v in data)
    assert 1 <= len(scale.ticks()) <= 12
    digits = scale.step / 10 ** math.floor(math.log10(scale.step) + 1e-9)
    assert min(abs(digits - nice) for nice in (1.0, 2.0, 2.5, 5.0)) < 1e-6


@given(values)
def test_ticks_rise_and_their_labels_differ(data):
    scale = svg.nice_scale(data, 0.0, 100.0)
    labels = [scale.label(t) for t in scale.ticks()]
    assert list(scale.ticks()) == sorted(scale.ticks())
    assert len(set(labels)) == len(labels)


@given(values)
def test_a_scale_maps_its_ends_to_its_pixels(data):
    scale = svg.nice_scale(data, 40.0, 700.0)
    assert scale(scale.low) == pytest.approx(40.0)
    assert scale(scale.high) == pytest.approx(700.0)


def test_zero_is_taken_in_where_it_is_near_or_asked_for():
    assert svg.nice_scale([10.0, 100.0], 0, 1).low == 0.0
    assert svg.nice_scale([90.0, 100.0], 0, 1).low == 90.0
    assert svg.nice_scale([90.0, 100.0], 0, 1, zero=True).low == 0.0
    assert svg.nice_scale([-100.0, -10.0], 0, 1).high == 0.0


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.0, 12.0], ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]),
        ([0.0, 3600.0], ["0", "1,000", "2,000", "3,000", "4,000"]),
        ([-50.0, 100.0], ["−50", "0", "50", "100"]),
    ],
)
def test_tick_labels_have_the_decimals_their_step_needs(data, labels):
    scale = svg.nice_scale(data, 0.0, 1.0)
    assert [scale.label(t) for t in scale.ticks()] == labels


def test_no_data_still_gives_an_axis():
    assert (svg.nice_scale([], 0, 1).low, svg.nice_scale([], 0, 1).high) == (0.0, 1.0)


def test_user_text_is_escaped_in_content_and_attributes():
    drawn = svg.frame('<b>"x"</b>', "a & b", 10, 10, [svg.text("<script>", 0, 0)])
    assert "<script>" not in drawn
    root = ElementTree.fromstring(drawn)
    assert [child.text for child in root] == ['<b>"x"</b>', "a & b", "<script>"]


def test_a_standalone_figure_carries_both_colour_schemes_and_stays_well_formed():
    drawn = svg.standalone(svg.frame("t", "alt", 10, 10, []))
    assert "prefers-color-scheme: dark" in drawn
    assert ElementTree.fromstring(drawn).get("viewBox") == "0 0 10 10"


def test_coordinates_are_short_and_never_minus_zero():
    assert [svg.coordinate(v) for v in (1.0, 1.26, -0.01)] == ["1", "1.3", "0"]


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20))
def test_a_logarithmic_scale_holds_every_positive_value(data):
    scale = svg.log_scale([*data, 0.0, -1.0], 100.0, 0.0)
    assert all(-1e-6 <= scale(value) <= 100.0 + 1e-6 for value in data)
    assert scale(0.0) == 100.0
    ticks = scale.ticks()
    assert list(ticks) == sorted(ticks)
    assert len({scale.label(tick) for tick in ticks}) == len(ticks) >= 1


def test_a_logarithmic_scale_has_a_tick_per_decade():
    scale = svg.log_scale([0.02, 300.0], 0.0, 1.0)
    assert [scale.label(t) for t in scale.ticks()] == ["0.01", "0.1", "1", "10", "100"]
    assert svg.log_scale([], 0.0, 1.0).low == 1.0
