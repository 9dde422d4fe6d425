"""Episodes of a comparison by controller, and the bars that every domain draws of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.contracts.records import EpisodeRecord

Rows = Mapping[str, Sequence[EpisodeRecord]]
"""Episodes by controller, best first."""


def by_controller(
    records: Sequence[EpisodeRecord], headline: str
) -> dict[str, list[EpisodeRecord]]:
    """Episodes by controller, the one with the least mean of a metric first."""
    rows: dict[str, list[EpisodeRecord]] = {}
    for record in records:
        rows.setdefault(record.controller, []).append(record)
    means = {name: fmean(r.metrics[headline] for r in own) for name, own in rows.items()}
    return {name: rows[name] for name in sorted(rows, key=means.__getitem__)}


def in_order_shown(rows: Rows, records: Sequence[EpisodeRecord]) -> Rows:
    """The same rows, in the order in which `Domain.views` is given them: what to draw first."""
    order = dict.fromkeys(record.controller for record in records)
    return {name: rows[name] for name in order if name in rows}


def headline_bars(rows: Rows, headline: str, quantity: str, unit: str, digits: int = 0) -> Figure:
    """Mean of a metric per controller over the seeds, with best and worst seed.

    Args:
        rows: episodes by controller, best first; at least one.
        headline: name of the metric.
        quantity: what it is, in words ("true delay").
        unit: of the metric.
        digits: after the point, in the text alternative.
    """
    values = {name: [record.metrics[headline] for record in own] for name, own in rows.items()}
    first, last = next(iter(values)), list(values)[-1]
    bars = tuple(Bar(name, fmean(own), min(own), max(own)) for name, own in values.items())
    return Figure(
        kind="bars",
        title=f"{quantity.capitalize()} per controller",
        alt=(
            f"Mean {quantity} over the seeds, with best and worst seed. Lowest: {first} with "
            f"{bars[0].value:.{digits}f} {unit}; highest: {last} with "
            f"{bars[-1].value:.{digits}f} {unit}."
        ),
        value_axis=Axis(quantity, unit),
        bars=bars,
    )
