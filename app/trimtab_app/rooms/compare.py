"""Compare: a base run and others; gap closed, paired differences, Pareto, rules, views, series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.contracts.registry import manifests
from trimtab.evidence.content import search_sections, tiles_of
from trimtab.evidence.content_safety import safety
from trimtab.evidence.content_tables import controllers, cpu_cell
from trimtab.evidence.contest import (
    Contestant,
    common_metrics,
    contestants,
    differences,
    far_out,
    on_front,
    paired_costs,
    ranked,
    set_against,
    sign_of,
)
from trimtab.evidence.document import Block, Cell, FigureBlock
from trimtab.evidence.result import Ci95, Result
from trimtab.evidence.shield_cost import listed
from trimtab.evidence.svg import axis_text
from trimtab.evidence.words import (
    GAP_AXIS,
    bound_text,
    metric_header,
    number,
    p_value_text,
    percent,
    reference_text,
    verdict_text,
    with_interval,
)

from trimtab_app import charts, choices, markup, navigation, results, steps

MAX_OTHERS = 19
MAX_LINES = 6
SEARCH = "Searches"
TONES = {"better": "good", "worse": "bad"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the page compares."""

    results: dict[str, Result]
    rows: list[Contestant]
    base: Contestant
    metric: str

    @property
    def first(self) -> Result:
        """The base run's result."""
        return next(iter(self.results.values()))

    @property
    def unit(self) -> str:
        """Unit of the metric."""
        summary = self.base.metric(self.metric)
        return "" if summary is None else summary.unit

    @property
    def words(self) -> str:
        """The metric with its unit."""
        return metric_header(self.metric, self.unit)


def show() -> None:
    """Draw the page."""
    markup.title(
        "Compare",
        "Every controller against one of them, on common random numbers. Better or worse is "
        "written only where the interval excludes 0.",
    )
    chosen = _choose()
    if chosen is None:
        markup.empty("Nothing to compare yet", "A finished run can be compared. Start one first.")
        navigation.link("Set up a scenario", "scenarios")
        return
    advice = chosen.first.recommendation
    markup.verdict(f"Recommended: {advice.name or 'nothing yet'}", advice.why)
    markup.tiles(tiles_of(chosen.first))
    st.fragment(_chosen_view)(chosen)


def _chosen_view(chosen: Chosen) -> None:
    """Switching views draws nothing else of the page again."""
    asked = str(st.query_params.get("view", ""))
    names = [name for name in VIEWS if name != SEARCH or _designs(chosen)]
    view = st.segmented_control(
        "View",
        names,
        default=asked if asked in names else names[0],
        required=True,
        label_visibility="collapsed",
        key="view",
    )
    if view != asked:  # what is written again is sent to the browser again
        st.query_params["view"] = str(view)
    VIEWS[str(view)](chosen)


def _choose() -> Chosen | None:
    left, right = st.columns([2, 3])
    with left:
        base_run = results.pick_run("Base run", "base")
    if base_run is None:
        return None
    with right:
        others = _others(base_run)
    found = {run: results.result_of(run) for run in (base_run, *others)}
    rows = _rows(found)
    left, right = st.columns(2)
    with left:
        metric = choices.pick(
            "Metric",
            "metric",
            common_metrics(rows),
            found[base_run].headline,
            lambda name: _words(rows, name),
        )
    with right:
        reference = found[base_run].reference or rows[0].row.name
        labels = [one.label for one in rows]
        default = next(c.label for c in rows if c.run == base_run and c.row.name == reference)
        label = choices.pick("Compared with", "against", labels, default)
    return Chosen(found, rows, rows[labels.index(label)], metric)


def _words(rows: Sequence[Contestant], metric: str) -> str:
    summary = rows[0].metric(metric)
    return metric_header(metric, "" if summary is None else summary.unit)


