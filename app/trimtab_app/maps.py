"""Network maps as live charts: one trace per colour class, wider where values are higher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.contracts.figure import Axis, Figure, MapLine
from trimtab.evidence.network_map import class_names, class_of, edges_of, value_of
from trimtab.evidence.svg import axis_text
from trimtab.evidence.words import unit_text

from trimtab_app import session, theme

WIDTHS = (1.2, 2.2, 3.2, 4.4, 5.8)
HEIGHT = 560
LABEL_PX = 70


def map_chart(figure: Figure) -> dict[str, Any]:
    """A map figure; metres keep their proportions, each line names itself on hover."""
    edges = edges_of(figure)
    traces = []
    for style, name in class_names(edges).items():
        group = [one for one in figure.lines if class_of(one.value, edges) == style]
        if group:
            traces.append(_ways(group, style, name, figure.value_axis))
    if any(one.label is not None for one in figure.lines):
        traces.append(_labels(figure))
    layout = _layout(axis_text(figure.value_axis))
    if any(one.label is not None for one in figure.lines):  # room for words beside what they name
        layout["margin"] |= {"l": LABEL_PX, "r": LABEL_PX}
    return {"data": traces, "layout": layout}


def _labels(figure: Figure) -> dict[str, Any]:
    """Name and value of each line of a diagram."""
    named = [(one, one.label) for one in figure.lines if one.label is not None]
    unit = unit_text(figure.value_axis.unit)
    return {
        "type": "scatter",
        "mode": "text",
        "showlegend": False,
        "x": [at[0] for _, at in named],
        "y": [at[1] for _, at in named],
        "text": [value_of(one, unit) for one, _ in named],
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _layout(words: str) -> dict[str, Any]:
    legend = {
        "title": {"text": words, "side": "top"},
        "orientation": "h",
        "y": -0.02,
        "yanchor": "top",
    }
    return {
        "height": HEIGHT,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "showlegend": True,
        "legend": legend,
        "hovermode": "closest",
        "dragmode": "pan",
        "xaxis": {"visible": False},
        "yaxis": {"visible": False, "scaleanchor": "x"},
    }


def _ways(group: Sequence[MapLine], style: int, name: str, axis: Axis) -> dict[str, Any]:
    """Lines of one class as one trace, a gap between them."""
    x: list[float | None] = []
    y: list[float | None] = []
    text: list[str] = []
    unit = unit_text(axis.unit)
    for one in group:
        x += [*(px for px, _ in one.points), None]
        y += [*(py for _, py in one.points), None]
        text += [value_of(one, unit)] * (len(one.points) + 1)
    colours = theme.MAP_DARK if session.is_dark() else theme.MAP_LIGHT
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "text": text,
        "hoverinfo": "text",
        "line": {"color": colours[style], "width": WIDTHS[style]},
    }
