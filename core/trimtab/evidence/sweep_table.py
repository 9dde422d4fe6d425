"""The long table of a sweep, one line per point and controller, and profiles over its points."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.evidence.csv_text import CsvCell, csv_text
from trimtab.evidence.statistics import optimality_gap, performance_profile

PROFILE = (0.0, 0.25, 0.5, 0.75)
"""Shares of the gap closed at which profiles are read."""
PROFILE_HEADER = (
    "controller", "scores", *(f"closes > {share:.0%}" for share in PROFILE), "optimality gap"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One point of a sweep and what came of it.

    Attributes:
        point: dotted key → value.
        result: its result document, None until it is judged.
    """

    run: str
    state: str
    point: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def best(self) -> str:
        """The controller that its result recommends."""
        return "" if self.result is None else self.result["recommendation"]["name"] or ""

    @property
    def headline(self) -> str:
        """Mean headline of its best row, with unit."""
        if self.result is None:
            return ""
        metric = self.result["rows"][0]["metrics"][self.result["headline"]]
        return "" if metric["mean"] is None else f"{metric['mean']:g} {metric['unit']}"


def sweep_csv(points: Sequence[SweepPoint]) -> str:
    """CSV text at full precision: the point's keys, then each controller's figures."""
    keys = list(points[0].point)
    header = (
        *keys, "run", "state", "controller", "role", "headline", "unit", "mean", "low95", "high95",
        "gap_closed", "violations", "recommended",
    )  # fmt: skip
    return csv_text(header, (row for point in points for row in _rows(point, keys)))


def sweep_profiles(points: Sequence[SweepPoint]) -> list[list[str]]:
    """Performance profile and optimality gap of each controller over all points and seeds.

    Scores are shares of the gap between reference and bound; where a point has no bound, or its
    gap is too small to be shared, it does not count.

    Returns:
        Rows under `PROFILE_HEADER`, smallest optimality gap first.
    """
    shares: dict[str, list[float]] = {}
    for point in points:
        for row in [] if point.result is None else point.result["rows"]:
            known = [x for x in row["gap_closed"]["per_seed"] if x is not None]
            shares.setdefault(row["name"], []).extend(known)
    ranked = sorted((optimality_gap(x), name) for name, x in shares.items() if x)
    return [
        [
            name,
            str(len(shares[name])),
            *(f"{share:.0%}" for share in performance_profile(shares[name], np.array(PROFILE))),
            f"{gap:.3f}",
        ]
        for gap, name in ranked
    ]


def _rows(point: SweepPoint, keys: Sequence[str]) -> Iterable[tuple[CsvCell, ...]]:
    values = tuple(_cell(point.point[key]) for key in keys)
    if point.result is None:
        yield (*values, point.run, point.state, *[None] * 10)
        return
    name = point.result["headline"]
    for row in point.result["rows"]:
        metric = row["metrics"][name]
        low, high = metric["ci95"] or (None, None)
        count = sum(v["count"] for v in row["violations"].values())
        yield (
            *values, point.run, point.state, row["name"], row["role"], name, metric["unit"],
            metric["mean"], low, high, row["gap_closed"]["mean"], count, row["name"] == point.best,
        )  # fmt: skip


def _cell(value: Any) -> CsvCell:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)