def _rows(found: Mapping[str, Result]) -> list[Contestant]:
    """Rows of the runs; those that repeat one without its shield are asked for."""
    every = contestants(found)
    shown = {(run, row.name) for run, one in found.items() for row in listed(one.rows)}
    guarded = [one for one in every if (one.run, one.row.name) in shown]
    bare = len(every) - len(guarded)
    if not bare:
        return every
    wanted = st.toggle(
        f"Show the {bare} rows without the shield too",
        key="bare",
        bind="query-params",
        help="What the shield costs and prevents is a table of the view Rules.",
    )
    return every if wanted else guarded


def _others(base_run: str) -> list[str]:
    asked = [name for name in str(st.query_params.get("with", "")).split(",") if name]
    known = [run for run in results.finished() if run != base_run]
    known += [run for run in asked if run not in known and results.is_finished(run)]
    chosen = st.multiselect(
        "Other runs",
        known,
        default=[run for run in asked if run in known][:MAX_OTHERS],
        max_selections=MAX_OTHERS,
        placeholder="none: rows of the base run alone",
        key=f"with-{base_run}",
    )
    if chosen and chosen != asked:
        st.query_params["with"] = ",".join(chosen)
    elif not chosen:
        st.query_params.pop("with", None)
    return list(chosen)


def _gap(chosen: Chosen) -> None:
    """Share of the gap closed, and the rank table."""
    st.subheader("Share of the gap closed", anchor=False)
    shares = [(one, *percent(one.row.gap_closed)) for one in chosen.rows]
    known = [(one, mean, ci95) for one, mean, ci95 in shares if mean is not None]
    if known:
        known.sort(key=lambda share: -share[1])
        said = ", ".join(f"{one.label} {number(mean, 1)} %" for one, mean, _ in known)
        alt = f"Share of the gap closed per row: {said}."
        _bars("Share of the gap closed", alt, GAP_AXIS, known)
    else:
        markup.lead("There is no bound or no reference here, so no share of a gap can be given.")
    markup.facts([("Reference", reference_text(chosen.first)), ("Bound", bound_text(chosen.first))])
    st.subheader("Ranks", anchor=False)
    _rank_table(chosen)
    for run, result in chosen.results.items():
        with st.expander(f"All metrics of {run}", key=f"metrics-{run}"):
            markup.blocks(controllers(result))


def _bars(
    title: str, alt: str, axis: Axis, values: Sequence[tuple[Contestant, float, Ci95 | None]]
) -> None:
    """Bars of rows with their intervals, what is recommended standing out."""
    advised = [one.label for one, _, _ in values if one.row.name == _recommended(one)]
    bars = []
    for one, mean, ci95 in values:
        low, high = ci95 or (None, None)
        bars.append(Bar(one.label, mean, low, high, one.label in advised))
    markup.picture(Figure("bars", title, alt, axis, bars=tuple(bars)))
    if advised:
        markup.lead(f"Highlighted, as recommended: {', '.join(advised)}.")


def _recommended(one: Contestant) -> str | None:
    return one.result.recommendation.name


def _rank_table(chosen: Chosen) -> None:
    rows = ranked(chosen.rows, chosen.metric)
    markup.table(
        f"Rows by {chosen.words}, best first. Mean [95 % interval].",
        ("Row", "Role", chosen.words, "Worst seed", "Gap closed (%)", "Violations", "CPU s"),
        [_rank(one, chosen.metric) for one in rows],
        text=(0, 1),
        strong=next((i for i, c in enumerate(rows) if c.row.name == _recommended(c)), None),
    )


def _estimate(mean: float | None, ci95: Ci95 | None) -> Cell:
    value, _, interval = with_interval(mean, ci95).partition(" ")
    return Cell(value, interval)


def _rank(one: Contestant, metric: str) -> tuple[str | Cell, ...]:
    summary = one.metric(metric)
    if summary is None:
        return (one.label, one.row.role, "", "", "", "", "")
    seed = "" if summary.worst_seed is None else f"seed {summary.worst_seed}"
    return (
        one.label,
        one.row.role,
        _estimate(summary.mean, summary.ci95),
        Cell(number(summary.worst), seed),
        _estimate(*percent(one.row.gap_closed)),
        str(one.row.violation_count) if one.row.violations else "not watched",
        cpu_cell(one.row),
    )


