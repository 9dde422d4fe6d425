"""Regret of searches: how far the best design so far is from the optimum, call by call.

Regret is relative, |best − optimum| / |optimum|, and counts unique simulator calls. Before a
search has met a feasible design, today's design is what one has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.contracts.records import DesignRecord
from trimtab.contracts.spec import FloatArray, IntArray

CURVE_POINTS = 40
RESAMPLES = 2000
HIT = 1e-9
"""Relative distance within which a design is the optimum (round-off of sums)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What regret is measured against.

    Attributes:
        optimum: headline of the optimum, a bound of it, or the best known value.
        start: headline of today's design, where it is feasible.
        sign: 1 where a small headline is better, else -1.
    """

    optimum: float
    start: float | None
    sign: float

    def of(self, headline: FloatArray) -> FloatArray:
        """Relative regret of headline values."""
        return np.asarray(self.sign * (headline - self.optimum) / self._scale)

    @property
    def _scale(self) -> float:
        if self.optimum:
            return abs(self.optimum)
        return abs(self.start) if self.start else 1.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Relative regret over searches at some numbers of calls; NaN before anything is feasible.

    Attributes:
        calls: [P] unique simulator calls.
        median, q25, q75: [P] over searches.
        low, high: [P] 95 % bootstrap interval of the median; NaN for fewer than three searches.
    """

    calls: IntArray
    median: FloatArray
    q25: FloatArray
    q75: FloatArray
    low: FloatArray
    high: FloatArray


def curve_calls(evaluations: int) -> IntArray:
    """Numbers of calls at which a curve is given: every one at first, then ever fewer."""
    spaced = np.geomspace(1, evaluations, CURVE_POINTS)
    return np.unique(np.rint(spaced).astype(np.int64))


def regret_at(record: DesignRecord, calls: IntArray, target: Target) -> FloatArray:
    """[P] relative regret of one search after so many calls; NaN before a feasible design."""
    values = np.full(len(calls), np.nan if target.start is None else target.start)
    for call, headline in record.improvements:
        values[calls >= call] = headline
    regret = target.of(values)
    if target.start is None:
        return regret
    return np.minimum(regret, target.of(np.array(target.start)))


def regret_curve(
    records: Sequence[DesignRecord], evaluations: int, target: Target, rng: np.random.Generator
) -> Curve:
    """Median, quartiles and interval of the median over the searches of one optimizer."""
    calls = curve_calls(evaluations)
    rows = np.stack([regret_at(record, calls, target) for record in records])
    rows = np.where(np.isnan(rows), np.inf, rows)
    low = high = np.full(len(calls), np.inf)
    if len(rows) >= 3:
        drawn = rows[rng.integers(len(rows), size=(RESAMPLES, len(rows)))]
        low, high = _quantile(np.sort(_middle(drawn, axis=1), axis=0), (0.025, 0.975))
    q25, q75 = _quantile(np.sort(rows, axis=0), (0.25, 0.75))
    return Curve(calls, *(_nan(part) for part in (_middle(rows, axis=0), q25, q75, low, high)))


def _nan(values: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isfinite(values), values, np.nan))


def _middle(values: FloatArray, axis: int) -> FloatArray:
    """Median in which infinities are merely large; the upper middle where one is infinite."""
    ordered = np.sort(values, axis=axis)
    n = values.shape[axis]
    low = np.take(ordered, (n - 1) // 2, axis=axis)
    high = np.take(ordered, n // 2, axis=axis)
    return np.where(np.isfinite(high), (low + np.where(np.isfinite(high), high, 0.0)) / 2, np.inf)


def _quantile(ordered: FloatArray, levels: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Two quantiles along the first axis of sorted values, linear where both ends are finite."""
    found = []
    for level in levels:
        place = level * (len(ordered) - 1)
        below, above = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
        share = place - np.floor(place)
        finite = np.where(np.isfinite(above), above, 0.0)
        mixed = np.where(np.isfinite(below), below, 0.0) * (1 - share) + finite * share
        found.append(np.where(np.isfinite(above), mixed, np.inf))
    return found[0], found[1]


def calls_to(record: DesignRecord, target: Target, within: float = HIT) -> float:
    """Unique calls until the relative regret is at most `within`; infinite where it never was."""
    for call, headline in record.improvements:
        if float(target.of(np.array(headline))) <= within:
            return float(call)
    return np.inf


def median_calls(records: Sequence[DesignRecord], target: Target) -> float | None:
    """Median over searches of the calls to the optimum; None where half never reached it."""
    calls = np.array([calls_to(record, target) for record in records])
    middle = float(_middle(calls, axis=0))
    return middle if np.isfinite(middle) else None


def open_gap(record: DesignRecord, evaluations: int, target: Target) -> float | None:
    """Area under the regret curve in that of today's design: mean share of the gap still open.

    None where today's design is not known, not feasible, or no worse than the optimum.
    """
    if target.start is None:
        return None
    today = float(target.of(np.array(target.start)))
    if today <= HIT:
        return None
    calls = np.arange(1, evaluations + 1)
    return float(regret_at(record, calls, target).mean() / today)
