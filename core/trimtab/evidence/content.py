"""What a report says, in the order of the product: from a result to a document of plain blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.evidence.content_safety import safety
from trimtab.evidence.content_search import best_design, fronts, regret, searches
from trimtab.evidence.content_tables import controllers, paired
from trimtab.evidence.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Facts,
    FigureBlock,
    Folded,
    Paragraph,
    Section,
    TableBlock,
)
from trimtab.evidence.result import Ci95, Result, Row
from trimtab.evidence.shield_cost import listed
from trimtab.evidence.shown import highlighted
from trimtab.evidence.svg import axis_text
from trimtab.evidence.words import (
    BOUND_KINDS,
    GAP_AXIS,
    bound_text,
    metric_header,
    metric_words,
    number,
    percent,
    reference_text,
    shorten,
    value_text,
    violations_text,
)

COVERAGE = {3: 0.76, 4: 0.79, 5: 0.83, 6: 0.86, 8: 0.89, 10: 0.90, 15: 0.92, 20: 0.93}
"""Share of normal samples of n seeds whose 95 % percentile bootstrap interval covers the mean.

Measured by benchmarks/interval_coverage.py.
"""

_TOP_LINES = 10


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file that belongs to the report."""

    name: str
    size_bytes: int
    sha256: str


def build_document(
    result: Result, figures: Sequence[Figure], artefacts: Sequence[Artefact], command: str
) -> Document:
    """Say everything a report says.

    Args:
        result: The comparison.
        figures: The domain's views of it.
        artefacts: Files listed with their hashes.
        command: What reproduces the run; empty leaves the section out.
    """
    sections = [
        Section("scenario", "Scenario", (_scenario(result),)),
        Section("gap", "Share of the gap closed", _gap(result)),
        *(search_sections(result) if result.kind == "design" else _control_sections(result)),
        Section("figures", "Figures", tuple(figure_block(f) for f in figures)),
        Section("untested", "What was not tested, and notes", (Bullets(_untested(result)),)),
        Section("artefacts", "Artefacts", _artefacts(artefacts)),
        Section("reproduce", "Reproduce", (Code(command),) if command else ()),
    ]
    return Document(
        title=result.scenario,
        subtitle=_subtitle(result),
        verdict=(
            _verdict(result),
            result.recommendation.why,
        ),
        tiles=tiles_of(result),
        sections=tuple(s for s in sections if s.blocks),
        footer=f"Trimtab comparison, schema {result.schema_id}",
    )


def _verdict(result: Result) -> str:
    said = result.recommendation
    if said.design is None or said.name == result.reference:
        return f"Recommended: {said.name or 'nothing yet'}"
    return f"Recommended: the design of {said.name}"


def _control_sections(result: Result) -> tuple[Section, ...]:
    return (
        Section("controllers", "Controllers", controllers(result)),
        Section("paired", "Paired differences", paired(result)),
        Section("safety", "Violations and shield interventions", safety(result)),
    )


def search_sections(result: Result) -> tuple[Section, ...]:
    """What a design run found, and how its searches went."""
    return (
        Section("design", "The best design", best_design(result)),
        Section("searches", "Optimizers", searches(result)),
        Section("regret", "Regret", regret(result)),
        Section("front", "Pareto front", fronts(result)),
        Section("paired", "Paired differences", paired(result)),
    )


def _subtitle(result: Result) -> str:
    count = len(result.seeds)
    parts = [
        result.domain,
        f"rule profile {result.profile}" if result.profile else "",
        _rows_text(result),
        f"{count} seed{'s' if count != 1 else ''}",
        f"run {result.run_id}" if result.run_id else "",
    ]
    return ", ".join(part for part in parts if part)


def _rows_text(result: Result) -> str:
    if result.kind == "control":
        return f"{len(result.rows)} controllers"
    searched = sum(row.search is not None for row in result.rows)
    return f"{searched} optimizers"


