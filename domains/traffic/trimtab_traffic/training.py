"""Training of the graph policy: student of the tuned stage score, fine-tuned by direct search.

Training anew imitates, on generated networks only, so the weights ship. The teacher sees the
traffic as it is; the student sees it through the sensors of each lesson. The lessons of a second
student include dead detectors and few probes, so that it learns to do without what they hide.

Fine-tuning continues on one network, the user's own: CMA-ES moves the layer that scores stages
(`evolution`), and the result replaces its start only if a paired test on seeds not trained on shows
it better; otherwise the start is kept and the manifest says so.
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
from trimtab.contracts.spec import Action, Float32Array, FloatArray, Obs
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Normaliser, Policy, PolicyController
from trimtab.deploy.weights import load_policy, save_policy
from trimtab.evidence.bootstrap import paired_difference
from trimtab.learn.checkpoint import Progress
from trimtab.learn.curriculum import FreshSeeds
from trimtab.learn.teach import DaggerConfig, dagger

from trimtab_traffic.controllers import stage_score
from trimtab_traffic.controllers.box_hold import HOLD_S, held
from trimtab_traffic.controllers.learned import GRAPH, GRAPH_SENSED, WEIGHTS, shipped_graph
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.equipment import EQUIPMENT_FEATURES
from trimtab_traffic.evolution import (
    RETRAIN,
    Search,
    by_delay,
    delay_s,
    evolve,
    provenance,
    train_command,
)
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.towns import Towns
from trimtab_traffic.training_networks import held_out_towns, lessons, training_towns

SIGNIFICANCE = 0.05
JUDGED = 12
"""Episodes of the acceptance test, spread over its networks."""
FEWEST_SEEDS = 3
"""Fewer give no interval."""
JUDGE_SEED = 901
"""First demand seed of the acceptance test; imitation draws its own from 63 bits."""
UNHELD = f"without the hold (a stage stays up to {HOLD_S:g} s for vehicles that are trapped) "
"""What fine-tuning tries first, in the words of `tell`."""
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
        ignored: stage features that the student does not read: those that no training network has
            anything of, and `occupied`, which its teacher does not weigh (a student that saw it
            was worse on networks unseen).
    """

    dagger_rounds: int = 5
    dagger_steps: int = 960
    ignored: tuple[str, ...] = EQUIPMENT_FEATURES


LESSONS = Recipe(dagger_steps=1600, ignored=())
"""For `training_networks.lessons`, of which there are twice as many."""


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


def plays(policy: Policy, hold_s: float = 0.0) -> Builder:
    """Builds the controller that plays a policy, held as by `box_hold.held`."""

    def make(problem: ControlProblem) -> Controller:
        return PolicyController(problem, policy)

    return lambda problem: held(make, problem, hold_s)


def plays_rollouts(problem: ControlProblem) -> Controller:
    """Builds `mpc` on the interface of the learned policies."""
    return StageScore(problem, **stage_score.ROLLOUT)


class _Unaware(Towns):
    """Towns that tell of some stage features only.

    Args:
        models: networks.
        columns: of the features that are told.
    """

    def __init__(self, models: Sequence[SignalsProblem], columns: Sequence[int]) -> None:
        self.columns = list(columns)
        super().__init__(models)
        blocks = (replace(block, features=len(columns)) for block in self.spec.entity_blocks)
        self.spec = replace(self.spec, entity_blocks=tuple(blocks))

    def _padded(self, obs: Obs) -> Obs:
        padded = super()._padded(obs)
        told = {name: x[..., self.columns] for name, x in padded.entities.items()}
        return replace(padded, entities=told)


class InformedScore(StageScore):
    """The stage score, from the features that towns tell of, as seen without sensor error."""

    def __init__(self, towns: _Unaware, **weights: float) -> None:
        super().__init__(towns, **weights)
        self._towns = towns
        self._weights = self._weights[towns.columns]
        self._shown = towns.columns.index(self._shown)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        return super().act(self._towns.informed(obs))


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
    columns = [k for k, name in enumerate(STAGE_FEATURES) if name not in recipe.ignored]
    with _Unaware(models, columns) as towns:
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
        rule = InformedScore(towns, **teacher)
        student = dagger(towns, rule, net, config, (seed,), source=source)
        if progress is not None:
            agreement = ", ".join(f"{100 * a:.0f} %" for a in student.agreement[:, 0])
            progress(f"student agrees with its teacher in {agreement} of decisions")
        return _widened(student.policy, columns)


def _widened(policy: Policy, columns: Sequence[int]) -> Policy:
    """The policy of some stage features as one that is given all and ignores the others."""
    wide = len(STAGE_FEATURES)

    def spread(narrow: Float32Array, other: float) -> Float32Array:
        filled = np.full((len(narrow), wide, *narrow.shape[2:]), other, np.float32)
        filled[:, list(columns)] = narrow
        return filled

    embedding = [name for name in policy.params if name.endswith(".embed.stages.w")]
    mean, scale = (dict(x) for x in (policy.normaliser.mean, policy.normaliser.inverse_std))
    mean["entities.stages"] = spread(mean["entities.stages"], 0.0)
    scale["entities.stages"] = spread(scale["entities.stages"], 1.0)
    return Policy(
        replace(policy.net, blocks=(("stages", wide),)),
        {**policy.params, **{name: spread(policy.params[name], 0.0) for name in embedding}},
        Normaliser(mean, scale),
    )


