"""Series of figures per step: gathered while copies are played, read back thinned for charts."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.contracts.spec import Float32Array, FloatArray, IntArray, Spec
from trimtab.run.runner import Decision

MAX_POINTS = 500
"""Rows that one episode leaves per series; longer episodes keep means over equal spans of steps."""


class StepSeries:
    """Reward and cost channels of a batch of copies, summed over agents, one row per span.

    A span is one step in episodes of at most `MAX_POINTS` steps. Spans depend on the horizon
    alone, so a resumed job leaves the same rows.
    """

    def __init__(self, spec: Spec, copies: int, after: int = 0) -> None:
        """Gather for `copies` copies; steps up to `after` are stored already."""
        rewards = [f"reward/{channel.name}" for channel in spec.rewards]
        self.names = [*rewards, *(f"cost/{channel.name}" for channel in spec.costs)]
        self.step = 0
        self._horizon, self._after = spec.horizon, after
        self._span = math.ceil(spec.horizon / MAX_POINTS)
        self._sum = np.zeros((copies, len(self.names)))
        self._count = np.zeros(copies, np.int64)
        self._rows: list[list[tuple[str, int, float | None]]] = [[] for _ in range(copies)]

    @property
    def progress(self) -> float:
        """Share of the horizon that is played."""
        return self.step / self._horizon

    @property
    def on_boundary(self) -> bool:
        """Whether every figure so far is in a row: a checkpoint may be kept here."""
        return self.step % self._span == 0

    def add(self, decision: Decision) -> None:
        """Take in one decision of the batch."""
        step, live = decision.step, np.asarray(decision.obs.alive.any(axis=1))
        self.step = decision.index + 1
        if len(self._rows) != len(live):
            return  # spare copies of a batch that is not ours
        figures = np.concatenate([_over_agents(step.reward), step.cost], axis=1, dtype=np.float64)
        self._sum += np.where(live[:, None], figures, 0.0)
        self._count += live
        ends = np.ones_like(live) if self.on_boundary else step.done
        ends = ends & live & (self._count > 0)
        if ends.any():
            self._close_span(np.flatnonzero(ends))

    def _close_span(self, copies: IntArray) -> None:
        if self.step > self._after:
            means = self._sum[copies] / self._count[copies, None]
            for copy, values in zip(copies.tolist(), means.tolist(), strict=True):
                self._rows[copy] += [
                    (name, self.step, value if math.isfinite(value) else None)
                    for name, value in zip(self.names, values, strict=True)
                ]
        self._sum[copies] = 0.0
        self._count[copies] = 0

    def take(self) -> list[list[tuple[str, int, float | None]]]:
        """Rows (name, step, value) of each copy since the last call."""
        rows, self._rows = self._rows, [[] for _ in self._rows]
        return rows


def _over_agents(reward: Float32Array) -> FloatArray:
    """Sum [N, A, K] over agents in one fixed order, whatever N is."""
    return np.asarray(np.cumsum(reward, axis=1, dtype=np.float64)[:, -1])


@dataclass(frozen=True, slots=True)
class Series:
    """A thinned series: lowest and highest value of each span; both the value where it is one."""

    name: str
    step: tuple[int, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


def write_envelope(db: sqlite3.Connection, job: str, points: int = MAX_POINTS) -> None:
    """Keep the thinned copy of each long series of a finished job, in the caller's transaction."""
    long = db.execute(
        "select name from metric where job=? group by name having count(*)>?", (job, points)
    ).fetchall()
    for (name,) in long:
        thin = read_series(db, job, name, points)
        db.executemany(
            "insert or replace into envelope values(?, ?, ?, ?, ?)",
            [(job, name, *row) for row in zip(thin.step, thin.low, thin.high, strict=True)],
        )


def series_names(db: sqlite3.Connection, job: str) -> list[str]:
    """Names of the series of a job (episode metrics have a single row and are none)."""
    rows = db.execute("select distinct name from metric where job=? and step>0", (job,))
    return sorted(row[0] for row in rows)


def read_series(db: sqlite3.Connection, job: str, name: str, points: int = 1000) -> Series:
    """One series with at most `points` spans; a stored thinned copy serves where it is enough."""
    kept = db.execute(
        "select step, low, high from envelope where job=? and name=? order by step", (job, name)
    ).fetchall()
    if kept and len(kept) <= points:
        return _series(name, kept)
    rows = db.execute(
        "select step, value from metric where job=? and name=? order by step", (job, name)
    ).fetchall()
    size = max(math.ceil(len(rows) / points), 1)
    return _series(name, [_span(rows[i : i + size]) for i in range(0, len(rows), size)])


def _span(
    rows: Sequence[tuple[int, float | None]],
) -> tuple[int, float | None, float | None]:
    values = [value for _, value in rows if value is not None]
    return rows[-1][0], min(values, default=None), max(values, default=None)


def _series(name: str, rows: Sequence[tuple[int, float | None, float | None]]) -> Series:
    steps, low, high = zip(*rows, strict=True) if rows else ((), (), ())
    return Series(name, tuple(steps), tuple(low), tuple(high))
