"""What a figure draws first where it cannot draw all rows, and which bar stands out."""

from __future__ import annotations

from dataclasses import replace

from trimtab.contracts.figure import Figure
from trimtab.evidence.paired import deployable, eligible
from trimtab.evidence.result import Result, Row


def shown_first(result: Result) -> list[Row]:
    """Rows by what a reader wants to see of them.

    The recommended one, the reference, what could be deployed, what broke a rule, what plays
    without the shield, what sees the future; among equals the best headline first.
    """
    could_be = {row.name for row in eligible(result.rows)}

    def place(row: Row) -> int:
        if row.name in (result.recommendation.name, result.reference):
            return 0 if row.name == result.recommendation.name else 1
        if row.role == "clairvoyant" or "future" in row.needs:
            return 5
        if row.name not in could_be:
            return 4
        return 2 if deployable(row) else 3

    return sorted(result.rows, key=place)


def highlighted(figure: Figure, recommended: str | None) -> Figure:
    """The figure with the bar of the recommended row standing out, and its caption saying so.

    Args:
        figure: of any kind; one without a bar of that name stays as it is.
        recommended: label of the bar; None where nothing is recommended.
    """
    if all(bar.label != recommended for bar in figure.bars):
        return figure
    bars = tuple(replace(bar, emphasis=bar.label == recommended) for bar in figure.bars)
    alt = f"{figure.alt.rstrip('.')}. Highlighted: {recommended}, which is recommended."
    return replace(figure, alt=alt, bars=bars)
