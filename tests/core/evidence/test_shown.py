"""The bar of the recommended row stands out, and the caption says so."""

from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.evidence.shown import highlighted

BARS = Figure("bars", "t", "Two bars.", Axis("delay", "s"), bars=(Bar("a", 1.0), Bar("b", 2.0)))


def test_the_recommended_bar_stands_out_though_another_is_lower():
    figure = highlighted(BARS, "b")
    assert [bar.emphasis for bar in figure.bars] == [False, True]
    assert figure.alt == "Two bars. Highlighted: b, which is recommended."


def test_a_figure_without_that_bar_stays_as_it_is():
    assert highlighted(BARS, None) == highlighted(BARS, "c") == BARS
