"""What controllers may be granted: the plant's model, its state, forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.engine.observe import Scales
from trimtab_grid.episodes import Episodes
from trimtab_grid.forecasts import QUANTITIES, Forecaster, Issue
from trimtab_grid.plant import Plant
from trimtab_grid.shield_rules import ShieldTables

Asked = tuple[IntArray, FloatArray]
"""A proposal: choices [N, d] and battery setpoints [N], kW."""


@dataclass(frozen=True, slots=True)
class GridModel:
    """Resource "model".

    Attributes:
        plant: as the user brought it.
        arrays: its record at the scenario's step.
        by_order: the interface is "order".
        columns: names of the observation's columns.
        scales: what observed powers are shares of.
        tables: of the shield; blank ones without it.
        shielded: whether the shield is on.
        horizon: steps of an episode.
        fuel_price: per litre.
    """

    plant: Plant
    arrays: PlantArrays
    by_order: bool
    columns: tuple[str, ...]
    scales: Scales
    tables: ShieldTables
    shielded: bool
    horizon: int
    fuel_price: float


@dataclass(frozen=True, slots=True)
class GridState:
    """Resource "state": the simulator's own memory, live; read it, never write it.

    Attributes:
        states: [N] of `engine.memory.STATE`.
        moments: [N] of `engine.memory.MOMENT`, facts of the last step.
        bank: [N, steps + 1, 3]; only column `states.step` (and the next where the plant's
            disturbances say `step_known`) has been measured.
    """

    states: NDArray[Any]
    moments: NDArray[Any]
    bank: FloatArray

    def measured(self, known: int) -> FloatArray:
        """[N, 3] load, wind and PV measured last, kW; `known` 1 where the coming step is known."""
        at = np.minimum(self.states["step"] + known, self.bank.shape[1] - 1)
        return np.asarray(self.bank[np.arange(len(self.bank)), at])


class Forecasts:
    """Resource "forecast": forecasts of the scenario's kind, issued at the present step."""

    def __init__(
        self,
        forecaster: Forecaster,
        episodes: Episodes,
        state: GridState,
        seed: IntArray,
        known: int,
    ) -> None:
        self._forecaster, self._episodes = forecaster, episodes
        self._state, self._seed, self._known = state, seed, known

    def issue(self, row: int, steps: int) -> FloatArray:
        """[K, 3] load, wind, PV of the next K steps of a copy, kW, K ≤ `steps` at the end."""
        now = int(self._state.states["step"][row])
        last = self._state.bank.shape[1] - 1
        horizon = min(steps, last - now)
        if horizon < 1:
            return np.zeros((0, len(QUANTITIES)))
        series = self._episodes.series(self._state.bank[row])
        known = min(self._known, horizon)
        asked = Issue(np.array([now]), horizon, int(self._seed[row]), known)
        found = [self._forecaster.issue(series, name, asked)[0] for name in QUANTITIES]
        return np.stack(found, axis=1)
