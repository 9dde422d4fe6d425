"""Which rows a figure draws first where it cannot draw all of them."""

from __future__ import annotations

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
