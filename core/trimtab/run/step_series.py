"""Series of figures per step, gathered while copies are played."""

from __future__ import annotations

import math

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
        self.names = list(spec.series_units)
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
