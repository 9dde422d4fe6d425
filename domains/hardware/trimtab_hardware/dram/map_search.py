"""Search of address maps from the published ones: swaps of bits between fields, XOR taps.

An evolution strategy (μ + λ) whose steps change what a map does: bits of one field have no order,
so a swap within a field, which is most of what a step in a permutation's keys does, is no step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.search.optimizer import Optimizer, generator_state, set_generator_state

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.spaces import canonical_maps, segments

PARENTS = 4
TAP_SHARE = 0.4
"""Share of steps that set an XOR tap; the others swap two bits of different fields."""
FURTHER_STEP = 0.4
"""Probability of one more step in the same proposal."""


class MapSearch(Optimizer):
    """Evolution of address maps.

    Args:
        space: of address maps of the part.
        part: memory of one channel.
        starts: [s, width] coded maps that are scored first (published ones).
        seed: of the steps.
    """

    def __init__(self, space: Space, part: Part, starts: FloatArray, seed: int) -> None:
        self._space, self._part = space, part
        self._rng = np.random.default_rng(seed)
        self._starts = canonical_maps(part, starts)
        self._asked = 0
        self._parents = np.empty((0, space.width))
        self._scores: FloatArray = np.empty(0)
        ends = sorted(field.stop for field in segments(part).values())
        self._field: IntArray = np.searchsorted(np.array(ends), np.arange(ends[-1]), "right")
        self._taps = [getattr(p, "count", 1) for p in space.parameters[1:]]

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        rows = [self._next() for _ in range(n)]
        return self._space.encode(canonical_maps(self._part, np.array(rows)))

    def _next(self) -> FloatArray:
        self._asked += 1
        if self._asked <= len(self._starts):
            return np.array(self._starts[self._asked - 1])
        known = self._parents if len(self._parents) else self._starts
        row: FloatArray = np.array(known[min(self._rng.integers(len(known), size=2))])
        self._step(row)
        while self._rng.random() < FURTHER_STEP:
            self._step(row)
        return row

    def _step(self, row: FloatArray) -> None:
        bits = len(self._field)
        if self._rng.random() < TAP_SHARE:
            tap = int(self._rng.integers(len(self._taps)))
            row[bits + tap] = self._rng.integers(self._taps[tap])
            return
        first = int(self._rng.integers(bits))
        others = np.flatnonzero(self._field != self._field[first])
        second = int(self._rng.choice(others))
        row[[first, second]] = row[[second, first]]

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`; the best different maps become parents."""
        rows = np.concatenate([self._parents, self._space.decode(points)])
        scores = np.concatenate([self._scores, score])
        rows, first = np.unique(canonical_maps(self._part, rows), axis=0, return_index=True)
        scores = scores[first]
        best = np.argsort(scores, kind="stable")[:PARENTS]
        self._parents, self._scores = rows[best], scores[best]

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {
            "generator": generator_state(self._rng),
            "asked": np.array(self._asked),
            "parents": self._parents,
            "scores": self._scores,
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        set_generator_state(self._rng, state["generator"])
        self._asked = int(state["asked"])
        self._parents, self._scores = state["parents"], state["scores"]
