"""What a report says about a design run: searches, regret, the best design, Pareto fronts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.evidence.content_tables import Column, gap_column, metric_column, table, worst_column
from trimtab.evidence.document import Block, Cell, FigureBlock, Paragraph, TableBlock
from trimtab.evidence.result import Estimate, FrontMember, FrontSummary, Result, Row, SearchSummary
from trimtab.evidence.search_figures import front_figure, regret_figure
from trimtab.evidence.words import (
    common_decimals,
    design_text,
    metric_header,
    number,
    parameter_text,
    with_interval,
)

_FRONT_ROWS = 25


def searches(result: Result) -> tuple[Block, ...]:
    """The headline table of optimizers and given designs, and how the searches went."""
    columns: list[Column] = [
        ("Optimizer", lambda row: Cell(row.name, row.role)),
        metric_column(result, result.headline),
        worst_column(result),
        gap_column(result),
        ("Calls", lambda row: Cell(number(row.budget.evaluations), _repeats(row))),
        ("CPU s", lambda row: Cell(number(row.budget.cpu_s, 1))),
        ("Flags", lambda row: Cell(", ".join(row.flags), tone="warn")),
    ]
    caption = "Best design of each search, best optimizer first. Mean [95 % interval] over seeds."
    blocks: list[Block] = [table(result, result.rows, caption, columns, text=(0, 6))]
    searched = [row for row in result.rows if row.search is not None]
    if searched:
        blocks.append(table(result, searched, _SEARCH_CAPTION, _search_columns(result)))
    return tuple(blocks)


_SEARCH_CAPTION = (
    "How the searches went. Open gap: area under the regret curve in that of today's design, "
    "0 % is an optimum met at once."
)


def _repeats(row: Row) -> str:
    return "" if row.search is None else f"{row.search.evaluations} a search"


def _search_columns(result: Result) -> list[Column]:
    columns: list[Column] = [
        ("Optimizer", lambda row: Cell(row.name)),
        (f"Met the {target_words(result)}", _of(lambda s: Cell(f"{s.hits} of {s.searches}"))),
        ("Within 1 %", _of(lambda s: Cell(f"{s.within_1_percent} of {s.searches}"))),
        ("Calls to it (median)", _of(lambda s: Cell(number(s.calls_to_optimum)))),
        _estimate_column(result, "Final regret (%)", lambda s: s.final_regret),
        _estimate_column(result, "Open gap (%)", lambda s: s.open_gap),
    ]
    if result.front is not None and result.front.worst is not None:
        ratio = _estimate_column(result, "Hypervolume (%)", lambda s: s.hypervolume_ratio)
        columns.append(ratio)
    return columns


def target_words(result: Result) -> str:
    """What searches are measured against."""
    return "best found" if result.bound is None else "bound"


def _of(cell: Any) -> Any:
    return lambda row: cell(row.search)


def _estimate_column(result: Result, header: str, of: Any) -> Column:
    def percent(summary: SearchSummary | None) -> tuple[float | None, Any]:
        estimate: Estimate | None = None if summary is None else of(summary)
        if estimate is None or estimate.mean is None:
            return None, None
        ci95 = estimate.ci95
        return 100 * estimate.mean, None if ci95 is None else (100 * ci95[0], 100 * ci95[1])

    decimals = common_decimals(percent(row.search) for row in result.rows)

    def cell(row: Row) -> Cell:
        value, _, interval = with_interval(*percent(row.search), decimals).partition(" ")
        return Cell(value, interval)

    return (header, cell)


def regret(result: Result) -> tuple[Block, ...]:
    """Regret against unique simulator calls."""
    figure = regret_figure(result)
    if figure is None:
        return ()
    against = "the best design of this run" if result.bound is None else "the bound of the headline"
    text = (
        f"Distance of the best design so far from {against}, in per cent of it, against unique "
        "simulator calls; a design that was asked for twice counts once. Before a search has "
        "met a feasible design, today's design is what one has. Lines are medians over seeds, "
        "bands their 95 % bootstrap intervals; quartiles are in tables/regret.csv."
    )
    return (Paragraph(text), FigureBlock(figure, _curve_table(result)))


def _curve_table(result: Result) -> TableBlock:
    curves = [(r.name, r.search.curve) for r in result.rows if r.search is not None]
    calls = curves[0][1].calls
    picked = sorted({0, *(round(k * (len(calls) - 1) / 4) for k in range(1, 5))})
    header = ("Optimizer", *(f"after {calls[i]}" for i in picked))
    rows = tuple(
        (Cell(name), *(_quartiles(curve.median[i], curve.q25[i], curve.q75[i]) for i in picked))
        for name, curve in curves
    )
    caption = "Regret (%) after so many calls: median, and the quartiles below it."
    return TableBlock(caption, header, rows)


def _quartiles(median: float | None, q25: float | None, q75: float | None) -> Cell:
    shown = [None if v is None else 100 * v for v in (median, q25, q75)]
    return Cell(number(shown[0]), f"{number(shown[1])} to {number(shown[2])}")


def best_design(result: Result) -> tuple[Block, ...]:
    """The recommended design beside today's: values, metrics, room below each limit."""
    names = dict.fromkeys([result.recommendation.name, result.reference])
    shown = [result.row(name).best for name in names if name is not None]
    designs = [design for design in shown if design is not None]
    if not designs:
        return ()
    header = ("Parameter", *(_title(result, d.row, d.seed) for d in designs))
    keys = dict.fromkeys(key for d in designs for key in d.design)
    rows = [
        (Cell(key), *(Cell(parameter_text(d.design.get(key))) for d in designs)) for key in keys
    ]
    blocks: list[Block] = [TableBlock("The design, value by value.", header, tuple(rows))]
    metrics = dict.fromkeys(key for d in designs for key in d.metrics)
    units = {name: summary.unit for name, summary in result.rows[0].metrics.items()}
    rows = [
        (
            Cell(metric_header(key, units.get(key, ""))),
            *(Cell(number(d.metrics.get(key))) for d in designs),
        )
        for key in metrics
    ]
    rows += [
        (Cell(f"below the limit of {key}"), *(Cell(number(-d.excess[key])) for d in designs))
        for key in dict.fromkeys(key for d in designs for key in d.excess)
    ]
    blocks.append(TableBlock("What it does.", ("Metric", *header[1:]), tuple(rows)))
    return tuple(blocks)


