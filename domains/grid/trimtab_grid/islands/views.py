"""Figures of a cluster: the map of islands and ties, and the energy that each tie carried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from trimtab.contracts.figure import Axis, Bar, Figure, MapLine
from trimtab.contracts.records import EpisodeRecord

from trimtab_grid.islands.scenario import IslandsScenario

FORTH, BACK = "tie_forth_kwh", "tie_back_kwh"
"""Names of details: energy sent from the first end of a tie to the second, and back."""
_SIGN_SHARE = 0.04
Place = tuple[float, float]


def figures(problem: IslandsScenario, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
    """Map and energies of the first controller that uses ties; `records` as views get them."""
    using = [r for r in records if _sent(r) > 0.0]
    if not using:
        return ()
    shown = min((r for r in using if r.controller == using[0].controller), key=lambda r: r.seed)
    return cluster_map(problem, shown), _energies(problem, shown)


def _sent(record: EpisodeRecord) -> float:
    return sum(sum(record.details.get(name, {}).values()) for name in (FORTH, BACK))


def cluster_map(problem: IslandsScenario, record: EpisodeRecord) -> Figure:
    """Islands as diamonds by their mean load, ties as lines by the mean power they carried."""
    places = _places(problem)
    forth, back = record.details[FORTH], record.details[BACK]
    size = _SIGN_SHARE * max(math.dist(a, b) for a in places.values() for b in places.values())
    lines, told = [], []
    for tie in problem.ties:
        there, here = (energy[tie.name] / problem.horizon_h for energy in (forth, back))
        one, other = (places[end] for end in tie.between)
        middle = ((one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0 + size)
        name = f"{tie.name} ({there:.1f} there, {here:.1f} back)"
        points = _metres((one, other))
        label = _metres((middle,))[0]
        lines.append(MapLine(name, points, there + here, label=label))
        told.append(
            f"{tie.name} {there:.1f} kW from {tie.between[0]} to {tie.between[1]}, "
            f"{here:.1f} kW back"
        )
    for island in problem.islands:
        x, y = places[island.name]
        load = fmean(record.details[f"{island.name}/load_kw"].values())
        ring = ((x - size, y), (x, y + size), (x + size, y), (x, y - size), (x - size, y))
        label = _metres(((x, y - 2.5 * size),))[0]
        lines.append(MapLine(island.name, _metres(ring), load, label=label))
        told.append(f"load of {island.name} {load:.0f} kW")
    return Figure(
        kind="map",
        title=f"Islands and ties: {record.controller}, seed {record.seed}",
        alt=f"Islands as diamonds, ties as lines between them. Mean power: {'; '.join(told)}.",
        value_axis=Axis("mean power", "kW"),
        lines=tuple(lines),
    )


def _places(problem: IslandsScenario) -> Mapping[str, Place]:
    """Where islands are, km; on a circle where the scenario puts two on one place."""
    given = {island.name: island.at_km for island in problem.islands}
    if len(set(given.values())) == len(given):
        return given
    step = 2.0 * math.pi / len(given)
    return {n: (10.0 * math.cos(k * step), 10.0 * math.sin(k * step)) for k, n in enumerate(given)}


def _metres(points: Sequence[Place]) -> tuple[Place, ...]:
    return tuple((1000.0 * x, 1000.0 * y) for x, y in points)


def _energies(problem: IslandsScenario, record: EpisodeRecord) -> Figure:
    bars = []
    for tie in problem.ties:
        one, other = tie.between
        bars.append(Bar(f"{one} to {other}", record.details[FORTH][tie.name]))
        bars.append(Bar(f"{other} to {one}", record.details[BACK][tie.name]))
    told = ", ".join(f"{bar.label} {bar.value:.0f} kWh" for bar in bars)
    return Figure(
        kind="bars",
        title=f"Energy through ties: {record.controller}, seed {record.seed}",
        alt=f"Energy at the sending end over the whole episode: {told}.",
        value_axis=Axis("energy", "kWh"),
        bars=tuple(bars),
    )
