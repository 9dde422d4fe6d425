"""MaskablePPO of sb3-contrib on a batched problem, through `adapters.stable_baselines`.

    ENV_WITH_SB3/bin/python benchmarks/learn_maskable.py

Runs in an environment of its own that has Stable-Baselines3 and sb3-contrib. The yardstick of
`learn_speed.py` with every second action forbidden, in turns; a forbidden action that is proposed
ends the run. Prints environment steps per CPU-second, and the mean reward of the first and the last
tenth of training.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from learn_yardstick import ACTIONS, Yardstick
from sb3_contrib import MaskablePPO
from trimtab.adapters.stable_baselines import ProblemVecEnv
from trimtab.contracts.spec import Action, BoolArray, Float32Array, IntArray, Obs, Step

COPIES, ROLLOUT, ROLLOUTS = 8, 128, 60


class MaskedYardstick(Yardstick):
    """Actions of the parity of the step are legal."""

    def __init__(self, copies: int) -> None:
        super().__init__(copies)
        self.rewards: list[float] = []

    def _legal(self) -> BoolArray:
        parity = (np.arange(ACTIONS) + self._t[:, None]) % 2 == 0
        return np.asarray(parity[:, None])

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `Yardstick.reset`."""
        obs = super().reset(seed, context, rows)
        return replace(obs, action_mask=self._legal())

    def step(self, action: Action | None) -> Step:
        """See `Yardstick.step`."""
        assert action is not None and action.discrete is not None  # noqa: S101, PT018
        if not np.take_along_axis(self._legal(), action.discrete, axis=2).all():
            msg = "MaskablePPO proposed a masked action"
            raise SystemExit(msg)
        step = super().step(action)
        self.rewards.append(float(step.reward.mean()))
        return replace(step, obs=replace(step.obs, action_mask=self._legal()))


def main() -> None:
    """Train and print."""
    torch.set_num_threads(1)
    problem = MaskedYardstick(COPIES)
    rows = COPIES * ROLLOUT
    settings = {"n_steps": ROLLOUT, "batch_size": rows // 4, "n_epochs": 4, "learning_rate": 1e-3}
    model = MaskablePPO("MlpPolicy", ProblemVecEnv(problem), device="cpu", **settings)
    start = time.process_time()
    model.learn(rows * ROLLOUTS)
    spent = time.process_time() - start
    tenth = len(problem.rewards) // 10
    first, last = np.mean(problem.rewards[:tenth]), np.mean(problem.rewards[-tenth:])
    print(
        f"{rows * ROLLOUTS} steps, none masked; {rows * ROLLOUTS / spent:.0f} a CPU-second; "
        f"mean reward {first:.3f}, at the end {last:.3f}"
    )


if __name__ == "__main__":
    main()
