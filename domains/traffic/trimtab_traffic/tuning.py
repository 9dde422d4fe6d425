"""Tunes the stage score on the generated training towns; the result ships in `tuned/`.

CMA-ES moves the weights that `stage_score.START` gives: see `evolution`. The others stay 0, since
the towns have nothing of what they weigh and a search would leave them at random. The search is
noisy, so what it finds replaces the shipped weights only if a paired test on held-out towns shows
it better.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import FloatArray
from trimtab.learn.checkpoint import Progress
from trimtab.run.parameter_file import write_parameters

from trimtab_traffic.controllers.stage_score import SHIPPED, START, TUNED, StageScore
from trimtab_traffic.evolution import RETRAIN, Search, by_delay, evolve, provenance
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training import Builder, judge, judge_seeds, tell

SEARCHED = tuple(name for name in STAGE_FEATURES if START[name])
"""Features whose weights move."""


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
    cost = by_delay(_player)
    found = evolve(models, cost, len(SEARCHED), seed, search or Search(), checkpoint, progress)
    return _weights(found.offset), found.cpu_s


def retune(
    models: Sequence[SignalsProblem],
    held_out: Sequence[SignalsProblem],
    seed: int,
    path: Path,
    search: Search,
    progress: Progress | None = None,
) -> None:
    """Tune anew and write what is to ship: the weights found, or the shipped ones with a note.

    Args:
        models: networks to tune on.
        held_out: networks of the paired test against the shipped weights.
        seed: of the search.
        path: parameter file to write.
        search: its size.
        progress: called with one line per generation and one on the test.
    """
    checkpoint = path.with_name("stage_score.search.safetensors")
    found, cpu_s = tune_stage_score(models, seed, search, checkpoint, progress)
    verdict = judge(held_out, _plays(found), _plays(TUNED), judge_seeds(len(held_out)))
    tell(verdict, "the shipped weights on held-out towns", progress)
    about = provenance(RETRAIN, models, seed) | {
        "generations": search.generations,
        "held_out_change": asdict(verdict),
        "budget": {"evaluations": search.episodes, "cpu_s": cpu_s},
    }
    if verdict.accepted:
        write_parameters(path, "stage_score", found, about)
        return
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))["manifest"]
    write_parameters(path, "stage_score", TUNED, shipped | {"refused": about | {"found": found}})


def _plays(weights: dict[str, float]) -> Builder:
    return lambda town: StageScore(town, **weights)


def _player(town: SignalControl, offset: FloatArray) -> Controller:
    return StageScore(town, **_weights(offset))


def _weights(offset: FloatArray) -> dict[str, float]:
    """Offset from `START` → weight per stage feature."""
    start = np.array([START[name] for name in SEARCHED])
    return START | dict(zip(SEARCHED, (start + offset).tolist(), strict=True))
