"""Training of the graph policy: student of the tuned stage score, fine-tuned by direct search.

Training anew imitates, on generated networks only, so the weights ship. Fine-tuning continues on
one network, the user's own: CMA-ES moves the layer that scores stages (`evolution`), and the result
replaces its start only if a paired test on seeds not trained on shows it better; otherwise the
start is kept and the manifest says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import AnyController, Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import FloatArray
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import load_policy, save_policy
from trimtab.evidence.bootstrap import paired_difference
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.teach import DaggerConfig, dagger

from trimtab_traffic.controllers import stage_score
from trimtab_traffic.controllers.learned import GRAPH, WEIGHTS
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.evolution import Progress, Search, delay_s, evolve
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.towns import Towns

SIGNIFICANCE = 0.05
JUDGED = 12
"""Episodes of the acceptance test, spread over its networks."""
FEWEST_SEEDS = 3
"""Fewer give no interval."""
JUDGE_SEED = 901
"""First demand seed of the acceptance test; imitation draws its own from 63 bits."""
SCORE = "actor.score.w"
"""The parameters that the search moves: the last layer, from stage features to scores."""


Builder = Callable[[SignalControl], AnyController]
FINE_TUNING = Search(networks=1, spread=0.15, first_seed=2000)
"""Search on one network; its spread is in standard deviations of the layer."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long imitation takes; decisions are those of one signal network.

    Attributes:
        dagger_rounds, dagger_steps: rounds of imitation and decisions in each.
    """

    dagger_rounds: int = 5
    dagger_steps: int = 960


def town(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, **more: Any
) -> SignalsProblem:
    """One training network, 20 minutes an episode; `interval_s` and `yellow_s` may be given."""
    interval_s, yellow_s = more.pop("interval_s", 10), more.pop("yellow_s", 3)
    size = {"columns": columns, "rows": rows, "network_seed": network_seed}
    generated = {"kind": kind, "vehicles_per_h": vehicles_per_h, **size, **more}
    limits = {"yellow_s": yellow_s}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": generated},
            "rules": {"profile": "resco", "decision_interval_s": interval_s, "limits": limits},
            "horizon_s": 1200,
        }
    )


def training_towns() -> tuple[SignalsProblem, ...]:
    """Small networks of many shapes; demand from free flow to queues that reach back a block."""
    return (
        town("grid", 2, 2, 2200, 11, lanes=1),
        town("town", 3, 2, 1500, 12, lanes=1),
        town("arterial", 4, 1, 1800, 13, block_m=250),
        town("town", 2, 2, 1800, 14),
        town("grid", 1, 1, 1500, 15, yellow_s=5),
        town("town", 3, 3, 1500, 16, lanes=1, block_m=300),
        town("arterial", 3, 2, 2500, 17, block_m=150),
        town("grid", 3, 3, 3000, 18, lanes=1, block_m=150),
        town("grid", 1, 1, 2600, 19, speed_kmh=60, yellow_s=5),
        town("grid", 2, 2, 2800, 20, lanes=1, block_m=120),
        town("arterial", 3, 2, 2800, 21, lanes=1, block_m=120, interval_s=5, yellow_s=2),
        town("grid", 3, 1, 3600, 22, speed_kmh=60),
    )


def held_out_towns() -> tuple[SignalsProblem, ...]:
    """Networks that accept or refuse a trained policy; none is trained on."""
    return (
        town("grid", 3, 2, 2000, 31, lanes=1),
        town("town", 3, 3, 1300, 32, lanes=1),
        town("arterial", 5, 1, 1900, 33),
        town("grid", 2, 2, 2700, 34, lanes=1, block_m=130),
        town("grid", 1, 1, 2500, 35, speed_kmh=60, yellow_s=5),
        town("grid", 2, 2, 4200, 36, block_m=250),
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
    models: Sequence[SignalsProblem],
    candidate: Builder,
    start: Builder,
    seeds: Sequence[int],
    interface: str = "graph",
) -> Verdict:
    """Compare two controllers of one action interface on the same networks and seeds."""
    relative = []
    for model in models:
        with SignalControl(model, interface, logs=False) as problem:
            pairs = [[delay_s(problem, of(problem), s) for of in (candidate, start)] for s in seeds]
        relative.append([ours / theirs - 1.0 for ours, theirs in pairs])
    zeros = [[0.0] * len(seeds) for _ in models]
    found = paired_difference(relative, zeros, np.random.default_rng(0))
    low, high = (found.interval.low, found.interval.high) if found.interval else (-np.inf, np.inf)
    shown = high < 0.0 and found.p_value is not None and found.p_value < SIGNIFICANCE
    return Verdict(shown, found.mean, low, high)


def plays(policy: Policy) -> Builder:
    """Builds the controller that plays a policy."""
    return lambda problem: PolicyController(problem, policy)


def plays_rollouts(problem: ControlProblem) -> Controller:
    """Builds `mpc` on the interface of the learned policies."""
    return StageScore(problem, **stage_score.ROLLOUT)


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
        cpu_s: budget of fine-tuning in CPU seconds, met within about a quarter; None for the
            default length.
        progress: called with one line per generation.
        teacher: weights of the stage score that training anew imitates.
    """
    path = out / GRAPH.name
    if out.resolve() == WEIGHTS.resolve():
        train_anew(path, seed, teacher, Recipe(), progress=progress)
    else:
        fine_tune(model, seed, path, cpu_s, progress)
    return {"weights": str(path)}


