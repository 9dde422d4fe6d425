"""The recommendation of a design run: the best feasible design, and how sure searches found it."""

from __future__ import annotations

from trimtab.evidence.regret import HIT, Target
from trimtab.evidence.result import Recommendation, Result, Row
from trimtab.evidence.words import BOUND_KINDS, metric_words, number, value_text, with_article


def recommend_design(result: Result, target: Target, sign: float) -> Recommendation:
    """Choose the design to deploy: today's, unless a better one was found.

    Args:
        result: of a design run, `best` of its rows filled in.
        target: what regret is measured against.
        sign: 1 where a small headline is better, else -1.
    """
    today = None if result.reference is None else result.row(result.reference)
    best = min(result.rows, key=lambda row: sign * _headline(result, row))  # ties: best mean first
    if today is not None and sign * (_headline(result, best) - _headline(result, today)) >= 0.0:
        best = today
    found = best.best
    return Recommendation(
        name=best.name,
        why=_why(result, best, today, target),
        design=None if found is None else found.design,
    )


def _headline(result: Result, row: Row) -> float:
    return float("nan") if row.best is None else row.best.metrics[result.headline]


def _why(result: Result, row: Row, today: Row | None, target: Target) -> str:
    value = value_text(_headline(result, row), result.unit)
    words = with_article(metric_words(result.headline, result.unit))
    if row is today:
        return f"No search found a better design than {row.name}, with {words} of {value}."
    parts = [f"The design of {row.name}{_where(row)} has {words} of {value}"]
    if today is not None:
        parts.append(
            f"against {value_text(_headline(result, today), result.unit)} of {today.name}, which "
            "is in use today"
        )
    said = ", ".join(parts)
    parts = [f"{said}.", _distance(result, row, target), _repeatable(result, row)]
    return " ".join(part for part in (*parts, _best_on_average(result, row)) if part)


def _where(row: Row) -> str:
    if row.best is None or row.best.seed is None:
        return ""
    return f" (seed {row.best.seed}, call {row.best.calls})"


def _distance(result: Result, row: Row, target: Target) -> str:
    if result.bound is None:
        return "There is no bound to say how much better one could be."
    regret = 100 * target.sign * (_headline(result, row) - target.optimum)
    share = regret / abs(target.optimum) if target.optimum else regret
    kind = BOUND_KINDS[result.bound.kind]
    if share > 100 * HIT:
        return f"It is within {number(share)} % of the {kind}."
    proof = ": nothing better exists" if result.bound.kind == "proven" else ""
    return f"It reaches the {kind}{proof}."


def _repeatable(result: Result, row: Row) -> str:
    search = row.search
    if search is None:
        return ""
    aim = "the best design of this run" if result.bound is None else "it"
    many = f"{len(result.seeds)} searches of {row.name} with {search.evaluations} calls each"
    return f"Of {many}, {search.within_1_percent} came within 1 % of {aim}."


def _best_on_average(result: Result, row: Row) -> str:
    """Which optimizer to take next time, where it is another one; rows come best first."""
    first = next((r for r in result.rows if r.search is not None), None)
    if first is None or first.name == row.name or len(result.seeds) == 1:
        return ""
    mean = value_text(result.headline_of(first).mean, result.unit)
    return f"On average over seeds {first.name} does best, with {mean}."
