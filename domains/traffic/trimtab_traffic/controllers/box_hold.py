"""Holding a stage until the junction is clear of trapped vehicles that the next one would strand.

A turner that gives way can trap others inside the junction, who have the right of way but stand
behind it. If crossing traffic starts then, both wait for each other, and SUMO never resolves the
ring. Programs with enough all-red avoid it; where the rules ask for none (profile `resco`), a short
hold does. The turner itself is no reason to hold: it clears when the stream it waits for ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, BoolArray, Float32Array, IntArray, Obs

from trimtab_traffic.features import abandoned_links
from trimtab_traffic.signals import Signal
from trimtab_traffic.state import STANDING_MPS

HOLD_S = 20.0
"""Longest hold, s; two decisions of the benchmark."""


class BoxHold(Controller):
    """Narrows the choice of another stage controller to stages that strand nobody trapped.

    Args:
        problem: the control problem, with one of the stage interfaces.
        inner: chooses among the stages that `Obs.action_mask` leaves.
        hold_s: time for which vehicles trapped in the junction keep a stage, s.
    """

    def __init__(self, problem: ControlProblem, inner: Controller, hold_s: float) -> None:
        self._inner = inner
        self._state = problem.resource("state")
        signals = problem.resource("model").controllable
        self._abandoned = [abandoned_links(s) for s in signals]
        self._priority = [priority_links(s) for s in signals]
        self._first = self._state.first_link
        self._most = int(hold_s // problem.spec.dt_s)
        self._held = np.zeros(len(self._abandoned), dtype=np.int64)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Nothing is held yet."""
        self._inner.reset(seed, context, rows)
        self._held[:] = 0

    def act(self, obs: Obs) -> Action:
        """The inner controller's choice among stages that strand nobody, or all after the hold."""
        if obs.action_mask is None or not obs.alive.any():
            return self._inner.act(obs)
        mask = obs.action_mask.copy()
        slow, shown = self._state.box_slow_veh(STANDING_MPS), self._state.stage()
        stranding = np.zeros(len(shown), dtype=bool)
        for row, abandoned in enumerate(self._abandoned):
            links = slow[self._first[row] : self._first[row + 1]]
            strands = abandoned @ (links * self._priority[row][shown[row]]) > 0
            strands[shown[row]] = False
            stranding[row] = strands.any()
            if self._held[row] < self._most and mask[0, row, shown[row]]:
                mask[0, row, : len(strands)] &= ~strands
        action = self._inner.act(replace(obs, action_mask=mask))
        stays = action.discrete[0, :, 0] == shown if action.discrete is not None else False
        self._held = np.where(stranding & stays, self._held + 1, 0)
        return action


def priority_links(signal: Signal) -> BoolArray:
    """[stages, links]: whether a stage gives a link the right of way, not a green that yields."""
    return np.array([[light == "G" for light in state] for state in signal.stage_states])


def held(
    make: Callable[..., Controller], problem: ControlProblem, hold_s: float = 0.0, **made: Any
) -> Controller:
    """A controller of `make(problem, **made)`, held by `BoxHold` unless `hold_s` is 0."""
    inner = make(problem, **made)
    return BoxHold(problem, inner, hold_s) if hold_s > 0 else inner
