"""What a report says about safety: what the shield changed, and which rules were broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trimtab.evidence.content_tables import Column, table
from trimtab.evidence.document import Block, Cell, Paragraph, TableBlock
from trimtab.evidence.result import Result, Row
from trimtab.evidence.shield_cost import listed, shield_costs
from trimtab.evidence.statistics import event_rate_upper95
from trimtab.evidence.words import interventions_text, number, rate_text

_NONE = "\N{EN DASH}"


def safety(result: Result) -> tuple[Block, ...]:
    """Violations that the independent monitor counted, and what the shield changed."""
    rules = sorted({name for row in result.rows for name in row.violations})
    if not rules:
        return (Paragraph("No monitor watched these runs."), _by_row(result))
    text = (
        "Counted by a monitor that shares no code with the shield. The rate is a 95 % upper bound "
        "per check; three over the number of checks where no violation was seen."
    )
    due = [rule for rule in rules if _checks(result.rows, rule)]
    idle = ", ".join(_words(rule) for rule in rules if rule not in due)
    never = (Paragraph(f"Never due in these runs: {idle}."),) if idle else ()
    costs = shield_costs(result)
    cost = () if costs is None else (costs,)
    return (Paragraph(text), _by_row(result), *cost, _by_rule(result, due), *never)


def _by_row(result: Result) -> TableBlock:
    columns: list[Column] = [
        (result.row_word.capitalize(), lambda row: Cell(row.name)),
        ("Shield", lambda row: Cell("on" if row.shielded else "none")),
        ("Decisions changed", lambda row: Cell(interventions_text(row) if row.shielded else _NONE)),
        ("Checks", lambda row: Cell(number(row.checks))),
        ("Violations", lambda row: _count(row.violation_count)),
        ("Most broken", lambda row: Cell(_most_broken(row))),
    ]
    return table(result, listed(result.rows), "All rules together.", columns, text=(0, 1, 5))


def _most_broken(row: Row) -> str:
    broken = {name: seen.count for name, seen in row.violations.items() if seen.count}
    if not broken:
        return _NONE
    return _words(max(broken, key=lambda name: broken[name]))


def _by_rule(result: Result, rules: Sequence[str]) -> TableBlock:
    """A line per rule; rows behind a shield apart from rows without."""
    groups = [
        (title, [row for row in result.rows if row.shielded is shielded])
        for title, shielded in (("behind the shield", True), ("without", False))
    ]
    groups = [(title, rows) for title, rows in groups if rows]
    header = [
        text
        for title, _ in groups
        for text in (f"Checks {title}", f"Violations {title}", "Rate at most")
    ]
    lines = tuple(
        (Cell(_words(rule)), *(cell for _, rows in groups for cell in _pooled(rows, rule)))
        for rule in rules
    )
    return TableBlock("Every rule, all rows together.", ("Rule", *header), lines)


def _pooled(rows: Iterable[Row], rule: str) -> tuple[Cell, Cell, Cell]:
    rows = list(rows)
    checks = _checks(rows, rule)
    count = sum(row.violations[rule].count for row in rows if rule in row.violations)
    limit = rate_text(event_rate_upper95(count, checks)) if checks else _NONE
    return Cell(number(checks)), _count(count), Cell(limit)


def _checks(rows: Iterable[Row], rule: str) -> int:
    return sum(row.violations[rule].exposure for row in rows if rule in row.violations)


def _count(count: int) -> Cell:
    return Cell(number(count), tone="bad" if count else "")


def _words(rule: str) -> str:
    return rule.replace("_", " ")