def tiles_of(result: Result) -> tuple[tuple[str, str, str], ...]:
    """Key figures of a result: label, value, remark each."""
    tiles = []
    if result.reference is not None:
        headline = result.headline_of(result.row(result.reference))
        value = value_text(headline.mean, headline.unit)
        tiles.append(("Today's practice", value, result.reference))
    if result.bound is not None:
        value = value_text(result.bound.mean, result.unit)
        tiles.append(("Bound", value, BOUND_KINDS[result.bound.kind]))
    if result.recommendation.name is None:
        return tuple(tiles)
    row = result.row(result.recommendation.name)
    headline = result.headline_of(row)
    value, worst = value_text(headline.mean, headline.unit), headline.worst
    remark = f"worst seed {number(worst)}"
    if row.best is not None:
        value = value_text(row.best.metrics[result.headline], headline.unit)
        remark = f"best design; mean over seeds {number(headline.mean)}"
    tiles.append((row.name, value, remark))
    if row.best is not None and row.best.seed in result.seeds:
        own = row.gap_closed.per_seed[result.seeds.index(row.best.seed)]
        if own is not None:
            mean = f"mean over seeds {number(percent(row.gap_closed)[0], 1)} %"
            tiles.append(("Gap closed", f"{number(100 * own, 1)} %", mean))
    elif row.gap_closed.mean is not None:
        share = f"{number(100 * row.gap_closed.mean, 1)} %"
        tiles.append(("Gap closed", share, _interval_words(percent(row.gap_closed)[1])))
    if row.violations:
        count, _, limit = violations_text(row).partition(" (")
        remark = f"rate {limit.rstrip(')')} per check" if limit else "seen by the monitor"
        tiles.append(("Violations", count, remark))
    return tuple(tiles)


def _interval_words(ci95: Ci95 | None) -> str:
    return "" if ci95 is None else f"95 %: {number(ci95[0], 1)} to {number(ci95[1], 1)}"


def _scenario(result: Result) -> Facts:
    facts = [
        ("Scenario", result.scenario),
        ("Domain", result.domain),
        ("Rule profile", result.profile or ""),
        ("Seeds", ", ".join(map(str, result.seeds))),
        ("Headline", metric_header(result.headline, result.unit)),
        ("Budget", _budget(result)),
        ("SHA-256", result.scenario_sha256),
        ("Run", result.run_id),
    ]
    return Facts(tuple((term, value) for term, value in facts if value))


def _budget(result: Result) -> str:
    calls = next((row.search.evaluations for row in result.rows if row.search is not None), None)
    return "" if calls is None else f"{calls:,} unique simulator calls a search"


def _gap(result: Result) -> tuple[Block, ...]:
    facts = [("C_ref", reference_text(result)), ("C_bound", bound_text(result))]
    if result.bound is not None:
        count = len(result.bound.certificate)
        which = "of the bound" if result.kind == "design" else f"of {count} seeds"
        facts.append(("Certificate", f"{which}, in the result file" if count else "none"))
    text = (
        "(C_ref − C) / (C_ref − C_bound) per seed, C being the headline metric: 0 % is today's "
        "practice, 100 % the bound. Means with 95 % intervals."
    )
    return (Paragraph(text), figure_block(_headline_figure(result)), Facts(tuple(facts)))


def _headline_figure(result: Result) -> Figure:
    """Bars of the share of the gap closed; of the headline itself where there is no share."""
    rows = listed(result.rows)
    shares = [(r, *percent(r.gap_closed)) for r in rows]
    known = [(r, mean, ci95) for r, mean, ci95 in shares if mean is not None]
    title, axis = "Share of the gap closed", GAP_AXIS
    if not known:
        words = metric_words(result.headline, result.unit)
        title, axis = f"{words.capitalize()} by {result.row_word}", Axis(words, result.unit)
        headlines = [(r, result.headline_of(r)) for r in rows]
        known = [(r, h.mean, h.ci95) for r, h in headlines if h.mean is not None]
    bars = tuple(_bar(row, mean, ci95) for row, mean, ci95 in known)
    said = [f"{b.label} with {value_text(b.value, axis.unit)}" for b in (bars[0], bars[-1])]
    alt = (
        f"{len(bars)} bars, best first: from {said[0]} to {said[1]}. The table below has them all."
    )
    advised = next((_label(row) for row in rows if row.name == result.recommendation.name), None)
    return highlighted(Figure("bars", title, alt, axis, bars=bars), advised)


