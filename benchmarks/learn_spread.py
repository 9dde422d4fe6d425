"""simple_spread (3 agents, 25 cycles): PPO alone, the classical teacher, its student, the pupil.

    python benchmarks/learn_spread.py                 # student and pupil
    python benchmarks/learn_spread.py --alone         # also IPPO without a teacher, 1.4M steps

Scores are mean per-agent episode returns of greedy final policies on `--episodes` unseen seeds,
the same for all controllers; differences are paired, with normal 95 % intervals. The pupil is
the DAgger student improved by PPO: critic warmed first, KL leash to the student that decays,
large batches, central critic, per-agent advantage. A pupil that does not beat its teacher is
reported as such.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.testing.classics.spread import CYCLES, AssignAndPush, SimpleSpread


def scores(controller: Controller, problem: SimpleSpread) -> NDArray[np.float64]:
    """Return of one episode per unseen seed."""
    seeds = np.arange(problem.copies) + 10**9
    obs = problem.reset(seeds)
    controller.reset(seeds)
    for _ in range(CYCLES):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return np.asarray(step.metrics["episode_return"])


def show(name: str, found: NDArray[np.float64], teacher: NDArray[np.float64], spent: float) -> None:
    """One row: mean, paired difference to the teacher, CPU-seconds."""
    half = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
    gap = found - teacher
    spread = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    print(
        f"{name:34s} {found.mean():7.2f} ± {half:.2f}   teacher + "
        f"[{gap.mean() - spread:6.2f}, {gap.mean() + spread:6.2f}]   {spent:6.1f} CPU-s",
        flush=True,
    )


def improve(student: Policy, steps: int, args: argparse.Namespace) -> Policy:
    """PPO from the student, on a leash to it."""
    problem = SimpleSpread(args.copies)
    config = PPOConfig(
        steps=steps,
        rollout=50,
        epochs=args.epochs,
        minibatches=4,
        learning_rate=args.rate,
        discount=0.95,
        trace=0.95,
        entropy_weight=args.entropy,
        leash=args.leash,
        leash_until=args.leash_until,
        critic_warmup=args.warmup,
        compiled=True,
    )
    ppo = PPO(problem, student.net, config, (0,), teacher=student, initial=student)
    for number, report in enumerate(ppo.train()):
        if number % 10 == 0:
            returns = [e.reward[0] for e in report.episodes]
            kl = report.diagnostics["teacher_loss"][0]
            steps_so_far = report.env_steps[0]
            print(f"  {steps_so_far:9d} steps, return {np.mean(returns):7.2f}, leash {kl:.4f}")
    return ppo.policy().seed(0)


def alone(steps: int) -> Policy:
    """IPPO from scratch, shared parameters; settings of the published runs."""
    problem = SimpleSpread(64)
    net = NetSpec.for_problem(problem.spec)
    config = PPOConfig(
        steps=steps,
        rollout=100,
        learning_rate=7e-4,
        entropy_weight=0.01,
        discount=0.95,
        trace=0.95,
        normalise_obs=False,
        compiled=True,
    )
    ppo = PPO(problem, net, config, (0,))
    for _ in ppo.train():
        pass
    return ppo.policy().seed(0)


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2048)
    parser.add_argument("--alone", action="store_true", help="train without a teacher too")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the pupil; 0: none")
    parser.add_argument("--copies", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--entropy", type=float, default=0.0)
    parser.add_argument("--leash", type=float, default=0.3)
    parser.add_argument("--leash-until", type=float, default=0.7)
    parser.add_argument("--warmup", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    test = SimpleSpread(args.episodes, autoreset=False)
    teacher = scores(AssignAndPush(test), test)
    show("teacher: assign and push", teacher, teacher, 0.0)
    start = time.process_time()
    problem = SimpleSpread(256)
    net = NetSpec.for_problem(problem.spec, hidden=(128, 128), central=True)
    student = dagger(problem, AssignAndPush(problem), net, DaggerConfig(), (0,)).policy
    spent = time.process_time() - start
    show("student: DAgger", scores(PolicyController(test, student), test), teacher, spent)
    if args.steps:
        pupil = improve(student, args.steps, args)
        total = time.process_time() - start
        found = scores(PolicyController(test, pupil), test)
        show("pupil: DAgger, then PPO on a leash", found, teacher, total)
    if args.alone:
        start = time.process_time()
        policy = alone(1_410_000)
        spent = time.process_time() - start
        found = scores(PolicyController(test, policy), test)
        show("PPO without a teacher, 1.41M steps", found, teacher, spent)


if __name__ == "__main__":
    main()
