"""Figures: each kind is drawn to scale, named for who cannot see it, and safe with bad data."""

import math
import re
from dataclasses import replace

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.figure import Axis, Bar, Figure, MapLine, Series
from trimtab.evidence import line_chart, network_map
from trimtab.evidence.figures import NARROW, render_both, render_svg
from trimtab.evidence.svg import text_width

NS = "{http://www.w3.org/2000/svg}"
AXIS = Axis("delay", "s")


def _root(figure):
    return ElementTree.fromstring(render_svg(figure))


def _texts(root):
    return [t.text for t in root.iter(f"{NS}text")]


def _bars(*bars):
    return Figure("bars", "Gap", "What it shows", AXIS, bars=bars)


def _series(*series):
    return Figure("series", "Queue", "What it shows", AXIS, Axis("time", "s"), series=series)


def _map(*lines):
    return Figure("map", "Network", "What it shows", AXIS, lines=lines)


FIGURES = [
    _bars(Bar("a", 3.0, 2.5, 3.4, emphasis=True), Bar("b", -1.0)),
    _series(
        Series("a", (0, 1, 2), (1, 4, 2)), Series("b", (0, 1, 2), (2, 3, 5), (1, 2, 4), (3, 4, 6))
    ),
    _map(MapLine("e1", ((0, 0), (100, 0)), 4.0), MapLine("e2", ((0, 0), (0, 80)), 9.0)),
    _bars(),
    _series(),
    _map(),
]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f"{f.kind}")
def test_every_figure_is_well_formed_titled_and_described(figure):
    root = _root(figure)
    assert root.get("role") == "img"
    assert [root[0].text, root[1].text] == [figure.title, "What it shows"]
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", render_svg(figure))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f"{f.kind}")
def test_the_same_figure_gives_the_same_bytes(figure):
    assert render_svg(figure) == render_svg(figure)


def test_bar_lengths_are_proportional_to_their_values():
    root = _root(_bars(Bar("a", 10.0), Bar("b", 40.0), Bar("c", -20.0)))
    widths = [float(r.get("width")) for r in root.iter(f"{NS}rect")]
    assert widths[1] / widths[0] == pytest.approx(4.0, abs=0.02)
    assert widths[2] / widths[0] == pytest.approx(2.0, abs=0.02)


def test_a_bar_is_labelled_with_its_value_and_interval():
    assert "50.0 [47.4, 52.6]" in _texts(_root(_bars(Bar("longest_queue", 50.0, 47.4, 52.6))))


def test_the_bold_label_of_the_best_bar_stays_inside_the_picture():
    def start(*, emphasis: bool) -> float:
        root = _root(_bars(Bar("max_pressure", 3.0, 2.5, 3.4, emphasis=emphasis)))
        (label,) = (t for t in root.iter(f"{NS}text") if t.text == "max_pressure")
        return float(label.get("x"))

    assert start(emphasis=True) - 10.0 > 1.1 * (start(emphasis=False) - 10.0)


LONG = "state_of_charge_rule · remote-village-4cf69a46"


@pytest.mark.parametrize(
    "figure",
    [
        _bars(Bar("a", 3.0, 2.5, 3.4, emphasis=True), Bar("b", -1.0)),
        _bars(Bar("max_pressure", 31.2, 29.1, 33.3), Bar("b", 1234.5, 1200.0, 1300.0)),
        _bars(Bar(LONG, 3.0, 2.5, 3.4), Bar("b", 1.0)),
        _series(*(Series(f"controller_{i}", (0, 3600), (i, 2 * i)) for i in range(6))),
        _map(*(MapLine(f"e{i}", ((0, 0), (100, i)), 1000.0 + i) for i in range(200))),
    ],
    ids=["beside", "above", "two lines", "legend", "classes"],
)
def test_on_a_phone_every_word_keeps_its_size_and_stays_inside_the_picture(figure):
    root = ElementTree.fromstring(render_svg(figure, NARROW))
    assert float(root.get("width")) == NARROW
    part = {None: 0.0, "middle": 0.5, "end": 1.0}
    for one in root.iter(f"{NS}text"):
        wide = text_width(one.text, 12 if "small" in (one.get("class") or "") else 13)
        start = float(one.get("x")) - part[one.get("text-anchor")] * wide
        assert start >= -0.1
        assert start + wide <= NARROW + 0.1


