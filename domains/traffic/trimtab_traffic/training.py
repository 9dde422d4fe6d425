"""Training of the graph policy: student of the tuned stage score, then PPO on a leash to it.

`train_graph` uses generated networks only, so the weights ship; `fine_tune` continues on one
network, the user's own. Both follow the same path: DAgger from the best classical rule, a critic
warmed on the frozen student, PPO with a decaying divergence from the student. The last policy
replaces its start only if a paired test on episodes of networks and seeds not trained on shows it
better; otherwise the start is kept and the manifest says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import load_policy, save_policy
from trimtab.evidence.bootstrap import paired_difference
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.ppo import PPO, PPOConfig, Report
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers import stage_score
from trimtab_traffic.controllers.learned import GRAPH, WEIGHTS
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.towns import Towns

Progress = Callable[[str], None]
SIGNIFICANCE = 0.05
JUDGE_SEEDS = (901, 902, 903)
"""Demand seeds of the acceptance test; training draws its own from 63 bits."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long each part of the training takes; decisions are those of one signal network.

    Attributes:
        dagger_rounds, dagger_steps: rounds of imitation and decisions in each.
        steps: decisions of PPO.
        rollout: decisions per PPO iteration.
        learning_rate: of PPO.
        leash: weight of the divergence from the student at the start.
    """

    dagger_rounds: int = 6
    dagger_steps: int = 960
    steps: int = 19_200
    rollout: int = 960
    learning_rate: float = 1e-4
    leash: float = 1.0


def town(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, **more: Any
) -> SignalsProblem:
    """One training network, 20 minutes an episode, under one of the two rule profiles."""
    profile = more.pop("profile", "resco")
    size = {"columns": columns, "rows": rows, "network_seed": network_seed}
    generated = {"kind": kind, "vehicles_per_h": vehicles_per_h, **size, **more}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": generated},
            "rules": {"profile": profile, "decision_interval_s": 10},
            "horizon_s": 1200,
        }
    )


def training_towns() -> tuple[SignalsProblem, ...]:
    """Small networks of many shapes; demand from free flow to near saturation."""
    return (
        town("grid", 2, 2, 2200, 11, lanes=1),
        town("town", 3, 2, 1500, 12, lanes=1),
        town("arterial", 4, 1, 1800, 13, block_m=250),
        town("town", 2, 2, 1800, 14),
        town("grid", 1, 1, 1500, 15),
        town("town", 3, 3, 1500, 16, lanes=1, block_m=300),
        town("arterial", 3, 2, 2500, 17, block_m=150),
        town("grid", 3, 3, 3000, 18, lanes=1, block_m=150),
    )


def held_out_towns() -> tuple[SignalsProblem, ...]:
    """Networks that accept or refuse a trained policy; none is trained on."""
    return (
        town("grid", 3, 2, 2000, 31, lanes=1),
        town("town", 3, 3, 1300, 32, lanes=1),
        town("arterial", 5, 1, 1900, 33),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of the paired test of a trained policy against its start.

    Attributes:
        accepted: the 95 % interval of the relative difference lies below 0, and p < 0.05.
        change: mean of delay / delay of the start, minus 1.
        low, high: its interval.
    """

    accepted: bool
    change: float
    low: float
    high: float


def judge(
    models: Sequence[SignalsProblem], candidate: Policy, start: Policy, seeds: Sequence[int]
) -> Verdict:
    """Compare two policies on the same networks and seeds."""
    relative = [
        [_delay_s(model, candidate, s) / _delay_s(model, start, s) - 1.0 for s in seeds]
        for model in models
    ]
    zeros = [[0.0] * len(seeds) for _ in models]
    found = paired_difference(relative, zeros, np.random.default_rng(0))
    low, high = (found.interval.low, found.interval.high) if found.interval else (-np.inf, np.inf)
    shown = high < 0.0 and found.p_value is not None and found.p_value < SIGNIFICANCE
    return Verdict(shown, found.mean, low, high)


def _delay_s(model: SignalsProblem, policy: Policy, seed: int) -> float:
    with SignalControl(model, "graph") as problem:
        record = evaluate(problem, PolicyController(problem, policy), [seed])[0]
    return float(record.metrics["true_delay_s"])


