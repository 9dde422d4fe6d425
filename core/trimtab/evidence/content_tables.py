"""The tables of a report: controllers and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trimtab.evidence.document import Block, Cell, Folded, Paragraph, TableBlock
from trimtab.evidence.result import Ci95, PairedSummary, Result, Row
from trimtab.evidence.shield_cost import listed
from trimtab.evidence.words import (
    common_decimals,
    metric_header,
    metric_words,
    number,
    p_value_text,
    percent,
    raw_values,
    value_text,
    verdict_text,
    with_interval,
)

Column = tuple[str, Callable[[Row], Cell]]
Pair = tuple[Row, PairedSummary]

_TONES = {"better": "good", "worse": "bad"}


def _interval_cell(mean: float | None, ci95: Ci95 | None, decimals: int | None = None) -> Cell:
    value, _, interval = with_interval(mean, ci95, decimals).partition(" ")
    return Cell(value, interval)


def _role_text(row: Row) -> str:
    return f"{row.role}, needs {', '.join(row.needs)}" if row.needs else row.role


def _strong(result: Result, rows: Sequence[Row]) -> int | None:
    names = [row.name for row in rows]
    name = result.recommendation.name
    return names.index(name) if name in names else None


def table(
    result: Result,
    rows: Sequence[Row],
    caption: str,
    columns: Sequence[Column],
    text: tuple[int, ...] = (0,),
) -> TableBlock:
    """A table with a line per row, the recommended one standing out."""
    return TableBlock(
        caption=caption,
        header=tuple(header for header, _ in columns),
        rows=tuple(tuple(cell(row) for _, cell in columns) for row in rows),
        text=text,
        strong=_strong(result, rows),
    )


_NAME: Column = ("Controller", lambda row: Cell(row.name))


def controllers(result: Result) -> tuple[Block, ...]:
    """The headline table, and the table of all metrics where there are more."""
    columns: list[Column] = [
        ("Controller", lambda row: Cell(row.name, _role_text(row))),
        metric_column(result, result.headline),
        worst_column(result),
        gap_column(result),
        ("Seeds", lambda row: Cell(str(_finished(result, row)))),
        ("CPU s", cpu_cell),
        ("Flags", lambda row: Cell(", ".join(row.flags), tone="warn")),
    ]
    caption = "Headline, worst seed and cost, best first. Mean [95 % interval]."
    rows = listed(result.rows)
    first = table(result, rows, caption, columns, text=(0, 6))
    metrics = result.rows[0].metrics
    same = {name: value for name in metrics if (value := _common(result, name)) is not None}
    every = [metric_column(result, name) for name in metrics if name not in same]
    said = "Mean [95 % interval]; n/a where a metric does not apply."
    parts = _in_parts(result, "All metrics", said, every) if len(every) > 1 else ()
    more: tuple[Block, ...] = parts
    if sum(len(part.rows) for part in parts) > _MOST_LINES:
        more = tuple(Folded(part.caption.partition(". ")[0], part) for part in parts)
    return (first, *more, *_same(result, same), *_bare(result, rows, columns))


def _bare(result: Result, rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Block, ...]:
    """The rows that the other tables leave out, one line until it is opened."""
    bare = [row for row in result.rows if row not in rows]
    if not bare:
        return ()
    caption = "Watched, not shielded, best first. Mean [95 % interval]."
    told = table(result, bare, caption, columns, text=(0, 6))
    return (Folded(f"The same controllers without the shield ({len(bare)} rows)", told),)


def _common(result: Result, name: str) -> str | None:
    """The text of a metric's only value where every row has the same on every seed, else None."""
    values = {value for row in result.rows for value in row.metrics[name].per_seed}
    if name == result.headline or len(values) != 1:
        return None
    return value_text(values.pop(), result.rows[0].metrics[name].unit)


def _same(result: Result, same: dict[str, str]) -> tuple[Paragraph, ...]:
    if not same:
        return ()
    metrics = result.rows[0].metrics
    words = {name: metric_words(name, metrics[name].unit) for name in same}
    idle = [words[name] for name in same if metrics[name].mean is None]
    said = [f"{words[name]} {text}" for name, text in same.items() if words[name] not in idle]
    texts = (
        f"The same in every row, on every seed: {'; '.join(said)}." if said else "",
        f"Not applicable here: {', '.join(idle)}." if idle else "",
    )
    return (Paragraph(" ".join(text for text in texts if text)),)


_MOST_COLUMNS = 6
"""Columns of figures that fit a page of 944 px beside the row's name."""


_MOST_LINES = 30
"""Lines of the tables of all metrics from which on they are folded."""


