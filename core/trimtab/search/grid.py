"""A space as optimizers see it: columns of the unit cube, snapped to legal canonical designs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ContractError
from trimtab.contracts.parameters import Categorical, Float, Permutation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray
from trimtab.contracts.streams import philox4x32

_TRIES = 32
_POOL = 256
_BLOCKS = 400


class Grid:
    """Column-wise view of a space.

    Attributes:
        counts: [width] number of values of a discrete column, 0 for a continuous one.
        ordered: [width] bool, False where values have no order (categoricals).
        keys: [width] bool, True where the column is a key of a permutation.
        owner: [width] index of the parameter a column belongs to.
        members: [parameters, width] bool, the transpose of `owner`.
        permutations: columns of each permutation.
    """

    def __init__(self, space: Space) -> None:
        self.space, self.width = space, space.width
        spread = [(i, p) for i, p in enumerate(space.parameters) for _ in range(p.width)]
        self.owner = np.array([i for i, _ in spread])
        self.keys = np.array([isinstance(p, Permutation) for _, p in spread])
        self.ordered = np.array([not isinstance(p, Categorical) for _, p in spread])
        self.counts = np.array(
            [0 if isinstance(p, Float | Permutation) else p.count for _, p in spread]
        )
        self.members: BoolArray = np.arange(len(space.parameters))[:, None] == self.owner
        self._discrete = self.counts > 0
        self._bins = np.maximum(self.counts, 1).astype(np.float64)
        self.permutations = [
            s
            for p, s in zip(space.parameters, space.slices, strict=True)
            if isinstance(p, Permutation)
        ]
        rest = np.array([[cell for p in space.parameters for cell in p.rest]])
        self._rest = space.encode(rest)[0]
        self._conditions = any(p.active_if is not None for p in space.parameters)
        self._gates = self._discrete_gates()
        self._pool = self._legal_pool() if space.relations else np.empty((0, self.width))

    def index(self, points: FloatArray) -> NDArray[np.int64]:
        """Value index of discrete columns of [..., width] points; 0 in continuous ones."""
        index = np.floor(np.clip(points, 0.0, 1.0) * self._bins)
        return np.asarray(np.minimum(index, self._bins - 1), dtype=np.int64)

    def centre(self, index: NDArray[np.int64], points: FloatArray) -> FloatArray:
        """Bin centres of `index` in discrete columns, `points` in the others."""
        return np.where(self._discrete, (index + 0.5) / self._bins, points)

    def active(self, points: FloatArray) -> BoolArray:
        """[..., width] bool: columns that matter in each point."""
        return self._active(self.index(points), points)

    def _active(self, index: NDArray[np.int64], points: FloatArray) -> BoolArray:
        on = np.ones(points.shape, bool)
        if self._gates is None:
            flat = self.space.active(self.space.decode(points.reshape(-1, self.width)))
            return np.asarray(flat[:, self.owner].reshape(points.shape))
        for columns, parent, opens in self._gates:
            on[..., columns] = (on[..., parent] & opens[index[..., parent]])[..., None]
        return on

    def _discrete_gates(self) -> list[tuple[slice, int, BoolArray]] | None:
        """Columns, parent's column, values that switch on; None where a parent is not discrete."""
        space = self.space
        names = [p.name for p in space.parameters]
        gates = []
        for p, s in zip(space.parameters, space.slices, strict=True):
            if p.active_if is None:
                continue
            parent = space.parameters[names.index(p.active_if.parent)]
            if isinstance(parent, Float | Permutation):
                return None
            codes = [parent.code(value)[0] - parent.rest[0] for value in p.active_if.values]
            opens = np.isin(np.arange(parent.count), codes)
            gates.append((s, space.slices[names.index(parent.name)].start, opens))
        return gates

    def snap(self, points: FloatArray) -> FloatArray:
        """[..., width] → the same shape: points that decode to legal, canonical designs.

        Equal designs come out as equal bits, except for continuous columns as given.
        """
        flat = np.clip(points.reshape(-1, self.width), 0.0, 1.0)
        flat = self._canonical(flat)
        if self.space.relations:
            flat = self._mended(flat)
        return flat.reshape(points.shape)

    def _canonical(self, flat: FloatArray) -> FloatArray:
        index = self.index(flat)
        flat = self.centre(index, flat)
        for s in self.permutations:
            ranks = np.argsort(np.argsort(flat[:, s], axis=1, kind="stable"), axis=1)
            flat[:, s] = (ranks + 0.5) / ranks.shape[1]
        if self._conditions:
            flat = np.where(self._active(index, flat), flat, self._rest)
        return flat

    def _mended(self, flat: FloatArray) -> FloatArray:
        """Redraw the parameters of broken relations; the draw depends on the row alone."""
        broken = self.space.broken(self.space.decode(flat))
        for attempt in range(_TRIES):
            rows = np.flatnonzero(broken.any(axis=1))
            if not len(rows):
                return flat
            blame = broken[rows] @ self._named()
            draws = _row_draws(flat[rows], attempt)
            flat[rows] = self._canonical(np.where(blame, draws, flat[rows]))
            broken[rows] = self.space.broken(self.space.decode(flat[rows]))
        rows = np.flatnonzero(broken.any(axis=1))
        choice = (_row_draws(flat[rows], _TRIES)[:, 0] * len(self._pool)).astype(np.int64)
        flat[rows] = self._pool[choice]
        return flat

    def _named(self) -> BoolArray:
        """[relations, width] bool: columns of the parameters that a relation names."""
        names = [p.name for p in self.space.parameters]
        rows = [
            self.members[[names.index(name) for name in relation.names]].any(axis=0)
            for relation in self.space.relations
        ]
        return np.array(rows)

    def _legal_pool(self) -> FloatArray:
        cells = np.arange(_POOL * self.width, dtype=np.float64).reshape(-1, self.width)
        pool = np.empty((0, self.width))
        for block in range(_BLOCKS):
            flat = self._canonical(_row_draws(cells, block))
            pool = np.concatenate([pool, flat[self.space.legal(self.space.decode(flat))]])
            if len(pool) >= _POOL // 4:
                return pool
        if not len(pool):
            msg = (
                f"Space: none of {_BLOCKS * _POOL} random designs keeps {self.space.relations}; "
                "widen the space or its relations"
            )
            raise ContractError(msg)
        return pool


def _row_draws(rows: FloatArray, attempt: int) -> FloatArray:
    """[n, width] uniforms that depend only on the bits of a row and on `attempt`."""
    words = np.ascontiguousarray(rows).view(np.uint64)
    mixed = np.zeros(len(rows), np.uint64)
    for column in words.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    low, high = mixed & np.uint64(0xFFFFFFFF), mixed >> np.uint64(32)
    entity = np.arange(rows.shape[1], dtype=np.uint64)[None, :]
    zero = np.zeros_like(entity)
    counter = (entity, zero + np.uint64(attempt), zero, zero)
    words = philox4x32(counter, (low[:, None], high[:, None]))[0]
    return np.asarray((words + 0.5) / 2.0**32, dtype=np.float64)
