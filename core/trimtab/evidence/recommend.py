"""The recommendation: which row to deploy, and why, in one plain sentence.

A classical row needs to be shown better than the reference. A learned one (or an optimizer's,
or the engineer's own) must be shown better than the reference *and* the best classical row,
without gridlock and without a violation. Whoever sees the future is never recommended, nor
a row without a shield in place of a reference behind one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trimtab.contracts.spec import Metric
from trimtab.evidence.paired import (
    CHALLENGER_ROLES,
    CLASSICAL_ROLES,
    best_classical,
    deployable,
    eligible,
)
from trimtab.evidence.result import PairedSummary, Recommendation, Row
from trimtab.evidence.statistics import seeds_needed
from trimtab.evidence.words import difference_text, metric_words, value_text, with_article


def recommend(rows: Sequence[Row], reference: str | None, headline: Metric) -> Recommendation:
    """Choose the row to deploy.

    Args:
        rows: Rows with paired differences, best headline first.
        reference: Name of the reference row, if one ran.
        headline: The metric that is judged.

    Returns:
        Name and reason; no name where no row may be deployed.
    """
    rows = eligible(rows)
    challenger = next((r for r in rows if _challenger_wins(r)), None)
    if challenger is not None:
        return Recommendation(name=challenger.name, why=_win_text(challenger, headline) + ".")
    incumbent, why = _incumbent(rows, reference, headline)
    if incumbent is None:
        return Recommendation(name=None, why=why)
    return Recommendation(
        name=incumbent.name, why=why + _why_no_challenger(rows, incumbent, headline)
    )


def _shown_better(comparison: PairedSummary | None) -> bool:
    return comparison is not None and comparison.verdict == "better"


def _challenger_wins(row: Row) -> bool:
    return (
        row.role in CHALLENGER_ROLES
        and deployable(row)
        and _shown_better(row.versus_reference)
        and _shown_better(row.versus_best_classical)
    )


def _incumbent(
    rows: Sequence[Row], reference: str | None, headline: Metric
) -> tuple[Row | None, str]:
    """The classical row to stay with or move to."""
    winners = [r for r in rows if r.role in CLASSICAL_ROLES and deployable(r)]
    best = next((r for r in winners if _shown_better(r.versus_reference)), None)
    if best is not None:
        return best, _win_text(best, headline)
    today = next((r for r in rows if r.name == reference), None)
    if today is not None and deployable(today):
        return today, f"No classical controller is shown to beat the reference {today.name}"
    clean = best_classical(rows)
    if clean is not None:
        lead = "No reference controller ran" if today is None else _unfit_text(today)
        return clean, f"{lead}; {clean.name} is the best classical row that keeps every rule"
    if today is not None:
        return today, f"{_unfit_text(today)}, but no other classical row is fit to replace it"
    return None, "Only rows that need a comparison ran: add the domain's reference controllers."


def _win_text(row: Row, headline: Metric) -> str:
    said: dict[str, str] = {}
    for comparison, label in (
        (row.versus_reference, "the reference"),
        (row.versus_best_classical, "the best classical row"),
    ):
        if comparison is not None:
            text = f"{difference_text(comparison, headline.unit)} against {label}"
            said.setdefault(comparison.versus, f"{text} {comparison.versus}")
    value = value_text(row.metrics[headline.name].mean, headline.unit)
    words = with_article(metric_words(headline.name, headline.unit))
    return f"{row.name} has {words} of {value}: {', and '.join(said.values())}"


def _unfit_text(row: Row) -> str:
    if row.violation_count:
        return f"The reference {row.name} breaks its rules {row.violation_count} times"
    return f"The reference {row.name} is flagged {', '.join(row.flags)}"


def _why_no_challenger(rows: Sequence[Row], incumbent: Row, headline: Metric) -> str:
    """Why the best challenger stays behind; empty where none ran."""
    row = next((r for r in rows if r.role in CHALLENGER_ROLES), None)
    if row is None:
        return "."
    return f". {row.name} ({row.role}) is not recommended: {_shortfall(row, headline)}."


def _shortfall(row: Row, headline: Metric) -> str:
    if row.violation_count:
        return f"it broke its rules {row.violation_count} times"
    if not deployable(row):
        return "it sees the future" if "future" in row.needs else f"flagged {', '.join(row.flags)}"
    for comparison in (row.versus_reference, row.versus_best_classical):
        if comparison is None or _shown_better(comparison):
            continue
        if comparison.verdict == "too few seeds":
            return "fewer than three seeds can show nothing"
        said = f"{difference_text(comparison, headline.unit)} against {comparison.versus}"
        return said + _more_seeds(comparison, headline)
    return "there is no reference to show it against"


def _more_seeds(comparison: PairedSummary, headline: Metric) -> str:
    """How many seeds would show a lead of this size; empty where there is none to show."""
    leads = comparison.mean < 0.0 if headline.sense == "min" else comparison.mean > 0.0
    if comparison.verdict != "not shown" or comparison.ci95 is None or not leads:
        return ""
    low, high = comparison.ci95
    deviation = (high - low) / (2.0 * 1.96) * math.sqrt(comparison.seeds)
    needed = seeds_needed(deviation, comparison.mean)
    if needed <= comparison.seeds:
        return ""
    return f"; were the lead real, about {needed} seeds would show it, {comparison.seeds} ran"
