"""Figures over the steps of stored episodes, read thinned from the store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from trimtab.contracts.figure import Axis, Figure
from trimtab.contracts.figure import Series as Line
from trimtab.evidence.shown import shown_first
from trimtab.evidence.words import metric_header, metric_words, number
from trimtab.run.series import StepUnits

from trimtab_app import results

POINTS = 1000
"""Spans of a series that are drawn at most; each is its lowest and highest value."""
POINTS_IN_ALL = 30_000
"""Spans of all lines of a page together: what a browser draws within a second or two."""
DIGITS = 6
LONG = ((4 * 86_400.0, 86_400.0, "d"), (2 * 3_600.0, 3_600.0, "h"))
"""From so many seconds on, the unit that time is shown in: its seconds and its name."""


@st.cache_data(max_entries=256, show_spinner=False)
def _episodes(run: str, stamp: tuple[int, ...]) -> dict[tuple[str, int], str]:
    """(controller, seed) → finished job, in the order in which controllers are to be shown."""
    jobs = results.workspace().run(run).jobs
    found = {(j.controller, j.seed): j.id for j in jobs if j.kind != "bound" and j.state == "done"}
    order = [row.name for row in shown_first(results.result_of(run))]
    ranked = sorted(found, key=lambda key: order.index(key[0]) if key[0] in order else len(order))
    return {key: found[key] for key in ranked if key[0] in order}


@st.cache_data(max_entries=1024, show_spinner=False)
def _names(job: str) -> list[str]:
    return results.workspace().series_names(job)


def names(runs: Sequence[str]) -> list[str]:
    """Names of the series that the first episode of each run left, each once."""
    return list(dict.fromkeys(name for job in _firsts(runs) for name in _names(job)))


def _firsts(runs: Sequence[str]) -> list[str]:
    """The first episode of each run that has any."""
    stamp = results.workspace().stamp()
    return [job for run in runs for job in list(_episodes(run, stamp).values())[:1]]


@st.cache_data(max_entries=1024, show_spinner=False)
def _units(job: str) -> StepUnits:
    return results.workspace().step_units(job)


def words(runs: Sequence[str], name: str) -> str:
    """A series as a person reads it, with its unit where a run says it."""
    unit = next((u for job in _firsts(runs) if (u := _unit(job, name))), "")
    return metric_header(_channel(name), unit) + _limited(name)


def _unit(job: str, name: str) -> str:
    return _units(job).units.get(name, "").replace("*", "·")


def _channel(name: str) -> str:
    return name.partition("/")[2] or name


def _limited(name: str) -> str:
    """Costs may be called like rewards: they are told apart."""
    return ", limited" if name.startswith("cost/") else ""


def points(lines: int) -> int:
    """Spans that each of so many lines may have."""
    return min(POINTS, POINTS_IN_ALL // max(lines, 1))


def figures(runs: Sequence[str], name: str, seed: int, most: int) -> list[Figure]:
    """A series of a seed, a figure per run with a line for each of its first `most` controllers.

    Time is in seconds, in hours or days where the longest episode is long; in steps where a run
    does not say how long they are.
    """
    spans = points(most * len(runs))
    every = [_figure(run, name, seed, most, spans) for run in runs]
    drawn = [figure for figure in every if figure.series]
    timed = [figure for figure in drawn if figure.x_axis.unit]
    longest = max((line.x[-1] for figure in timed for line in figure.series), default=0.0)
    size, unit = next(((s, u) for least, s, u in LONG if longest >= least), (1.0, "s"))
    return [_rescaled(figure, size, unit) if figure.x_axis.unit else figure for figure in drawn]


def _rescaled(figure: Figure, size_s: float, unit: str) -> Figure:
    series = tuple(replace(one, x=tuple(x / size_s for x in one.x)) for one in figure.series)
    return replace(figure, x_axis=replace(figure.x_axis, unit=unit), series=series)


def _figure(run: str, name: str, seed: int, most: int, spans: int) -> Figure:
    stamp = results.workspace().stamp()
    jobs = {c: job for (c, s), job in _episodes(run, stamp).items() if s == seed}
    lines = [_line(controller, job, name, spans) for controller, job in list(jobs.items())[:most]]
    drawn = tuple(line for line in lines if line.x)
    shown = ", ".join(line.name for line in drawn) or "nothing"
    job = next(iter(jobs.values()), "")
    unit, dt_s = _unit(job, name), _units(job).dt_s
    said = metric_words(_channel(name), unit) + _limited(name)
    each = "each step" if dt_s is None else f"each step of {number(dt_s)} s"
    return Figure(
        kind="series",
        title=f"{said[:1].upper()}{said[1:]}, {run}",
        alt=f"{said} of {each}, seed {seed}, summed over agents: {shown}.",
        value_axis=Axis(f"{said}, per step", unit),
        x_axis=Axis("step") if dt_s is None else Axis("time since begin", "s"),
        series=tuple(replace(one, x=tuple(x * (dt_s or 1.0) for x in one.x)) for one in drawn),
    )


@st.cache_resource(max_entries=1024, show_spinner=False)
def _line(controller: str, job: str, name: str, spans: int) -> Line:
    series = results.workspace().series(job, name, spans)
    low = tuple(_number(value) for value in series.low)
    high = tuple(_number(value) for value in series.high)
    middle = tuple(_short((a + b) / 2) for a, b in zip(low, high, strict=True))
    steps = tuple(float(step) for step in series.step)
    if low == high:
        return Line(controller, steps, middle)
    return Line(controller, steps, middle, low, high)


def _number(value: float | None) -> float:
    return math.nan if value is None else _short(value)


def _short(value: float) -> float:
    """As many digits as a chart can show: half of what is sent to the browser would be noise."""
    return float(f"{value:.{DIGITS}g}")
