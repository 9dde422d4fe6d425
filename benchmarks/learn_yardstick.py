"""The yardstick of `learn_speed.py`: a linear system that costs next to nothing to simulate.

x' = 0.9x + B[a] + 0.1·N(0, I), x ∈ R³², 8 actions, B ~ 0.3·N(0, 1) fixed, r = −mean(x'²),
truncated after 200 steps. `Yardstick` is the batched control problem; `learn_speed_sb3.py` has the
same system as a Gymnasium environment.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Composite,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)

WIDTH, ACTIONS, LENGTH = 32, 8, 200
PUSH = (0.3 * np.random.default_rng(0).standard_normal((ACTIONS, WIDTH))).astype(np.float32)


class Yardstick(ControlProblem):
    """N copies, autoreset on; noise from one generator, as in the peers' environments."""

    autoreset = True

    def __init__(self, copies: int, seed: int = 0) -> None:
        self.copies = copies
        self.spec = Spec(
            name="yardstick-1",
            agent_type=(0,),
            actions=(Composite(discrete=(ACTIONS,)),),
            obs_dim=WIDTH,
            rewards=(RewardChannel("reward", "1"),),
            horizon=LENGTH,
            dt_s=1.0,
        )
        self._rng = np.random.default_rng(seed)
        self._x = np.zeros((copies, WIDTH), np.float32)
        self._t = np.zeros(copies, np.int64)
        self._alive = np.ones((copies, 1), bool)
        self._never = np.zeros(copies, bool)
        self._second = np.ones(copies)
        self._no_cost = np.zeros((copies, 0), np.float32)
        self._no_reason = np.zeros((copies, 1), np.int16)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Start all copies from N(0, I)."""
        self._x = self._rng.standard_normal((self.copies, WIDTH), np.float32)
        self._t[:] = 0
        return Obs(obs=self._x[:, None], alive=self._alive)

    def step(self, action: Action | None) -> Step:
        """Advance all copies."""
        assert action is not None and action.discrete is not None  # noqa: S101, PT018
        noise = self._rng.standard_normal((self.copies, WIDTH), np.float32)
        x = 0.9 * self._x + PUSH[action.discrete[:, 0, 0]] + 0.1 * noise
        reward = -np.einsum("nd,nd->n", x, x) / WIDTH
        self._t += 1
        truncated = self._t >= LENGTH
        final_obs = final_rows = None
        if np.count_nonzero(truncated):
            final_rows = np.flatnonzero(truncated)
            final_obs = Obs(obs=x[final_rows, None], alive=self._alive[final_rows])
            x[final_rows] = self._rng.standard_normal((len(final_rows), WIDTH), np.float32)
            self._t[final_rows] = 0
        self._x = x
        return Step(
            obs=Obs(obs=x[:, None], alive=self._alive),
            reward=reward[:, None, None],
            cost=self._no_cost,
            terminated=self._never,
            truncated=truncated,
            elapsed_s=self._second,
            executed=action,
            intervened=self._alive,
            reason=self._no_reason,
            final_obs=final_obs,
            final_rows=final_rows,
        )
