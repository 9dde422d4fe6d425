"""Tunes the stage score on the generated training towns; the result ships in `tuned/`.

CMA-ES on the mean of (delay / delay of the wave rule) over three towns a generation, drawn anew
with a new demand seed each time; the candidates of a generation share towns and seeds. The final
mean of the search distribution is kept, never the best candidate. The search is noisy: the same
search over a range of 10 gave weights that are worse on held-out towns, so the result of a retuning
must be compared there before it ships.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab.run.parameter_file import write_parameters
from trimtab.run.runner import evaluate
from trimtab.search.cmaes import CmaEs

from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

POPULATION, TOWNS_A_GENERATION, GENERATIONS = 10, 3, 24
FIRST_DEMAND_SEED = 1000
RANGE = 4.0
"""Width of the unit cube in weights, centred on the wave rule."""
WORST = 3.0
"""A candidate counts as at most so many times as bad as the wave rule, so jams do not dominate."""

Weights = Mapping[str, float]


def tune_stage_score(
    models: Sequence[SignalsProblem],
    seed: int,
    generations: int = GENERATIONS,
    progress: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Weights of the stage score, tuned on several networks.

    Args:
        models: networks.
        seed: of the search and of the draw of towns.
        generations: of CMA-ES, `POPULATION` candidates each.
        progress: called with one line per generation.
    """
    search = CmaEs(len(STAGE_FEATURES), seed, sigma=0.08, population=POPULATION)
    draw = np.random.default_rng(seed)
    towns = [SignalControl(model, "graph") for model in models]
    for generation in range(generations):
        chosen = [towns[i] for i in draw.permutation(len(towns))[:TOWNS_A_GENERATION]]
        demand = FIRST_DEMAND_SEED + generation
        wave = [_delay_s(town, {}, demand) for town in chosen]
        points = search.ask(POPULATION)
        score = np.array([_relative(p, chosen, wave, demand) for p in points])
        search.tell(points, score)
        if progress is not None:
            progress(f"generation {generation}: median {np.median(score):.3f} of the wave rule")
    for town in towns:
        town.close()
    return _weights(search.mean)


def retune(
    models: Sequence[SignalsProblem],
    seed: int,
    path: Path,
    progress: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """Tune, write the result with its manifest, and return the weights."""
    begun = time.process_time()
    weights = tune_stage_score(models, seed, progress=progress)
    episodes = GENERATIONS * (POPULATION + 1) * TOWNS_A_GENERATION
    about = {
        "command": "make retrain",
        "scenario": f"generated-towns, {len(models)} networks of training.training_towns",
        "seed": seed,
        "generations": GENERATIONS,
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
        "budget": {"evaluations": episodes, "cpu_s": round(time.process_time() - begun, 1)},
    }
    write_parameters(path, "stage_score", weights, about)
    return weights


def _relative(
    point: FloatArray, towns: Sequence[SignalControl], wave: Sequence[float], demand: int
) -> float:
    delays = [_delay_s(town, _weights(point), demand) for town in towns]
    return float(np.mean([min(d / w, WORST) for d, w in zip(delays, wave, strict=True)]))


def _delay_s(town: SignalControl, weights: Weights, demand: int) -> float:
    record = evaluate(town, StageScore(town, **weights), [demand])[0]
    town.session.close()  # libsumo holds one simulation a process
    return float(record.metrics["true_delay_s"])


def _weights(point: FloatArray) -> dict[str, float]:
    """Unit-cube point → weight per stage feature."""
    wave = np.array([float(name == "n_50") for name in STAGE_FEATURES])
    values = (point - 0.5) * RANGE + wave
    return dict(zip(STAGE_FEATURES, values.tolist(), strict=True))
