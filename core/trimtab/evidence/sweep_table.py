"""The long table of a sweep: one line per point and controller."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.evidence.csv_text import CsvCell, csv_text


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
