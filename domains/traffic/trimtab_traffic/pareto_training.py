"""Searches the slopes of `pareto`: one run for all preferences.

CMA-ES as for `stage_score` (`evolution`), but every candidate is played under preferences drawn
anew in each generation, and its cost is the weighted sum of the objectives under each of them. The
front that it spans is measured by `benchmarks/traffic_pareto.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from trimtab.contracts.controller import AnyController
from trimtab.contracts.spec import FloatArray
from trimtab.learn.checkpoint import Progress
from trimtab.run.parameter_file import write_parameters
from trimtab.run.runner import evaluate

from trimtab_traffic.controllers.learned import WEIGHTS
from trimtab_traffic.controllers.pareto import LEVERS, PARETO, PREFERRED, START, weights_of
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.evolution import (
    RETRAIN,
    Cost,
    Search,
    evolve,
    provenance,
    train_command,
)
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training_networks import streets

METRICS = ("true_delay_s", "stops", "bus_delay_s", "pedestrian_delay_s")
"""What each of `PREFERRED` is measured by."""
SCALES = np.array([30.0, 1.2, 30.0, 25.0])
"""About what they are in the training towns, so that equal shares weigh equally."""
DRAWN = 2
"""Preferences that a candidate is played under per network and generation."""
FIRST_SEED = 4000
"""Demand seed of the first generation; each has the next one."""
SEARCH = Search(generations=10, population=10, networks=2, spread=0.6, first_seed=FIRST_SEED)


def objectives(town: SignalControl, controller: AnyController, seed: int) -> FloatArray:
    """Objectives of one episode, [4] in the order of `METRICS`; 0 where nobody of a kind moves."""
    metrics = evaluate(town, controller, [seed])[0].metrics
    town.session.close()  # libsumo holds one simulation a process
    return np.array([metrics.get(name, 0.0) for name in METRICS])


def drawn_preferences(seed: int, count: int = DRAWN) -> FloatArray:
    """Preferences of a generation, [count, 4], uniform over all there are."""
    return np.random.default_rng([seed, len(PREFERRED)]).dirichlet(np.ones(len(PREFERRED)), count)


def slopes_at(offset: FloatArray) -> dict[str, float]:
    """Offset [levers] from `START` → slopes by name."""
    first = [START[o][f] for o, _, f in (name.partition(".") for name in LEVERS)]
    return dict(zip(LEVERS, (np.array(first) + offset).tolist(), strict=True))


def cost_under(preferences: Sequence[FloatArray] | None = None) -> Cost:
    """Cost of slopes: the weighted sum of the objectives under each preference.

    Args:
        preferences: always these; None draws them anew for each demand seed.
    """

    def cost(town: SignalControl, offset: FloatArray, seed: int) -> list[float]:
        chosen = drawn_preferences(seed) if preferences is None else preferences
        slopes = slopes_at(offset)
        return [
            float(p @ (objectives(town, StageScore(town, **weights_of(p, slopes)), seed) / SCALES))
            for p in chosen
        ]

    return cost


def train_on(
    model: SignalsProblem,
    seed: int,
    out: Path,
    cpu_s: float | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Search the slopes on the user's own network into folder `out`: see `Domain.train`.

    Into the package's own folder they are searched anew on the generated networks.

    Args:
        model: the scenario.
        seed: of the search.
        out: folder of `pareto.json`.
        cpu_s: budget in CPU seconds, met within about a quarter; None for the default length.
        progress: called with one line per generation.
    """
    path = out / PARETO.name
    if out.resolve() == WEIGHTS.resolve():
        command = train_command("pareto", seed, shipped=True)
        train(streets(), seed, path, SEARCH, progress, command)
        return {"weights": str(path)}
    search = replace(SEARCH, networks=1)
    if cpu_s is not None:
        generations = int(cpu_s / (_episode_s(model) * DRAWN * (search.population + 1)))
        search = replace(search, generations=max(1, generations))
    train((model,), seed, path, search, progress, train_command("pareto", seed))
    return {"weights": str(path)}


def _episode_s(model: SignalsProblem) -> float:
    """CPU time of an episode, after one that compiles."""
    start = cost_under([np.full(len(PREFERRED), 1.0 / len(PREFERRED))])
    with SignalControl(model, "graph", logs=False) as town:
        start(town, np.zeros(len(LEVERS)), FIRST_SEED)
        begun = time.process_time()
        start(town, np.zeros(len(LEVERS)), FIRST_SEED)
    return time.process_time() - begun


def train(
    models: Sequence[SignalsProblem],
    seed: int,
    path: Path,
    search: Search = SEARCH,
    progress: Progress | None = None,
    command: str = RETRAIN,
) -> dict[str, float]:
    """Search the slopes on some networks; write them with their manifest and return them.

    Args:
        models: networks; what none of them carries (buses, pedestrians) is not learned.
        seed: of the search.
        path: parameter file to write; a search that was cut goes on from its checkpoint beside it.
        search: its size.
        progress: called with one line per generation.
        command: that the manifest names.
    """
    checkpoint = path.with_name("pareto.search.safetensors")
    found = evolve(models, cost_under(), len(LEVERS), seed, search, checkpoint, progress)
    slopes = slopes_at(found.offset)
    episodes = (
        DRAWN * search.generations * (search.population + 1) * min(search.networks, len(models))
    )
    about = provenance(command, models, seed) | {
        "generations": search.generations,
        "budget": {"evaluations": episodes, "cpu_s": found.cpu_s},
    }
    write_parameters(path, "pareto", slopes, about)
    return slopes
