"""Stable-Baselines3's side of `learn_speed.py`; runs in an environment that has it.

Prints one JSON object: env-steps per CPU-second and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

WIDTH, ACTIONS, LENGTH = 32, 8, 200
PUSH = (0.3 * np.random.default_rng(0).standard_normal((ACTIONS, WIDTH))).astype(np.float32)


class YardstickEnv(gymnasium.Env[Any, Any]):
    """The system of `learn_yardstick.py`, one copy."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (WIDTH,), np.float32)
    action_space = gymnasium.spaces.Discrete(ACTIONS)

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Start from N(0, I)."""
        self._x = self._rng.standard_normal(WIDTH, np.float32)
        self._t = 0
        return self._x, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance one step."""
        noise = self._rng.standard_normal(WIDTH, np.float32)
        self._x = 0.9 * self._x + PUSH[action] + 0.1 * noise
        self._t += 1
        return self._x, -float(self._x @ self._x) / WIDTH, False, self._t >= LENGTH, {}


def build(copies: int, *, batched: bool) -> VecEnv:
    """Single environments, or our batched problem through the adapter."""
    if not batched:
        return DummyVecEnv([lambda s=s: YardstickEnv(s) for s in range(copies)])
    from learn_yardstick import Yardstick
    from trimtab.adapters.stable_baselines import ProblemVecEnv

    return ProblemVecEnv(Yardstick(copies))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--copies", type=int)
    parser.add_argument("--rollout", type=int)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--batched", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = args.copies * args.rollout
    model = PPO(
        "MlpPolicy",
        build(args.copies, batched=args.batched),
        n_steps=args.rollout,
        batch_size=rows // 4,
        n_epochs=4,
        learning_rate=2.5e-4,
        gamma=0.99,
        gae_lambda=0.95,
        vf_coef=0.5,
        ent_coef=0.0,
        device="cpu",
    )
    model.learn(rows)
    start = time.process_time()
    model.learn(rows * args.iterations)
    rate = rows * args.iterations / (time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": rate, "peak_mb": peak}))


if __name__ == "__main__":
    main()
