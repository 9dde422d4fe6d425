"""One controller's row of a result: metrics, share of the gap, violations, cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trimtab.contracts.controller import Role
from trimtab.contracts.problem import Budget
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Violations
from trimtab.contracts.spec import Metric
from trimtab.evidence.bootstrap import bootstrap_interval, generator
from trimtab.evidence.matrix import Headline, Matrix, sign_of
from trimtab.evidence.result import (
    BudgetSummary,
    Ci95,
    GapClosed,
    MetricSummary,
    Row,
    ViolationSummary,
)
from trimtab.evidence.statistics import event_rate_upper95, iqm, mean

SMALLEST_GAP = 0.01
"""A gap below 1 % of |C_ref| has no meaningful share: n/a."""


def make_row(
    matrix: Matrix,
    name: str,
    headlines: Mapping[str, Headline],
    reference: str | None,
    seed: int,
) -> Row:
    """Row of one controller, its paired comparisons still empty.

    Args:
        matrix: The comparison.
        name: A controller with at least one finished episode.
        headlines: Headline by controller and seed.
        reference: The controller that is C_ref, if one ran.
        seed: Seed of the bootstrap.

    Returns:
        The row; exactly the reference has the role "reference".
    """
    entry, episodes = matrix.entries[name], matrix.episodes(name)
    spent = sum((r.budget for r in episodes.values()), Budget())
    return Row(
        name=name,
        role=_role(entry.role, is_reference=name == reference),
        shielded=any(r.shielded for r in episodes.values()),
        needs=tuple(sorted(entry.needs)),
        metrics={m.name: _metric(matrix, m, name, seed) for m in _headline_first(matrix)},
        gap_closed=_gap_closed(matrix, name, headlines, reference, seed),
        violations=_violations(episodes.values()),
        interventions=sum(r.interventions for r in episodes.values()),
        decisions=sum(r.decisions for r in episodes.values()),
        budget=_budget(entry.trained + spent),
        trained=_budget(entry.trained),
        regret=_regret(matrix, headlines[name]),
        flags=_flags(episodes, len(matrix.seeds)),
    )


def _role(offered: Role, *, is_reference: bool) -> Role:
    """A candidate for the reference that another one surpassed is a classical row."""
    if is_reference:
        return "reference"
    return "classical" if offered == "reference" else offered


def _headline_first(matrix: Matrix) -> list[Metric]:
    return [matrix.headline, *(m for m in matrix.metrics if m != matrix.headline)]


def _metric(matrix: Matrix, metric: Metric, name: str, seed: int) -> MetricSummary:
    episodes = matrix.episodes(name)
    seen = {s: r.metrics.get(metric.name, math.nan) for s, r in episodes.items()}
    finite = {s: v for s, v in seen.items() if math.isfinite(v)}
    per_seed = tuple(finite.get(s) for s in matrix.seeds)
    if not finite:
        return MetricSummary(
            unit=metric.unit,
            sense=metric.sense,
            mean=None,
            ci95=None,
            worst=None,
            per_seed=per_seed,
        )
    values = list(finite.values())
    worst_seed = max(finite, key=lambda s: sign_of(metric) * finite[s])
    return MetricSummary(
        unit=metric.unit,
        sense=metric.sense,
        mean=float(mean(values)),
        ci95=_ci95(values, seed, name, metric.name),
        iqm=float(iqm(values)),
        worst=finite[worst_seed],
        worst_seed=worst_seed,
        per_seed=per_seed,
    )


def _ci95(values: Sequence[float], seed: int, *labels: str) -> Ci95 | None:
    interval = bootstrap_interval([values], mean, generator(seed, *labels))
    return None if interval is None else (interval.low, interval.high)


def _gap_closed(
    matrix: Matrix,
    name: str,
    headlines: Mapping[str, Headline],
    reference: str | None,
    seed: int,
) -> GapClosed:
    if reference is None or not matrix.bounds:
        return GapClosed()
    shares = {
        s: _share(headlines[reference].get(s), value, matrix.bounds[s].value)
        for s, value in headlines[name].items()
        if s in matrix.bounds
    }
    defined = [share for share in shares.values() if share is not None]
    return GapClosed(
        mean=float(mean(defined)) if defined else None,
        ci95=_ci95(defined, seed, name, "gap closed") if defined else None,
        per_seed=tuple(shares.get(s) for s in matrix.seeds),
    )


def _share(reference: float | None, value: float, bound: float) -> float | None:
    """(C_ref - C) / (C_ref - C_bound) of one seed; the same formula holds for both senses."""
    if reference is None or abs(reference - bound) < SMALLEST_GAP * abs(reference):
        return None
    return None if reference == bound else (reference - value) / (reference - bound)


def _violations(episodes: Iterable[EpisodeRecord]) -> dict[str, ViolationSummary]:
    total: dict[str, Violations] = {}
    for record in episodes:
        for constraint, seen in record.violations.items():
            total[constraint] = total.get(constraint, Violations(0, 0)) + seen
    return {
        constraint: ViolationSummary(
            count=seen.count,
            upper95=event_rate_upper95(seen.count, seen.exposure) if seen.exposure else None,
            exposure=seen.exposure,
        )
        for constraint, seen in sorted(total.items())
    }


def _budget(budget: Budget) -> BudgetSummary:
    return BudgetSummary(
        evaluations=budget.evaluations, env_steps=budget.env_steps, cpu_s=budget.cpu_s
    )


def _regret(matrix: Matrix, headline: Headline) -> float | None:
    distances = [
        matrix.sign * (value - matrix.bounds[s].value)
        for s, value in headline.items()
        if s in matrix.bounds
    ]
    return float(np.mean(distances)) if distances else None


def _flags(episodes: Mapping[int, EpisodeRecord], asked: int) -> tuple[str, ...]:
    flags = {flag for record in episodes.values() for flag in record.flags}
    if len(episodes) < asked:
        flags.add("incomplete")
    return tuple(sorted(flags))
