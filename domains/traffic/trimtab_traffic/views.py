"""Figures of a comparison: true delay per controller, queue over time, network maps by delay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from trimtab.contracts.comparison import Rows, by_controller, headline_bars, in_order_shown
from trimtab.contracts.figure import Axis, Figure, MapLine, Series
from trimtab.contracts.records import EpisodeRecord

from trimtab_traffic.inputs import compiled_network, resolve
from trimtab_traffic.metrics import HEADLINE
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.signals import TrafficNetwork

MAX_LINES = 8
"""Controllers drawn in one line figure; more cannot be told apart."""


def figures(problem: SignalsProblem, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
    """Figures of the finished episodes of a scenario; `records` as `Domain.views` gets them."""
    rows = by_controller(records, HEADLINE.name)
    if not rows:
        return ()
    inputs = resolve(problem)
    network = compiled_network(inputs.net, inputs.additional)
    shown = in_order_shown(rows, records)
    maps = [_map(network, name, shown[name]) for name in list(shown)[:2]]
    values = tuple(line.value for figure in maps for line in figure.lines)
    maps = [replace(figure, classed_by=values) for figure in maps]
    bars = headline_bars(rows, HEADLINE.name, "true delay", "s", digits=1)
    return (bars, _queues(shown, inputs.begin_s), *maps)


def _queues(rows: Rows, begin_s: float) -> Figure:
    series = [_queue_series(name, rows[name], begin_s) for name in list(rows)[:MAX_LINES]]
    drawn = [line for line in series if line.x]
    longest = max(drawn, key=lambda line: max(line.y), default=None)
    peak = "" if longest is None else f" Longest: {longest.name}, {max(longest.y):.1f} m."
    return Figure(
        kind="series",
        title="Mean queue of the approach lanes",
        alt=f"Mean queue over time, averaged over the seeds, per controller.{peak}",
        value_axis=Axis("mean queue", "m"),
        x_axis=Axis("time since begin", "min"),
        series=tuple(drawn),
    )


def _queue_series(name: str, records: Sequence[EpisodeRecord], begin_s: float) -> Series:
    at: dict[float, list[float]] = defaultdict(list)
    for record in records:
        for time_s, queue_m in record.details.get("queue_m", {}).items():
            at[float(time_s)].append(queue_m)
    times = sorted(at)
    return Series(
        name,
        tuple((time_s - begin_s) / 60.0 for time_s in times),
        tuple(fmean(at[time_s]) for time_s in times),
    )


def _map(network: TrafficNetwork, name: str, records: Sequence[EpisodeRecord]) -> Figure:
    lost: dict[str, float] = defaultdict(float)
    for record in records:
        for edge, seconds in record.details.get("edge_delay_s", {}).items():
            lost[edge] += seconds / len(records)
    known = [network.edges[edge] for edge in lost if edge in network.edges]
    lines = tuple(
        MapLine(edge.id, _middle(network, edge.lanes), lost[edge.id] / 60.0)
        for edge in sorted(known, key=lambda edge: lost[edge.id])
    )
    worst = f" Most is lost on {lines[-1].name}: {lines[-1].value:.0f} min." if lines else ""
    return Figure(
        kind="map",
        title=f"Where time is lost: {name}",
        alt=f"Network map; roads are coloured by the time all vehicles lose on them.{worst}",
        value_axis=Axis("time lost by all vehicles", "min"),
        lines=lines,
    )


def _middle(network: TrafficNetwork, lanes: Sequence[str]) -> tuple[tuple[float, float], ...]:
    shape = network.lanes[lanes[len(lanes) // 2]].polyline_m
    return tuple((float(x), float(y)) for x, y in shape)