def test_words_above_the_bars_do_not_meet():
    root = ElementTree.fromstring(
        render_svg(_bars(Bar("max_pressure", 31.2, 29.1, 33.3), Bar("b", 2.0)), NARROW)
    )
    tops = [float(bar.get("y")) for bar in root.iter(f"{NS}rect")]
    (label,) = (t for t in root.iter(f"{NS}text") if t.text == "b")
    assert tops[0] + 15.0 + 13.0 < float(label.get("y")) < tops[1]


def test_a_page_carries_a_figure_for_desktops_and_one_for_phones():
    drawn = render_both(_bars(Bar("a", 1.0)))
    assert re.findall(r'class="(tt-\w+)"', drawn).count("tt-figure") == 2
    assert "tt-wide" in drawn
    assert "tt-narrow" in drawn


def test_a_diagram_scrolls_on_a_phone():
    line = MapLine("G1", ((0.0, 0.0), (0.0, 9.0)), 310.0, label=(0.0, 12.0))
    drawn = render_both(_map(line))
    assert drawn.startswith('<div class="scroll"')
    assert "tt-narrow" not in drawn


def test_a_bar_below_the_cut_ends_there_and_still_tells_its_value():
    cut = Figure(
        "bars",
        "Gap",
        "What it shows",
        Axis("share", "%", cut_below=-100.0),
        bars=(Bar("a", 50.0, 40.0, 60.0), Bar("b", -1655.0, -1700.0, -1600.0)),
    )
    whole = replace(cut, value_axis=replace(cut.value_axis, cut_below=None))

    def widths(root):
        return [float(r.get("width")) for r in root.iter(f"{NS}rect")]

    root = _root(cut)
    assert widths(root)[1] / widths(root)[0] == pytest.approx(2.0, abs=0.02)
    assert "\N{MINUS SIGN}1,655" in " ".join(filter(None, _texts(root)))
    marks = [[p.get("class") for p in r.iter(f"{NS}path")] for r in (root, _root(whole))]
    assert marks == [["whisker", "cut"], ["whisker", "whisker"]]
    assert widths(_root(whole))[0] < 0.1 * widths(root)[0]


def test_axis_labels_carry_units():
    texts = _texts(_root(FIGURES[1]))
    assert "delay (s)" in texts
    assert "time (s)" in texts


def test_series_differ_by_dash_and_marker_not_by_colour_alone():
    svg = render_svg(_series(*(Series(f"s{i}", (0, 1), (i, i + 1)) for i in range(6))))
    dashes = re.findall(r'class="series c\d" stroke-dasharray="([^"]*)"', svg)
    assert len(set(dashes)) == 5  # and the first line, which is solid
    markers = set(re.findall(r'd="M[\d.]+ [\d.]+(m[^"]+)" class="f\d"', svg))
    assert len(markers) >= 5


def test_few_points_get_error_bars_and_many_a_band():
    few = Series("a", (0, 1), (1, 2), (0, 1), (2, 3))
    xs = tuple(range(20))
    many = Series(
        "a", xs, tuple(map(float, xs)), tuple(x - 1.0 for x in xs), tuple(x + 1.0 for x in xs)
    )
    assert 'class="error' in render_svg(_series(few))
    assert 'class="band' in render_svg(_series(many))


def test_a_missing_point_leaves_a_gap_in_the_line():
    svg = render_svg(_series(Series("a", (0, 1, 2, 3, 4), (1, 2, math.nan, 2, 1))))
    path = re.search(r'd="([^"]*)" class="series', svg).group(1)
    assert path.count("M") == 2
    assert "nan" not in svg


def test_a_long_line_keeps_its_extremes_in_few_points():
    xs = tuple(float(i) for i in range(50_000))
    ys = tuple(1000.0 if i == 31_337 else math.sin(i) for i in range(50_000))
    kept = line_chart.thinned(xs, ys)
    assert len(kept) <= line_chart._MAX_POINTS + 2
    assert (31_337.0, 1000.0) in kept
    assert kept == sorted(kept)


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e4), min_size=1, max_size=60))
def test_map_classes_rise_with_the_value_and_use_the_widest_for_the_highest(values):
    edges = network_map.class_edges(values)
    classes = [network_map.class_of(v, edges) for v in sorted(values)]
    assert classes == sorted(classes)
    assert not edges or classes[-1] == network_map.CLASSES - 1


def test_maps_that_are_to_be_compared_share_their_classes():
    line = MapLine("e", ((0, 0), (300, 0)), 1.0)
    shared = replace(_map(line), classed_by=(1.0, 10.0, 20.0, 30.0))
    assert network_map.edges_of(shared) == network_map.class_edges([1.0, 10.0, 20.0, 30.0])
    assert network_map.edges_of(_map(line)) == network_map.class_edges([1.0])
    assert 'class="way m0"' in render_svg(shared)