def imitate(
    models: Sequence[SignalsProblem],
    teacher: Mapping[str, float],
    seed: int,
    recipe: Recipe,
    progress: Progress | None = None,
) -> Policy:
    """A student of the stage score, by DAgger on several networks.

    Args:
        models: training networks.
        teacher: weights of the `StageScore` to imitate.
        seed: of weights, exploration and demand order.
        recipe: lengths.
        progress: called with one line at the end.
    """
    with Towns(models) as towns:
        net = NetSpec.for_problem(
            towns.spec, action_block="stages", rounds=1, hidden=(32, 32), embed=16
        )
        config = DaggerConfig(
            rounds=recipe.dagger_rounds,
            steps=recipe.dagger_steps,
            updates=300,
            batch=128,
            compiled=False,
        )
        source = FreshSeeds(np.random.default_rng([seed, 1]))
        rule = StageScore(towns, **teacher)
        student = dagger(towns, rule, net, config, (seed,), source=source)
        if progress is not None:
            agreement = ", ".join(f"{100 * a:.0f} %" for a in student.agreement[:, 0])
            progress(f"student agrees with its teacher in {agreement} of decisions")
        return student.policy


def train(
    model: SignalsProblem,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
    teacher: Mapping[str, float] = stage_score.TUNED,
) -> dict[str, str]:
    """Train the graph policy into folder `out`: see `Domain.train`.

    Into the package's own folder it is trained anew on the generated towns; elsewhere the shipped
    policy is fine-tuned on the scenario's network.

    Args:
        model: the scenario.
        seed: of training.
        out: folder of `graph.safetensors` and its manifest.
        cpu_s: budget in CPU seconds, met within about a quarter; None for the recipe's length.
        progress: called with one line per iteration.
        teacher: weights of the stage score that training anew imitates.
    """
    anew = out.resolve() == WEIGHTS.resolve()
    models = training_towns() if anew else (model,)
    begun = time.process_time()
    recipe = Recipe() if cpu_s is None else _within(cpu_s, models, seed)
    start = imitate(models, teacher, seed, recipe, progress) if anew else load_policy(GRAPH)
    last = improve(models, start, seed, recipe, progress)
    verdict = judge(held_out_towns() if anew else models, last, start, JUDGE_SEEDS)
    if progress is not None:
        progress(
            f"PPO changed the delay by {100 * verdict.change:+.1f} % "
            f"[{100 * verdict.low:+.1f}, {100 * verdict.high:+.1f}]: "
            f"{'accepted' if verdict.accepted else 'refused, the start is kept'}"
        )
    notes = {
        "seed": seed,
        "env_steps": recipe.steps + anew * recipe.dagger_rounds * recipe.dagger_steps,
        "cpu_s": round(time.process_time() - begun, 1),
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
        "recipe": asdict(recipe),
        "start": "student of the tuned stage score" if anew else "shipped weights",
        "verdict": asdict(verdict),
    }
    path = out / GRAPH.name
    with Towns(models) as towns:
        save_policy(path, last if verdict.accepted else start, towns.spec, notes)
    return {"weights": str(path)}


def _within(cpu_s: float, models: Sequence[SignalsProblem], seed: int) -> Recipe:
    """The recipe with as many decisions as the budget allows, judged by one episode a network."""
    decisions = 0
    begun = time.process_time()
    with Towns(models) as towns:
        for k in range(len(models)):
            rule = StageScore(towns, **stage_score.TUNED)
            decisions += evaluate(towns, rule, [seed * len(models) + k])[0].budget.env_steps
    rate = decisions / (time.process_time() - begun)
    plain = Recipe()
    iterations = max(2, int(0.75 * cpu_s * rate / plain.rollout))
    return replace(plain, steps=iterations * plain.rollout)


def improve(
    models: Sequence[SignalsProblem],
    start: Policy,
    seed: int,
    recipe: Recipe,
    progress: Progress | None = None,
) -> Policy:
    """PPO from `start`, on a leash to it; returns the last policy.

    Args:
        models: training networks.
        start: where it starts, and what the leash pulls back to.
        seed: of exploration and demand order.
        recipe: lengths.
        progress: called with one line per iteration.
    """
    config = PPOConfig(
        steps=recipe.steps,
        rollout=recipe.rollout,
        epochs=6,
        minibatches=4,
        learning_rate=recipe.learning_rate,
        discount=0.95,
        trace=0.9,
        entropy_weight=0.0,
        normalise_reward=True,
        leash=recipe.leash,
        leash_until=0.7,
        critic_warmup=4,
        compiled=False,
    )
    source = FreshSeeds(np.random.default_rng([seed, 2]))
    begun = time.process_time()
    with Towns(models) as towns:
        ppo = PPO(towns, start.net, config, (seed,), teacher=start, initial=start, source=source)
        for report in ppo.train():
            if progress is not None and report.episodes:
                progress(_line(report, time.process_time() - begun))
        return ppo.policy().seed(0)


def _line(report: Report, cpu_s: float) -> str:
    delays = [episode.metrics["true_delay_s"] for episode in report.episodes]
    return (
        f"{int(report.env_steps[0])} decisions, {cpu_s:.0f} CPU-s, mean delay "
        f"{np.mean(delays):.1f} s, divergence {float(report.diagnostics['teacher_loss'][0]):.3f}"
    )
