"""Tunes the regional agent on generated networks; the result ships in `tuned/regional.json`.

CMA-ES on the mean of (true delay / true delay of the plan as generated) over networks, demand and
penetrations drawn anew each generation and shared by its candidates. The final mean of the search
distribution is kept, never the best candidate, and only if it beats the untuned parameters on
episodes that the search has not seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.run.runner import evaluate
from trimtab.search.cmaes import CmaEs

from trimtab_traffic.controllers import regional
from trimtab_traffic.controllers.native import Fixed
from trimtab_traffic.controllers.regional import RegionalBalancer
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

Progress = Callable[[str], None]
Parameters = Mapping[str, Any]
PENETRATIONS = (0.1, 0.3, 1.0)
WORST = 3.0
"""An episode counts as at most so many times as bad as the plan, so jams do not dominate."""
ACCEPTANCE_SEED = 9000
"""First demand seed of the acceptance test; the search draws from `SEARCH_SEED` on."""
SEARCH_SEED = 2000


@dataclass(frozen=True, slots=True)
class Recipe:
    """Size of the search.

    Attributes:
        generations, population: of CMA-ES.
        networks: networks drawn per generation.
        acceptance: paired episodes of the acceptance test.
    """

    generations: int = 5
    population: int = 6
    networks: int = 2
    acceptance: int = 8


@dataclass(frozen=True, slots=True)
class Episode:
    """A network, the share of probes in it, and the seed."""

    model: SignalsProblem
    seed: int


def network(
    kind: str, columns: int, rows: int, vehicles_per_h: float, network_seed: int, lanes: int = 2
) -> SignalsProblem:
    """One training network, 20 minutes an episode."""
    size = {"columns": columns, "rows": rows, "lanes": lanes, "network_seed": network_seed}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": {"kind": kind, "vehicles_per_h": vehicles_per_h, **size}},
            "rules": {"profile": "resco"},
            "horizon_s": 1200,
        }
    )


def training_networks() -> tuple[SignalsProblem, ...]:
    """Small networks of many shapes, near and above what the generated plan can carry."""
    return (
        network("arterial", 4, 1, 2600, 21),
        network("arterial", 3, 1, 3000, 22),
        network("town", 3, 2, 2000, 23),
        network("town", 4, 3, 2400, 24),
        network("grid", 2, 2, 3000, 25),
        network("grid", 1, 1, 2200, 26),
    )


def train(
    out: Path, seed: int, progress: Progress | None = None, recipe: Recipe | None = None
) -> dict[str, Any]:
    """Tune, accept or reject, and write the parameters with their manifest.

    Args:
        out: JSON file to write.
        seed: of the search and of the draw of episodes.
        progress: called with one line per generation.
        recipe: size of the search.

    Returns:
        The parameters kept.
    """
    recipe, begun = recipe or Recipe(), time.process_time()
    models = training_networks()
    found = _search(models, seed, recipe, progress)
    tried = _episodes(models, np.random.default_rng([seed, 1]), recipe.acceptance, ACCEPTANCE_SEED)
    plan_s = [_plan_delay_s(e) for e in tried]
    scores = [_relative(p, tried, plan_s) for p in (regional.DEFAULTS, found)]
    better = scores[1] < scores[0]
    kept = dict(found if better else regional.DEFAULTS)
    manifest = {
        "command": "make retrain",
        "seed": seed,
        "recipe": asdict(recipe),
        "cpu_s": round(time.process_time() - begun, 1),
        "episodes": recipe.generations * recipe.population * recipe.networks + 2 * len(tried),
        "form": "classical balancer, parameters by CMA-ES",
        "kept": "tuned" if better else "untuned",
        "delay_relative_to_plan": {
            "untuned": round(scores[0], 4),
            "tuned": round(scores[1], 4),
        },
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
    }
    text = json.dumps({"parameters": kept, "manifest": manifest}, indent=2)
    out.write_text(text + "\n", encoding="utf-8")
    return kept


def _search(
    models: Sequence[SignalsProblem], seed: int, recipe: Recipe, progress: Progress | None
) -> Parameters:
    space = regional.PARAMETERS
    start = space.encode(space.code([regional.DEFAULTS]))[0]
    optimizer = CmaEs(space.width, seed, start=start, population=recipe.population)
    draw = np.random.default_rng(seed)
    for generation in range(recipe.generations):
        episodes = _episodes(models, draw, recipe.networks, SEARCH_SEED + 10 * generation)
        points = optimizer.ask(recipe.population)
        designs = space.designs(space.decode(points))
        plan_s = [_plan_delay_s(episode) for episode in episodes]
        score = np.array([_relative(design, episodes, plan_s) for design in designs])
        optimizer.tell(points, score)
        if progress is not None:
            progress(f"generation {generation}: median {np.median(score):.3f} of the plan's delay")
    inside = np.abs((optimizer.mean + 1.0) % 2.0 - 1.0)  # mirrored at the faces of the cube
    return dict(space.designs(space.decode(inside[None]))[0])


def _episodes(
    models: Sequence[SignalsProblem], draw: np.random.Generator, count: int, first_seed: int
) -> list[Episode]:
    """Networks and penetrations drawn for `count` episodes."""
    chosen = [models[int(i)] for i in draw.integers(len(models), size=count)]
    shares = draw.choice(PENETRATIONS, size=count)
    return [
        Episode(model.model_copy(update={"sensors": _probes(model, float(share))}), first_seed + k)
        for k, (model, share) in enumerate(zip(chosen, shares, strict=True))
    ]


def _probes(model: SignalsProblem, share: float) -> Any:
    return model.sensors.model_copy(update={"penetration": share})


def _relative(
    parameters: Parameters, episodes: Sequence[Episode], plan_s: Sequence[float]
) -> float:
    """Mean true delay over that of the plan."""
    delays = [_delay_s(parameters, episode) for episode in episodes]
    return float(np.mean([min(d / p, WORST) for d, p in zip(delays, plan_s, strict=True)]))


def _delay_s(parameters: Parameters, episode: Episode) -> float:
    with SignalControl(episode.model, "split") as problem:
        agent = RegionalBalancer(problem, episode.model.profile, **parameters)
        return float(evaluate(problem, agent, [episode.seed])[0].metrics["true_delay_s"])


def _plan_delay_s(episode: Episode) -> float:
    with SignalControl(episode.model, "native") as problem:
        plan = Fixed(problem, episode.model.profile)
        return float(evaluate(problem, plan, [episode.seed])[0].metrics["true_delay_s"])