def train(
    model: SignalsProblem,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
    teacher: Mapping[str, float] = stage_score.TUNED,
) -> dict[str, Any]:
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
        command = train_command("graph", seed, shipped=True)
        for file, recipe, towns in ((GRAPH, Recipe(), None), (GRAPH_SENSED, LESSONS, lessons())):
            anew = out / file.name
            train_anew(anew, seed, teacher, recipe, towns, progress=progress, command=command)
        return {"weights": str(path)}
    hold_s = fine_tune(model, seed, path, cpu_s, progress)
    return {"weights": str(path), "hold_s": hold_s}


def train_anew(
    path: Path,
    seed: int,
    teacher: Mapping[str, float],
    recipe: Recipe,
    towns: Sequence[SignalsProblem] | None = None,
    held_out: Sequence[SignalsProblem] | None = None,
    progress: Progress | None = None,
    command: str = RETRAIN,
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
        command: that the manifest names.
    """
    begun, models = time.process_time(), towns or training_towns()
    judges = held_out or held_out_towns()
    student = imitate(models, teacher, seed, recipe, progress)
    verdict = judge(judges, plays(student), plays_rollouts, judge_seeds(len(judges)))
    tell(verdict, "mpc on held-out towns", progress)
    notes = provenance(command, models, seed) | {
        "start": "student of the tuned stage score",
        "env_steps": recipe.dagger_rounds * recipe.dagger_steps,
        "recipe": asdict(recipe),
        "verdict_against_mpc": asdict(verdict),
    }
    _save(path, student, models, begun, notes)


def fine_tune(
    model: SignalsProblem,
    seed: int,
    path: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
) -> float:
    """Fit the shipped policy to one network; save the result, or the start if it is no better.

    First it is tried without its hold, then the search starts, with the hold that won; each step
    is kept only where the paired test shows it better.

    Args:
        model: the scenario.
        seed: of the search.
        path: `.safetensors` file to write.
        cpu_s: budget in CPU seconds, met within about a quarter; None for the default length.
        progress: called with one line per part.

    Returns:
        The hold to play it with, s.
    """
    begun, start = time.process_time(), load_policy(shipped_graph(model.sensors))
    unheld = judge((model,), plays(start), plays(start, HOLD_S), judge_seeds(1))
    tell(unheld, "with it", progress, UNHELD)
    hold_s = 0.0 if unheld.accepted else HOLD_S
    left_s = None if cpu_s is None else cpu_s - (time.process_time() - begun)
    search = FINE_TUNING if left_s is None else _within(left_s, model, plays(start, hold_s))
    checkpoint = path.with_name("graph.search.safetensors")
    found = improve((model,), start, seed, search, hold_s, checkpoint, progress)
    verdict = judge((model,), plays(found, hold_s), plays(start, hold_s), judge_seeds(1))
    tell(verdict, "the shipped policy", progress)
    notes = provenance(train_command("graph", seed), (model,), seed) | {
        "start": "shipped weights",
        "env_steps": search.episodes * (model.horizon_s // model.profile.decision_interval_s),
        "recipe": asdict(search),
        "hold_s": hold_s,
        "verdict_without_hold": asdict(unheld),
        "verdict": asdict(verdict),
    }
    _save(path, found if verdict.accepted else start, (model,), begun, notes)
    return hold_s


def judge_seeds(networks: int) -> range:
    """Demand seeds of the paired test on each of some networks."""
    return range(JUDGE_SEED, JUDGE_SEED + max(JUDGED // networks, FEWEST_SEEDS))


def tell(verdict: Verdict, against: str, progress: Progress | None, of: str = "") -> None:
    """Report a verdict in one line: what was tried (`of`) against what."""
    if progress is not None:
        low, high = 100 * verdict.low, 100 * verdict.high
        outcome = "better" if verdict.accepted else "not shown to be better"
        change = f"{100 * verdict.change:+.1f} % [{low:+.1f}, {high:+.1f}]"
        progress(f"delay {of}against {against}: {change}, {outcome}")


def _save(
    path: Path,
    policy: Policy,
    models: Sequence[SignalsProblem],
    begun: float,
    notes: Mapping[str, Any],
) -> None:
    manifest = {**notes, "cpu_s": round(time.process_time() - begun, 1)}
    with Towns(models) as towns:
        save_policy(path, policy, towns.spec, manifest)


def _within(cpu_s: float, model: SignalsProblem, start: Builder) -> Search:
    """As many generations as the budget allows, judged by one episode after one that compiles."""
    with SignalControl(model, "graph", logs=False) as problem:
        delay_s(problem, start(problem), JUDGE_SEED)
        begun = time.process_time()
        delay_s(problem, start(problem), JUDGE_SEED)
    episodes = cpu_s / (time.process_time() - begun) - 2 * JUDGED
    generations = int(episodes / (FINE_TUNING.population + 1))
    return replace(FINE_TUNING, generations=max(1, generations))


def improve(
    models: Sequence[SignalsProblem],
    start: Policy,
    seed: int,
    search: Search,
    hold_s: float = 0.0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Policy:
    """Direct policy search over the score layer of `start`.

    Args:
        models: training networks.
        start: where it starts, of one seed.
        seed: of the search and of the draw of networks.
        search: its size.
        hold_s: hold that candidates play with, s.
        checkpoint: see `evolution.evolve`.
        progress: called with one line per generation.
    """

    def player(town: SignalControl, offset: FloatArray) -> AnyController:
        return plays(with_scores(start, offset), hold_s)(town)

    width = start.params[SCORE].size
    found = evolve(models, by_delay(player), width, seed, search, checkpoint, progress)
    return with_scores(start, found.offset)


def with_scores(start: Policy, offset: FloatArray) -> Policy:
    """The policy with its score layer moved, [width] in standard deviations of the layer."""
    layer = start.params[SCORE]
    moved = layer + layer.std() * offset.reshape(layer.shape).astype(layer.dtype)
    return replace(start, params={**start.params, SCORE: moved})