def _paired(chosen: Chosen) -> None:
    """Paired differences against the base row."""
    st.subheader(f"{chosen.words}: difference from {chosen.base.label}", anchor=False)
    found = differences(chosen.rows, chosen.base, chosen.metric)
    if not found:
        markup.lead("No other row shares a seed with this one.")
        return
    said = "; ".join(f"{one.contestant.label}: {verdict_text(one.paired)}" for one in found)
    alt = f"Paired differences from {chosen.base.label} with 95 % intervals. {said}."
    values = [(one.contestant, one.paired.mean, one.paired.ci95) for one in found]
    _bars("Differences", alt, Axis("difference", chosen.unit), values)
    markup.table(
        "Row minus the base on common seeds; p adjusted by Holm over these comparisons.",
        ("Row", "Difference", "Verdict", "Worst seed", "p (Holm)", "P(improvement)", "Seeds"),
        [
            (
                one.contestant.label,
                _estimate(one.paired.mean, one.paired.ci95),
                Cell(verdict_text(one.paired), tone=TONES.get(one.paired.verdict, "")),
                Cell(number(one.worst), f"seed {one.worst_seed}"),
                p_value_text(one.paired.p_holm),
                number(one.paired.probability, 2),
                str(one.paired.seeds),
            )
            for one in found
        ],
        text=(0, 2),
    )


def _pareto(chosen: Chosen) -> None:
    """Two metrics against each other."""
    names = [*common_metrics(chosen.rows)]
    if len(names) < 2:
        markup.lead("These rows have one metric in common, so there is no trade-off to show.")
        return
    first, second = _opening(chosen, names)
    left, right = st.columns(2)

    def said(name: str) -> str:
        return _words(chosen.rows, name)

    with left:
        across = choices.pick("Across", "x", names, first, said)
    with right:
        up = choices.pick("Upwards", "y", names, second, said)
    costs = paired_costs(chosen.rows, across, up)
    front = on_front(list(costs.values()))
    signs = sign_of(chosen.rows, across), sign_of(chosen.rows, up)
    marks = [
        (label, signs[0] * x, signs[1] * y, on)
        for (label, (x, y)), on in zip(costs.items(), front, strict=True)
    ]
    best = ", ".join(name for name, _, _, on in marks if on)
    alt = f"Mean {said(across)} against mean {said(up)}. On the Pareto front: {best}."
    headers = [_header(chosen, name) for name in (across, up)]
    out = far_out(list(costs.values()))
    near = [mark for mark, beyond in zip(marks, out, strict=True) if not beyond]
    charts.draw(charts.scatter(near, *headers), alt, "pareto")
    markup.lead(f"On the front, filled and joined: {best}.")
    if any(out):
        left_out = ", ".join(mark[0] for mark, beyond in zip(marks, out, strict=True) if beyond)
        markup.lead(f"Far worse than the others, in the data alone: {left_out}.")
    with st.expander("Data", key="pareto-data"):
        markup.table(
            "Means over the seeds, the front first.",
            ("Row", said(across), said(up), "On the front"),
            [
                (name, number(x), number(y), "yes" if on else "")
                for name, x, y, on in sorted(marks, key=lambda mark: (not mark[3], mark[1]))
            ],
            text=(0, 3),
        )


def _opening(chosen: Chosen, names: Sequence[str]) -> tuple[str, str]:
    """The pair that is shown at first: two objectives of a search, else headline and what costs."""
    front = chosen.first.front
    objectives = [] if front is None else [name for name in front.senses if name in names]
    if len(objectives) > 1:
        return objectives[0], objectives[1]
    known = manifests().get(chosen.first.domain)
    against = set_against(chosen.rows, chosen.metric, known[0].trade_offs if known else ())
    return chosen.metric, against or next(name for name in names if name != chosen.metric)


