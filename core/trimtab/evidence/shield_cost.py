"""What a shield costs and prevents: each controller behind it beside the same one without it."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.contracts.controller import BARE
from trimtab.evidence.bootstrap import Interval, generator, paired_difference
from trimtab.evidence.document import Cell, TableBlock
from trimtab.evidence.result import Result, Row
from trimtab.evidence.words import (
    common_decimals,
    interventions_text,
    metric_header,
    metric_words,
    number,
    unit_text,
    with_interval,
)

_BOOTSTRAP_SEED = 0


def bare_twins(rows: Sequence[Row]) -> dict[str, Row]:
    """Name of a row behind a shield → the row of the same controller without it."""
    by_name = {row.name: row for row in rows}
    return {
        row.name: by_name[row.name + BARE]
        for row in rows
        if row.shielded and row.name + BARE in by_name and not by_name[row.name + BARE].shielded
    }


def listed(rows: Sequence[Row]) -> list[Row]:
    """Rows that tables and figures list: all but those that repeat one without its shield."""
    repeated = {row.name for row in bare_twins(rows).values()}
    return [row for row in rows if row.name not in repeated]


def shield_costs(result: Result) -> TableBlock | None:
    """A line per controller that played behind a shield and without it; None where none did.

    The difference is paired by seed, in the headline's unit, with a 95 % bootstrap interval.
    """
    twins = bare_twins(result.rows)
    pairs = [(row, twins[row.name]) for row in result.rows if row.name in twins]
    if not pairs:
        return None
    costs = [_difference(result, *pair) for pair in pairs]
    decimals = common_decimals(costs)
    words, unit = metric_words(result.headline, result.unit), unit_text(result.unit)
    return TableBlock(
        f"What the shield costs in {words}{f' ({unit})' if unit else ''}, and what it prevents.",
        (
            "Controller",
            "Behind the shield",
            "Without it",
            metric_header("Difference", result.unit),
            "Decisions changed",
            "Violations behind it",
            "Violations without it",
        ),
        tuple(
            _line(result, row, bare, cost, decimals)
            for (row, bare), cost in zip(pairs, costs, strict=True)
        ),
        strong=next(
            (i for i, (r, _) in enumerate(pairs) if r.name == result.recommendation.name), None
        ),
    )


def _difference(
    result: Result, row: Row, bare: Row
) -> tuple[float | None, tuple[float, float] | None]:
    """Headline behind the shield minus without it over the seeds that both finished."""
    sides = zip(result.headline_of(row).per_seed, result.headline_of(bare).per_seed, strict=True)
    both = [(a, b) for a, b in sides if a is not None and b is not None]
    if not both:
        return None, None
    rng = generator(_BOOTSTRAP_SEED, row.name, bare.name)
    found = paired_difference([[a for a, _ in both]], [[b for _, b in both]], rng)
    return found.mean, _ends(found.interval)


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def _line(
    result: Result,
    row: Row,
    bare: Row,
    cost: tuple[float | None, tuple[float, float] | None],
    decimals: int | None,
) -> tuple[Cell, ...]:
    value, _, interval = with_interval(*cost, decimals).partition(" ")
    guarded, free = row.violation_count, bare.violation_count
    return (
        Cell(row.name),
        Cell(number(result.headline_of(row).mean, decimals)),
        Cell(number(result.headline_of(bare).mean, decimals)),
        Cell(value, interval),
        Cell(interventions_text(row)),
        Cell(number(guarded), tone="bad" if guarded else ""),
        Cell(number(free), tone="bad" if free else ""),
    )