def _bar(row: Row, mean: float, ci95: Ci95 | None) -> Bar:
    low, high = ci95 if ci95 is not None else (None, None)
    return Bar(_label(row), mean, low, high)


def _label(row: Row) -> str:
    tag = "" if row.role == "classical" else f" ({row.role})"
    return shorten(row.name) + tag


def _untested(result: Result) -> tuple[str, ...]:
    count = len(result.seeds)
    seeds = ", ".join(map(str, result.seeds))
    points = [f"Only this scenario, on the seeds {seeds}: nothing is said about other inputs."]
    if result.kind == "design":
        points.append("Seeds are those of the optimizers; every design was scored on one input.")
    known = [n for n in COVERAGE if n <= count]
    if known and count <= max(COVERAGE):
        share = f"{100 * COVERAGE[max(known)]:.0f}"
        points.append(
            f"A bootstrap interval of {count} seeds that aims at 95 % covers about {share} % on "
            "normal samples (measured); verdicts therefore also need Student's t test."
        )
    if result.bound is not None and result.bound.kind != "proven":
        points.append(f"The bound is a {BOUND_KINDS[result.bound.kind]}, not a proof.")
    unwatched = [row.name for row in result.rows if not row.violations]
    if unwatched and result.kind == "control":
        points.append(f"No monitor watched {', '.join(unwatched)}.")
    return (*points, *result.notes)


def _artefacts(artefacts: Sequence[Artefact]) -> tuple[Block, ...]:
    if not artefacts:
        return ()
    rows = tuple((Cell(a.name), Cell(a.sha256), Cell(f"{a.size_bytes:,}")) for a in artefacts)
    table = TableBlock("Files and their SHA-256.", ("File", "SHA-256", "Bytes"), rows, (0, 1))
    return (Folded(f"{len(rows)} files and their SHA-256", table),)


def figure_block(figure: Figure) -> FigureBlock:
    """A figure with a table of its data: all bars, a summary per series, a map's top lines."""
    value = axis_text(Axis("Value", figure.value_axis.unit))
    if figure.kind == "bars":
        rows = [(b.label, b.value, b.low, b.high) for b in figure.bars]
        return FigureBlock(figure, _data_table("Values.", ("Bar", value, "Low", "High"), rows))
    if figure.kind == "map":
        lines = [one for one in figure.lines if math.isfinite(one.value)]
        top = sorted(lines, key=lambda one: (-one.value, one.name))[:_TOP_LINES]
        caption = f"The {len(top)} highest of {len(figure.lines)} lines."
        return FigureBlock(
            figure, _data_table(caption, ("Line", value), [(one.name, one.value) for one in top])
        )
    header = ("Series", "Points", f"Lowest {value.lower()}", "Mean", "Highest", "Last")
    finite = [(s.name, [y for y in s.y if math.isfinite(y)]) for s in figure.series]
    rows_of = [
        (name, float(len(y)), min(y), math.fsum(y) / len(y), max(y), y[-1])
        for name, y in finite
        if y
    ]
    return FigureBlock(figure, _data_table("Summary of each series.", header, rows_of))


def _data_table(
    caption: str, header: tuple[str, ...], rows: Sequence[tuple[str | float | None, ...]]
) -> TableBlock:
    cells = tuple(
        tuple(Cell(v) if isinstance(v, str) else Cell(number(v)) for v in row) for row in rows
    )
    return TableBlock(caption, header, cells)
