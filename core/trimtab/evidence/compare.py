"""From a matrix of episodes to a result that may be believed.

Each row gets its metrics with intervals and worst seed, its share of the gap between today's
practice (the reference) and a computed bound, its paired difference against the reference, its
violations and its cost. Nothing is called better whose interval includes 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic_core import to_jsonable_python

from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import BoundKind
from trimtab.evidence.matrix import Headline, Matrix
from trimtab.evidence.paired import against_best_classical, against_reference
from trimtab.evidence.recommend import recommend
from trimtab.evidence.result import BoundSummary, Result, Row
from trimtab.evidence.rows import make_row
from trimtab.evidence.statistics import MIN_SEEDS_FOR_INTERVAL

_STRENGTH: tuple[BoundKind, ...] = ("proven", "model", "floor", "best_known")

NO_BOUND = "The domain offers no bound here, so no share of a gap can be given."

_ROUND_OFF = 1e-9
"""Relative slack before a bound counts as beaten."""


def compare(matrix: Matrix, seed: int = 0) -> Result:
    """Judge every controller of a matrix.

    Args:
        matrix: Episodes, bounds and declarations.
        seed: Seed of the bootstrap; same matrix and seed, same result.

    Returns:
        The result, rows sorted with the best headline first.

    Raises:
        BoundError: A proven bound was beaten by an episode that kept every rule.
    """
    headlines = matrix.headlines()
    reference = _reference(matrix, headlines)
    bound = _bound(matrix, headlines)
    rows = [make_row(matrix, name, headlines, reference, seed) for name in headlines]
    rows.sort(key=lambda row: (matrix.sign * _mean(headlines[row.name]), row.name))
    rows = against_reference(rows, headlines, reference, matrix.sign, seed)
    rows = against_best_classical(rows, headlines, matrix.sign, seed)
    return Result(
        scenario=matrix.scenario,
        domain=matrix.domain,
        profile=matrix.profile,
        headline=matrix.headline.name,
        seeds=matrix.seeds,
        reference=reference,
        reference_candidates=tuple(n for n in matrix.references if n in headlines),
        bound=bound,
        rows=tuple(rows),
        recommendation=recommend(rows, reference, matrix.headline),
        notes=(*matrix.notes, *_notes(matrix, rows, reference, bound)),
        scenario_sha256=matrix.scenario_sha256,
    )


def _mean(headline: Headline) -> float:
    return float(np.mean(list(headline.values())))


def _reference(matrix: Matrix, headlines: Mapping[str, Headline]) -> str | None:
    """Best candidate on the headline; those that finished every seed go first."""
    ran = [name for name in matrix.references if name in headlines]
    complete = [name for name in ran if len(headlines[name]) == len(matrix.seeds)]
    return min(complete or ran, key=lambda n: matrix.sign * _mean(headlines[n]), default=None)


def _bound(matrix: Matrix, headlines: Mapping[str, Headline]) -> BoundSummary | None:
    """Summary of the bound over seeds; the weakest kind names it, a beaten one is re-labelled."""
    if not matrix.bounds:
        return None
    per_seed = tuple(matrix.bounds.get(s) for s in matrix.seeds)
    found = [bound for bound in per_seed if bound is not None]
    kinds: list[BoundKind] = [bound.kind for bound in found]
    kind = max(kinds, key=_STRENGTH.index)
    beaten_by = tuple(name for name in headlines if _beats(matrix, name, headlines[name]))
    return BoundSummary(
        kind="best_known" if beaten_by else kind,
        mean=float(np.mean([b.value for b in found])),
        per_seed=tuple(
            matrix.bounds[s].value if s in matrix.bounds else None for s in matrix.seeds
        ),
        how="; ".join(dict.fromkeys(b.how for b in found)),
        certificate={
            str(s): to_jsonable_python(dict(b.certificate))
            for s, b in matrix.bounds.items()
            if b.certificate
        },
        beaten_by=beaten_by,
    )


def _beats(matrix: Matrix, name: str, headline: Headline) -> bool:
    """Whether an episode that kept every rule went past the bound of its seed."""
    episodes, beaten = matrix.episodes(name), False
    for seed, value in headline.items():
        if seed not in matrix.bounds or any(v.count for v in episodes[seed].violations.values()):
            continue
        bound = matrix.bounds[seed]
        if matrix.sign * (bound.value - value) <= _ROUND_OFF * abs(bound.value):
            continue
        if bound.kind == "proven":
            msg = (
                f"compare: {name!r} reached {value:g} {matrix.headline.unit} on seed {seed}, past "
                f"the proven bound of {bound.value:g}. One of the two is wrong: check the bound's "
                "certificate and the rules it assumes."
            )
            raise BoundError(msg)
        beaten = True
    return beaten


def _notes(
    matrix: Matrix, rows: list[Row], reference: str | None, bound: BoundSummary | None
) -> list[str]:
    notes = []
    if len(matrix.seeds) < MIN_SEEDS_FOR_INTERVAL:
        count = len(matrix.seeds)
        carry = "1 seed carries" if count == 1 else f"{count} seeds carry"
        notes.append(f"{carry} no interval: raw values only, add seeds.")
    if reference is None:
        notes.append("No reference controller ran, so no gap and no paired difference is given.")
    if bound is None:
        notes.append(NO_BOUND)
    elif bound.beaten_by:
        notes.append(
            f"The bound was beaten by {', '.join(bound.beaten_by)} and is shown as best known only."
        )
    notes.extend(
        f"{row.name} finished {_finished(row)} of {len(matrix.seeds)} seeds."
        for row in rows
        if "incomplete" in row.flags
    )
    for row in rows:
        told = (note for record in matrix.episodes(row.name).values() for note in record.notes)
        notes.extend(f"{row.name}: {note}" for note in dict.fromkeys(told))
    if _undefined_shares(rows, reference):
        notes.append("On seeds where reference and bound differ by less than 1 % the gap is n/a.")
    return notes


def _finished(row: Row) -> int:
    return sum(value is not None for value in next(iter(row.metrics.values())).per_seed)


def _undefined_shares(rows: list[Row], reference: str | None) -> bool:
    """Whether the reference, whose share is 0 where there is one, lacks it on some seed."""
    return any(
        row.name == reference and any(s is None for s in row.gap_closed.per_seed) for row in rows
    )
