"""A day's stock of fuel, kept from what observations show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray, Obs

from trimtab_grid.arrays import PlantArrays
from trimtab_grid.compiled import compiled
from trimtab_grid.engine.observe import UNIT_COLUMNS
from trimtab_grid.model import fuel_l_h
from trimtab_grid.resources import GridModel


class FuelAccount:
    """What is left of each day's stock of fuel, kept from what the observation shows.

    Fuel so far is read off the observed unit powers; that of starts cannot be seen in a power and
    is no part of it.

    Args:
        problem: the plants.
        stock_l: stock at the start of every day, L.
    """

    def __init__(self, problem: ControlProblem, stock_l: float) -> None:
        self._model: GridModel = problem.resource("model")
        self._first_l = stock_l
        self._day = max(1, round(24.0 / float(self._model.arrays.step_h)))
        self._left_l = np.full(problem.copies, stock_l)
        self._decision = np.zeros(problem.copies, np.int64)

    def reset(self, rows: IntArray | None) -> None:
        """Rows whose day begins."""
        self._decision[slice(None) if rows is None else rows] = 0

    def left_l(self, obs: Obs) -> FloatArray:
        """Of every row before its next decision, [N] L; called once a step."""
        begins = self._decision % self._day == 0
        left = self._left_l - last_fuel_l(self._model, obs)
        self._left_l[:] = np.where(begins, self._first_l, left)
        self._decision += 1
        return self._left_l

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The account of every row."""
        return {"stock_l": self._left_l.copy(), "decision": self._decision.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        self._left_l[:], self._decision[:] = state["stock_l"], state["decision"]


def last_fuel_l(model: GridModel, obs: Obs) -> FloatArray:
    """Fuel of the last step [N], read off the observation, L."""
    plant, rows = model.arrays, obs.obs[:, 0].astype(np.float64)
    width = len(UNIT_COLUMNS)
    fuel = np.zeros(len(rows))
    for i in range(int(plant.n)):
        unit = rows[:, i * width : (i + 1) * width]
        power = unit[:, UNIT_COLUMNS.index("power_share")] * plant.prime_kw[i]
        turning = (power > 0.0) | (unit[:, UNIT_COLUMNS.index("cooling")] > 0.0)
        _add_fuel_rates(plant, i, power, turning, fuel)
    return np.asarray(fuel * float(plant.step_h))


@compiled
def _add_fuel_rates(
    plant: PlantArrays, unit: int, power_kw: FloatArray, turning: BoolArray, total_l_h: FloatArray
) -> None:
    """Add one unit's fuel rate in every row where it turns, [N]."""
    for row in range(len(power_kw)):
        if turning[row]:
            total_l_h[row] += fuel_l_h(plant, unit, power_kw[row])
