"""Figures of a DRAM run: latency histogram and percentiles, commands of the best design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from trimtab.contracts.figure import Axis, Figure, Series
from trimtab.contracts.records import DesignRecord
from trimtab.contracts.spec import FloatArray

from trimtab_hardware.dram.metrics import ENERGY_DELAY
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.result import COMMANDS, CommandTrace, Result
from trimtab_hardware.dram.scenario import DramScenario

POINTS = 101
CLASSES_A_DECADE = 10
WINDOW_CK = 400
"""Cycles that the timeline shows."""


def figures(scenario: DramScenario, records: Sequence[DesignRecord]) -> tuple[Figure, ...]:
    """Latencies of the given designs and the best one; timeline of the best one."""
    feasible = [record for record in records if record.feasible]
    if not feasible:
        return ()
    problem = DramProblem(scenario)
    searched = [record for record in feasible if not record.given]
    best = min(searched or feasible, key=lambda record: record.metrics[ENERGY_DELAY.name])
    shown = {record.name: record.design for record in records if record.given}
    shown[f"best ({best.name})"] = best.design
    results = {name: _simulated(problem, design) for name, design in shown.items()}
    label = scenario.workloads[0].label
    last = results[f"best ({best.name})"]
    waits = (_histogram(results, label), _percentiles(results, label))
    return waits if last.commands is None else (*waits, _timeline(last.commands, label))


def _simulated(problem: DramProblem, design: Mapping[str, Any]) -> Result:
    return problem.simulate(problem.setup(design), 0, commands=True)


def _histogram(results: Mapping[str, Result], label: str) -> Figure:
    """Share of requests in each class of latency, classes equally wide on a log scale."""
    waits = {name: result.arrival_latency_ck * result.tck_ns for name, result in results.items()}
    least, most = (f([f(w) for w in waits.values()]) for f in (np.min, np.max))
    count = max(1, int(np.ceil(CLASSES_A_DECADE * np.log10(most / least))))
    edges = np.geomspace(least, most * (1 + 1e-9), count + 1)
    middle = tuple(np.sqrt(edges[:-1] * edges[1:]).tolist())
    series = tuple(
        Series(name, middle, tuple((100.0 * np.histogram(w, edges)[0] / len(w)).tolist()))
        for name, w in waits.items()
    )
    ends = ", ".join(f"{name} {w.min():.0f} to {w.max():.0f} ns" for name, w in waits.items())
    return Figure(
        "series",
        f"Histogram of latency from arrival, {label}",
        f"Share of requests in each of {count} classes of latency. Ranges: {ends}.",
        Axis("requests", "%"),
        Axis("latency from arrival", "ns", log=True),
        series,
    )


def _percentiles(results: Mapping[str, Result], label: str) -> Figure:
    share = np.linspace(0.0, 100.0, POINTS)
    series = tuple(
        Series(name, tuple(share.tolist()), tuple(_quantiles(result, share).tolist()))
        for name, result in results.items()
    )
    medians = ", ".join(
        f"{name} {float(np.median(result.arrival_latency_ck)) * result.tck_ns:.0f} ns"
        for name, result in results.items()
    )
    return Figure(
        "series",
        f"Percentiles of latency from arrival, {label}",
        f"Latency below which a share of requests stays. Medians: {medians}.",
        Axis("latency", "ns"),
        Axis("share of requests", "%"),
        series,
    )


def _quantiles(result: Result, share: FloatArray) -> FloatArray:
    cuts = np.percentile(result.arrival_latency_ck, share, method="inverted_cdf")
    return np.asarray(cuts * result.tck_ns)


def _timeline(commands: CommandTrace, label: str) -> Figure:
    """Commands by bank in a window in the middle of the run."""
    middle = int(commands.time[len(commands) // 2])
    inside = (commands.time >= middle) & (commands.time < middle + WINDOW_CK)
    series = tuple(
        Series(name, *_places(commands, inside & (commands.code == code)))
        for code, name in enumerate(COMMANDS)
        if (inside & (commands.code == code)).any()
    )
    counts = ", ".join(f"{len(one.x)} {one.name}" for one in series)
    return Figure(
        "scatter",
        f"Commands of the best design, {label}",
        f"Commands in {WINDOW_CK} cycles from cycle {middle}: {counts}.",
        Axis("bank (-1: all)"),
        Axis("cycle"),
        series,
    )


def _places(
    commands: CommandTrace, chosen: np.ndarray[Any, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (
        tuple(float(t) for t in commands.time[chosen]),
        tuple(float(b) for b in commands.bank[chosen]),
    )
