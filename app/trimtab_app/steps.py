"""Figures over the steps of stored episodes, read thinned from the store."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st
from trimtab.contracts.figure import Axis, Figure
from trimtab.contracts.figure import Series as Line
from trimtab.evidence.shown import shown_first

from trimtab_app import results

POINTS = 1000
"""Spans of a series that are drawn at most; each is its lowest and highest value."""
POINTS_IN_ALL = 30_000
"""Spans of all lines of a page together: what a browser draws within a second or two."""
DIGITS = 6


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
    stamp = results.workspace().stamp()
    firsts = [next(iter(_episodes(run, stamp).values()), "") for run in runs]
    return list(dict.fromkeys(name for job in firsts if job for name in _names(job)))


def points(lines: int) -> int:
    """Spans that each of so many lines may have."""
    return min(POINTS, POINTS_IN_ALL // max(lines, 1))


def figure(run: str, name: str, seed: int, most: int, spans: int) -> Figure:
    """One series of one seed, a line of so many spans for each of the first `most` controllers."""
    stamp = results.workspace().stamp()
    jobs = {c: job for (c, s), job in _episodes(run, stamp).items() if s == seed}
    lines = [_line(controller, job, name, spans) for controller, job in list(jobs.items())[:most]]
    drawn = tuple(line for line in lines if line.x)
    kind, _, channel = name.partition("/")
    shown = ", ".join(line.name for line in drawn) or "nothing"
    return Figure(
        kind="series",
        title=f"{channel or name}, {run}",
        alt=f"{kind} {channel} over the steps of seed {seed}, summed over agents: {shown}.",
        value_axis=Axis(f"{channel or name} ({kind})"),
        x_axis=Axis("step"),
        series=drawn,
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
