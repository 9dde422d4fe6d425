"""Rollout MPC: every signal searches stage sequences on its own queue model, anew each decision.

The first stage of the cheapest sequence is played; `rollout` tells what the search knows.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Space
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs

from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rollout import Rollouts

PARAMETERS = Space(
    (
        Integer("horizon_s", 15, 40, "s"),
        Float("tail_s", 0.0, 30.0, "s"),
        Float("patience_s", 20.0, 600.0, "s", log=True),
    )
)


class Mpc(Controller):
    """Plays the first stage of the cheapest sequence over the horizon at every signal.

    Args:
        problem: the control problem.
        profile: rules that set transitions and minimum greens.
        horizon_s: time looked ahead, s.
        tail_s: what a vehicle still waiting at the horizon is charged, s.
        patience_s: red time after which a link's vehicles count double, s.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        horizon_s: int = 30,
        tail_s: float = 20.0,
        patience_s: float = 120.0,
    ) -> None:
        self._rollouts = Rollouts(
            problem.resource("model"),
            problem.resource("state"),
            profile,
            round(problem.spec.dt_s),
            horizon_s,
            tail_s,
            patience_s,
        )

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Nobody has waited yet."""
        self._rollouts.reset()

    def act(self, obs: Obs) -> Action:
        """Next stage of every signal, `discrete` [1, signals, 1]."""
        costs = self._rollouts.costs(None if obs.action_mask is None else obs.action_mask[0])
        chosen = np.array([cost.argmin() for cost in costs], dtype=np.int64)
        self._rollouts.played(chosen)
        return Action(discrete=chosen[None, :, None])
