"""Training of the graph policy: student of the tuned stage score, then PPO on a leash to it.

`train_graph` uses generated networks only, so the weights ship; `fine_tune` continues on one
network, the user's own. Both follow the same path: DAgger from the best classical rule, a critic
warmed on the frozen student, PPO with a decaying divergence from the student, the last policy kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy
from trimtab.deploy.weights import load_policy, save_policy
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.ppo import PPO, PPOConfig
from trimtab.learn.teach import DaggerConfig, dagger
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers import stage_score
from trimtab_traffic.controllers.learned import GRAPH, WEIGHTS
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.towns import Towns

Progress = Callable[[str], None]


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

    dagger_rounds: int = 4
    dagger_steps: int = 960
    steps: int = 96_000
    rollout: int = 960
    learning_rate: float = 3e-4
    leash: float = 0.3


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


def train_graph(
    models: Sequence[SignalsProblem],
    teacher: Mapping[str, float],
    seed: int,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Policy:
    """Train one policy on several networks.

    Args:
        models: training networks.
        teacher: weights of the `StageScore` to imitate.
        seed: of weights, exploration and demand order.
        recipe: lengths; None for the shipped ones.
        progress: called with one line per PPO iteration.
    """
    recipe = recipe or Recipe()
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
        return _improve(towns, student.policy, seed, recipe, progress)


def fine_tune(
    model: SignalsProblem,
    initial: Policy,
    seed: int,
    recipe: Recipe,
    progress: Progress | None = None,
) -> Policy:
    """Continue training on one network, on a leash to where it started."""
    with Towns([model]) as towns:
        return _improve(towns, initial, seed, recipe, progress)


def train(
    model: SignalsProblem,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
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
    """
    anew = out.resolve() == WEIGHTS.resolve()
    models = training_towns() if anew else (model,)
    begun = time.process_time()
    recipe = Recipe() if cpu_s is None else _within(cpu_s, models, seed)
    if anew:
        policy = train_graph(models, stage_score.TUNED, seed, recipe, progress)
    else:
        policy = fine_tune(model, load_policy(GRAPH), seed, recipe, progress)
    notes = {
        "seed": seed,
        "env_steps": recipe.steps + anew * recipe.dagger_rounds * recipe.dagger_steps,
        "cpu_s": round(time.process_time() - begun, 1),
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
        "recipe": asdict(recipe),
        "start": "student of the tuned stage score" if anew else "shipped weights",
    }
    path = out / GRAPH.name
    with Towns(models) as towns:
        save_policy(path, policy, towns.spec, notes)
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


def _improve(
    towns: Towns, start: Policy, seed: int, recipe: Recipe, progress: Progress | None
) -> Policy:
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
    ppo = PPO(towns, start.net, config, (seed,), teacher=start, initial=start, source=source)
    begun = time.process_time()
    for report in ppo.train():
        if progress is not None and report.episodes:
            delays = [episode.metrics["true_delay_s"] for episode in report.episodes]
            progress(
                f"{int(report.env_steps[0])} decisions, {time.process_time() - begun:.0f} CPU-s, "
                f"mean delay {np.mean(delays):.1f} s, divergence "
                f"{float(report.diagnostics['teacher_loss'][0]):.3f}"
            )
    return ppo.policy().seed(0)
