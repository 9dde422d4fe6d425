"""The tables of a design run as CSV: searches, regret curves, best designs, Pareto front."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trimtab.evidence.csv_text import CsvCell, csv_text, ends
from trimtab.evidence.result import Estimate, Result, SearchSummary
from trimtab.evidence.words import parameter_text


def search_tables(result: Result) -> dict[str, str]:
    """CSV text of each table by file name."""
    searched = [(row.name, row.search) for row in result.rows if row.search is not None]
    tables = {
        "searches.csv": _searches(searched),
        "regret.csv": _regret(searched),
        "designs.csv": _designs(result),
    }
    return {**tables, "front.csv": _front(result)} if result.front is not None else tables


def _searches(searched: Iterable[tuple[str, SearchSummary]]) -> str:
    header = (
        "optimizer", "evaluations", "searches", "hits", "within_1_percent", "calls_to_optimum",
        "final_regret", "final_regret_low95", "final_regret_high95", "open_gap", "open_gap_low95",
        "open_gap_high95", "hypervolume_ratio", "hypervolume_low95", "hypervolume_high95",
    )  # fmt: skip
    return csv_text(
        header,
        (
            (
                name, s.evaluations, s.searches, s.hits, s.within_1_percent, s.calls_to_optimum,
                *_estimate(s.final_regret), *_estimate(s.open_gap),
                *_estimate(s.hypervolume_ratio or Estimate()),
            )
            for name, s in searched
        ),
    )  # fmt: skip


def _estimate(estimate: Estimate) -> tuple[CsvCell, ...]:
    return (estimate.mean, *ends(estimate.ci95))


def _regret(searched: Iterable[tuple[str, SearchSummary]]) -> str:
    """Long format: relative regret of each optimizer after so many unique calls."""
    rows = (
        (name, *cells)
        for name, s in searched
        for cells in zip(
            s.curve.calls, s.curve.median, s.curve.q25, s.curve.q75, s.curve.low95, s.curve.high95,
            strict=True,
        )
    )  # fmt: skip
    return csv_text(("optimizer", "calls", "median", "q25", "q75", "low95", "high95"), rows)


def _designs(result: Result) -> str:
    """Long format: the best design of each row, value by value, then its metrics."""
    rows: list[tuple[CsvCell, ...]] = []
    for best in (row.best for row in result.rows if row.best is not None):
        about = (best.row, best.seed, best.calls)
        rows += [(*about, "parameter", k, _plain(v)) for k, v in best.design.items()]
        rows += [(*about, "metric", k, v) for k, v in best.metrics.items()]
        rows += [(*about, "excess", k, v) for k, v in best.excess.items()]
    return csv_text(("optimizer", "seed", "call", "kind", "name", "value"), rows)


def _front(result: Result) -> str:
    front = result.front
    if front is None:
        return ""
    parameters = list(front.found[0].design) if front.found else []
    rows = [
        (
            m.row, m.seed, *(m.values[name] for name in front.units),
            *(_plain(m.design.get(key)) for key in parameters),
        )
        for m in front.found
    ]  # fmt: skip
    rows += [
        ("true front", None, *(point[name] for name in front.units), *(None for _ in parameters))
        for point in front.true
    ]
    return csv_text(("optimizer", "seed", *front.units, *parameters), rows)


def _plain(value: Any) -> CsvCell:
    if value is None or isinstance(value, bool | int | float):
        return value
    return parameter_text(value)
