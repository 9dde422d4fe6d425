"""What the batched copies share: episodes, restarts, truncation, snapshots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.errors import ActionError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Composite,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)
from trimtab.contracts.streams import Stream


class BatchedClassic(ControlProblem):
    """N copies of an environment with one reward; actions are one choice or one number each.

    Subclasses hold their state in arrays [N, ...] named in `state_names`.

    Args:
        spec: one action component, discrete or box; one reward.
        copies: N.
        autoreset: see `ControlProblem`.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, spec: Spec, copies: int, *, autoreset: bool) -> None:
        self.spec, self.copies, self.autoreset = spec, copies, autoreset
        self._seed = np.zeros(copies, np.int64)
        self._episode = np.zeros(copies, np.int64)
        self._decision = np.zeros(copies, np.int64)
        self._live = np.ones(copies, bool)
        self._return = np.zeros(copies)
        self._quiet = np.zeros((copies, spec.n_agents), bool)
        self._no_reason = np.zeros((copies, spec.n_agents), np.int16)
        self._elapsed = np.full(copies, spec.dt_s)
        self._no_cost = np.zeros((copies, 0), np.float32)

    @abstractmethod
    def _start(self, rows: IntArray) -> None:
        """Draw the initial state of `rows` from their seed and episode."""

    @abstractmethod
    def _advance(self, choice: NDArray[Any]) -> tuple[FloatArray, BoolArray]:
        """Move all copies by choices or numbers [N, A]; reward [N, A] and terminated [N]."""

    @abstractmethod
    def _observe(self) -> Obs:
        """Observation of all copies."""

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = np.arange(self.copies) if rows is None else rows
        self._seed[which], self._episode[which] = seed, 0
        self._begin(which)
        return self._observe()

    def _begin(self, rows: IntArray) -> None:
        self._decision[rows], self._return[rows], self._live[rows] = 0, 0.0, True
        self._start(rows)

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        choice = self._checked(action)
        live = self._live.copy()
        reward, fell = self._advance(choice)
        if not live.all():
            reward = np.where(live[:, None], reward, 0.0)
        self._decision += live
        self._return += reward.mean(axis=1)
        terminated = fell & live
        truncated = live & ~terminated & (self._decision >= self.spec.horizon)
        return self._outcome(action, reward, terminated, truncated)

    def _checked(self, action: Action | None) -> NDArray[Any]:
        kind = "discrete" if self.spec.discrete else "box"
        part = None if action is None else getattr(action, kind)
        shape = (self.copies, self.spec.n_agents, 1)
        if part is None or part.shape != shape:
            got = None if part is None else part.shape
            msg = f"{self.spec.name}: {kind} actions must have shape {shape}, got {got}"
            raise ActionError(msg)
        return np.asarray(part[:, :, 0])

    def _outcome(
        self, action: Action | None, reward: FloatArray, terminated: BoolArray, truncated: BoolArray
    ) -> Step:
        done = terminated | truncated
        final_obs = final_rows = None
        metrics: Mapping[str, FloatArray] = {}
        if done.any():
            metrics = {"episode_return": np.where(done, self._return, np.nan)}
            self._live &= ~done
            if self.autoreset:
                final_rows = np.flatnonzero(done)
                final_obs = _take(self._observe(), final_rows)
                self._episode[final_rows] += 1
                self._begin(final_rows)
        return Step(
            obs=self._observe(),
            reward=reward[:, :, None].astype(np.float32),
            cost=self._no_cost,
            terminated=terminated,
            truncated=truncated,
            elapsed_s=self._elapsed,
            executed=action,
            intervened=self._quiet,
            reason=self._no_reason,
            final_obs=final_obs,
            final_rows=final_rows,
            metrics=metrics,
        )

    def _alive(self) -> BoolArray:
        return np.repeat(self._live[:, None], self.spec.n_agents, axis=1)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`."""
        return {name: getattr(self, name)[rows].copy() for name in _EPISODE + self.state_names}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        for name in _EPISODE + self.state_names:
            getattr(self, name)[rows] = snapshot[name]


class Mechanism(BatchedClassic):
    """One body whose state [N, D] begins evenly around 0.

    Args:
        spec: see `BatchedClassic`.
        copies: N.
        spread: half widths of the first state, [D].
        autoreset: see `ControlProblem`.
    """

    state_names = ("state",)

    def __init__(
        self, spec: Spec, copies: int, spread: tuple[float, ...], *, autoreset: bool
    ) -> None:
        super().__init__(spec, copies, autoreset=autoreset)
        self.state = np.zeros((copies, len(spread)))
        self._spread = np.array(spread)

    def _start(self, rows: IntArray) -> None:
        draws = _START.uniform(self._seed[rows], self._episode[rows], 0, len(self._spread))
        self.state[rows] = (2.0 * draws - 1.0) * self._spread


def upright_spec(name: str, action: Composite, obs_dim: int, horizon: int, dt_s: float) -> Spec:
    """Spec of a body that one agent holds upright."""
    return Spec(
        name=name,
        agent_type=(0,),
        actions=(action,),
        obs_dim=obs_dim,
        rewards=(RewardChannel("upright", "1"),),
        horizon=horizon,
        dt_s=dt_s,
        supports_snapshot=True,
    )


_START = Stream("start")
_EPISODE = ("_seed", "_episode", "_decision", "_live", "_return")


def _take(obs: Obs, rows: IntArray) -> Obs:
    return Obs(
        obs=obs.obs[rows],
        alive=obs.alive[rows],
        entities={name: x[rows] for name, x in obs.entities.items()},
        entity_mask={name: x[rows] for name, x in obs.entity_mask.items()},
        state=None if obs.state is None else obs.state[rows],
    )