def _header(chosen: Chosen, metric: str) -> str:
    summary = chosen.rows[0].metric(metric)
    if summary is None:
        return metric
    better = "smaller" if summary.sense == "min" else "larger"
    return f"{metric_header(metric, summary.unit)}, {better} is better"


def _designs(chosen: Chosen) -> dict[str, Result]:
    return {run: result for run, result in chosen.results.items() if result.kind == "design"}


def _searches(chosen: Chosen) -> None:
    """The designs that were found, and how the searches went."""
    for run, result in _designs(chosen).items():
        for section in search_sections(result):
            if section.blocks and section.key != "paired":
                st.subheader(section.title, anchor=False)
                _live(section.blocks, f"{run}-{section.key}")


def _live(blocks: Sequence[Block], key: str) -> None:
    """Blocks of a report, figures as live charts with their data below."""
    for number_, block in enumerate(blocks):
        if isinstance(block, FigureBlock):
            _figure(block.figure, f"{key}-{number_}")
            if block.table is not None:
                with st.expander("Data", key=f"{key}-{number_}-data"):
                    markup.blocks([block.table])
        else:
            markup.blocks([block])


def _rules(chosen: Chosen) -> None:
    """Violations and interventions of every run."""
    for run, result in chosen.results.items():
        st.subheader(f"Rules kept and broken: {run}", anchor=False)
        markup.blocks(safety(result))


def _views(chosen: Chosen) -> None:
    """The domain's own figures of every run."""
    for run in chosen.results:
        figures = results.figures_of(run)
        st.subheader(f"{chosen.results[run].scenario}: {run}", anchor=False)
        if not figures:
            markup.lead("This run stored no figures: write its report again on the Report page.")
        for number_, figure in enumerate(figures):
            _figure(figure, f"view-{run}-{number_}")


def _figure(figure: Figure, key: str) -> None:
    st.markdown(f"**{figure.title.replace('[', '(')}**")
    markup.lead(figure.alt)
    if figure.kind == "bars":
        markup.picture(figure)
    else:
        charts.draw(charts.figure_chart(figure), figure.alt, key)


def _series(chosen: Chosen) -> None:
    """Series of all runs below each other, zooming together."""
    named = len(chosen.results) > 1
    figures = [
        results.titled(figure, run if named else "")
        for run in chosen.results
        for figure in results.figures_of(run)
        if figure.kind == "series"
    ]
    _linked(figures, "series")
    if not _stored(chosen) and not figures:
        markup.lead("Nothing was stored over time for these runs.")
        return
    markup.lead(
        "Drag over a stretch of time to zoom; charts below each other follow. Double-click "
        "to go back."
    )


def _linked(figures: Sequence[Figure], key: str) -> None:
    """Charts below each other; those on the same axis zoom together."""
    for axis in dict.fromkeys(figure.x_axis for figure in figures):
        own = [figure for figure in figures if figure.x_axis == axis]
        alt = " ".join(f"{figure.title}: {figure.alt}" for figure in own)
        charts.draw(charts.lines(own), alt, f"{key}-{axis_text(axis)}")


def _stored(chosen: Chosen) -> bool:
    """One stored series of one seed, a chart per run; whether there is any."""
    runs = list(chosen.results)
    names = steps.names(runs)
    if not names:
        return False
    st.subheader("Step by step", anchor=False)
    left, right = st.columns(2)
    with left:
        first = next((name for name in names if not name.startswith("cost/")), names[0])
        said = {name: steps.words(runs, name) for name in names}
        name = choices.pick("Stored series", "series", names, first, said.__getitem__)
    with right:
        seeds = [str(seed) for seed in chosen.first.seeds]
        seed = int(choices.pick("Seed", "seed", seeds, seeds[0]))
    _linked(steps.figures(runs, name, seed, MAX_LINES), "series-stored")
    return True


VIEWS: dict[str, Callable[[Chosen], None]] = {
    "Gap closed": _gap,
    "Paired": _paired,
    SEARCH: _searches,
    "Pareto": _pareto,
    "Rules": _rules,
    "Views": _views,
    "Time series": _series,
}
