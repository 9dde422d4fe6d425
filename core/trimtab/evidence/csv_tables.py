"""Every table of a report as CSV at full precision; text cells are guarded against formulas."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.contracts.figure import Figure
from trimtab.evidence.csv_search import search_tables
from trimtab.evidence.csv_text import CsvCell, csv_text, ends
from trimtab.evidence.result import PairedSummary, Result, Row


def result_tables(result: Result) -> dict[str, str]:
    """CSV text of each table of a result by file name."""
    tables = {
        "controllers.csv": _controllers(result.rows),
        "metrics.csv": _metrics(result.rows),
        "seeds.csv": _seeds(result),
        "paired.csv": _paired(result),
    }
    if result.kind == "design":
        return {**tables, **search_tables(result)}
    return {**tables, "violations.csv": _violations(result.rows)}


def _controllers(rows: Sequence[Row]) -> str:
    header = (
        "controller", "role", "needs", "shielded", "flags", "gap_closed", "gap_closed_low95",
        "gap_closed_high95", "regret", "interventions", "decisions", "evaluations", "env_steps",
        "cpu_s", "trained_evaluations", "trained_env_steps", "trained_cpu_s",
    )  # fmt: skip
    return csv_text(
        header,
        (
            (
                row.name, row.role, " ".join(row.needs), row.shielded, " ".join(row.flags),
                row.gap_closed.mean, *ends(row.gap_closed.ci95), row.regret, row.interventions,
                row.decisions, row.budget.evaluations, row.budget.env_steps, row.budget.cpu_s,
                row.trained.evaluations, row.trained.env_steps, row.trained.cpu_s,
            )
            for row in rows
        ),
    )  # fmt: skip


def _metrics(rows: Sequence[Row]) -> str:
    header = (
        "controller", "metric", "unit", "sense", "mean", "low95", "high95", "iqm", "worst",
        "worst_seed", "seeds",
    )  # fmt: skip
    return csv_text(
        header,
        (
            (
                row.name, name, m.unit, m.sense, m.mean, *ends(m.ci95), m.iqm, m.worst,
                m.worst_seed, sum(value is not None for value in m.per_seed),
            )
            for row in rows
            for name, m in row.metrics.items()
        ),
    )  # fmt: skip


def _seeds(result: Result) -> str:
    """Long format: one line per controller, metric and seed; the gap closed is one of them."""
    values = [
        (row.name, name, m.unit, m.per_seed)
        for row in result.rows
        for name, m in row.metrics.items()
    ]
    values += [(row.name, "gap_closed", "1", row.gap_closed.per_seed) for row in result.rows]
    if result.bound is not None:
        values.append(("bound", result.headline, result.unit, result.bound.per_seed))
    return csv_text(
        ("controller", "metric", "unit", "seed", "value"),
        (
            (controller, metric, unit, seed, value)
            for controller, metric, unit, per_seed in values
            for seed, value in zip(result.seeds, per_seed, strict=False)
        ),
    )


def _paired(result: Result) -> str:
    header = (
        "controller", "versus", "difference", "low95", "high95", "unit", "p_holm", "verdict",
        "probability_of_improvement", "seeds", "crn_gain",
    )  # fmt: skip
    comparisons = [
        (row.name, c)
        for row in result.rows
        for c in (row.versus_reference, row.versus_best_classical)
        if c is not None
    ]
    return csv_text(header, (_pair(name, c, result.unit) for name, c in comparisons))


def _pair(name: str, c: PairedSummary, unit: str) -> tuple[CsvCell, ...]:
    return (
        name, c.versus, c.mean, *ends(c.ci95), unit, c.p_holm, c.verdict, c.probability, c.seeds,
        c.crn_gain,
    )  # fmt: skip


def _violations(rows: Sequence[Row]) -> str:
    return csv_text(
        ("controller", "constraint", "count", "checks", "rate_upper95"),
        (
            (row.name, constraint, v.count, v.exposure, v.upper95)
            for row in rows
            for constraint, v in row.violations.items()
        ),
    )


def figure_table(figure: Figure) -> str:
    """CSV text of all the data behind a figure."""
    if figure.kind == "bars":
        rows = ((b.label, b.value, b.low, b.high) for b in figure.bars)
        return csv_text(("bar", "value", "low95", "high95"), rows)
    if figure.kind == "map":
        return csv_text(("line", "value"), ((one.name, one.value) for one in figure.lines))
    points = (
        (s.name, x, y, s.low[i] if s.low else None, s.high[i] if s.high else None)
        for s in figure.series
        for i, (x, y) in enumerate(zip(s.x, s.y, strict=True))
    )
    return csv_text(("series", "x", "y", "low95", "high95"), points)
