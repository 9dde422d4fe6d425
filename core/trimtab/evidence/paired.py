"""Paired comparisons of rows on common seeds, with one multiplicity family each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.evidence.bootstrap import PairedDifference, generator, paired_difference
from trimtab.evidence.matrix import Headline
from trimtab.evidence.result import PairedSummary, Row, Verdict
from trimtab.evidence.statistics import holm, probability_of_improvement

ALPHA = 0.05
"""Family-wise error of the printed verdicts."""

CLASSICAL_ROLES = ("reference", "classical")
CHALLENGER_ROLES = ("learned", "optimizer", "user")
"""Roles that must beat the classical rows before they are recommended."""


def against_reference(
    rows: Sequence[Row],
    headlines: Mapping[str, Headline],
    reference: str | None,
    sign: float,
    seed: int,
) -> list[Row]:
    """Rows with their paired difference against the reference filled in.

    Args:
        rows: Rows of one result.
        headlines: Headline by controller and seed.
        reference: Name of the reference row, or None.
        sign: 1 where a small headline is better, else -1.
        seed: Seed of the bootstrap.
    """
    if reference is None:
        return list(rows)
    others = [row.name for row in rows if row.name != reference]
    family = paired_family(others, reference, headlines, sign, seed)
    return [row.model_copy(update={"versus_reference": family.get(row.name)}) for row in rows]


def against_best_classical(
    rows: Sequence[Row], headlines: Mapping[str, Headline], sign: float, seed: int
) -> list[Row]:
    """Challengers' rows with their paired difference against the best classical row filled in.

    Args:
        rows: Rows of one result, best headline first.
        headlines: Headline by controller and seed.
        sign: 1 where a small headline is better, else -1.
        seed: Seed of the bootstrap.
    """
    best = best_classical(rows)
    if best is None:
        return list(rows)
    challengers = [row.name for row in rows if row.role in CHALLENGER_ROLES]
    family = paired_family(challengers, best.name, headlines, sign, seed)
    return [row.model_copy(update={"versus_best_classical": family.get(row.name)}) for row in rows]


def best_classical(rows: Sequence[Row]) -> Row | None:
    """The classical row with the best headline that could be deployed; rows come best first."""
    return next((r for r in eligible(rows) if r.role in CLASSICAL_ROLES and deployable(r)), None)


def eligible(rows: Sequence[Row]) -> list[Row]:
    """Rows that may replace the reference: none without a shield for one behind a shield."""
    guarded = any(row.role == "reference" and row.shielded for row in rows)
    return [row for row in rows if row.shielded or not guarded]


def deployable(row: Row) -> bool:
    """Whether a row sees no future, broke no rule, and neither failed nor jammed."""
    spoiled = {"gridlock", "incomplete"} & set(row.flags)
    clairvoyant = row.role == "clairvoyant" or "future" in row.needs
    return not (spoiled or clairvoyant or row.violation_count)


def paired_family(
    names: Sequence[str],
    other: str,
    headlines: Mapping[str, Headline],
    sign: float,
    seed: int,
) -> dict[str, PairedSummary]:
    """One family of comparisons with `other`; rows without a common seed are left out.

    Args:
        names: Rows to compare with `other`.
        other: Row that they are compared with.
        headlines: Headline by row and seed.
        sign: 1 where a small headline is better, else -1.
        seed: Seed of the bootstrap.

    Returns:
        Row to its comparison, p-values adjusted over the family.
    """
    common = {n: [s for s in headlines[n] if s in headlines[other]] for n in names}
    values = {
        n: ([headlines[n][s] for s in seeds], [headlines[other][s] for s in seeds])
        for n, seeds in common.items()
        if seeds
    }
    differences = {
        n: paired_difference([a], [b], generator(seed, n, other)) for n, (a, b) in values.items()
    }
    raw = {n: d.p_value for n, d in differences.items() if d.p_value is not None}
    adjusted = dict(zip(raw, holm(list(raw.values())).tolist(), strict=True))
    return {n: _summary(other, d, adjusted.get(n), values[n], sign) for n, d in differences.items()}


def _summary(
    other: str,
    difference: PairedDifference,
    p_holm: float | None,
    values: tuple[list[float], list[float]],
    sign: float,
) -> PairedSummary:
    interval = difference.interval
    candidate, reference = ([-sign * v for v in side] for side in values)
    return PairedSummary(
        versus=other,
        mean=difference.mean,
        ci95=None if interval is None else (interval.low, interval.high),
        p_holm=p_holm,
        verdict=_verdict(difference, p_holm, sign),
        probability=probability_of_improvement([candidate], [reference]),
        seeds=difference.seeds,
        crn_gain=difference.crn_gain,
    )


def _verdict(difference: PairedDifference, p_holm: float | None, sign: float) -> Verdict:
    if difference.interval is None or p_holm is None:
        return "too few seeds"
    if not difference.interval.excludes_zero or p_holm >= ALPHA:
        return "not shown"
    return "better" if sign * difference.mean < 0.0 else "worse"