def _in_parts(
    result: Result, title: str, said: str, columns: Sequence[Column]
) -> tuple[TableBlock, ...]:
    """Tables of the row's name and at most `_MOST_COLUMNS` columns each."""
    parts = max(1, -(-len(columns) // _MOST_COLUMNS))
    size = max(1, -(-len(columns) // parts))
    starts = range(0, max(len(columns), 1), size)
    return tuple(
        table(
            result,
            listed(result.rows),
            f"{title}{f', part {i} of {len(starts)}' if len(starts) > 1 else ''}. {said}".strip(),
            [_NAME, *columns[start : start + size]],
        )
        for i, start in enumerate(starts, 1)
    )


def metric_column(result: Result, name: str) -> Column:
    """A metric with its interval, or its raw values where seeds are few."""
    decimals = _decimals(result, name)

    def cell(row: Row) -> Cell:
        summary = row.metrics[name]
        if summary.ci95 is None:
            return Cell(number(summary.mean, decimals), raw_values(summary))
        return _interval_cell(summary.mean, summary.ci95, decimals)

    return (metric_header(name, result.rows[0].metrics[name].unit), cell)


def _decimals(result: Result, name: str) -> int | None:
    summaries = [row.metrics[name] for row in result.rows]
    return common_decimals((m.mean, m.ci95) for m in summaries)


def worst_column(result: Result) -> Column:
    """The headline of the worst seed."""
    decimals = _decimals(result, result.headline)

    def cell(row: Row) -> Cell:
        headline = result.headline_of(row)
        seed = "" if headline.worst_seed is None else f"seed {headline.worst_seed}"
        return Cell(number(headline.worst, decimals), seed)

    return ("Worst seed", cell)


def gap_column(result: Result) -> Column:
    """The share of the gap closed."""
    decimals = common_decimals(percent(row.gap_closed) for row in result.rows)
    return ("Gap closed (%)", lambda row: _interval_cell(*percent(row.gap_closed), decimals))


def _finished(result: Result, row: Row) -> int:
    return sum(value is not None for value in result.headline_of(row).per_seed)


def cpu_cell(row: Row) -> Cell:
    """CPU seconds of this comparison; below, what tuning or training took before it."""
    before = number(row.trained.cpu_s, 1)
    detail = f"and {before} to tune or train before" if row.trained.cpu_s else ""
    return Cell(number(row.run_cpu_s, 1), detail)


def paired(result: Result) -> tuple[Block, ...]:
    """Differences against the reference, and of challengers against the best classical row."""
    rows = listed(result.rows)
    against = [(r, r.versus_reference) for r in rows if r.versus_reference is not None]
    best = [(r, r.versus_best_classical) for r in rows if r.versus_best_classical is not None]
    text = (
        f"{result.row_word.capitalize()} minus the other on common seeds. Better or worse is "
        "written only where the 95 % interval excludes 0 and Student's t, adjusted by Holm for "
        "the number of comparisons, gives p < 0.05."
    )
    blocks: list[Block] = [Paragraph(text)] if against or best else []
    if against:
        caption = f"Against the reference, {against[0][1].versus}."
        blocks.append(_paired_table(result, against, caption))
    if best:
        caption = f"Challengers against the best classical row, {best[0][1].versus}."
        blocks.append(_paired_table(result, best, caption))
    return tuple(blocks)


def _paired_table(result: Result, pairs: Sequence[Pair], caption: str) -> TableBlock:
    header = (
        result.row_word.capitalize(),
        metric_header("Difference", result.unit),
        "Verdict",
        "p (Holm)",
        "P(improvement)",
        "Seeds",
        "Gain of pairing",
    )
    decimals = common_decimals((c.mean, c.ci95) for _, c in pairs)
    rows = tuple((Cell(row.name), *_paired_cells(c, decimals)) for row, c in pairs)
    strong = _strong(result, [row for row, _ in pairs])
    return TableBlock(caption=caption, header=header, rows=rows, text=(0, 2), strong=strong)


def _paired_cells(comparison: PairedSummary, decimals: int | None) -> tuple[Cell, ...]:
    gain = comparison.crn_gain
    return (
        _interval_cell(comparison.mean, comparison.ci95, decimals),
        Cell(verdict_text(comparison), tone=_TONES.get(comparison.verdict, "")),
        Cell(p_value_text(comparison.p_holm)),
        Cell(number(comparison.probability, 2)),
        Cell(str(comparison.seeds)),
        Cell(f"{number(gain, 1)}×" if gain is not None else number(None)),
    )
