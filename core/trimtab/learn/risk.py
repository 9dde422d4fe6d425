"""Conditional value at risk by stock augmentation, for PPO, SAC and every other learner.

The CVaR of an episode's return G (mean of its worst share α) is

    CVaR_α(G) = max_b { b − E[(b − G)⁺] / α }            (Rockafellar and Uryasev 2000)

and for a given b the inner problem, maximise E min(c₀ + G, 0) with the *stock* c₀ = −b, is an
ordinary one once the stock c ← c + r is part of the state (Bäuerle and Ott 2011; Pires et al.
2025). CVaR of the remaining return in every state on its own would be another, time-inconsistent
goal. `StockProblem` is that augmentation as a wrapper: it adds the stock to the observation and
pays f(c + r) − f(c) with f(x) = min(x, 0) at every step, which sums to f(c₀ + G) − f(c₀). Train
on random stocks with discount 1, then `choose_stock` searches b. Where the mean of something else
counts as well (less fuel on bad days, but not at any cost), its rewards are paid `beside` the
utility: with `risk` = κ/α that maximises E[beside] + κ CVaR_α(G).

For a cost that must not grow large on bad days, let the reward be the negative cost: CVaR95 of the
cost is −CVaR_0.05 of the reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    ContextVariable,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)
from trimtab.contracts.streams import Stream
from trimtab.contracts.wrapped import Wrapped
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.evidence.statistics import cvar_lower

STOCK, RETURN, BESIDE = "stock", "stock_return", "beside_return"
_START = Stream("stock")


class StockProblem(Wrapped):
    """A single-agent problem whose state holds the stock and whose reward is its utility.

    The last observation feature is the stock in units of `scale`. The stock of a new episode is
    the last context variable; without a context it is drawn uniformly from [low, high], or 0
    with `draw=False` (for a `StockController`, which adds its own). Cut episodes count as ended:
    the return whose risk is meant is that of one episode. `Step.metrics` gains `stock_return`, G,
    and `beside_return`, what was paid beside the utility.

    Args:
        problem: one agent; its rewards are scalarised by `weights`.
        low: least stock at the start, in units of the scalarised reward.
        high: largest.
        weights: [K] of the rewards, minimised ones negative; None for the spec's.
        risk: what the utility counts.
        beside: [K] weights of the rewards paid beside it; None for none.
        draw: draw the stock where no context gives it.
    """

    def __init__(
        self,
        problem: ControlProblem,
        low: float,
        high: float,
        *,
        weights: Sequence[float] | None = None,
        risk: float = 1.0,
        beside: Sequence[float] | None = None,
        draw: bool = True,
    ) -> None:
        if problem.spec.n_agents != 1:
            msg = f"{problem.spec.name}: stock augmentation is for one agent, got several"
            raise ContractError(msg)
        if not high > low:
            msg = f"StockProblem: high ({high}) must exceed low ({low})"
            raise ContractError(msg)
        super().__init__(problem)
        self.low, self.high = low, high
        self.scale = max(abs(low), abs(high))
        self._weights = problem.spec.reward_weights if weights is None else np.array(weights)
        self._beside = np.zeros(len(problem.spec.rewards)) if beside is None else np.array(beside)
        self.risk, self._draw = risk, draw
        self.spec = _augmented(problem.spec, low, high)
        self._seed = np.zeros(self.copies, np.int64)
        self._episode = np.zeros(self.copies, np.int64)
        self._stock, self._return = np.zeros(self.copies), np.zeros(self.copies)
        self._paid = np.zeros(self.copies)
        self._live = np.ones(self.copies, dtype=bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """As the inner problem; the last context column is the stock."""
        which = np.arange(self.copies) if rows is None else rows
        inner = None if context is None else context[:, :-1]
        if inner is not None and inner.shape[1] == 0:
            inner = None
        obs = self.inner.reset(seed, inner, rows)
        self._seed[which], self._episode[which] = seed, 0
        self._return[which], self._paid[which] = 0.0, 0.0
        self._stock[which] = self._fresh(which) if context is None else context[:, -1]
        self._live = obs.alive[:, 0].copy()
        return self._seen(obs, self._stock)

    def _fresh(self, rows: IntArray) -> FloatArray:
        if not self._draw:
            return np.zeros(len(rows))
        draws = _START.uniform(self._seed[rows], self._episode[rows], 0)[:, 0]
        return self.low + (self.high - self.low) * draws

    def _seen(self, obs: Obs, stock: FloatArray) -> Obs:
        column = (stock / self.scale).astype(np.float32)[:, None, None]
        return replace(obs, obs=np.concatenate([obs.obs, column], axis=-1))

    def step(self, action: Action | None) -> Step:
        """As the inner problem; pays the change of min(stock, 0)."""
        step = self.inner.step(action)
        done = step.done
        rewards = np.where(self._live[:, None], step.reward[:, 0].astype(np.float64), 0.0)
        gained, paid = rewards @ self._weights, rewards @ self._beside
        after = self._stock + gained
        utility = np.minimum(after, 0.0) - np.minimum(self._stock, 0.0)
        self._return += gained
        self._paid += paid
        metrics = dict(step.metrics)
        final = step.final_obs
        if done.any():
            metrics[RETURN] = np.where(done, self._return, np.nan)
            metrics[BESIDE] = np.where(done, self._paid, np.nan)
            if final is not None and step.final_rows is not None:
                final = self._seen(final, after[step.final_rows])
        self._stock, self._live = after, step.obs.alive[:, 0].copy()
        if self.autoreset and done.any():
            rows = np.flatnonzero(done)
            self._episode[rows] += 1
            self._stock[rows] = self._fresh(rows)
            self._return[rows], self._paid[rows] = 0.0, 0.0
        return replace(
            step,
            obs=self._seen(step.obs, self._stock),
            reward=(self.risk * utility + paid).astype(np.float32)[:, None, None],
            terminated=done,
            truncated=np.zeros_like(done),
            final_obs=final,
            metrics=metrics,
        )

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """The inner snapshot and the stock."""
        own = {f"stock.{name}": getattr(self, name)[rows].copy() for name in _STATE}
        return {**self.inner.snapshot(rows), **own}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """Inverse of `snapshot`."""
        own = {f"stock.{name}": name for name in _STATE}
        self.inner.restore({k: x for k, x in snapshot.items() if k not in own}, rows)
        for key, name in own.items():
            getattr(self, name)[rows] = snapshot[key]


_STATE = ("_stock", "_return", "_paid", "_live", "_seed", "_episode")


def _augmented(spec: Spec, low: float, high: float) -> Spec:
    variable = ContextVariable(STOCK, spec.rewards[0].unit, low, high, 0.5 * (low + high))
    return replace(
        spec,
        name=f"{spec.name}+stock",
        obs_dim=spec.obs_dim + 1,
        rewards=(RewardChannel("utility", spec.rewards[0].unit),),
        context=(*spec.context, variable),
    )


class StockController(Controller):
    """Plays a policy trained on `StockProblem` from the stock that was chosen for it.

    Args:
        problem: a `StockProblem` with `draw=False`: its last feature is what was gained so far.
        policy: trained on it.
        stock: c₀ = −b, from `choose_stock`.
    """

    def __init__(self, problem: StockProblem, policy: Policy, stock: float) -> None:
        self._player = PolicyController(problem, policy)
        self._shift = np.float32(stock / problem.scale)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = obs.obs.copy()
        seen[..., -1] += self._shift
        return self._player.act(replace(obs, obs=seen))


@dataclass(frozen=True, slots=True)
class StockChoice:
    """Result of the search over stocks.

    Attributes:
        stock: c₀ = −b of the best b.
        cvar: CVaR_α of the return when playing from that stock, empirical.
        mean: mean return.
        beside: mean of what was paid beside the utility.
        costs: [N] of each episode from that stock, what `tail_costs` gives.
        table: (stock, b − E[(b − G)⁺]/α, CVaR_α, mean, beside) of every candidate.
    """

    stock: float
    cvar: float
    mean: float
    beside: float
    costs: FloatArray
    table: tuple[tuple[float, float, float, float, float], ...]


def cvar(returns: FloatArray, alpha: float) -> float:
    """Mean of the worst share α of returns, of however few: candidates are compared by it."""
    return cvar_lower(returns, alpha, least=0)


def choose_stock(
    problem: StockProblem, policy: Policy, alpha: float, seeds: IntArray, candidates: FloatArray
) -> StockChoice:
    """Search b on a line: one episode per seed from each candidate stock.

    Args:
        problem: autoreset off, one copy per seed.
        policy: greedy.
        alpha: share of worst episodes.
        seeds: [N], not those of training or test.
        candidates: stocks c₀ to try.
    """
    table, costs = [], []
    for stock in candidates:
        returns, beside = episode_returns(problem, policy, float(stock), seeds)
        costs.append(tail_costs(problem, float(stock), returns, beside))
        bound = -float(stock) - float(np.maximum(-stock - returns, 0.0).mean()) / alpha
        means = float(returns.mean()), float(beside.mean())
        table.append((float(stock), bound, cvar(returns, alpha), *means))
    best = max(range(len(table)), key=lambda i: problem.risk * alpha * table[i][1] + table[i][4])
    stock, _, tail, mean, paid = table[best]
    return StockChoice(stock, tail, mean, paid, costs[best], tuple(table))


def tail_costs(
    problem: StockProblem, stock: float, returns: FloatArray, beside: FloatArray
) -> FloatArray:
    """[N] what each episode adds to the objective at one stock, negative.

    At a fixed stock c₀ the mean beside and the bound of CVaR are one mean over episodes, so two
    policies can be compared in pairs.
    """
    return -(beside + problem.risk * np.minimum(returns + stock, 0.0))


def episode_returns(
    problem: StockProblem, policy: Policy, stock: float, seeds: IntArray
) -> tuple[FloatArray, FloatArray]:
    """G and what was paid beside it, [N] each: one episode per seed, greedily from a stock."""
    context = np.repeat(problem.spec.default_context[None], len(seeds), axis=0)
    context[:, -1] = stock
    obs = problem.reset(seeds, context)
    controller = PolicyController(problem, policy)
    controller.reset(seeds, context)
    found = np.full((2, len(seeds)), np.nan)
    while np.isnan(found).any():
        step = problem.step(controller.act(obs))
        ended = step.done & np.isnan(found[0])
        if ended.any():
            found[:, ended] = [step.metrics[name][ended] for name in (RETURN, BESIDE)]
        obs = step.obs
    return found[0], found[1]
