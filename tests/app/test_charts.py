import math
from typing import Any

import pytest
from trimtab.contracts.figure import Axis, Figure, MapLine, Series
from trimtab_app import charts, session, theme

LONG = tuple(float(i) for i in range(20_000))


@pytest.fixture(autouse=True, params=[False, True], ids=["light", "dark"])
def dark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(session, "is_dark", lambda: request.param)
    return bool(request.param)


def chart_of(**parts: Any) -> charts.Chart:
    return charts.figure_chart(Figure(title="t", alt="a", value_axis=Axis("delay", "s"), **parts))


def test_a_long_series_is_thinned_to_what_a_screen_shows() -> None:
    chart = chart_of(kind="series", series=(Series("a", LONG, LONG),))
    assert len(chart["data"][0]["x"]) <= 2000
    assert max(chart["data"][0]["y"]) == LONG[-1]


def test_series_differ_by_more_than_colour() -> None:
    series = tuple(Series(f"s{i}", (0.0, 1.0), (0.0, float(i))) for i in range(6))
    lines = [trace["line"]["dash"] for trace in chart_of(kind="series", series=series)["data"]]
    assert len(set(lines)) == 6


def test_a_value_that_is_not_finite_leaves_a_gap() -> None:
    chart = chart_of(kind="series", series=(Series("a", (0.0, 1.0), (math.nan, 1.0)),))
    assert chart["data"][0]["y"] == [None, 1.0]


def test_lines_of_a_map_widen_with_their_value() -> None:
    lines = tuple(
        MapLine(f"e{i}", ((0.0, float(i)), (1.0, float(i))), float(i)) for i in range(200)
    )
    traces = chart_of(kind="map", lines=lines)["data"]
    widths = [trace["line"]["width"] for trace in traces]
    assert widths == sorted(widths)
    assert len(traces) == 5
    assert "e199: 199 s" in traces[-1]["text"]


def test_a_diagram_shows_the_name_and_value_of_each_line() -> None:
    lines = (MapLine("G1", ((0.0, 0.0), (0.0, 9.0)), 310.0, label=(0.0, 12.0)),)
    assert chart_of(kind="map", lines=lines)["data"][-1]["text"] == ["G1: 310 s"]


def test_charts_below_each_other_share_their_x_axis() -> None:
    one = Figure("series", "t", "a", Axis("y"), series=(Series("a", (0.0,), (1.0,)),))
    layout = charts.lines([one, one, one])["layout"]
    assert layout["xaxis2"]["matches"] == layout["xaxis3"]["matches"] == "x"


def test_no_two_of_many_series_look_the_same() -> None:
    many = tuple(Series(f"s{i}", (0.0, 1.0), (1.0, 2.0)) for i in range(15))
    traces = charts.lines([Figure("series", "t", "a", Axis("y"), series=many)])["data"]
    assert len({(trace["line"]["color"], trace["line"]["dash"]) for trace in traces}) == 15


def test_a_scatter_has_points_only_and_axes_may_be_logarithmic() -> None:
    points = (Series("a", (1.0, 10.0), (1.0, 100.0)),)
    figure = Figure("scatter", "t", "a", Axis("y", log=True), Axis("x", log=True), series=points)
    chart = charts.figure_chart(figure)
    assert chart["data"][-1]["mode"] == "markers"
    assert (chart["layout"]["xaxis"]["type"], chart["layout"]["yaxis"]["type"]) == ("log", "log")


def test_names_of_points_that_lie_close_are_written_on_different_sides() -> None:
    marks = [("a", 1.0, 1.0, True), ("b", 1.01, 1.0, False), ("c", 9.0, 9.0, False)]
    points = charts.scatter(marks, "x", "y")["data"][-1]
    first, second, third = points["textposition"]
    assert first != second
    assert third == first


def test_a_name_without_room_is_left_to_the_pointer_and_the_front_comes_first() -> None:
    marks = [(f"controller_{i}", 1.0, 1.0, i == 9) for i in range(10)] + [("far", 9.0, 9.0, False)]
    points = charts.scatter(marks, "x", "y")["data"][-1]
    assert points["hovertext"] == [name for name, *_ in marks]
    assert points["text"][9] == "controller_9"
    assert points["text"][10] == "far"
    assert points["text"].count("") == 8


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_keeps_the_contrast_that_aa_asks_for(dark: bool) -> None:
    palette = theme.DARK if dark else theme.LIGHT
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        for text in ("textColor", "grayTextColor", "linkColor"):
            assert contrast(palette[text], palette[ground]) >= 4.5
    assert contrast("#ffffff", palette["primaryColor"]) >= 4.5
    for line in palette["chartCategoricalColors"]:
        assert contrast(line, palette["backgroundColor"]) >= 3.0
