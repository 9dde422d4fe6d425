"""A weighted sum of stage features: wave rule, rollout and their kin, every weight open to tuning.

With weight 1 on `n_50` alone it is `wave_50`, with a weight on `rollout` alone `mpc`. Its
parameters are few and each has a meaning, so it is tuned by CMA-ES (`trimtab tune`) and serves as
the teacher of the graph policy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Space
from trimtab.contracts.spec import Action, Obs

from trimtab_traffic.features import STAGE_FEATURES

WAVE = {name: float(name == "n_50") for name in STAGE_FEATURES}
"""Weights under which the rule is `wave_50`."""
ROLLOUT = dict.fromkeys(STAGE_FEATURES, 0.0) | {"rollout": -5.0}
"""Weights under which it is `mpc`: 10 veh·s of rollout cost are worth 1, the scale of the rest."""
START = ROLLOUT | {
    "n_25": -1.0, "n_50": 1.0, "n_100": 1.2, "n_200": 0.6, "queued": -0.7, "queued_yielding": 0.8,
    "wait": 1.3, "blocked": -0.3, "longest_wait": 0.25, "links": -0.15, "shown": 0.2,
    "shown_age": -0.5, "red_age": 0.1, "boxed": -1.0,
}  # fmt: skip
"""Where tuning starts: the rollout, and half of what a search from the wave rule alone found."""
SHIPPED = Path(__file__).parent / "tuned/resco/stage_score.json"
TUNED: dict[str, float] = (
    dict.fromkeys(STAGE_FEATURES, 0.0)
    | json.loads(SHIPPED.read_text(encoding="utf-8"))["parameters"]
)
"""Weights tuned on generated networks; the file says how."""
PARAMETERS = Space(tuple(Float(name, -10.0, 10.0) for name in STAGE_FEATURES))
_KEEP = 1e-6  # ties keep the stage shown


class StageScore(Controller):
    """Chooses the legal stage with the largest weighted sum of features.

    Args:
        problem: with interface `graph`.
        **weights: weight per name of `STAGE_FEATURES`; missing ones are those of `WAVE`.
    """

    def __init__(self, problem: ControlProblem, **weights: Any) -> None:
        merged = WAVE | weights
        self._weights = np.array([float(merged[name]) for name in STAGE_FEATURES])
        self._shown = STAGE_FEATURES.index("shown")

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        stages = obs.entities["stages"]
        score = stages @ self._weights + _KEEP * stages[..., self._shown]
        if obs.action_mask is not None:
            score = np.where(obs.action_mask, score, -np.inf)
        return Action(discrete=score.argmax(axis=-1)[..., None])
