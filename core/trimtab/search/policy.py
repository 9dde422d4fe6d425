"""Design search as a one-step bandit: policies trained by clipped policy gradients.

Every parameter has its own head: a softmax over its values, or a Gaussian where it is
continuous (and for each key of an order). What differs is who learns from what:

- `joint`: one agent chooses all parameters; the clipped ratio is that of the whole design
  (PPO, Schulman et al. 2017, arXiv 1707.06347).
- `agents`: one agent per parameter, each with its own ratio, all with the common reward
  (independent PPO; REINFORCE with one epoch), the formulation of arXiv 2211.16385.
- `marginal`: as `agents`, but an agent is credited with the mean reward that its own value has
  had lately, whatever the others did.

Rewards are centred ranks within the recent designs, so no scale has to be set. The other single
agent, the core's SAC, is in `trimtab.learn.soft_actor`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from trimtab.contracts.space import Space
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.search.vectorised import Vectorised

Credit = Literal["joint", "agents", "marginal"]

_CLIP = 0.2  # Schulman et al.
_MEMORY_ROUNDS = 4
_WEIGHTS = ("logits", "mean", "log_std")


class PolicySearch(Vectorised):
    """R bandit policies.

    Args:
        space: what is searched.
        seeds: [R].
        credit: who learns from what, see the module.
        batch: designs sampled between updates.
        rate: [R] step size of Adam.
        entropy: [R] weight of the entropy bonus.
        epochs: passes over a batch; 1 is REINFORCE.
    """

    def __init__(
        self,
        space: Space,
        seeds: ArrayLike,
        *,
        credit: Credit,
        batch: int = 8,
        rate: ArrayLike = 0.2,
        entropy: ArrayLike = 0.01,
        epochs: int = 4,
    ) -> None:
        super().__init__(space, seeds)
        self._credit, self._batch, self._epochs = credit, batch, epochs
        self._rate, self._entropy = self.per_run(rate), self.per_run(entropy)
        width, values = self.grid.width, max(1, int(self.grid.counts.max()))
        self._legal = np.arange(values) < self.grid.counts[:, None]
        self._discrete = self.grid.counts > 0
        shape = (self.runs, width)
        start = {
            "logits": np.zeros((*shape, values)),
            "mean": np.full(shape, 0.5),
            "log_std": np.full(shape, np.log(0.3)),
        }
        for name, value in start.items():
            self.state[name] = value
            self.state[f"{name}_m"] = np.zeros_like(value)
            self.state[f"{name}_v"] = np.zeros_like(value)
        self.state["updates"] = np.zeros((), np.int64)
        self.state["past"] = np.empty((self.runs, 0, width))
        self.state["past_score"] = np.empty((self.runs, 0))

    def keep(self, runs: IntArray) -> bool:
        """See `Vectorised.keep`."""
        self._keep_state(runs)
        self._rate, self._entropy = self._rate[runs], self._entropy[runs]
        return True

    def propose(self) -> FloatArray:
        """See `Vectorised.propose`."""
        u = self.uniform(self._batch, self.grid.width)
        ladder = np.cumsum(self._chances(), axis=-1)
        index = (u[..., None] > ladder[:, None]).sum(axis=-1)
        index = np.minimum(index, np.maximum(self.grid.counts, 1) - 1)
        spread = np.exp(self.state["log_std"])[:, None]
        drawn = self.state["mean"][:, None] + spread * self.normal(self._batch, self.grid.width)
        folded = 1.0 - np.abs(1.0 - np.mod(drawn, 2.0))
        return self.grid.snap(self.grid.centre(index, folded))

    def absorb(self, points: FloatArray, score: FloatArray, objectives: FloatArray) -> None:
        """See `Vectorised.absorb`; rounds asked ahead count as drawn from the present policy."""
        keep = _MEMORY_ROUNDS * self._batch
        past = np.concatenate([self.state["past"], points], axis=1)[:, -keep:]
        told = np.concatenate([self.state["past_score"], score], axis=1)[:, -keep:]
        self.state["past"], self.state["past_score"] = past, told
        reward = -_centred_ranks(told)
        advantage = np.repeat(reward[:, -self._batch :, None], self.grid.width, axis=2)
        if self._credit == "marginal":
            advantage = np.where(self._discrete, self._marginal(past, reward), advantage)
        live, index = self.grid.active(points), self.grid.index(points)
        before = self._log_chance(points, index, self._chances())
        for _ in range(self._epochs):
            self._step(points, index, advantage, before, live)

    def _marginal(self, past: FloatArray, reward: FloatArray) -> FloatArray:
        """[R, batch, width] mean reward of a column's value over the recent designs."""
        index = self.grid.index(past)
        shared = np.broadcast_to(reward[..., None], index.shape)
        total = self._by_value(index, shared)
        mean = total / (1.0 + self._by_value(index, np.ones(index.shape)))
        mine = index[:, -self._batch :]
        return np.take_along_axis(mean[:, None], mine[..., None], axis=-1)[..., 0]

    def _by_value(self, index: IntArray, amount: FloatArray) -> FloatArray:
        """[R, width, values] sums of amounts [R, m, width] over designs, by their value."""
        shape = (self.runs, self.grid.width, self._legal.shape[1])
        cell = np.arange(shape[0] * shape[1]).reshape(shape[0], 1, shape[1]) * shape[2] + index
        sums = np.bincount(cell.ravel(), amount.ravel(), minlength=int(np.prod(shape)))
        return np.asarray(sums.reshape(shape), dtype=np.float64)

    def _step(
        self,
        points: FloatArray,
        index: IntArray,
        advantage: FloatArray,
        before: FloatArray,
        live: BoolArray,
    ) -> None:
        chance = self._chances()
        change = np.where(live, self._log_chance(points, index, chance) - before, 0.0)
        if self._credit == "joint":
            change = np.broadcast_to(change.sum(axis=2, keepdims=True), change.shape)
        ratio = np.exp(np.clip(change, -20.0, 20.0))
        clipped = np.where(advantage > 0, ratio > 1 + _CLIP, ratio < 1 - _CLIP)
        weight = np.where(clipped | ~live, 0.0, ratio * advantage) / self._batch
        logits = self._by_value(index, weight) - weight.sum(axis=1)[..., None] * chance
        logits += self._entropy[:, None, None] * _entropy_slope(chance)
        z = (points - self.state["mean"][:, None]) / np.exp(self.state["log_std"])[:, None]
        mean = (weight * z).sum(axis=1) / np.exp(self.state["log_std"])
        log_std = (weight * (z**2 - 1)).sum(axis=1) + self._entropy[:, None]
        self._climb({"logits": logits * self._legal, "mean": mean, "log_std": log_std})

    def _climb(self, slopes: dict[str, FloatArray]) -> None:
        """One step of Adam (Kingma and Ba 2015) uphill."""
        self.state["updates"] = self.state["updates"] + 1
        t = float(self.state["updates"])
        for name in _WEIGHTS:
            g = slopes[name]
            m = 0.9 * self.state[f"{name}_m"] + 0.1 * g
            v = 0.999 * self.state[f"{name}_v"] + 0.001 * g * g
            self.state[f"{name}_m"], self.state[f"{name}_v"] = m, v
            step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            rate = self._rate.reshape(-1, *[1] * (g.ndim - 1))
            pace = 1.0 if name == "logits" else 0.1  # heads live on [0, 1], logits on some units
            self.state[name] = self.state[name] + pace * rate * step
        self.state["mean"] = np.clip(self.state["mean"], 0.0, 1.0)
        self.state["log_std"] = np.clip(self.state["log_std"], np.log(1e-6), 0.0)

    def _chances(self) -> FloatArray:
        """[R, width, values] probabilities of the softmax heads."""
        logits = np.where(self._legal, self.state["logits"], -np.inf)
        top = np.where(self._discrete[:, None], logits.max(axis=-1, keepdims=True), 0.0)
        weight = np.where(self._legal, np.exp(logits - top), 0.0)
        return np.asarray(weight / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-300))

    def _log_chance(self, points: FloatArray, index: IntArray, chances: FloatArray) -> FloatArray:
        """[R, m, width] log-probability, or log-density, of each column."""
        own = (np.arange(self.runs)[:, None, None], np.arange(self.grid.width), index)
        chance = chances[own]
        log_std = self.state["log_std"][:, None]
        z = (points - self.state["mean"][:, None]) / np.exp(log_std)
        density = -0.5 * z * z - log_std
        return np.asarray(
            np.where(self._discrete, np.log(np.maximum(chance, 1e-300)), density), dtype=np.float64
        )


def _centred_ranks(score: FloatArray) -> FloatArray:
    """[R, m] mean rank of each score in its run, from -1 (least) to 1; ties share theirs."""
    below = (score[:, None, :] < score[:, :, None]).sum(axis=2)
    above = (score[:, None, :] > score[:, :, None]).sum(axis=2)
    return np.asarray((below - above) / max(1, score.shape[1] - 1), dtype=np.float64)


def _entropy_slope(chance: FloatArray) -> FloatArray:
    """Gradient of the softmax entropy with respect to its logits."""
    log = np.log(np.maximum(chance, 1e-300))
    entropy = -(chance * log).sum(axis=-1, keepdims=True)
    return np.asarray(-chance * (log + entropy))
