"""simple_spread (3 agents, 25 cycles): PPO alone, the classical teacher, its student, the pupil.

    python benchmarks/learn_spread.py                 # tuned teacher, student and pupil
    python benchmarks/learn_spread.py --depth 8       # taught by the teacher that looks ahead
    python benchmarks/learn_spread.py --plain         # a perceptron on the observation instead
    python benchmarks/learn_spread.py --alone         # also IPPO without a teacher, 1.4M steps

Scores are mean per-agent episode returns of greedy final policies on `--episodes` unseen seeds,
the same for all controllers; differences are paired, with normal 95 % intervals. The teacher's
two gains are tuned first, on other seeds; with `--depth` it also tries every choice of every agent
in a copy of the game and plays on from there (`learn.lookahead`), which its student cannot. The
student sees the view `targets` of the problem and
points at a landmark (`NetSpec.focus`). The pupil is the student improved by PPO: critic warmed
first, KL leash to the teacher that decays, large batches, central critic, per-agent advantage. A
pupil that does not beat its teacher is reported as such.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller
from trimtab.contracts.parameters import Float
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.space import Space
from trimtab.contracts.spec import Metric
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.learn.lookahead import Lookahead
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.search.bridges import as_design
from trimtab.search.cmaes import CmaEs
from trimtab.search.loop import search
from trimtab.testing.classics.spread import CYCLES, AssignAndPush, SimpleSpread

GAINS = Space((Float("lead_s", 0.1, 0.6, "s"), Float("dead_band", 0.0, 0.1)))
RETURN = Metric("episode_return", "1", "max")


def scores(
    controller: Controller, problem: SimpleSpread, first: int = 10**9
) -> NDArray[np.float64]:
    """Return of one episode per seed from `first` on."""
    seeds = np.arange(problem.copies) + first
    obs = problem.reset(seeds)
    controller.reset(seeds)
    for _ in range(CYCLES):
        step = problem.step(controller.act(obs))
        obs = step.obs
    return np.asarray(step.metrics["episode_return"])


def tuned_gains(candidates: int) -> dict[str, Any]:
    """Gains of the teacher that are best on 512 seeds of their own."""
    problem = SimpleSpread(512, autoreset=False)

    def rollouts(designs: Sequence[Mapping[str, Any]]) -> list[list[EpisodeRecord]]:
        found = [scores(AssignAndPush(problem, **gains), problem, 2 * 10**9) for gains in designs]
        return [
            [EpisodeRecord("assign", seed, {"episode_return": x}) for seed, x in enumerate(row)]
            for row in found
        ]

    design = as_design("assign", GAINS, RETURN, rollouts)
    start = GAINS.encode(GAINS.code([{"lead_s": 0.35, "dead_band": 0.05}]))[0]
    best = search(design, CmaEs(GAINS.width, 0, start=start), candidates).best
    return dict(GAINS.designs(best[None])[0])


def show(name: str, found: NDArray[np.float64], teacher: NDArray[np.float64], spent: float) -> None:
    """One row: mean, paired difference to the teacher, CPU-seconds."""
    half = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
    gap = found - teacher
    spread = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    print(
        f"{name:42s} {found.mean():7.2f} ± {half:.2f}   less the tuned teacher's "
        f"[{gap.mean() - spread:6.2f}, {gap.mean() + spread:6.2f}]   {spent:6.1f} CPU-s",
        flush=True,
    )


def teacher_of(problem: SimpleSpread, gains: Mapping[str, Any], depth: int) -> Controller:
    """The tuned assignment, looking ahead if `depth` > 0."""
    base = AssignAndPush(problem, **gains)
    if depth == 0:
        return base
    model = SimpleSpread(problem.copies * problem.spec.discrete[0], autoreset=False)
    return Lookahead(problem, model, base, depth, least_gain=0.03)


def imitate(gains: Mapping[str, Any], args: argparse.Namespace) -> Policy:
    """The student by DAgger."""
    problem = SimpleSpread(256, targets=not args.plain)
    if args.plain:
        net, config = (
            NetSpec.for_problem(problem.spec, hidden=(128, 128), central=True),
            DaggerConfig(),
        )
    else:
        net = NetSpec.for_problem(
            problem.spec, hidden=(64, 64), activation="relu", central=True, focus="landmarks"
        )
        config = DaggerConfig(updates=args.updates, learning_rate=3e-3, anneal=True)
    return dagger(problem, teacher_of(problem, gains, args.depth), net, config, (0,)).policy


def improve(student: Policy, gains: Mapping[str, Any], args: argparse.Namespace) -> Policy:
    """PPO from the student, on a leash to the teacher."""
    problem = SimpleSpread(args.copies, targets=not args.plain)
    config = PPOConfig(
        steps=args.steps,
        rollout=25,
        epochs=args.epochs,
        minibatches=4,
        learning_rate=args.rate,
        discount=0.99,
        trace=0.95,
        entropy_weight=args.entropy,
        leash=args.leash,
        leash_until=args.leash_until,
        critic_warmup=args.warmup,
        compiled=True,
    )
    teacher = AssignAndPush(problem, **gains)
    ppo = PPO(problem, student.net, config, (0,), teacher=teacher, initial=student)
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
    parser.add_argument("--plain", action="store_true", help="no targets, no pointing")
    parser.add_argument("--candidates", type=int, default=64, help="for the gains; 0: as published")
    parser.add_argument("--depth", type=int, default=0, help="decisions the teacher looks ahead")
    parser.add_argument("--updates", type=int, default=400, help="of the student, per round")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the pupil; 0: none")
    parser.add_argument("--copies", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--entropy", type=float, default=0.0)
    parser.add_argument("--leash", type=float, default=0.05)
    parser.add_argument("--leash-until", type=float, default=0.5)
    parser.add_argument("--warmup", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    test = SimpleSpread(args.episodes, autoreset=False, targets=not args.plain)
    shipped = scores(AssignAndPush(test), test)
    start = time.process_time()
    gains = tuned_gains(args.candidates) if args.candidates else {}
    spent = time.process_time() - start
    teacher = scores(AssignAndPush(test, **gains), test)
    show("teacher: assign and push, published gains", shipped, teacher, 0.0)
    named = ", ".join(f"{name} {value:.3f}" for name, value in gains.items())
    show(f"teacher, tuned: {named or 'not tuned'}", teacher, teacher, spent)
    if args.depth:
        ahead = scores(teacher_of(test, gains, args.depth), test)
        show(f"teacher, tuned, looking ahead {args.depth}", ahead, teacher, 0.0)
        start = time.process_time() - spent
    student = imitate(gains, args)
    spent = time.process_time() - start
    found = scores(PolicyController(test, student), test)
    show("student: DAgger", found, teacher, spent)
    show("  beside the teacher of published gains", found, shipped, spent)
    if args.steps:
        pupil = improve(student, gains, args)
        total = time.process_time() - start
        found = scores(PolicyController(test, pupil), test)
        show("pupil: DAgger, then PPO on a leash", found, teacher, total)
    if args.alone:
        start = time.process_time()
        policy = alone(1_410_000)
        spent = time.process_time() - start
        plain = SimpleSpread(args.episodes, autoreset=False)
        found = scores(PolicyController(plain, policy), plain)
        show("PPO without a teacher, 1.41M steps", found, teacher, spent)


if __name__ == "__main__":
    main()