def train_anew(
    path: Path,
    seed: int,
    teacher: Mapping[str, float],
    recipe: Recipe,
    towns: Sequence[SignalsProblem] | None = None,
    held_out: Sequence[SignalsProblem] | None = None,
    progress: Progress | None = None,
) -> None:
    """Imitate on the training towns and save; the manifest compares with `mpc` on other towns.

    Args:
        path: `.safetensors` file to write.
        seed: of training.
        teacher: weights of the stage score that is imitated.
        recipe: lengths.
        towns: to train on, `training_towns` by default.
        held_out: to judge on, `held_out_towns` by default.
        progress: called with one line per part.
    """
    begun, models = time.process_time(), towns or training_towns()
    judges = held_out or held_out_towns()
    student = imitate(models, teacher, seed, recipe, progress)
    verdict = judge(judges, plays(student), plays_rollouts, _judge_seeds(len(judges)))
    _tell(verdict, "mpc on held-out towns", progress)
    notes = {
        "start": "student of the tuned stage score",
        "env_steps": recipe.dagger_rounds * recipe.dagger_steps,
        "recipe": asdict(recipe),
        "verdict_against_mpc": asdict(verdict),
    }
    _save(path, student, models, seed, begun, notes)


def fine_tune(
    model: SignalsProblem,
    seed: int,
    path: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
) -> None:
    """Search on one network from the shipped policy; save the result, or the start if no better."""
    begun, start = time.process_time(), load_policy(GRAPH)
    search = FINE_TUNING if cpu_s is None else _within(cpu_s, model, start)
    checkpoint = path.with_name("graph.search.safetensors")
    found = improve((model,), start, seed, search, checkpoint, progress)
    verdict = judge((model,), plays(found), plays(start), _judge_seeds(1))
    _tell(verdict, "the shipped policy", progress)
    notes = {
        "start": "shipped weights",
        "env_steps": search.episodes * (model.horizon_s // model.profile.decision_interval_s),
        "recipe": asdict(search),
        "verdict": asdict(verdict),
    }
    _save(path, found if verdict.accepted else start, (model,), seed, begun, notes)


def _judge_seeds(networks: int) -> range:
    return range(JUDGE_SEED, JUDGE_SEED + max(JUDGED // networks, FEWEST_SEEDS))


def _tell(verdict: Verdict, against: str, progress: Progress | None) -> None:
    if progress is not None:
        low, high = 100 * verdict.low, 100 * verdict.high
        outcome = "better" if verdict.accepted else "not shown to be better"
        change = f"{100 * verdict.change:+.1f} % [{low:+.1f}, {high:+.1f}]"
        progress(f"delay against {against}: {change}, {outcome}")


def _save(
    path: Path,
    policy: Policy,
    models: Sequence[SignalsProblem],
    seed: int,
    begun: float,
    notes: Mapping[str, Any],
) -> None:
    manifest = {
        "seed": seed,
        "cpu_s": round(time.process_time() - begun, 1),
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
        **notes,
    }
    with Towns(models) as towns:
        save_policy(path, policy, towns.spec, manifest)


def _within(cpu_s: float, model: SignalsProblem, start: Policy) -> Search:
    """As many generations as the budget allows, judged by one episode after one that compiles."""
    with SignalControl(model, "graph", logs=False) as problem:
        delay_s(problem, plays(start)(problem), JUDGE_SEED)
        begun = time.process_time()
        delay_s(problem, plays(start)(problem), JUDGE_SEED)
    episodes = cpu_s / (time.process_time() - begun) - 2 * JUDGED
    generations = int(episodes / (FINE_TUNING.population + 1))
    return replace(FINE_TUNING, generations=max(1, generations))


def improve(
    models: Sequence[SignalsProblem],
    start: Policy,
    seed: int,
    search: Search,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Policy:
    """Direct policy search over the score layer of `start`.

    Args:
        models: training networks.
        start: where it starts, of one seed.
        seed: of the search and of the draw of networks.
        search: its size.
        checkpoint: see `evolution.evolve`.
        progress: called with one line per generation.
    """

    def player(town: SignalControl, offset: FloatArray) -> Controller:
        return PolicyController(town, with_scores(start, offset))

    width = start.params[SCORE].size
    found = evolve(models, player, width, seed, search, checkpoint, progress)
    return with_scores(start, found.offset)


def with_scores(start: Policy, offset: FloatArray) -> Policy:
    """The policy with its score layer moved, [width] in standard deviations of the layer."""
    layer = start.params[SCORE]
    moved = layer + layer.std() * offset.reshape(layer.shape).astype(layer.dtype)
    return replace(start, params={**start.params, SCORE: moved})
