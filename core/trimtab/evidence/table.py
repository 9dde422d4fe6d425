"""The comparison in a terminal: what a tired engineer reads at the end of a run."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trimtab.evidence.result import Result, Row
from trimtab.evidence.shield_cost import listed
from trimtab.evidence.words import (
    NOT_AVAILABLE,
    bound_text,
    common_decimals,
    design_text,
    interventions_text,
    metric_header,
    number,
    percent,
    plus_minus,
    raw_values,
    reference_text,
    shorten,
    violations_text,
)

_GIVES_WAY = (
    "CPU s",
    "trained CPU s",
    "shield",
    "role",
    "open gap %",
    "vs reference",
    "within 1 %",
    "flags",
)
"""Columns that a console too narrow for all of them loses, in this order."""

_GAP = 2
"""Spaces between two columns."""

_VERDICT_STYLE = {"better": "green", "worse": "red"}
_MARK = "\N{BLACK RIGHT-POINTING TRIANGLE} "


def print_result(result: Result, console: Console) -> None:
    """Print the comparison, one line per row; a narrow console gets fewer columns.

    Args:
        result: What was compared.
        console: Where to write; pass a wide one (140 columns show everything) for files.
    """
    console.print(render_result(result, console.width))


def render_result(result: Result, width: int) -> RenderableType:
    """Title, one line per row, then reference, bound, recommendation, notes and report path.

    Args:
        result: What was compared.
        width: Columns that may be filled.
    """
    return Group(_title(result), _table(result, width), Padding(_below(result), (1, 0, 0, 0)))


def _title(result: Result) -> Text:
    profile = f", profile {result.profile}" if result.profile else ""
    count = len(result.seeds)
    rest = f"{result.domain}{profile}, {count} seed{'s' if count != 1 else ''}, "
    return Text.assemble((result.scenario, "bold"), "  ", rest, "mean ± half of the 95 % interval")


def _table(result: Result, width: int) -> Table:
    shown = listed(result.rows)
    decimals = (
        common_decimals((h.mean, h.ci95) for h in map(result.headline_of, shown)),
        common_decimals(percent(row.gap_closed) for row in shown),
    )
    rows = [_cells(result, row, *decimals) for row in shown]
    kept = _fitting(rows, width)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for header in kept:
        left = header in ("controller", "optimizer", "role", "flags")
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    for row, cells in zip(shown, rows, strict=True):
        table.add_row(*(cells[header] for header in kept), style=_row_style(result, row))
    return table


def _fitting(rows: list[dict[str, Text]], width: int) -> list[str]:
    """Headers of the columns that say something and fit, the dispensable dropped in order."""
    said = [header for header in rows[0] if any(row[header] for row in rows)]
    needed = {h: max(len(h), *(len(row[h]) for row in rows)) + _GAP for h in said}
    for header in _GIVES_WAY:
        if sum(needed.values()) > width:
            needed.pop(header, None)
    return list(needed)


def _cells(
    result: Result, row: Row, decimals: int | None, share_decimals: int | None
) -> dict[str, Text]:
    headline = result.headline_of(row)
    value = raw_values(headline) or plus_minus(headline.mean, headline.ci95, decimals)
    mark = _MARK if _is_recommended(result, row) else "  "
    own = _search_cells(row) if result.kind == "design" else _safety_cells(row)
    return {
        result.row_word: Text(mark + shorten(row.name)),
        "role": Text(row.role, style="not bold"),
        metric_header(result.headline, result.unit): Text(value),
        "worst": Text(number(headline.worst, decimals)),
        "gap closed %": Text(plus_minus(*percent(row.gap_closed), share_decimals)),
        "vs reference": _versus(row),
        **own,
        "CPU s": Text(number(row.run_cpu_s, 1)),
        "trained CPU s": Text(number(row.trained.cpu_s, 1) if row.trained.cpu_s else ""),
        "flags": Text(", ".join(row.flags), style="yellow"),
    }


def _safety_cells(row: Row) -> dict[str, Text]:
    return {
        "violations": Text(violations_text(row), style="red" if row.violation_count else ""),
        "shield": Text(interventions_text(row)),
    }


def _search_cells(row: Row) -> dict[str, Text]:
    search = row.search
    if search is None:
        return {name: Text("") for name in ("met bound", "within 1 %", "open gap %")}
    gap = search.open_gap.mean
    return {
        "met bound": Text(f"{search.hits} of {search.searches}"),
        "within 1 %": Text(f"{search.within_1_percent} of {search.searches}"),
        "open gap %": Text(number(None if gap is None else 100 * gap)),
    }


def _is_recommended(result: Result, row: Row) -> bool:
    return row.name == result.recommendation.name


def _row_style(result: Result, row: Row) -> str:
    if _is_recommended(result, row):
        return "bold"
    return "dim" if row.role == "clairvoyant" or "future" in row.needs else ""


def _versus(row: Row) -> Text:
    comparison = row.versus_reference
    if comparison is None:
        return Text("" if row.role == "reference" else NOT_AVAILABLE)
    style = _VERDICT_STYLE.get(comparison.verdict, "dim")
    return Text(f"{number(comparison.mean)} {comparison.verdict}", style=style)


def _below(result: Result) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("reference", Text(reference_text(result)))
    grid.add_row("bound", Text(bound_text(result)))
    rows = listed(result.rows)
    flagged = [f"{row.name}: {', '.join(row.flags)}" for row in rows if row.flags]
    if flagged:
        grid.add_row("flagged", Text("; ".join(flagged), style="yellow"))
    needs = [f"{row.name}: {', '.join(row.needs)}" for row in rows if row.needs]
    if needs:
        grid.add_row("needs", Text("; ".join(needs)))
    if result.recommendation.design is not None:
        grid.add_row("design", Text(design_text(result.recommendation.design)))
    if any("≤" in violations_text(row) for row in result.rows):
        legend = "0 (≤ x): none seen; x is the 95 % upper bound of their rate per check of any rule"
        grid.add_row("violations", Text(legend))
    bare = len(result.rows) - len(rows)
    if bare:
        legend = f"{bare} rows without it: the report says what it costs and prevents"
        grid.add_row("shield", Text(legend))
    grid.add_row("recommended", Text(result.recommendation.name or "none", style="bold green"))
    grid.add_row("because", Text(result.recommendation.why))
    for note in result.notes:
        grid.add_row("note", Text(note))
    if result.report:
        grid.add_row("report", Text(result.report, style="underline"))
    return grid
