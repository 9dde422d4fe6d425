"""Plain figures as live charts: plotly documents with alt text, in light and dark.

Series differ by dash and marker too, map lines widen with their value. Bars have nothing to zoom
into: `markup.picture` shows them as the report does, without the library that charts need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    return "#5b6c7e" if session.is_dark() else "#9fb0c0"


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
    points = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x for _, x, _, _ in marks],
        "y": [y for _, _, y, _ in marks],
        "text": [name for name, *_ in marks],
        "textposition": _label_places([(x, y) for _, x, y, _ in marks]),
        "cliponaxis": False,
        "marker": {
            "size": 12,
            "symbol": ["diamond" if on else "circle-open" for *_, on in marks],
            "color": [colours()[0] if on else _quiet() for *_, on in marks],
        },
        "hovertemplate": "%{text}: %{x:.4g}, %{y:.4g}<extra></extra>",
    }
    layout = {
        "height": 460,
        "margin": {"l": 10, "r": 120, "t": 30, "b": 50},
        "showlegend": False,
        "xaxis": {"title": {"text": x_axis}},
        "yaxis": {"title": {"text": y_axis}, "automargin": True},
    }
    return {"data": [joined, points], "layout": layout}


_LABEL_PLACES = ("top center", "middle right", "bottom center")
_NEAR = (0.16, 0.06)
"""Parts of the axes within which two labels would cover each other."""


def _label_places(points: Sequence[tuple[float, float]]) -> list[str]:
    """Where to write each name: points close to each other get different sides."""
    spans = [max(side) - min(side) or 1.0 for side in zip(*points, strict=True)]
    chosen: list[int] = []
    for i, point in enumerate(points):
        near = [
            chosen[j]
            for j in range(i)
            if all(
                abs(a - b) < part * span
                for a, b, part, span in zip(point, points[j], _NEAR, spans, strict=True)
            )
        ]
        free = [place for place in range(len(_LABEL_PLACES)) if place not in near]
        chosen.append(free[0] if free else len(near) % len(_LABEL_PLACES))
    return [_LABEL_PLACES[place] for place in chosen]


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
