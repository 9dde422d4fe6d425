"""SAC on Pendulum-v1: score and CPU time, ours beside Stable-Baselines3 in one run.

    python3 -m venv sb3 && sb3/bin/pip install "stable-baselines3==2.9.2" pydantic
    python benchmarks/learn_sac.py --seeds 3 --steps 5000 --sb3-python sb3/bin/python

Settings of rl-zoo for SAC on Pendulum-v1: learning rate 1e-3, γ 0.99, batch 256, 2 × 64 ReLU
(`--width 256` for the full size), one update per step, 100 steps before the first. The final greedy
policy of every training seed plays 50 unseen episodes. CPU-seconds hold everything: imports of the
learner's own process are left out, compilation is inside and also printed apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium
import numpy as np

if TYPE_CHECKING:
    from trimtab.deploy.policy import Policy

HERE = Path(__file__).resolve().parent
START, BATCH, RATE = 100, 256, 1e-3


def own(seeds: int, steps: int, width: int, copies: int, compiled: bool) -> dict[str, object]:
    """Train all seeds stacked in this process; score each final policy."""
    import torch
    from trimtab.deploy.network import NetSpec
    from trimtab.learn.sac import SAC, SACConfig
    from trimtab.testing.classics.pendulum import Pendulum

    torch.set_num_threads(1)
    problem = Pendulum(copies * seeds)
    net = NetSpec.for_problem(
        problem.spec, hidden=(width, width), squash=True, state_std=True, activation="relu"
    )
    config = SACConfig(
        steps=steps,
        start=START,
        rollout=8 // copies,
        batch=BATCH,
        capacity=steps + 100,
        learning_rate=RATE,
        compiled=compiled,
        normalise_obs=False,
        temperature=1.0,
    )
    begin = time.process_time()
    sac = SAC(problem, net, config, range(seeds))
    first = sac.iterate()
    warm = time.process_time() - begin
    for _ in sac.train():
        pass
    spent = time.process_time() - begin
    scores = [score(sac.policy().seed(s)) for s in range(seeds)]
    played = int(first.env_steps[0])
    return {"cpu_s": spent, "warm_cpu_s": warm, "scores": scores, "first_steps": played}


def score(policy: Policy, episodes: int = 50) -> float:
    """Mean return of the greedy policy over the unseen episodes that the peer plays too."""
    from trimtab.deploy.policy import PolicyController
    from trimtab.testing.classics.pendulum import Pendulum

    problem = Pendulum(episodes, autoreset=False)
    seeds, rows = np.arange(episodes) + 10**9, np.arange(episodes)
    problem.reset(seeds)
    peer_environment = gymnasium.make("Pendulum-v1")
    starts = []
    for episode in range(episodes):
        peer_environment.reset(seed=10**6 + episode)
        starts.append(peer_environment.unwrapped.state)  # type: ignore[attr-defined]
    problem.restore({**problem.snapshot(rows), "state": np.array(starts)}, rows)
    obs = problem._observe()
    controller = PolicyController(problem, policy)
    controller.reset(seeds)
    for _ in range(problem.spec.horizon):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return float(step.metrics["episode_return"].mean())


def peer(python: str, seed: int, steps: int, width: int) -> dict[str, float]:
    """One seed of Stable-Baselines3, in its own environment."""
    command = [python, str(HERE / "learn_sac_sb3.py"), "--seed", str(seed)]
    command += ["--steps", str(steps), "--width", str(width)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Train, score, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5000, help="per seed")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--copies", type=int, default=1, help="environments per seed")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--sb3-python", help="python of an environment with stable-baselines3")
    args = parser.parse_args()
    found = own(args.seeds, args.steps, args.width, args.copies, not args.eager)
    scores = np.array(found["scores"])
    print(
        f"trimtab  {args.seeds} seeds stacked, {args.steps} steps each: "
        f"{found['cpu_s']:.1f} CPU-s (of these {found['warm_cpu_s']:.1f} until the first "
        f"iteration, compilation inside); return {scores.mean():.1f} ± {scores.std():.1f}, "
        f"worst {scores.min():.1f}",
        flush=True,
    )
    if not args.sb3_python:
        return
    peers = [peer(args.sb3_python, s, args.steps, args.width) for s in range(args.seeds)]
    scores = np.array([p["score"] for p in peers])
    spent = sum(p["cpu_s"] for p in peers)
    print(
        f"SB3      {args.seeds} seeds one by one, {args.steps} steps each: {spent:.1f} CPU-s; "
        f"return {scores.mean():.1f} ± {scores.std():.1f}, worst {scores.min():.1f}; "
        f"ratio of CPU time {spent / float(str(found['cpu_s'])):.2f}"
    )


if __name__ == "__main__":
    main()
