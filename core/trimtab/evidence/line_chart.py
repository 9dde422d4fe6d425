"""Line charts and scatters: one line or group per series, with intervals, legend, nice axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from trimtab.contracts.figure import Figure, Series
from trimtab.evidence.svg import (
    SMALL_PX,
    LogScale,
    Scale,
    axis_text,
    coordinate,
    element,
    frame,
    hover,
    line,
    log_scale,
    nice_scale,
    text,
    text_width,
)

AnyScale = Scale | LogScale

_HEIGHT = 340.0
_RIGHT = 24.0
_DASHES = ("", "7 4", "2 4", "9 4 2 4", "12 5", "5 3 1 3 1 3")
_PALETTE = 6
_MAX_MARKERS = 12
_MAX_POINTS = 1400
"""Points of a drawn line, about two per pixel; longer ones keep each bucket's extremes."""

_BAND_FROM = 8
"""From this many points an interval is drawn as a band, below as error bars."""


def draw_series(figure: Figure, width: float) -> str:
    """Draw the series of a figure.

    Args:
        figure: A figure of kind "series" or "scatter"; points that are not finite leave a gap.
        width: Width of the picture in pixels.

    Returns:
        An `<svg>` element; intervals are a band, or error bars where points are few.
    """
    scatter = figure.kind == "scatter"
    legend, legend_height = _legend(figure.series, width, lines=not scatter)
    top, bottom = 30.0 + legend_height, _HEIGHT + legend_height - 44.0
    ys = [v for s in figure.series for part in (s.y, s.low or (), s.high or ()) for v in part]
    xs = [v for s in figure.series for v in s.x]
    y_log, x_log = figure.value_axis.log, figure.x_axis.log
    y_scale: AnyScale = (log_scale if y_log else nice_scale)(_finite(ys), bottom, top)
    left = 14.0 + max(text_width(y_scale.label(t), SMALL_PX) for t in y_scale.ticks())
    right = width - _RIGHT
    x_scale: AnyScale = (
        log_scale(_finite(xs), left, right)
        if x_log
        else nice_scale(_finite(xs), left, right, tight=not scatter)
    )
    body = [*legend, text(axis_text(figure.value_axis), 0.0, top - 12.0, "small")]
    body.extend(_axes(x_scale, y_scale, axis_text(figure.x_axis)))
    draw = _points if scatter else _one_series
    for i, one in enumerate(figure.series):
        body.extend(draw(one, i, x_scale, y_scale))
    return frame(figure.title, figure.alt, width, _HEIGHT + legend_height, body)


def _axes(x_scale: AnyScale, y_scale: AnyScale, x_label: str) -> list[str]:
    left, right, bottom = x_scale.start, x_scale.end, y_scale.start
    drawn = []
    for tick in y_scale.ticks():
        y = y_scale(tick)
        drawn.append(line(left, y, right, y, "grid"))
        drawn.append(text(y_scale.label(tick), left - 8.0, y + 4.0, "small", "end"))
    drawn.append(line(left, bottom, right, bottom, "axis"))
    drawn.extend(
        text(x_scale.label(tick), x_scale(tick), bottom + 17.0, "small", "middle")
        for tick in x_scale.ticks()
    )
    return [*drawn, text(x_label, (left + right) / 2, bottom + 37.0, "small", "middle")]


def _finite(values: Sequence[float]) -> list[float]:
    return [v for v in values if math.isfinite(v)]


def _legend(series: Sequence[Series], width: float, *, lines: bool) -> tuple[list[str], float]:
    """Samples of each line with dash, marker and name, wrapped; and the height they take."""
    if len(series) < 2:
        return [], 0.0
    drawn, x, y = [], 0.0, 10.0
    for i, one in enumerate(series):
        taken = 36.0 + text_width(one.name) + 18.0
        if x > 0.0 and x + taken > width:
            x, y = 0.0, y + 20.0
        sample = {"d": f"M{coordinate(x)} {coordinate(y)}h28", "class": f"series c{i % _PALETTE}"}
        if lines:
            drawn.append(element("path", {**sample, "stroke-dasharray": _dash(i)}))
        drawn.append(_marker(x + 14.0, y, i))
        drawn.append(text(one.name, x + 36.0, y + 4.5))
        x += taken
    return drawn, y + 10.0


