"""Plain figures as live charts: plotly documents with alt text, in light and dark.

Series differ by dash and marker too, map lines widen with their value. Bars have nothing to zoom
into: `markup.picture` shows them as the report does, without the library that charts need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from trimtab.contracts.figure import Figure, Series
from trimtab.evidence.line_chart import thinned
from trimtab.evidence.svg import axis_text

from trimtab_app import session, theme
from trimtab_app.maps import map_chart

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "x")
MAX_MARKED = 60
"""Points up to which a line carries markers."""

Chart = dict[str, Any]


def draw(chart: Chart, alt: str, key: str) -> None:
    """Put a chart on the page with its text alternative, in the colours of the theme."""
    palette = theme.DARK if session.is_dark() else theme.LIGHT
    muted = palette["grayTextColor"]
    layout = chart["layout"] | {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": theme.FONT, "size": 13, "color": palette["textColor"]},
        "hoverlabel": {"font": {"family": theme.FONT}},
    }
    for name in [name for name in layout if name.startswith(("xaxis", "yaxis"))]:
        axis = {
            "gridcolor": palette["borderColor"],
            "zerolinecolor": muted,
            "linecolor": palette["borderColor"],
            "tickfont": {"color": palette["textColor"]},
            "zeroline": False,
        }
        layout[name] = axis | layout[name]
        title = layout[name].get("title", {})
        layout[name]["title"] = {"font": {"size": 13, "color": muted}} | title
    st.plotly_chart(
        {"data": chart["data"], "layout": layout},
        theme=None,
        alt=alt,
        key=key,
        config={"displaylogo": False, "responsive": True},
    )


def colours() -> Sequence[str]:
    """Colours of series in the theme that the browser shows."""
    return (theme.DARK if session.is_dark() else theme.LIGHT)["chartCategoricalColors"]


def _quiet() -> str:
    return "#8b9cae" if session.is_dark() else "#7c8d9d"


def figure_chart(figure: Figure) -> Chart:
    """A domain's figure, other than bars."""
    return map_chart(figure) if figure.kind == "map" else lines([figure], height=380)


def scatter(marks: Sequence[tuple[str, float, float, bool]], x_axis: str, y_axis: str) -> Chart:
    """Points with names; those on the Pareto front are filled and joined.

    Args:
        marks: name, x, y and whether it lies on the front, each.
        x_axis: words of the x axis.
        y_axis: words of the y axis.
    """
    front = sorted(((x, y) for _, x, y, on_front in marks if on_front))
    joined = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in front],
        "y": [y for _, y in front],
        "line": {"dash": "dot", "color": colours()[0], "width": 1.5},
        "hoverinfo": "skip",
    }
    names, places = _labels(marks)
    points = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x for _, x, _, _ in marks],
        "y": [y for _, _, y, _ in marks],
        "text": names,
        "textposition": places,
        "hovertext": [name for name, *_ in marks],
        "cliponaxis": False,
        "marker": {
            "size": 12,
            "symbol": ["diamond" if on else "circle-open" for *_, on in marks],
            "color": [colours()[0] if on else _quiet() for *_, on in marks],
        },
        "hovertemplate": "%{hovertext}: %{x:.4g}, %{y:.4g}<extra></extra>",
    }
    layout = {
        "height": 460,
        "margin": {"l": 10, "r": 60, "t": 30, "b": 50},
        "showlegend": False,
        "xaxis": {"title": {"text": x_axis}},
        "yaxis": {"title": {"text": y_axis}, "automargin": True},
    }
    return {"data": [joined, points], "layout": layout}


_LABEL_PLACES = {
    "top center": (0.0, 1.0),
    "middle right": (1.0, 0.0),
    "bottom center": (0.0, -1.0),
    "middle left": (-1.0, 0.0),
}
"""Where a name may stand, and which way that is from its point."""
_LETTER, _LINE, _MARK = 0.0095, 0.05, 0.018
"""Width of a letter, height of a line, and size of a mark, in parts of the axes on a desktop."""
_BESIDE = 0.1
"""How far a name may stand out to the sides, in parts of the axes."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Room that a mark or a name takes: its middle and half its sides, in parts of the axes."""

    x: float
    y: float
    half_width: float
    half_height: float

    def covers(self, other: _Box) -> bool:
        """Whether two boxes overlap."""
        return (
            abs(self.x - other.x) < self.half_width + other.half_width
            and abs(self.y - other.y) < self.half_height + other.half_height
        )


