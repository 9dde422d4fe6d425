"""The policy of `averse_fit`: a day's fuel is kept in sight, so that bad days burn less of it.

As `stochastic`, with what is left of the day's stock of fuel beside the expected net load. On a day
that will not come near its stock it does what lowers the mean; on a day that threatens to exceed
it, fuel counts more than what the battery owes at midnight.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs
from trimtab.learn.risk import StockProblem

from trimtab_grid.arrays import plant_arrays
from trimtab_grid.controllers.averse_fit import (
    AverseValues,
    averse_step,
    best_stock_l,
    fit_averse,
)
from trimtab_grid.controllers.fuel_account import FuelAccount
from trimtab_grid.controllers.stochastic import (
    StochasticProgram,
    coarse_planner,
    past_of,
    planning_step_min,
)
from trimtab_grid.controllers.view import Seen
from trimtab_grid.episodes import Episodes
from trimtab_grid.scenario import GridScenario
from trimtab_grid.stage import stored_kwh
from trimtab_grid.unit_graph import all_off

TAIL: Final = 0.05
"""Share of worst days whose mean fuel is lowered."""
WEIGHT: Final = 0.15
"""What a litre of the worst days' mean fuel counts beside a litre of the mean C."""
SAMPLES: Final = 40


@lru_cache(maxsize=4)
def _fitted(text: str, weight: float) -> AverseValues:
    """Values of a day of a scenario, from its JSON; the same for every process."""
    scenario = GridScenario.model_validate_json(text)
    plant = scenario.resolved_plant()
    arrays = plant_arrays(plant, scenario.step_min)
    past = past_of(scenario, plant)
    planner = coarse_planner(plant, arrays, past.load_kw, past.free_kw)
    step_h = planning_step_min(scenario.step_min) / 60.0
    start = Episodes(scenario, plant).start + timedelta(minutes=scenario.step_min)
    last = (start.hour + start.minute / 60.0 + scenario.horizon_h - step_h) % 24.0
    return fit_averse(planner, past, last, weight / TAIL, SAMPLES, seed=0)


class AverseProgram(StochasticProgram):
    """See the module.

    Args:
        problem: a grid problem, or a `StockProblem` of one, which then says what is left.
        scenario: whose settings generate the past; of one day.
        weight: κ, what a litre of the worst days' mean fuel counts beside a litre of the mean C.
        stock_l: b, the fuel of a day from which on it counts as bad; None for the program's own.
    """

    def __init__(
        self,
        problem: ControlProblem,
        scenario: GridScenario,
        weight: float = WEIGHT,
        stock_l: float | None = None,
    ) -> None:
        day = scenario.model_copy(update={"horizon_h": min(24.0, scenario.horizon_h)})
        self._averse = _fitted(day.model_dump_json(), weight)
        super().__init__(problem, scenario, (self._averse,))
        soc = min(max(float(self.plant.soc_initial), 0.0), 1.0)
        node = self._planner.graph.nodes()[all_off(self.plant)]
        first = stored_kwh(self.plant, soc)
        self.stock_l = stock_l or best_stock_l(self._averse, node, first, weight)
        self._scale = problem.scale if isinstance(problem, StockProblem) else 0.0
        self._account = FuelAccount(problem, self.stock_l)
        self._left_l = np.zeros(problem.copies)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        super().reset(seed, context, rows)
        self._account.reset(rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = obs.obs[:, 0, -1].astype(np.float64) * self._scale
        self._left_l[:] = seen if self._scale else self._account.left_l(obs)
        return super().act(obs)

    def _decide(
        self, obs: Obs, seen: Seen, row: int, values: Any, block: int, at: float
    ) -> tuple[IntArray, float]:
        """Command [units] and setpoint of one row; hold and no wish where nothing is known."""
        planner, node = self._planner, self._steering.node(seen, row)
        if node < 0:
            return np.zeros(self.units, np.int64), 0.0
        edge, change = averse_step(
            planner.graph.links,
            planner.graph.outputs,
            planner.store,
            planner.stage,
            values,
            block,
            at,
            node,
            self._stored(seen, row),
            float(self._left_l[row]),
            self._steering.allowed(obs, row),
        )
        return self._steering.ordered(planner, edge, change)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The smoothed renewables and the account of fuel."""
        return {**super().state_dict(), **self._account.state_dict()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        super().load_state_dict(state)
        self._account.load_state_dict(state)
