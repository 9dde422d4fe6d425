"""One rule for every preference between delay, stops, buses and pedestrians.

A weighted sum of stage features, like `stage_score`, whose weights are an affine function of the
preference: the weights of `stage_score` and, for each objective beside the delay, a direction in
which its share of the preference moves some of them. All directions come from one search, so any
preference can be played without training for it (`pareto_training`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ActionError, InputFileError
from trimtab.contracts.problem import Budget, ControlProblem
from trimtab.contracts.spec import FloatArray
from trimtab.run.parameter_file import read_parameters

from trimtab_traffic.controllers.learned import WEIGHTS, weights_file
from trimtab_traffic.controllers.stage_score import TUNED, StageScore

PARETO = WEIGHTS / "pareto.json"
PREFERRED = ("delay", "stops", "bus_delay", "pedestrian_wait")
"""Objectives of a preference, in the order of its shares."""
BALANCED = (0.4, 0.2, 0.2, 0.2)
START: Mapping[str, Mapping[str, float]] = {
    "stops": {
        "shown": 0.5, "shown_age": 0.0, "n_25": 0.5, "n_100": 0.5, "queued": -0.5, "rollout": 0.0,
    },
    "bus_delay": {"buses": 2.0, "rollout": 0.0},
    "pedestrian_wait": {"pedestrians": 2.0, "red_age": 0.0, "rollout": 0.0},
}  # fmt: skip
"""Which weights the share of an objective moves, and where the search of their slopes starts."""
LEVERS = tuple(f"{objective}.{feature}" for objective in START for feature in START[objective])
"""Names of the slopes, in the order of the search."""


def shares(preference: Sequence[float] | FloatArray) -> FloatArray:
    """A preference as shares that add up to 1, [4] in the order of `PREFERRED`.

    Raises:
        ActionError: it does not hold one number for each objective, none negative, one positive.
    """
    given = np.asarray(preference, dtype=np.float64)
    if given.shape != (len(PREFERRED),) or not (given >= 0).all() or not 0 < given.sum() < np.inf:
        msg = (
            f"preference {list(preference)}: give {len(PREFERRED)} numbers, none negative and one "
            f"positive, for {', '.join(PREFERRED)}"
        )
        raise ActionError(msg)
    return np.asarray(given / given.sum())


def weights_of(
    preference: Sequence[float] | FloatArray, slopes: Mapping[str, float]
) -> dict[str, float]:
    """Weight of each stage feature under a preference.

    Args:
        preference: one number for each of `PREFERRED`.
        slopes: by the names in `LEVERS`.
    """
    share = dict(zip(PREFERRED, shares(preference).tolist(), strict=True))
    weights = dict(TUNED)
    for name in LEVERS:
        objective, _, feature = name.partition(".")
        weights[feature] += share[objective] * float(slopes[name])
    return weights


def pareto(
    problem: ControlProblem,
    preference: Sequence[float] = BALANCED,
    weights: str | None = None,
) -> Controller:
    """The rule under one preference.

    Args:
        problem: with interface `graph`.
        preference: what delay, stops, bus delay and waiting pedestrians are worth beside each
            other; (1, 0, 0, 0) is `stage_score`.
        weights: a file that `trimtab train` wrote, by default the shipped one.

    Raises:
        ActionError: see `shares`.
        InputFileError: the file is not there or holds something else.
    """
    path = weights_file(weights, PARETO)
    return StageScore(problem, **weights_of(preference, slopes_of(path)))


def slopes_of(path: Path) -> dict[str, float]:
    """The slopes of a file.

    Raises:
        InputFileError: it is damaged, or made for another controller.
    """
    controller, slopes = read_parameters(path)
    if controller != "pareto" or set(slopes) != set(LEVERS):
        msg = f"{path}: holds no slopes of `pareto`; train it anew with `trimtab train`"
        raise InputFileError(msg)
    return {name: float(slopes[name]) for name in LEVERS}


def training_budget(path: Path) -> Budget:
    """What the search of a file cost."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Budget(**document["manifest"]["budget"])