def _labels(marks: Sequence[tuple[str, float, float, bool]]) -> tuple[list[str], list[str]]:
    """Names, and where each stands; the front chooses first, who finds no room has none.

    Every name is told when its mark is pointed at.
    """
    points = [(x, y) for _, x, y, _ in marks]
    low = [min(side) for side in zip(*points, strict=True)]
    spans = [max(side) - min(side) or 1.0 for side in zip(*points, strict=True)]
    at = [((x - low[0]) / spans[0], (y - low[1]) / spans[1]) for x, y in points]
    taken = [_Box(x, y, _MARK / 2, _MARK) for x, y in at]
    names, places = [""] * len(marks), ["top center"] * len(marks)
    for i in sorted(range(len(marks)), key=lambda i: not marks[i][3]):
        half = _LETTER * len(marks[i][0]) / 2
        for place, (across, up) in _LABEL_PLACES.items():
            middle = at[i][0] + across * (half + _MARK), at[i][1] + up * (_LINE / 2 + _MARK)
            box = _Box(*middle, half, _LINE / 2)
            inside = box.x - half > -_BESIDE and box.x + half < 1 + _BESIDE
            if inside and not any(box.covers(other) for j, other in enumerate(taken) if j != i):
                names[i], places[i] = marks[i][0], place
                taken.append(box)
                break
    return names, places


def lines(figures: Sequence[Figure], height: int = 280) -> Chart:
    """Series of one or more figures below each other; all share one x axis, so they zoom together.

    Args:
        figures: of kind "series" or "scatter", on the same x axis.
        height: of each, in pixels.
    """
    names = list(dict.fromkeys(one.name for figure in figures for one in figure.series))
    traces, layout = [], _stacked(figures, height)
    for row, figure in enumerate(figures, start=1):
        suffix = "" if row == 1 else str(row)
        for one in figure.series:
            drawn = _series(one, names.index(one.name), suffix)
            if figure.kind == "scatter":
                drawn[-1]["mode"] = "markers"
            traces += drawn
    _legend_once(traces)
    return {"data": traces, "layout": layout}


def _legend_once(traces: Sequence[dict[str, Any]]) -> None:
    """One entry per name in the legend, however many charts it appears in."""
    seen: set[str] = set()
    for trace in traces:
        if "mode" in trace:
            trace["showlegend"] = trace["name"] not in seen
            seen.add(trace["name"])


def _stacked(figures: Sequence[Figure], height: int) -> dict[str, Any]:
    count = len(figures)
    share = 1.0 / count
    layout: dict[str, Any] = {
        "height": 90 + height * count,
        "margin": {"l": 10, "r": 20, "t": 40, "b": 50},
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "hovermode": "x unified" if count == 1 else "closest",
        "annotations": [],
    }
    for row, figure in enumerate(figures, start=1):
        suffix = "" if row == 1 else str(row)
        top = 1.0 - (row - 1) * share
        layout[f"yaxis{suffix}"] = {
            "title": {"text": axis_text(figure.value_axis)},
            "type": "log" if figure.value_axis.log else "linear",
            "domain": [
                top - share * (0.82 if count > 1 else 1.0),
                top - (0.04 if count > 1 else 0),
            ],
            "automargin": True,
            "anchor": f"x{suffix}",
        }
        layout[f"xaxis{suffix}"] = {
            "anchor": f"y{suffix}",
            "showticklabels": row == count,
            "type": "log" if figure.x_axis.log else "linear",
            "title": {"text": axis_text(figure.x_axis) if row == count else ""},
        } | ({} if row == 1 else {"matches": "x"})
        if count > 1:
            layout["annotations"].append(_heading(figure.title, top))
    return layout


def _heading(text: str, top: float) -> dict[str, Any]:
    return {
        "text": text, "x": 0, "y": top, "xref": "paper", "yref": "paper", "showarrow": False,
        "xanchor": "left", "yanchor": "top",
    }  # fmt: skip


def _series(one: Series, style: int, suffix: str) -> list[dict[str, Any]]:
    """A line and, below it, the band of its interval."""
    points = thinned(one.x, one.y)
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "legendgroup": one.name}
    colour = colours()[style % len(colours())]
    stroke = (style + style // len(colours())) % len(DASHES)  # as colours come again, dashes differ
    line = {
        "type": "scatter",
        "mode": "lines+markers" if len(points) <= MAX_MARKED else "lines",
        "name": one.name,
        "x": [x for x, _ in points],
        "y": [_gap(y) for _, y in points],
        "line": {"color": colour, "width": 2, "dash": DASHES[stroke]},
        "marker": {"symbol": MARKERS[stroke], "size": 6},
        **axes,
    }
    return [*_band(one, colour, axes), line]


def _band(one: Series, colour: str, axes: dict[str, str]) -> list[dict[str, Any]]:
    if one.low is None or one.high is None:
        return []
    low, high = thinned(one.x, one.low), thinned(one.x, one.high)
    around = [*high, *reversed(low)]
    return [
        {
            "type": "scatter",
            "x": [x for x, _ in around],
            "y": [_gap(y) for _, y in around],
            "fill": "toself",
            "fillcolor": f"{colour}29",
            "line": {"width": 0},
            "hoverinfo": "skip",
            "showlegend": False,
            **axes,
        }
    ]


def _gap(value: float) -> float | None:
    return value if math.isfinite(value) else None