def test_a_map_is_drawn_north_up_and_without_distortion():
    figure = _map(MapLine("e", ((0, 0), (300, 0)), 1.0), MapLine("n", ((0, 0), (0, 300)), 1.0))
    paths = re.findall(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', render_svg(figure))
    (ax, ay, bx, by), (cx, cy, dx, dy) = [tuple(map(float, p)) for p in paths]
    assert by == pytest.approx(ay)
    assert dx == pytest.approx(cx)
    assert bx - ax == pytest.approx(cy - dy, abs=0.2)
    assert dy < cy


def test_a_map_draws_the_highest_values_on_top_and_names_each_line():
    lines = [MapLine(f"e{i}", ((i, 0), (i, 100)), float(-i)) for i in range(20)]
    names = [p[0].text for p in _root(_map(*lines)).iter(f"{NS}path") if len(p)]
    assert names[0].startswith("e19")
    assert names[-1] == "e0: 0 s"


def test_a_map_has_a_scale_bar_and_a_legend_with_ranges():
    lines = [MapLine(f"e{i}", ((i * 50, 0), (i * 50, 900)), float(i)) for i in range(40)]
    texts = _texts(_root(_map(*lines)))
    assert any(re.fullmatch(r"[\d,]+ m|[\d.]+ km", t) for t in texts)
    assert any(t.startswith("up to") for t in texts)
    assert any(t.startswith("above") for t in texts)


def test_a_diagram_writes_name_and_value_at_each_line_and_has_no_scale_bar():
    texts = _texts(_root(_map(MapLine("G1", ((0, 0), (0, 9)), 310.0, label=(0, 12)))))
    assert "G1: 310 s" in texts
    assert not any(re.fullmatch(r"[\d,]+ m|[\d.]+ km", t) for t in texts)


def test_the_label_of_a_diagram_stays_inside_the_picture():
    far = MapLine("harbour island", ((0, 0), (0, 9)), 170.5, label=(0, 4))
    near = MapLine("bay", ((90, 0), (90, 9)), 72.9, label=(90, 4))
    root = _root(_map(far, near))
    (label,) = [t for t in root.iter(f"{NS}text") if t.text.startswith("harbour")]
    assert float(label.get("x")) > 40.0


def test_a_map_line_without_a_value_is_drawn_as_the_lowest():
    svg = render_svg(
        _map(MapLine("e", ((0, 0), (1, 1)), math.nan), MapLine("f", ((0, 0), (1, 2)), 3.0))
    )
    assert "e: n/a s" in svg
    assert "nan" not in svg


def test_many_series_wrap_the_legend_and_keep_it_inside():
    series = (Series(f"controller number {i}", (0, 1), (i, i + 1)) for i in range(9))
    root = _root(_series(*series))
    names = [t for t in root.iter(f"{NS}text") if t.text.startswith("controller")]
    assert len({t.get("y") for t in names}) > 1
    assert all(float(t.get("x")) < 900 for t in names)


def test_a_long_stretch_without_values_stays_a_gap():
    xs = tuple(float(i) for i in range(6000))
    ys = tuple(math.nan if 2000 <= i < 3000 else 1.0 for i in range(6000))
    path = re.search(r'd="([^"]*)" class="series', render_svg(_series(Series("a", xs, ys)))).group(
        1
    )
    assert path.count("M") == 2


def test_a_map_drops_bends_too_small_to_see_and_keeps_both_ends():
    wiggle = tuple((100 + i * 0.005, i % 2 * 0.005) for i in range(50))
    lines = (MapLine("e", ((0, 0), *wiggle, (1000, 500)), 1.0), MapLine("f", ((0, 0), (5, 5)), 2.0))
    paths = re.findall(r'd="(M[^"]*)" class="way', render_svg(_map(*lines)))
    assert max(p.count("L") for p in paths) == 2


def test_a_scatter_draws_points_without_lines_on_logarithmic_axes():
    points = Series("found", (1.0, 10.0, 100.0), (0.5, float("nan"), 5.0))
    axes = (Axis("mass", "kg", log=True), Axis("calls", log=True))
    drawn = render_svg(Figure("scatter", "Front", "Three points.", *axes, series=(points,)))
    assert drawn.count('class="f0"') == 2
    assert 'class="series' not in drawn
    assert ">10</text>" in drawn
