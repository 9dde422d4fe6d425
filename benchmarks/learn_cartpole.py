"""CartPole-v1, ten seeds trained stacked in one process; final policies on unseen seeds.

    python benchmarks/learn_cartpole.py --stop   # ten seeds at once: CPU-seconds to 475
    python benchmarks/learn_cartpole.py          # the full 100,000 steps a seed

Epochs, rate and trace were chosen on training seeds 100-109 and 200-209. Printed: CPU-seconds of
the whole process and its children (imports, and compilers with `--compiled`), the learning curve
(interquartile mean over seeds with a bootstrap 95 % interval of the mean of each seed's last 20
training episodes), and the greedy final policy of every seed on 100 unseen episodes, worst seed
named.
"""

from __future__ import annotations

import argparse
import os
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.testing.classics.cartpole import CartPole

COPIES = 8  # per seed, as in the rl-zoo setting


def final_scores(policy: Policy, episodes: int = 100) -> NDArray[np.float64]:
    """Return of each unseen episode under the greedy policy."""
    problem = CartPole(episodes, autoreset=False)
    controller = PolicyController(problem, policy)
    seeds = np.arange(episodes) + 10**9
    obs = problem.reset(seeds)
    controller.reset(seeds)
    scores = np.zeros(episodes)
    while obs.alive.any():
        step = problem.step(controller.act(obs))
        ended = step.done
        if ended.any():
            scores[ended] = step.metrics["episode_return"][ended]
        obs = step.obs
    return scores


def middle_mean(x: NDArray[np.float64]) -> float:
    """Interquartile mean."""
    ordered = np.sort(x)
    cut = len(x) // 4
    return float(ordered[cut : len(x) - cut].mean())


def interval(x: NDArray[np.float64]) -> tuple[float, float]:
    """Bootstrap 95 % interval of the interquartile mean, 2000 resamples."""
    rng = np.random.default_rng(0)
    draws = [middle_mean(x[rng.integers(0, len(x), len(x))]) for _ in range(2000)]
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def cpu_s() -> float:
    """CPU-seconds so far of this process and of the children that it waited for."""
    return sum(os.times()[:4])


def main() -> None:
    """Train, print the curve, score the final policies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100_000, help="per seed")
    parser.add_argument("--first", type=int, default=0, help="first training seed")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--trace", type=float, default=0.9)
    parser.add_argument("--normalise", action="store_true")
    parser.add_argument("--stop", action="store_true", help="stop once all seeds reached 475")
    parser.add_argument("--compiled", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    problem = CartPole(COPIES * args.seeds)
    config = PPOConfig(
        steps=args.steps,
        rollout=32,
        epochs=args.epochs,
        minibatches=1,
        learning_rate=args.rate,
        anneal_clip=True,
        discount=0.98,
        trace=args.trace,
        normalise_obs=args.normalise,
        compiled=args.compiled,
    )
    seeds = range(args.first, args.first + args.seeds)
    ppo = PPO(problem, NetSpec.for_problem(problem.spec), config, seeds)
    recent = [deque[float](maxlen=20) for _ in range(args.seeds)]
    reached = np.full(args.seeds, -1)
    print(
        "   steps  CPU-s    IQM   [95 % interval]   solved   (per seed, mean of last 20 episodes)"
    )
    for number, report in enumerate(ppo.train(), 1):
        for episode in report.episodes:
            recent[episode.seed].append(float(episode.reward[0]))
        level = np.array([np.mean(r) if len(r) == 20 else 0.0 for r in recent])
        steps = int(report.env_steps[0])
        reached = np.where((reached < 0) & (level >= 475), steps, reached)
        if number % 20 == 0 or number == ppo.iterations:
            low, high = interval(level)
            print(
                f"{steps:8d} {cpu_s():6.1f} {middle_mean(level):6.1f} [{low:5.1f}, {high:5.1f}]"
                f"   {(reached >= 0).sum():2d}/{args.seeds}   {level.astype(int).tolist()}",
                flush=True,
            )
        if args.stop and (reached >= 0).all():
            break
    print(f"start and training: {cpu_s():.1f} CPU-s; 475 reached at {reached.tolist()}")
    scores = np.array([final_scores(ppo.policy().seed(s)).mean() for s in range(args.seeds)])
    low, high = interval(scores)
    print(
        f"final greedy policies, 100 unseen episodes each: IQM {middle_mean(scores):.1f} "
        f"[{low:.1f}, {high:.1f}], at 500: {(scores == 500).sum()}/{args.seeds}, worst seed "
        f"{int(scores.argmin())} with {scores.min():.1f}; all {scores.round(1).tolist()}"
    )


if __name__ == "__main__":
    main()
