"""Tunes the stage score on the generated training towns; the result ships in `tuned/`.

CMA-ES moves every weight from `stage_score.START`: see `evolution`. The search is noisy; compare
its result on held-out towns before it ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import FloatArray
from trimtab.run.parameter_file import write_parameters

from trimtab_traffic.controllers.stage_score import START, StageScore
from trimtab_traffic.evolution import Progress, Search, by_delay, evolve
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem


def tune_stage_score(
    models: Sequence[SignalsProblem],
    seed: int,
    search: Search | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, float], float]:
    """Weights of the stage score, tuned on several networks, and the CPU seconds spent.

    Args:
        models: networks.
        seed: of the search and of the draw of towns.
        search: its size.
        checkpoint: see `evolution.evolve`.
        progress: called with one line per generation.
    """
    width = len(STAGE_FEATURES)
    cost = by_delay(_player)
    found = evolve(models, cost, width, seed, search or Search(), checkpoint, progress)
    return _weights(found.offset), found.cpu_s


def retune(
    models: Sequence[SignalsProblem],
    seed: int,
    path: Path,
    search: Search,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Tune, write the result with its manifest, and return the weights."""
    checkpoint = path.with_name("stage_score.search.safetensors")
    weights, cpu_s = tune_stage_score(models, seed, search, checkpoint, progress)
    about = {
        "command": "make retrain",
        "scenario": f"generated-towns, {len(models)} networks of training_networks.training_towns",
        "seed": seed,
        "generations": search.generations,
        "networks": [m.network.model_dump(mode="json", exclude_defaults=True) for m in models],
        "budget": {"evaluations": search.episodes, "cpu_s": cpu_s},
    }
    write_parameters(path, "stage_score", weights, about)
    return weights


def _player(town: SignalControl, offset: FloatArray) -> Controller:
    return StageScore(town, **_weights(offset))


def _weights(offset: FloatArray) -> dict[str, float]:
    """Offset from `START` → weight per stage feature."""
    start = np.array([START[name] for name in STAGE_FEATURES])
    return dict(zip(STAGE_FEATURES, (start + offset).tolist(), strict=True))
