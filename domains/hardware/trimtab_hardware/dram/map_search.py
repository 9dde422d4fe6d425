"""Search of address maps from the published ones: swaps of bits between fields, XOR taps.

An evolution strategy (μ + λ) whose steps change what a map does to a trace: bits of one field have
no order, so a swap within a field is no step, and bits that are equal in all requests do nothing,
so that one of two swapped bits and every tap must be of the others. Of maps with equal scores,
which are mostly the same map in other words, one becomes a parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.search.optimizer import Optimizer, generator_state, set_generator_state

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.spaces import canonical_maps, segments

PARENTS = 12
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
        varying: free address bits that differ between requests, see `free_maps.varying_bits`; all
            of them if left out.
    """

    def __init__(
        self,
        space: Space,
        part: Part,
        starts: FloatArray,
        seed: int,
        varying: Sequence[int] | None = None,
    ) -> None:
        self._space, self._part = space, part
        self._rng = np.random.default_rng(seed)
        self._starts = canonical_maps(part, starts)
        self._asked = 0
        self._parents = np.empty((0, space.width))
        self._scores: FloatArray = np.empty(0)
        ends = sorted(field.stop for field in segments(part).values())
        self._field: IntArray = np.searchsorted(np.array(ends), np.arange(ends[-1]), "right")
        self._taps = len(space.parameters) - 1
        self._varies = np.ones(len(self._field), bool)
        if varying:
            self._varies = np.isin(np.arange(len(self._field)), np.array(varying))

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        rows = [self._next() for _ in range(n)]
        return self._space.encode(canonical_maps(self._part, np.array(rows)))

    def _next(self) -> FloatArray:
        self._asked += 1
        if self._asked <= len(self._starts):
            return np.array(self._starts[self._asked - 1])
        known = self._parents if len(self._parents) else self._starts
        row = self._by_bit(known[min(self._rng.integers(len(known), size=2))])
        self._step(row)
        while self._rng.random() < FURTHER_STEP:
            self._step(row)
        return self._by_row(row)

    def _by_bit(self, coded: FloatArray) -> IntArray:
        """Taps name the bit itself (plus one, 0 is none), so that they stay when others move."""
        row = coded.astype(np.int64)
        bits, field = len(self._field), segments(self._part)["row"]
        rows = np.append(-1, np.sort(row[field]))
        row[bits:] = rows[row[bits:]] + 1
        return row

    def _by_row(self, row: IntArray) -> FloatArray:
        """Taps count row bits again; those whose bit has left the row are none."""
        bits, field = len(self._field), segments(self._part)["row"]
        rows = np.sort(row[field])
        tapped = row[bits:] - 1
        place = np.minimum(np.searchsorted(rows, tapped), len(rows) - 1)
        row[field] = rows
        row[bits:] = np.where((rows[place] == tapped) & (tapped >= 0), place + 1, 0)
        return row.astype(np.float64)

    def _step(self, row: IntArray) -> None:
        bits = len(self._field)
        if self._rng.random() < TAP_SHARE:
            rows = row[segments(self._part)["row"]]
            tap = bits + int(self._rng.integers(self._taps))
            row[tap] = self._rng.choice(np.append(0, 1 + rows[self._varies[rows]]))
            return
        first = int(self._rng.choice(np.flatnonzero(self._varies[row[:bits]])))
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
        _, different = np.unique(scores, return_index=True)  # sorted by score
        best = different[:PARENTS]
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