def _dash(i: int) -> str:
    return _DASHES[(i + i // _PALETTE) % len(_DASHES)]


def _marker(x: float, y: float, i: int) -> str:
    shapes = (
        "m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0",
        "m-3.3-3.3h6.6v6.6h-6.6z",
        "m0-4.4l4.2 7.4h-8.4z",
        "m0-4.6l4.2 4.6-4.2 4.6-4.2-4.6z",
        "m0 4.4l4.2-7.4h-8.4z",
    )
    path = f"M{coordinate(x)} {coordinate(y)}{shapes[i % len(shapes)]}"
    return element("path", {"d": path, "class": f"f{i % _PALETTE}"})


def _one_series(one: Series, i: int, x_scale: AnyScale, y_scale: AnyScale) -> list[str]:
    drawn = _interval_marks(one, i, x_scale, y_scale)
    points = [
        (x_scale(x), y_scale(y)) if math.isfinite(y) else None for x, y in thinned(one.x, one.y)
    ]
    path = "".join(
        "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in run) for run in _runs(points)
    )
    style = {"class": f"series c{i % _PALETTE}", "stroke-dasharray": _dash(i)}
    drawn.append(element("path", {"d": path, **style}, hover(one.name)))
    kept = [p for p in points if p is not None]
    stride = max(1, math.ceil(len(kept) / _MAX_MARKERS))
    drawn.extend(_marker(x, y, i) for x, y in kept[::stride])
    return drawn


def _points(one: Series, i: int, x_scale: AnyScale, y_scale: AnyScale) -> list[str]:
    marks = [
        _marker(x_scale(x), y_scale(y), i)
        for x, y in zip(one.x, one.y, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    return [element("g", {}, hover(one.name), *marks)]


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Stretches without a missing point."""
    grouped = groupby(points, key=lambda p: p is not None)
    return [[p for p in run if p is not None] for there, run in grouped if there]


def thinned(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """At most 1,400 points of a line: the extremes of each bucket, in order."""
    if len(x) <= _MAX_POINTS:
        return list(zip(x, y, strict=True))
    kept: set[int] = {0, len(x) - 1}
    values = np.asarray(y, dtype=np.float64)
    for bucket in np.array_split(np.arange(len(x)), _MAX_POINTS // 2):
        finite = bucket[np.isfinite(values[bucket])]
        if finite.size:
            kept.update(
                (int(finite[values[finite].argmin()]), int(finite[values[finite].argmax()]))
            )
        else:
            kept.add(int(bucket[0]))
    return [(x[i], y[i]) for i in sorted(kept)]


def _interval_marks(one: Series, i: int, x_scale: AnyScale, y_scale: AnyScale) -> list[str]:
    if one.low is None or one.high is None:
        return []
    edges = [
        (x_scale(x), y_scale(low), y_scale(high))
        for x, low, high in zip(one.x, one.low, one.high, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    ]
    if len(edges) < _BAND_FROM:
        return [_error_bar(x, low, high, i) for x, low, high in edges]
    upper = [f"{coordinate(x)} {coordinate(high)}" for x, _, high in edges]
    lower = [f"{coordinate(x)} {coordinate(low)}" for x, low, _ in reversed(edges)]
    return [
        element(
            "path", {"d": "M" + "L".join(upper + lower) + "z", "class": f"band f{i % _PALETTE}"}
        )
    ]


def _error_bar(x: float, low: float, high: float, i: int) -> str:
    left = coordinate(x - 4)
    path = f"M{left} {coordinate(low)}h8m-4 0V{coordinate(high)}M{left} {coordinate(high)}h8"
    return element("path", {"d": path, "class": f"error c{i % _PALETTE}"})
