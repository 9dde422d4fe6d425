"""Ant colony search over ordinal, categorical, permutation and continuous parameters.

Discrete values and orders: pheromone in the hyper-cube framework (Blum and Dorigo, IEEE TSMC-B
34(2), 2004) with limits (Stützle and Hoos, MAX-MIN ant system, 2000). An order is built item by
item from the pheromone of (position, item) times that of (predecessor, item), or is one of the
archive with a stretch reversed or shifted: the local search that MAX-MIN ants need to be good,
paid for call by call. Continuous values:
the solution archive of Socha and Dorigo, "Ant colony optimization for continuous domains", EJOR
185(3), 2008.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.moves import reordered
from trimtab.search.vectorised import Vectorised, rows_of


class AntColony(Vectorised):
    """R colonies.

    Args:
        space: what is searched.
        seeds: [R].
        ants: points of a round.
        evaporation: [R] share ρ of pheromone replaced each round.
        alpha: [R] exponent of pheromone in choices.
        floor: [R] least share of pheromone of any value, in units of 1/values.
        archive: solutions remembered for continuous columns, and source of deposits.
        locality: [R] q: weight of archive ranks, small follows the best alone.
        spread: [R] ξ: step of continuous columns, in mean distances of the archive.
        local: [R] share of the ants that change an order of the archive instead of building one.
    """

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        ants: int = 16,
        evaporation: ArrayLike = 0.2,
        alpha: ArrayLike = 1.0,
        floor: ArrayLike = 0.1,
        archive: int = 12,
        locality: ArrayLike = 0.2,
        spread: ArrayLike = 0.85,
        local: ArrayLike = 0.5,
    ) -> None:
        super().__init__(space, seeds)
        self._ants, self._k = ants, archive
        self._rho, self._alpha = self.per_run(evaporation), self.per_run(alpha)
        self._floor, self._spread = self.per_run(floor), self.per_run(spread)
        self._local = self.per_run(local)
        rank = np.arange(archive)[None, :] / (self.per_run(locality)[:, None] * archive)
        weights = np.exp(-(rank**2) / 2)
        self._weights = weights / weights.sum(axis=1, keepdims=True)
        self.state["members"] = np.zeros((self.runs, archive, self.grid.width))
        self.state["told"] = np.full((self.runs, archive), np.inf)
        values = np.arange(max(1, self.grid.counts.max()))
        self._legal = values[None, :] < self.grid.counts[:, None]
        share = self._legal / np.maximum(self.grid.counts, 1)[:, None]
        self.state["trail"] = np.broadcast_to(share, (self.runs, *share.shape)).copy()
        for i, s in enumerate(self.grid.permutations):
            size = s.stop - s.start
            for name in ("position", "follows"):
                self.state[f"{name}{i}"] = np.full((self.runs, size, size), 1.0 / size)

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        u = self.uniform(self._ants, self.grid.width)
        points = self.grid.centre(self._values(u), u)
        continuous = (self.grid.counts == 0) & ~self.grid.keys
        if continuous.any() and np.isfinite(self.state["told"]).any():
            points = np.where(continuous, self._gaussians(), points)
        for i, s in enumerate(self.grid.permutations):
            built = self._orders(i, u[..., s])
            points[..., s] = np.where(self._walks(), self._rearranged(s), built)
        return self.grid.snap(points)

    def _walks(self) -> NDArray[np.bool_]:
        """[R, ants, 1] bool: ants that change an order of the archive, once there is one."""
        known = np.any(np.isfinite(self.state["told"]), axis=1)[:, None, None]
        return np.asarray((self.uniform(self._ants, 1) < self._local[:, None, None]) & known)

    def _rearranged(self, columns: slice) -> FloatArray:
        """[R, ants, size] keys of archived orders, chosen by rank, a stretch of each turned."""
        ladder = np.cumsum(self._weights, axis=1)
        chosen = (self.uniform(self._ants)[..., None] > ladder[:, None, :-1]).sum(axis=-1)
        chosen = np.minimum(chosen, np.isfinite(self.state["told"]).sum(axis=1)[:, None] - 1)
        guide = rows_of(self.state["members"][..., columns], np.maximum(chosen, 0))
        return reordered(guide, self.uniform(self._ants, 3))

    def _values(self, u: FloatArray) -> NDArray[np.int64]:
        """One value per ant and discrete column, by pheromone."""
        weight = self.state["trail"] ** self._alpha[:, None, None] * self._legal
        ladder = np.cumsum(weight, axis=2)
        ladder = ladder / np.maximum(ladder[..., -1:], 1e-300)
        index = (u[..., None] > ladder[:, None]).sum(axis=-1)
        return np.asarray(np.minimum(index, np.maximum(self.grid.counts, 1) - 1))

    def _gaussians(self) -> FloatArray:
        """Around an archived solution, as wide as the archive is around it, column by column."""
        ladder = np.cumsum(self._weights, axis=1)
        chosen = (self.uniform(self._ants)[..., None] > ladder[:, None, :-1]).sum(axis=-1)
        members = self.state["members"]
        guide = rows_of(members, chosen)
        distance = np.abs(guide[:, :, None] - members[:, None]).sum(axis=2) / (self._k - 1)
        jitter = self.normal(self._ants, self.grid.width)
        moved = guide + self._spread[:, None, None] * distance * jitter
        return np.asarray(1.0 - np.abs(1.0 - np.mod(moved, 2.0)))

    def _orders(self, i: int, u: FloatArray) -> FloatArray:
        """Keys of orders built item by item, [R, ants, size]."""
        position, follows = self.state[f"position{i}"], self.state[f"follows{i}"]
        size = position.shape[1]
        free = np.ones((*u.shape[:2], size), bool)
        keys = np.empty(free.shape)
        last = np.zeros((*u.shape[:2], 1), np.int64)
        for place in range(size):
            trail = position[:, None, place]
            if place:
                trail = trail * rows_of(follows, last[..., 0])
            weight = np.where(free, trail ** self._alpha[:, None, None], 0.0)
            ladder = np.cumsum(weight, axis=-1)
            goal = u[..., place : place + 1] * ladder[..., -1:]
            last = np.minimum((ladder < goal).sum(axis=-1, keepdims=True), size - 1)
            np.put_along_axis(keys, last, (place + 0.5) / size, axis=-1)
            np.put_along_axis(free, last, False, axis=-1)
        return keys

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`."""
        pool = np.concatenate([self.state["members"], points], axis=1)
        told = np.concatenate([self.state["told"], score], axis=1)
        keep = np.argsort(told, axis=1, kind="stable")[:, : self._k]
        self.state["members"], self.state["told"] = rows_of(pool, keep), rows_of(told, keep)
        weights = np.where(np.isfinite(self.state["told"]), self._weights, 0.0)
        weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        index = self.grid.index(self.state["members"])
        hits = index[..., None] == np.arange(self._legal.shape[1])
        self._deposit("trail", (hits * weights[..., None, None]).sum(axis=1), self.grid.counts)
        for i, s in enumerate(self.grid.permutations):
            self._deposit_orders(i, self.state["members"][..., s], weights)

    def _deposit(self, name: str, fresh: FloatArray, counts: NDArray[np.int64] | int) -> None:
        rho = self._rho[:, None, None]
        least = self._floor[:, None, None] / np.reshape(np.maximum(counts, 1), (-1, 1))
        self.state[name] = np.maximum((1 - rho) * self.state[name] + rho * fresh, least)

    def _deposit_orders(self, i: int, keys: FloatArray, weights: FloatArray) -> None:
        order = np.argsort(keys, axis=-1, kind="stable")
        size = order.shape[-1]
        items = np.arange(size)
        at = (order[..., None] == items) * weights[..., None, None]
        self._deposit(f"position{i}", at.sum(axis=1), size)
        before = (order[..., :-1, None] == items)[..., :, None]
        pairs = before & (order[..., 1:, None] == items)[..., None, :]
        self._deposit(
            f"follows{i}", (pairs * weights[..., None, None, None]).sum(axis=(1, 2)), size
        )
