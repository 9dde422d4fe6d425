"""Figures of a design run: regret curves and the Pareto scatter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from trimtab.contracts.figure import Axis, Figure, Series
from trimtab.evidence.result import CurveSummary, FrontSummary, Result
from trimtab.evidence.words import metric_words, number, unit_text

MOST_SHOWN = 6
"""Optimizers in one figure; the best ones."""

FLOOR_PERCENT = 1e-3
"""Regret at or below this is drawn here: a logarithmic axis has no zero."""


def regret_figure(result: Result) -> Figure | None:
    """Median regret of each optimizer against unique calls; None where nothing was searched."""
    curves = [(row.name, row.search.curve) for row in result.rows if row.search is not None]
    shown = [_series(name, curve) for name, curve in curves[:MOST_SHOWN]]
    if not shown:
        return None
    left_out = len(curves) - len(shown)
    more = f" The {len(shown)} best optimizers of {len(curves)} are drawn." if left_out else ""
    ends = ", ".join(f"{s.name} {_regret_words(s.y[-1])}" for s in shown)
    alt = (
        f"Median regret at the end of the budget: {ends}. Values at or below {FLOOR_PERCENT:g} % "
        f"are drawn there.{more}"
    )
    return Figure(
        "series",
        "Regret against unique simulator calls",
        alt,
        Axis("regret", "%", log=True),
        Axis("unique simulator calls", log=True),
        series=tuple(shown),
    )


def _regret_words(percent: float) -> str:
    return "none" if percent <= FLOOR_PERCENT else f"{number(percent)} %"


def _series(name: str, curve: CurveSummary) -> Series:
    banded = any(value is not None for value in curve.low95)
    return Series(
        name,
        tuple(float(call) for call in curve.calls),
        _percent(curve.median),
        _percent(curve.low95) if banded else None,
        _percent(curve.high95) if banded else None,
    )


def _percent(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if v is None else max(100 * v, FLOOR_PERCENT) for v in values)


def front_figure(result: Result, front: FrontSummary) -> Figure:
    """Fronts of the best optimizers, the true front and today's design, in two objectives."""
    x, y = list(front.units)[:2]
    groups: list[tuple[str, Sequence[Mapping[str, float]]]] = []
    if front.true:
        groups.append(("true front", front.true))
    names = [row.name for row in result.rows if row.name in front.by_row]
    groups += [(name, front.by_row[name]) for name in names[:MOST_SHOWN]]
    if front.today is not None:
        groups.append((f"{result.reference} (today)", (front.today,)))
    series = tuple(
        Series(name, tuple(p[x] for p in points), tuple(p[y] for p in points))
        for name, points in groups
    )
    words = [metric_words(name, front.units[name]) for name in (x, y)]
    units = [unit_text(front.units[name]) for name in (x, y)]
    count = len(front.units)
    rest = f" Of {count} objectives the first two are drawn." if count > 2 else ""
    sides = " and ".join(f"{w} ({front.senses[n]})" for w, n in zip(words, (x, y), strict=True))
    alt = (
        f"Undominated designs in {sides}: "
        + ", ".join(f"{name} ({len(points)})" for name, points in groups)
        + f".{rest}"
    )
    title = f"Pareto front: {words[1]} against {words[0]}"
    return Figure("scatter", title, alt, Axis(words[1], units[1]), Axis(words[0], units[0]), series)
