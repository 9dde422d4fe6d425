"""Draws the contracts' plain figures as self-contained SVG, without a plotting library.

Colour never carries meaning alone: series differ by dash and marker too, bars are labelled with
their value, map lines widen with theirs. Colours come from CSS, so light and dark both work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.contracts.figure import Bar, Figure
from trimtab.evidence.line_chart import draw_series
from trimtab.evidence.network_map import draw_map
from trimtab.evidence.svg import (
    SMALL_PX,
    Scale,
    axis_text,
    coordinate,
    element,
    frame,
    hover,
    line,
    nice_scale,
    text,
    text_width,
)
from trimtab.evidence.words import common_decimals, with_interval

WIDTH = 900.0
NARROW = 370.0
"""Width for phones: words keep their size, so figures are drawn anew instead of shrunk."""
_ROW = 27.0
_BAR = 15.0
_WORDS_SHARE = 0.6
"""Part of the width that labels and values beside the bars may take; beyond, they stand above."""
_BOLD = 1.15
"""Width of bold text beside that of plain text."""


def render_both(figure: Figure) -> str:
    """A figure for desktops and one for phones; `tt-wide` and `tt-narrow` show one of them.

    A diagram with labels has no narrow one: its words would cover each other. It scrolls instead.
    """
    wide = render_svg(figure)
    if any(line.label is not None for line in figure.lines):
        scroll = {"class": "scroll", "role": "region", "aria-label": figure.title, "tabindex": 0}
        return element("div", scroll, wide)
    narrow = render_svg(figure, NARROW)
    return element("div", {"class": "tt-wide"}, wide) + element(
        "div", {"class": "tt-narrow"}, narrow
    )


def render_svg(figure: Figure, width: float = WIDTH) -> str:
    """Draw a figure.

    Args:
        figure: Series, bars or a map.
        width: Width of the picture in pixels; its words have the same size at any.

    Returns:
        An `<svg>` element with title and description; its colours need `svg.figure_css`
        (`svg.standalone` puts it inside).
    """
    if figure.kind == "map":
        return draw_map(figure, width)
    return _draw_bars(figure, width) if figure.kind == "bars" else draw_series(figure, width)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where bars and their words stand.

    Attributes:
        start, end: pixels of the axis' ends.
        row: height of a bar with its words.
        label_x: where labels begin, or end where `anchor` says so.
        label_up, value_up: baselines above the middle of the bar.
        width: of the picture, where values end.
    """

    start: float
    end: float
    row: float
    label_x: float
    anchor: str
    label_up: float
    value_up: float
    width: float


def _layout(sides: Sequence[tuple[float, float]], width: float) -> _Layout:
    """Labels on the left of the bars and values on their right, or above them where narrow.

    Args:
        sides: width of the label and the value of each bar.
        width: of the picture.
    """
    left = 14.0 + max((label for label, _ in sides), default=0.0)
    right = 12.0 + max((value for _, value in sides), default=0.0)
    if left + right <= _WORDS_SHARE * width:
        return _Layout(left, width - right, _ROW, left - 10.0, "end", -4.5, -4.5, width)
    lines = 1 if all(label + value + 12.0 <= width for label, value in sides) else 2
    row, up = _ROW + 18.0 * lines, 14.0
    return _Layout(24.0, width - 24.0, row, 0.0, "start", up + 18.0 * (lines - 1), up, width)


def _draw_bars(figure: Figure, width: float) -> str:
    bars = figure.bars
    decimals = common_decimals((b.value, _interval(b)) for b in bars)
    values = [with_interval(b.value, _interval(b), decimals) for b in bars]
    widen = [_BOLD if bar.emphasis else 1.0 for bar in bars]
    widths = zip(bars, values, widen, strict=True)
    sides = [(text_width(b.label) * w, text_width(v, SMALL_PX) * w) for b, v, w in widths]
    layout = _layout(sides, width)
    ends = [e for b in bars for e in (b.value, b.low, b.high) if e is not None]
    floor = figure.value_axis.cut_below
    shown = ends if floor is None else [max(e, floor) for e in ends]
    scale = nice_scale(shown, layout.start, layout.end, zero=True)
    bottom = 10.0 + layout.row * len(bars)
    body = _vertical_grid(scale, 6.0, bottom, axis_text(figure.value_axis))
    for i, (bar, value) in enumerate(zip(bars, values, strict=True)):
        y = 10.0 + layout.row * (i + 1) - _ROW / 2
        body.extend(_one_bar(bar, value, y, scale, layout))
    body.append(line(scale(0.0), 6.0, scale(0.0), bottom, "axis"))
    return frame(figure.title, figure.alt, width, bottom + 46.0, body)


def _interval(bar: Bar) -> tuple[float, float] | None:
    return None if bar.low is None or bar.high is None else (bar.low, bar.high)


def _one_bar(bar: Bar, value: str, y: float, scale: Scale, layout: _Layout) -> list[str]:
    start, end = sorted((scale(0.0), scale(max(bar.value, scale.low))))
    weight = "bold" if bar.emphasis else ""
    box = {"x": start, "y": y - _BAR / 2, "width": max(end - start, 0.5), "height": _BAR, "rx": 2}
    css = "strong" if bar.emphasis else "bar"
    drawn = [
        text(bar.label, layout.label_x, y - layout.label_up, weight, layout.anchor),
        element("rect", {**box, "class": css}, hover(f"{bar.label}: {value}")),
    ]
    if bar.value < scale.low:
        drawn.append(_cut(start, y))
    elif bar.low is not None and bar.high is not None:
        drawn.append(_whisker(scale(max(bar.low, scale.low)), scale(bar.high), y))
    css = f"small {weight}".strip()
    drawn.append(text(value, layout.width, y - layout.value_up, css, "end"))
    return drawn


def _cut(start: float, y: float) -> str:
    """Two slanted strokes near the end of a bar that goes on beyond the axis."""
    strokes = "".join(f"M{coordinate(start + x)} {coordinate(y + 10)}l5 -20" for x in (8.0, 13.0))
    return element("path", {"d": strokes, "class": "cut"})


def _whisker(low: float, high: float, y: float) -> str:
    caps = "".join(f"M{coordinate(x)} {coordinate(y - 4)}v8" for x in (low, high))
    path = f"M{coordinate(low)} {coordinate(y)}H{coordinate(high)}{caps}"
    return element("path", {"d": path, "class": "whisker"})


def _vertical_grid(scale: Scale, top: float, bottom: float, label: str) -> list[str]:
    drawn = []
    for tick in scale.ticks():
        x = scale(tick)
        drawn.append(line(x, top, x, bottom, "grid"))
        drawn.append(text(scale.label(tick), x, bottom + 17.0, "small", "middle"))
    middle = (scale.start + scale.end) / 2
    return [*drawn, text(label, middle, bottom + 37.0, "small", "middle")]
