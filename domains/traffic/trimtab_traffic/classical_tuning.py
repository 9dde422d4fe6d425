"""Tunes the classical controllers on the generated training towns; results ship in `tuned/`.

CMA-ES on the mean of (delay / delay with the controller's own defaults) over two towns a
generation, with a new demand seed each time. Parameters found on one network do not carry over:
those of actuated control from a single generated grid made cologne8 68 % slower. So the mean of
the search distribution ships only if it is better than the defaults by a paired test on held-out
towns and on two busy hours; otherwise the defaults stay, and the file that ships says what was
found and why it was refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab.learn.checkpoint import Progress
from trimtab.run.parameter_file import write_parameters
from trimtab.search.catalogue import min_std
from trimtab.search.cmaes import CmaEs

from trimtab_traffic.controllers import untuned_entries
from trimtab_traffic.evolution import RETRAIN, delay_s, provenance, relative
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training import Builder, Verdict, judge
from trimtab_traffic.training_networks import busy_hours, held_out_towns, training_towns

CLASSICAL = ("actuated", "delay_based", "sotl", "longest_queue", "max_pressure", "scoot")
"""Controllers with parameters that are tuned for the package."""
PROFILES = ("resco", "field")
POPULATION, TOWNS_A_GENERATION = 8, 2
FIRST_DEMAND_SEED = 2000
FIRST_HELD_OUT_SEED = 3001


@dataclass(frozen=True, slots=True)
class Effort:
    """Size of the tuning of one controller.

    Attributes:
        generations: of CMA-ES, `POPULATION` candidates each.
        towns: to tune on.
        held_out: to judge on.
        seeds: demand seeds of the judgement.
    """

    towns: Sequence[SignalsProblem]
    held_out: Sequence[SignalsProblem]
    generations: int = 8
    seeds: int = 4


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found, and the test on the held-out towns that accepts or refuses it."""

    parameters: Mapping[str, Any]
    verdict: Verdict
    episodes: int
    cpu_s: float


def tune_classical(name: str, profile: str, seed: int, effort: Effort) -> Tuned:
    """Search the parameters of one classical controller and judge them.

    Args:
        name: one of `CLASSICAL`.
        profile: rule profile of all towns.
        seed: of the search and of the draw of towns.
        effort: its size.
    """
    begun = time.process_time()
    models = [_under(profile, town) for town in effort.towns]
    space = untuned_entries(models[0])[name].parameters
    assert space is not None  # noqa: S101 - those of `CLASSICAL` all have some
    search = CmaEs(space.width, seed, sigma=0.25, population=POPULATION, min_std=min_std(space))
    draw = np.random.default_rng(seed)
    for generation in range(effort.generations):
        chosen = [models[i] for i in draw.permutation(len(models))[:TOWNS_A_GENERATION]]
        points = search.ask(POPULATION)
        candidates = space.designs(space.decode(points))
        demand = FIRST_DEMAND_SEED + generation
        search.tell(points, _scores(chosen, name, candidates, demand))
    found = space.designs(space.decode(search.mean[None]))[0]
    judges = [_under(profile, town) for town in effort.held_out]
    seeds = range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + effort.seeds)
    interface = untuned_entries(judges[0])[name].interface
    verdict = judge(
        judges, _builder(name, judges[0], found), _builder(name, judges[0], {}), seeds, interface,
    )  # fmt: skip
    episodes = effort.generations * (POPULATION + 1) * min(TOWNS_A_GENERATION, len(models))
    episodes += 2 * len(judges) * len(seeds)
    return Tuned(found, verdict, episodes, round(time.process_time() - begun, 1))


def usual() -> Effort:
    """What ships was tuned with it."""
    return Effort(training_towns(), (*held_out_towns(), *busy_hours()))


def shipped_files() -> Iterator[tuple[str, str, Path]]:
    """Controller, profile and the file below `tuned/` of each tuning."""
    for profile in PROFILES:
        for name in CLASSICAL:
            yield name, profile, Path(profile) / f"{name}.json"


def retune(
    name: str, profile: str, seed: int, path: Path, effort: Effort, progress: Progress | None = None
) -> None:
    """Tune one controller and write the manifest, with the parameters only if they are accepted.

    Args:
        name: one of `CLASSICAL`.
        profile: rule profile.
        seed: of the search.
        path: file to write.
        effort: its size.
        progress: called with one line.
    """
    tuned = tune_classical(name, profile, seed, effort)
    accepted = tuned.parameters if tuned.verdict.accepted else {}
    write_parameters(path, name, accepted, _about(tuned, effort.towns, seed))
    if progress is not None:
        progress(f"{profile} {name}: {_told(tuned)}")


def _under(profile: str, town: SignalsProblem) -> SignalsProblem:
    rules = town.rules.model_copy(update={"profile": profile})
    return town.model_copy(update={"rules": rules})


def _scores(
    models: Sequence[SignalsProblem],
    name: str,
    candidates: Sequence[Mapping[str, Any]],
    demand: int,
) -> FloatArray:
    """Delay of every candidate relative to the defaults, the mean over the networks."""
    delays = []
    for model in models:
        with SignalControl(model, untuned_entries(model)[name].interface, logs=False) as problem:
            builders = [_builder(name, model, parameters) for parameters in ({}, *candidates)]
            delays.append([delay_s(problem, build(problem), demand) for build in builders])
    usual, *tried = zip(*delays, strict=True)
    return np.array([relative(candidate, usual) for candidate in tried])


def _builder(name: str, model: SignalsProblem, parameters: Mapping[str, Any]) -> Builder:
    """Builds the controller with its own defaults, changed by `parameters`."""
    entry = untuned_entries(model)[name]
    return lambda problem: entry.factory(problem, **{**entry.defaults, **parameters})


def _about(tuned: Tuned, towns: Sequence[SignalsProblem], seed: int) -> dict[str, Any]:
    verdict = tuned.verdict
    return provenance(RETRAIN, towns, seed) | {
        "accepted": verdict.accepted,
        "found": dict(tuned.parameters),
        "held_out_change": {"mean": verdict.change, "low": verdict.low, "high": verdict.high},
        "budget": {"evaluations": tuned.episodes, "cpu_s": tuned.cpu_s},
    }


def _told(tuned: Tuned) -> str:
    verdict = tuned.verdict
    decision = "accepted" if verdict.accepted else "refused, the defaults stay"
    return (
        f"{100 * verdict.change:+.1f} % [{100 * verdict.low:+.1f}, {100 * verdict.high:+.1f}] on "
        f"held-out towns, {decision}; {tuned.episodes} episodes, {tuned.cpu_s} CPU-s"
    )
