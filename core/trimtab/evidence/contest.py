"""Rows of one or more runs side by side: what the Compare page shows, computed from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.evidence.paired import paired_family
from trimtab.evidence.result import MetricSummary, PairedSummary, Result, Row

BOOTSTRAP_SEED = 0


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of one run; `label` tells it from all others on the page."""

    label: str
    run: str
    row: Row
    result: Result

    def metric(self, name: str) -> MetricSummary | None:
        """One of its metrics, or None."""
        return self.row.metrics.get(name)

    def by_seed(self, name: str) -> dict[int, float]:
        """A metric by seed, finished seeds only."""
        summary = self.metric(name)
        values = () if summary is None else summary.per_seed
        pairs = zip(self.result.seeds, values, strict=False)
        return {seed: value for seed, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Difference:
    """A contestant minus the base on common seeds.

    Attributes:
        worst: the largest loss against the base over seeds, in the metric's unit.
        worst_seed: where that was.
    """

    contestant: Contestant
    paired: PairedSummary
    worst: float
    worst_seed: int


def contestants(results: Mapping[str, Result]) -> list[Contestant]:
    """Every row of every run, labelled with its run where there are several."""
    several = len(results) > 1
    return [
        Contestant(f"{row.name} · {run}" if several else row.name, run, row, result)
        for run, result in results.items()
        for row in result.rows
    ]


def common_metrics(rows: Sequence[Contestant]) -> list[str]:
    """Metrics that every row has, in the order of the first."""
    return [name for name in rows[0].row.metrics if all(name in c.row.metrics for c in rows)]


def sign_of(rows: Sequence[Contestant], metric: str) -> float:
    """1 where small is better, else -1."""
    summary = rows[0].metric(metric)
    return -1.0 if summary is not None and summary.sense == "max" else 1.0


def ranked(rows: Sequence[Contestant], metric: str) -> list[Contestant]:
    """Rows by their mean, best first; those without one come last."""
    sign = sign_of(rows, metric)

    def cost(one: Contestant) -> tuple[bool, float]:
        summary = one.metric(metric)
        mean = None if summary is None else summary.mean
        return (mean is None, 0.0 if mean is None else sign * mean)

    return sorted(rows, key=cost)


def differences(rows: Sequence[Contestant], base: Contestant, metric: str) -> list[Difference]:
    """Every other row against the base, p-values adjusted over all of them, best first."""
    sign = sign_of(rows, metric)
    values = {one.label: one.by_seed(metric) for one in rows}
    names = [one.label for one in rows if one.label != base.label]
    if not values[base.label]:
        return []
    paired = paired_family(names, base.label, values, sign, BOOTSTRAP_SEED)
    found = [
        _difference(one, paired[one.label], values[base.label], sign, metric)
        for one in rows
        if one.label in paired
    ]
    return sorted(found, key=lambda one: sign * one.paired.mean)


def _difference(
    one: Contestant, paired: PairedSummary, base: Mapping[int, float], sign: float, metric: str
) -> Difference:
    own = one.by_seed(metric)
    by_seed = {seed: own[seed] - base[seed] for seed in own if seed in base}
    worst_seed = max(by_seed, key=lambda seed: sign * by_seed[seed])
    return Difference(one, paired, by_seed[worst_seed], worst_seed)


def paired_costs(
    rows: Sequence[Contestant], across: str, up: str
) -> dict[str, tuple[float, float]]:
    """Means of two metrics by label, turned so that small is better; rows with both."""
    signs = sign_of(rows, across), sign_of(rows, up)
    found = {}
    for one in rows:
        x, y = one.metric(across), one.metric(up)
        if x is not None and y is not None and x.mean is not None and y.mean is not None:
            found[one.label] = (signs[0] * x.mean, signs[1] * y.mean)
    return found


def set_against(rows: Sequence[Contestant], metric: str, telling: Sequence[str] = ()) -> str | None:
    """The metric to draw against another so that the picture shows a choice, not a diagonal.

    Metrics that leave several rows on the front come before those that one row wins; among
    these the `telling` ones, in their order, then those whose ranks agree the least.

    Args:
        rows: what is drawn.
        metric: the other one.
        telling: metrics that a domain names as pulling against its headline.

    Returns:
        Its name; None where no other metric tells any two rows apart.
    """
    costs = {name: paired_costs(rows, metric, name) for name in common_metrics(rows)}
    open_ = {
        name: list(points.values())
        for name, points in costs.items()
        if name != metric and len({y for _, y in points.values()}) > 1
    }

    def place(name: str) -> tuple[bool, int, float]:
        points = open_[name]
        rank = telling.index(name) if name in telling else len(telling)
        return sum(on_front(points)) < 2, rank, _rank_agreement(points)

    return min(open_, key=place, default=None)


def _rank_agreement(points: Sequence[tuple[float, float]]) -> float:
    """Correlation of the ranks of two coordinates; 1 where one is the same everywhere."""
    ranks = [np.unique(side, return_inverse=True)[1] for side in zip(*points, strict=True)]
    if not all(side.any() for side in ranks):
        return 1.0
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def far_out(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points are so bad that they would press all others together in a picture.

    Beyond Tukey's outer fence, the third quartile plus three times the interquartile range, in
    either coordinate; small is better in both. Points on the front never are.
    """
    if not points:
        return []
    low, high = np.quantile(np.array(points), [0.25, 0.75], axis=0)
    fence = np.where(high > low, high + 3.0 * (high - low), np.inf)
    front = on_front(points)
    return [not on and bool(np.any(point > fence)) for point, on in zip(points, front, strict=True)]


def on_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other beats in both coordinates; small is better in both."""
    return [
        not any(
            other[0] <= point[0] and other[1] <= point[1] and other != point for other in points
        )
        for point in points
    ]
