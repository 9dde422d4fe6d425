"""Lagrange multipliers on cost channels, by dual ascent or PID (Stooke, Achiam, Abbeel 2020).

The learner maximises reward − Σ_c λ_c cost_c; each iteration the multipliers follow the measured
cost J_c of the policy that is playing:

    I ← max(0, I + K_I (J − limit)),   λ = max(0, I + K_P (J − limit) + K_D max(0, J − J_before))

K_P = K_D = 0 is plain dual ascent λ ← max(0, λ + η (J − limit)), which oscillates where the cost
answers late; the proportional part damps that. PPO and SAC use this one class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.spec import Spec
from trimtab.learn.collect import Rollout

_PARTS = ("value", "_integral", "_before")


class Multipliers:
    """λ [S, C] of S training seeds and the C cost channels of a spec.

    Args:
        spec: its cost channels give limits and kinds.
        seeds: S.
        rate: K_I per unit of cost and iteration; 0 switches the whole off.
        proportional: K_P per unit of cost.
        derivative: K_D per unit of cost.

    Attributes:
        value: [S, C], present multipliers, never negative.
    """

    def __init__(
        self,
        spec: Spec,
        seeds: int,
        *,
        rate: float,
        proportional: float = 0.0,
        derivative: float = 0.0,
    ) -> None:
        self._gains = (rate, proportional, derivative)
        self._spec = spec
        self._limits = np.array([channel.limit for channel in spec.costs], dtype=np.float64)
        self.value = np.zeros((seeds, len(spec.costs)))
        self._integral = np.zeros_like(self.value)
        self._before = np.full_like(self.value, np.nan)

    def follow(self, rollout: Rollout) -> None:
        """Move after a rollout: mean cost per step, or per finished episode for budgets."""
        if self._gains[0]:
            self.move(cost_levels(self._spec, rollout))

    def move(self, level: NDArray[np.float64]) -> None:
        """Move by measured costs [S, C]; NaN (no episode ended) leaves a multiplier as it is."""
        rate, proportional, derivative = self._gains
        known = np.isfinite(level)
        excess = np.where(known, level - self._limits, 0.0)
        self._integral = np.maximum(0.0, self._integral + rate * excess)
        rise = np.where(known & np.isfinite(self._before), level - self._before, 0.0)
        moved = self._integral + proportional * excess + derivative * np.maximum(rise, 0.0)
        self.value = np.where(known, np.maximum(0.0, moved), self.value)
        self._before = np.where(known, level, self._before)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All that `move` remembers, as copies."""
        return {name: np.array(getattr(self, name)) for name in _PARTS}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        for name in _PARTS:
            setattr(self, name, np.array(state[name]))


def cost_levels(spec: Spec, rollout: Rollout) -> NDArray[np.float64]:
    """J [S, C]: mean per step, or per finished episode where the channel is a budget (or NaN)."""
    level = np.asarray(rollout.arrays["cost"].mean(axis=(1, 2)), dtype=np.float64)
    seeds = level.shape[0]
    for c, channel in enumerate(spec.costs):
        if channel.kind == "budget":
            ended = [(e.seed, float(e.cost[c])) for e in rollout.episodes]
            level[:, c] = _mean_per_seed(ended, seeds)
    return level


def _mean_per_seed(pairs: list[tuple[int, float]], seeds: int) -> NDArray[np.float64]:
    total, count = np.zeros(seeds), np.zeros(seeds)
    for seed, value in pairs:
        total[seed] += value
        count[seed] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
