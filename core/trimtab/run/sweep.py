"""Sweeps: the points of a scenario's `sweep` part, each a scenario of its own, as runs.

`grid` takes every combination, the last key fastest; `list` takes the i-th value of every key
together; `random` draws distinct combinations of the grid. Every point is validated before
anything starts.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts.errors import Fault, ScenarioError
from trimtab.contracts.scenario import Sweep, content_id
from trimtab.run.plan import Plan, RunOptions
from trimtab.run.scenario_file import LoadedScenario, find_scenario, load_scenario
from trimtab.run.store import Store
from trimtab.run.yaml_document import Document, Mark, decode, parse, raw_text

MAX_POINTS = 10_000
SWEPT = ("problem", "controllers", "seeds", "budget")
"""Parts of a scenario whose keys may be swept."""
Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep whose every point is valid.

    Attributes:
        id: the scenario's name and a hash over all runs.
        points: dotted key → value.
        plans: one per point.
    """

    id: str
    points: tuple[Point, ...]
    plans: tuple[Plan, ...]

    def begin(self, store: Store, owner: str = "") -> None:
        """Queue the run of every point; what is known is not computed again."""
        for plan in self.plans:
            plan.begin(store, judged=True, sweep=self.id, owner=owner)


def points_of(sweep: Sweep) -> list[Point]:
    """The points of a sweep, in order.

    Raises:
        ValueError: no key, a key without values, lists of different lengths, too many points.
    """
    keys, values = list(sweep.over), list(sweep.over.values())
    if not keys or not all(values):
        msg = "needs at least one key, and at least one value for each"
        raise ValueError(msg)
    if sweep.mode == "list":
        if len({len(own) for own in values}) > 1:
            lengths = ", ".join(f"{key} {len(own)}" for key, own in sweep.over.items())
            msg = f"mode list takes as many values for each key, got {lengths}"
            raise ValueError(msg)
        return [dict(zip(keys, row, strict=True)) for row in zip(*values, strict=True)]
    size = math.prod(len(own) for own in values)
    wanted = min(sweep.n, size) if sweep.mode == "random" else size
    if wanted > MAX_POINTS:
        msg = f"has {wanted} points, the limit is {MAX_POINTS}: use mode random"
        raise ValueError(msg)
    if sweep.mode == "grid":
        return [dict(zip(keys, row, strict=True)) for row in itertools.product(*values)]
    return [_combination(keys, values, index) for index in _drawn(size, wanted, sweep.seed)]


def _drawn(size: int, wanted: int, seed: int) -> list[int]:
    """Distinct numbers below `size`, in a random order."""
    rng = np.random.default_rng(seed)
    if size <= 10 * MAX_POINTS:
        return [int(i) for i in rng.permutation(size)[:wanted]]
    found: dict[int, None] = {}
    while len(found) < wanted:
        found[int(rng.random() * size)] = None
    return list(found)


def _combination(keys: Sequence[str], values: Sequence[Sequence[Any]], index: int) -> Point:
    picked = []
    for own in reversed(values):
        index, i = divmod(index, len(own))
        picked.append(own[i])
    return dict(zip(keys, reversed(picked), strict=True))


def plan_sweep(
    source: str | Path,
    options: RunOptions | None = None,
    overrides: Sequence[str] = (),
    command: str = "",
    inside: Path | None = None,
) -> SweepPlan:
    """Validate every point of a scenario's sweep and plan its runs; nothing is started.

    Args:
        source: a path or shipped id.
        options: as for a run; seeds and controllers given here hold for every point.
        overrides: `dotted.key=value` settings, applied before the points.
        command: what reproduces it.
        inside: folder that every data file must lie in; None for anywhere.

    Raises:
        ScenarioError: with every fault of every point, at the value in the file that causes it.
    """
    base = load_scenario(source, overrides, inside)
    file = find_scenario(source)
    document = parse(decode(raw_text(file), str(file)), str(file))
    points = _checked_points(base, document)
    faults: dict[str, Fault] = {}
    loaded = []
    for point in points:
        settings = [f"{key}={json.dumps(value)}" for key, value in point.items()]
        try:
            loaded.append(load_scenario(source, [*overrides, "sweep=null", *settings], inside))
        except ScenarioError as error:
            for fault in error.faults:
                placed = _placed(fault, point, base, document)
                faults.setdefault(str(placed), placed)
    if faults:
        raise ScenarioError(list(faults.values()))
    plans = tuple(Plan.of(one, options or RunOptions(), command) for one in loaded)
    digest = content_id({"runs": [plan.run_id for plan in plans]})
    return SweepPlan(f"{base.scenario.name}-sweep-{digest[:12]}", tuple(points), plans)


def _checked_points(base: LoadedScenario, document: Document) -> list[Point]:
    sweep = base.scenario.sweep
    if sweep is None:
        what = "has no sweep: add `sweep: {over: {dotted.key: [values]}}`, or use `trimtab run`"
        raise ScenarioError([Mark(str(base.path), 1, 1).fault((), what)])
    faults = [
        document.key_mark(("sweep", "over", key)).fault(
            ("sweep", "over", key),
            f"cannot be swept: keys begin with {', '.join(SWEPT)}",
        )
        for key in sweep.over
        if key.partition(".")[0] not in SWEPT
    ]
    if faults:
        raise ScenarioError(faults)
    try:
        return points_of(sweep)
    except ValueError as error:
        mark = document.value_mark(("sweep", "over"))
        raise ScenarioError([mark.fault(("sweep", "over"), str(error))]) from None


def _placed(fault: Fault, point: Point, base: LoadedScenario, document: Document) -> Fault:
    """A fault of a point at the value of the sweep that causes it, where one does."""
    for key, value in point.items():
        if fault.file == f"--set {key}={json.dumps(value)}" and base.scenario.sweep is not None:
            index = base.scenario.sweep.over[key].index(value)
            path = ("sweep", "over", key, index)
            return document.value_mark(path).fault(path, f"{fault.key}: {fault.message}")
    return fault
