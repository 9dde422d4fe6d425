"""Tunes the classical controllers on the generated training towns; results ship in `tuned/`.

CMA-ES on the mean of (delay / delay with the controller's own defaults) over two towns a
generation, with a new demand seed each time. Parameters found on one network do not carry over:
those of actuated control from a single generated grid made cologne8 68 % slower. So the mean of
the search distribution ships only if it is better than the defaults on the held-out towns by a
paired test; otherwise the defaults stay.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab.run.parameter_file import write_parameters
from trimtab.search.catalogue import min_std
from trimtab.search.cmaes import CmaEs

from trimtab_traffic.controllers import untuned_entries
from trimtab_traffic.evolution import Progress, delay_s, relative
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training import Builder, Verdict, held_out_towns, judge, training_towns

CLASSICAL = ("actuated", "delay_based", "sotl", "longest_queue", "max_pressure", "scoot")
"""Controllers with parameters that are tuned for the package."""
PROFILES = ("resco", "field")
POPULATION, TOWNS_A_GENERATION = 8, 2
FIRST_DEMAND_SEED = 2000
HELD_OUT_SEEDS = (3001, 3002, 3003, 3004)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found, and the test on the held-out towns that accepts or refuses it."""

    parameters: Mapping[str, Any]
    verdict: Verdict
    episodes: int
    cpu_s: float


def tune_classical(
    name: str,
    profile: str,
    seed: int,
    generations: int = 8,
    towns: Sequence[SignalsProblem] | None = None,
    held_out: Sequence[SignalsProblem] | None = None,
) -> Tuned:
    """Search the parameters of one classical controller and judge them.

    Args:
        name: one of `CLASSICAL`.
        profile: rule profile of all towns.
        seed: of the search and of the draw of towns.
        generations: of CMA-ES, `POPULATION` candidates each.
        towns: to tune on, `training_towns` by default.
        held_out: to judge on, `held_out_towns` by default.
    """
    begun = time.process_time()
    models = [_under(profile, town) for town in towns or training_towns()]
    space = untuned_entries(models[0])[name].parameters
    assert space is not None  # noqa: S101 - those of `CLASSICAL` all have some
    search = CmaEs(space.width, seed, sigma=0.25, population=POPULATION, min_std=min_std(space))
    draw = np.random.default_rng(seed)
    for generation in range(generations):
        chosen = [models[i] for i in draw.permutation(len(models))[:TOWNS_A_GENERATION]]
        points = search.ask(POPULATION)
        candidates = space.designs(space.decode(points))
        demand = FIRST_DEMAND_SEED + generation
        search.tell(points, _scores(chosen, name, candidates, demand))
    found = space.designs(space.decode(search.mean[None]))[0]
    judges = [_under(profile, town) for town in held_out or held_out_towns()]
    interface = untuned_entries(judges[0])[name].interface
    verdict = judge(
        judges, _builder(name, judges[0], found), _builder(name, judges[0], {}), HELD_OUT_SEEDS,
        interface,
    )  # fmt: skip
    episodes = generations * (POPULATION + 1) * min(TOWNS_A_GENERATION, len(models))
    episodes += 2 * len(judges) * len(HELD_OUT_SEEDS)
    return Tuned(found, verdict, episodes, round(time.process_time() - begun, 1))


def retune_classical(
    folder: Path, seed: int, names: Sequence[str] = CLASSICAL, progress: Progress | None = None
) -> None:
    """Tune under both profiles; write what is accepted, drop the files of what is refused.

    Args:
        folder: of the shipped files, `PROFILE/CONTROLLER.json`.
        seed: of the searches.
        names: controllers.
        progress: called with one line per controller and profile.
    """
    for profile in PROFILES:
        for name in names:
            tuned = tune_classical(name, profile, seed)
            path = folder / profile / f"{name}.json"
            if tuned.verdict.accepted:
                write_parameters(path, name, tuned.parameters, _about(tuned, seed))
            else:
                path.unlink(missing_ok=True)
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
        with SignalControl(model, untuned_entries(model)[name].interface) as problem:
            builders = [_builder(name, model, parameters) for parameters in ({}, *candidates)]
            delays.append([delay_s(problem, build(problem), demand) for build in builders])
    usual, *tried = zip(*delays, strict=True)
    return np.array([relative(candidate, usual) for candidate in tried])


def _builder(name: str, model: SignalsProblem, parameters: Mapping[str, Any]) -> Builder:
    """Builds the controller with its own defaults, changed by `parameters`."""
    entry = untuned_entries(model)[name]
    return lambda problem: entry.factory(problem, **{**entry.defaults, **parameters})


def _about(tuned: Tuned, seed: int) -> dict[str, Any]:
    verdict = tuned.verdict
    return {
        "command": "make retrain",
        "scenario": "generated towns: training.training_towns, judged on held_out_towns",
        "seed": seed,
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
