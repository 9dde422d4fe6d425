"""Self-organising traffic lights (SOTL, platoon variant).

C. Gershenson, "Self-organizing traffic lights", Complex Systems 16, 2005; S.-B. Cools et al.,
"Self-organizing traffic lights: a realistic simulation", 2013: red approaches gather vehicles ×
time; a signal changes when one has gathered enough, the present green has lasted long enough, and
it would not cut the tail of a platoon.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Ordinal, Space
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs

from trimtab_traffic.controllers.stages import layout_of, stage_action

PARAMETERS = Space(
    (
        Float("threshold_veh_s", 5.0, 500.0, "veh·s", log=True),
        Integer("min_green_s", 5, 30, "s"),
        Integer("max_green_s", 30, 90, "s"),
        Integer("platoon_veh", 0, 5, "veh"),
        Ordinal("reach_m", (50.0, 100.0, 200.0), "m"),
    )
)
PLATOON_REACH_M = 25.0
"""Distance ω within which the tail of a platoon is not cut, m (Cools et al. 2013)."""


class Sotl(Controller):
    """Changes to the stage whose red approaches gathered most, once that exceeds a threshold.

    Args:
        threshold_veh_s: θ, vehicle-seconds gathered by a stage before it may take over.
        min_green_s: φ_min, s.
        max_green_s: green after which a platoon is cut all the same, s: a blocked one never passes.
        platoon_veh: μ, at most so many vehicles close to the stop line are kept together.
        reach_m: distance ρ within which red approaches gather vehicles, m.
    """

    def __init__(
        self,
        problem: ControlProblem,
        threshold_veh_s: float = 50.0,
        min_green_s: int = 7,
        max_green_s: int = 60,
        platoon_veh: int = 3,
        reach_m: float = 100.0,
    ) -> None:
        self._layout, self._state = layout_of(problem)
        self._links = self._layout.links_of_stages()
        self._dt_s = problem.spec.dt_s
        self._threshold_veh_s = threshold_veh_s
        self._min_green_s, self._max_green_s = min_green_s, max_green_s
        self._platoon_veh, self._reach_m = platoon_veh, reach_m
        self._gathered = np.zeros(self._layout.n_stages)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Nothing has been gathered."""
        self._gathered[:] = 0.0

    def act(self, obs: Obs) -> Action:
        """Next stage of every signal, `discrete` [1, signals, 1]."""
        first, state = self._layout.first_stage[:-1], self._state
        shown = np.zeros(self._layout.n_stages, dtype=bool)
        shown[first + state.stage()] = True
        links = self._links
        green = np.bincount(links.columns, shown[links.rows], self._layout.first_link[-1]) > 0
        self._gathered += self._dt_s * links(state.approach_count(self._reach_m) * ~green)
        self._gathered[shown] = 0.0
        tail = links(state.approach_count(PLATOON_REACH_M))[shown]
        elapsed_s = state.stage_elapsed_s()
        passing = (tail > 0) & (tail <= self._platoon_veh) & (elapsed_s < self._max_green_s)
        held = passing | (elapsed_s < self._min_green_s)
        ripe = np.where(self._gathered >= self._threshold_veh_s, self._gathered, 0.0)
        ripe[shown] = np.where(held, np.inf, 0.0)
        return stage_action(self._layout, ripe, state, obs)
