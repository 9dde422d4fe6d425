"""Stable-Baselines3's side of `learn_sac.py`: SAC on Pendulum-v1, one seed; prints JSON."""

from __future__ import annotations

import argparse
import json
import time

import gymnasium
import numpy as np
import torch
from stable_baselines3 import SAC


def main() -> None:
    """Train, score on 50 unseen episodes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--width", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    environment = gymnasium.make("Pendulum-v1")
    model = SAC(
        "MlpPolicy",
        environment,
        learning_rate=1e-3,
        learning_starts=100,
        batch_size=256,
        policy_kwargs={"net_arch": [args.width, args.width]},
        seed=args.seed,
        device="cpu",
    )
    begin = time.process_time()
    model.learn(args.steps)
    spent = time.process_time() - begin
    returns = []
    for episode in range(50):
        seen, _ = environment.reset(seed=10**6 + episode)
        total, over = 0.0, False
        while not over:
            action, _ = model.predict(seen, deterministic=True)
            seen, reward, terminated, truncated, _ = environment.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    print(json.dumps({"cpu_s": spent, "score": float(np.mean(returns))}))


if __name__ == "__main__":
    main()