def _title(result: Result, row: str, seed: int | None) -> str:
    if row == result.reference:
        return f"{row} (today)"
    return row if seed is None else f"{row}, seed {seed}"


def fronts(result: Result) -> tuple[Block, ...]:
    """Pareto scatter and the designs on the front."""
    front = result.front
    if front is None or not front.found:
        return ()
    text = (
        "Feasible designs that no other design of this run beats in every objective. "
        + _hypervolume_words(front)
    )
    figure = front_figure(result, front)
    return (Paragraph(text), FigureBlock(figure, _front_table(front)))


def _hypervolume_words(front: FrontSummary) -> str:
    if front.worst is None:
        return "The true front is not known, so no share of it can be given."
    worst = ", ".join(
        f"{metric_header(name, front.units[name])} {number(value)}"
        for name, value in front.worst.items()
    )
    return (
        f"Hypervolumes are measured from {worst}: 10 % beyond the true front and today's design, "
        "fixed before any search."
    )


def _front_table(front: FrontSummary) -> TableBlock:
    found = _spread(front.found)
    header = (
        "Optimizer",
        *(metric_header(name, unit) for name, unit in front.units.items()),
        "Design",
    )
    rows = tuple(
        (
            Cell(member.row, f"seed {member.seed}"),
            *(Cell(number(member.values[name])) for name in front.units),
            Cell(design_text(member.design)),
        )
        for member in found
    )
    count = len(front.found)
    said = f"{len(found)} of the {count} designs" if len(found) < count else f"Designs ({count})"
    return TableBlock(
        f"{said} on the front that was found.", header, rows, text=(0, len(header) - 1)
    )


def _spread(members: Sequence[FrontMember]) -> list[FrontMember]:
    """At most `_FRONT_ROWS` members, evenly along the front."""
    if len(members) <= _FRONT_ROWS:
        return list(members)
    step = (len(members) - 1) / (_FRONT_ROWS - 1)
    return [members[round(i * step)] for i in range(_FRONT_ROWS)]
