"""CMA-ES with active update and IPOP restarts, in the unit cube.

Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772 (default parameters of its
table 1, negative weights included); Auger and Hansen, "A restart CMA evolution strategy with
increasing population size", CEC 2005. The strategy moves in the whole
space; a point outside the cube is evaluated at its mirror image inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import FloatArray
from trimtab.search.optimizer import Optimizer, generator_state, set_generator_state

_ARRAYS = (
    "_mean",
    "_sigma",
    "_c",
    "_path_c",
    "_path_s",
    "_points",
    "_scores",
    "_best",
    "_counters",
)


class CmaEs(Optimizer):
    """One search in [0, 1]^width.

    Args:
        width: dimensions.
        seed: of the sampling.
        start: [width] first mean, the middle by default.
        sigma: first step size, in unit-cube widths.
        population: λ of the first run; restarts double it.
        min_std: [width] smallest standard deviation kept, for discrete parameters.
    """

    def __init__(
        self,
        width: int,
        seed: int,
        *,
        start: FloatArray | None = None,
        sigma: float = 0.3,
        population: int | None = None,
        min_std: FloatArray | None = None,
    ) -> None:
        self._n, self._first_sigma = width, sigma
        self._rng = np.random.default_rng(seed)
        self._min_std = np.zeros(width) if min_std is None else min_std
        self._population = population or 4 + int(3 * np.log(width))
        self._best = np.append(np.full(width, 0.5) if start is None else start, np.inf)
        self._asked: dict[bytes, FloatArray] = {}
        self._counters = np.zeros(3, np.int64)  # restarts, generations, since improvement
        self._restart(self._best[:-1])

    def _restart(self, mean: FloatArray) -> None:
        n = self._n
        self._mean, self._sigma = mean.copy(), np.array(self._first_sigma)
        self._c = np.eye(n)
        self._path_c, self._path_s = np.zeros(n), np.zeros(n)
        self._points, self._scores = np.empty((0, n)), np.empty(0)
        self._counters[1:] = 0
        self._set_strategy(self._population * 2 ** int(self._counters[0]))

    def _set_strategy(self, population: int) -> None:
        n, lam = self._n, population
        raw = np.log((lam + 1) / 2) - np.log(np.arange(1, lam + 1))
        positive, negative = np.maximum(raw, 0), np.minimum(raw, 0)
        mu = positive.sum() ** 2 / (positive**2).sum()
        mu_neg = negative.sum() ** 2 / (negative**2).sum()
        self._lam, self._mu = lam, mu
        self._cc = (4 + mu / n) / (n + 4 + 2 * mu / n)
        self._cs = (mu + 2) / (n + mu + 5)
        self._c1 = 2 / ((n + 1.3) ** 2 + mu)
        self._cmu = min(1 - self._c1, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
        self._damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (n + 1)) - 1) + self._cs
        self._chi = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        alpha = min(
            1 + self._c1 / self._cmu,
            1 + 2 * mu_neg / (mu + 2),
            (1 - self._c1 - self._cmu) / (n * self._cmu),
        )
        self._weights = positive / positive.sum() + alpha * negative / -negative.sum()
        self._decompose()

    def _decompose(self) -> None:
        self._c = (self._c + self._c.T) / 2
        values, self._axes = np.linalg.eigh(self._c)
        self._scales = np.sqrt(np.maximum(values, 1e-300))

    @property
    def mean(self) -> FloatArray:
        """Mean of the search distribution; it may lie outside the cube, whose faces mirror."""
        return self._mean.copy()

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`; any batch size, the generation closes when λ are told."""
        steps = self._rng.standard_normal((n, self._n)) * self._scales @ self._axes.T
        spread = self._sigma * np.sqrt(np.diag(self._c))
        steps *= np.maximum(spread, self._min_std) / spread
        raw = self._mean + self._sigma * steps
        points = _reflect(raw)
        self._asked = {point.tobytes(): row for point, row in zip(points, raw, strict=True)}
        return points

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`."""
        raw = np.array([self._asked.get(point.tobytes(), point) for point in points])
        self._points = np.concatenate([self._points, raw.reshape(-1, self._n)])
        self._scores = np.concatenate([self._scores, score])
        while len(self._scores) >= self._lam:
            points, score = self._points[: self._lam], self._scores[: self._lam]
            self._points, self._scores = self._points[self._lam :], self._scores[self._lam :]
            order = np.argsort(score, kind="stable")
            self._generation(points[order], score[order])

    def _generation(self, points: FloatArray, score: FloatArray) -> None:
        n, w = self._n, self._weights
        steps = (points - self._mean) / self._sigma
        move = np.maximum(w, 0) @ steps
        whitener = self._axes / self._scales @ self._axes.T
        self._mean = self._mean + self._sigma * move
        self._path_s = (1 - self._cs) * self._path_s + np.sqrt(
            self._cs * (2 - self._cs) * self._mu
        ) * (whitener @ move)
        self._counters[1:] += 1
        decay = 1 - (1 - self._cs) ** (2 * self._counters[1])
        norm = np.linalg.norm(self._path_s)
        slow = norm / np.sqrt(decay) < (1.4 + 2 / (n + 1)) * self._chi
        self._path_c = (1 - self._cc) * self._path_c + slow * np.sqrt(
            self._cc * (2 - self._cc) * self._mu
        ) * move
        length = np.linalg.norm(steps @ whitener.T, axis=1) ** 2
        scaled = np.where(w >= 0, w, w * n / np.maximum(length, 1e-300))
        forget = self._c1 + self._cmu * w.sum() - (1 - slow) * self._c1 * self._cc * (2 - self._cc)
        self._c = (
            (1 - forget) * self._c
            + self._c1 * np.outer(self._path_c, self._path_c)
            + self._cmu * (steps.T * scaled) @ steps
        )
        growth = self._cs / self._damping * (norm / self._chi - 1)
        self._sigma = self._sigma * np.exp(min(1.0, growth))
        self._decompose()
        self._track(points[0], score)

    def _track(self, point: FloatArray, score: FloatArray) -> None:
        if score[0] < self._best[-1]:
            self._best, self._counters[2] = np.append(_reflect(point), score[0]), 0
        patience = 100 + int(100 * self._n**1.5 / self._lam)
        largest, smallest = self._scales.max(), self._scales.min()
        flat = self._sigma * largest < 1e-12 or largest > 1e7 * smallest
        if flat or self._counters[2] > patience:
            self._counters[0] += 1
            self._restart(self._rng.random(self._n))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        state = {name: np.asarray(getattr(self, name)).copy() for name in _ARRAYS}
        asked = np.array([np.frombuffer(point) for point in self._asked]).reshape(-1, self._n)
        raw = np.array(list(self._asked.values())).reshape(-1, self._n)
        return state | {"rng": generator_state(self._rng), "asked": asked, "raw": raw}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        for name in _ARRAYS:
            setattr(self, name, state[name].copy())
        pairs = zip(state["asked"], state["raw"], strict=True)
        self._asked = {point.tobytes(): row for point, row in pairs}
        set_generator_state(self._rng, state["rng"])
        self._set_strategy(self._population * 2 ** int(self._counters[0]))


def _reflect(points: FloatArray) -> FloatArray:
    folded = np.mod(points, 2.0)
    return np.asarray(np.where(folded > 1.0, 2.0 - folded, folded))
