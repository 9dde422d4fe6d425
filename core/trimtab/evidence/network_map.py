"""A map of lines in metres, coloured and widened by value: of streets, or a diagram with labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from trimtab.contracts.figure import Figure, MapLine
from trimtab.evidence.svg import (
    SMALL_PX,
    axis_text,
    coordinate,
    element,
    frame,
    hover,
    line,
    nice_step,
    text,
    text_width,
)
from trimtab.evidence.words import number, unit_text

CLASSES = 5
_HEIGHT_LIMITS = (260.0, 620.0)
_MARGIN = 10.0
_LEGEND = 54.0
_LEGEND_ROW = 20.0
_SMALLEST_STEP_PX = 0.4
"""Bends closer than this to the last drawn point are left out."""

Point = tuple[float, float]


def draw_map(figure: Figure, width: float) -> str:
    """Draw the lines of a map figure.

    Args:
        figure: A figure of kind "map"; points in metres, y upwards.
        width: Width of the picture in pixels; the height follows the network's shape.

    Returns:
        An `<svg>` element; the highest values lie on top, each line names itself on hover.
    """
    labelled = [one for one in figure.lines if one.label is not None]
    corners = [p for one in figure.lines for p in _extent(one)] or [(0.0, 0.0)]
    west, east = min(x for x, _ in corners), max(x for x, _ in corners)
    south, north = min(y for _, y in corners), max(y for _, y in corners)
    span_x, span_y = max(east - west, 1.0), max(north - south, 1.0)
    least, most = _HEIGHT_LIMITS
    height = min(max((width - 2 * _MARGIN) * span_y / span_x, least), most)
    per_metre = min((width - 2 * _MARGIN) / span_x, height / span_y)
    shift_x = (width - per_metre * span_x) / 2
    shift_y = _MARGIN + (height - per_metre * span_y) / 2

    def place(point: Point) -> Point:
        x, y = point
        return shift_x + (x - west) * per_metre, shift_y + (north - y) * per_metre

    edges = edges_of(figure)
    unit = unit_text(figure.value_axis.unit)
    ordered = sorted(figure.lines, key=lambda one: (_order(one.value), one.name))
    body = [_way(one, edges, [place(p) for p in one.points], unit) for one in ordered]
    body.extend(
        _label(value_of(one, unit), place(one.label), width)
        for one in labelled
        if one.label is not None
    )
    below = height + 2 * _MARGIN
    legend, rows = _legend(figure, edges, below + 14.0, width)
    body.extend(legend)
    if not labelled:  # a diagram has no scale
        rows += rows > 1
        body.append(_scale_bar(width, below + 14.0 + _LEGEND_ROW * rows, per_metre))
    return frame(figure.title, figure.alt, width, below + _LEGEND + _LEGEND_ROW * (rows - 1), body)


def _extent(one: MapLine) -> tuple[Point, ...]:
    return one.points if one.label is None else (*one.points, one.label)


def _label(words: str, at: Point, width: float) -> str:
    """Words centred on a point, moved as far as they need to stay inside the picture."""
    half = text_width(words) / 2
    return text(words, max(half, min(at[0], width - half)), at[1], anchor="middle")


def value_of(one: MapLine, unit: str) -> str:
    """A line's name and value."""
    return f"{one.name}: {number(one.value)} {unit}".rstrip()


def _order(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def edges_of(figure: Figure) -> tuple[float, ...]:
    """Edges of the colour classes of a map, see `class_edges`."""
    return class_edges(figure.classed_by or [one.value for one in figure.lines])


def class_edges(values: Sequence[float]) -> tuple[float, ...]:
    """Upper edges of the colour classes but the last, rising and rounded to two digits.

    They lie at the 50, 75, 90 and 97 % quantiles, so that the few lines that matter stand out.
    """
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ()
    rounded = [_two_digits(q) for q in np.quantile(finite, [0.5, 0.75, 0.9, 0.97])]
    return tuple(e for e in sorted(set(rounded)) if e < max(finite))


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")


def class_of(value: float, edges: Sequence[float]) -> int:
    """Style class of a value, spread over all classes; a value that is not finite gets 0."""
    if not edges or not math.isfinite(value):
        return 0
    return _style(sum(value > edge for edge in edges), edges)


def _style(rank: int, edges: Sequence[float]) -> int:
    return round(rank * (CLASSES - 1) / len(edges)) if edges else 0


def _way(one: MapLine, edges: Sequence[float], points: list[Point], unit: str) -> str:
    kept = points[:1]
    for point in points[1:-1]:
        if math.dist(point, kept[-1]) >= _SMALLEST_STEP_PX:
            kept.append(point)
    kept.extend(points[-1:] if len(points) > 1 else [])
    path = "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in kept)
    named = hover(value_of(one, unit))
    return element("path", {"d": path, "class": f"way m{class_of(one.value, edges)}"}, named)


def _legend(
    figure: Figure, edges: Sequence[float], y: float, width: float
) -> tuple[list[str], int]:
    """The classes of values, wrapped; and the rows they take."""
    drawn, x, rows = [text(axis_text(figure.value_axis), 0.0, y, "small")], 0.0, 1
    for style, words in class_names(edges).items():
        if x > 0.0 and x + 36.0 + text_width(words, SMALL_PX) > width:
            x, y, rows = 0.0, y + _LEGEND_ROW, rows + 1
        css = f"way m{style}"
        drawn.append(line(x + 3.0, y + 16.0, x + 27.0, y + 16.0, css))
        drawn.append(text(words, x + 36.0, y + 20.0, "small"))
        x += 36.0 + text_width(words, SMALL_PX) + 16.0
    return drawn, rows


def class_names(edges: Sequence[float]) -> dict[int, str]:
    """Style class → the range of values it stands for, in words, rising."""
    limits = pairwise((None, *edges, None))
    return {_style(rank, edges): _range_text(*limit) for rank, limit in enumerate(limits)}


def _range_text(lower: float | None, upper: float | None) -> str:
    if lower is None:
        return "all" if upper is None else f"up to {number(upper)}"
    if upper is None:
        return f"above {number(lower)}"
    return f"{number(lower)} to {number(upper)}"


def _scale_bar(width: float, y: float, per_metre: float) -> str:
    metres = nice_step(120.0 / per_metre, 1)
    if metres * per_metre > 180.0:
        metres /= 2.0
    label = f"{number(metres / 1000)} km" if metres >= 1000 else f"{number(metres)} m"
    x = width - metres * per_metre
    ends = f"M{coordinate(x)} {coordinate(y - 5)}v5H{coordinate(width)}v-5"
    bar = element("path", {"d": ends, "class": "whisker"})
    return bar + text(label, width - metres * per_metre / 2, y - 8.0, "small", "middle")
