"""Plain figures: domains describe them, core draws them as SVG, the app draws them live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Axis:
    """Label and unit of an axis; a logarithmic one draws what is not positive at its low end.

    Attributes:
        cut_below: bars that reach below this value are cut there, so that one outlier does not
            press the others together; their labels still tell the whole value.
    """

    label: str
    unit: str = ""
    log: bool = False
    cut_below: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A named sequence of points, with an optional interval per point."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One labelled bar, with an optional interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


@dataclass(frozen=True, slots=True)
class MapLine:
    """A polyline in metres, with the value that colours and widens it.

    Attributes:
        label: where name and value are written; lines of a diagram have one, streets have none.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    value: float
    label: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: line series, bars, a scatter of points or a map, never mixed.

    Attributes:
        alt: text alternative: what a reader who cannot see the figure should know.
        value_axis: y axis of series, scatter and bars, colour scale of a map.
        series: lines, or the groups of points of a scatter.
        classed_by: values that the colour classes of a map are cut from; maps that are to be
            compared share them. Its own where empty.
    """

    kind: Literal["series", "bars", "map", "scatter"]
    title: str
    alt: str
    value_axis: Axis
    x_axis: Axis = Axis("")
    series: tuple[Series, ...] = ()
    bars: tuple[Bar, ...] = ()
    lines: tuple[MapLine, ...] = ()
    classed_by: tuple[float, ...] = ()
