"""The policy of `value_fit`: no foresight, only the present and what past years taught.

Each decision takes the best command and energy change of the coming planning step (at least 15
min) against the fitted cost-to-go. The present load and renewables stand for that step. Past years
are generated with the scenario's own settings and seeds that no evaluation uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs

from trimtab_grid.arrays import PlantArrays, plant_arrays
from trimtab_grid.controllers.clairvoyant import Steering
from trimtab_grid.controllers.rules import start_l
from trimtab_grid.controllers.value_fit import (
    LEVELS,
    Past,
    Values,
    blend,
    block_of,
    features,
    fit,
    fit_day,
    place,
    season_of,
)
from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.dp import MARGIN_KW, CostToGo, Planner
from trimtab_grid.episodes import Episodes
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.plant import Plant
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series import clock
from trimtab_grid.stage import stages, store, stored_kwh
from trimtab_grid.unit_graph import all_off, unit_graph

if TYPE_CHECKING:
    from trimtab_grid.controllers.averse_fit import AverseValues

PAST_SEEDS: Final = 1_000_000_000
"""First seed of past years; evaluations count from 0."""
PLANNING_MIN: Final = 15.0
PAST_STEPS: Final = 17_520
LONG_H, SEASONS, PAST_YEARS = 2160.0, 12, 18
"""Episodes longer than this have values per season; from so many past years."""
SAMPLES, _DAY_SAMPLES, _DAYS_AROUND = 700, 100, 15.0


def planning_plant(plant: Plant, arrays: PlantArrays, step_min: float) -> Plant:
    """The plant at longer steps: warm-up and cool-down become fuel of the start."""
    if step_min <= float(arrays.step_min):
        return plant
    units = tuple(
        genset.model_copy(
            update={
                "warm_up_min": 0.0,
                "cool_down_min": 0.0,
                "start_fuel_l": start_l(arrays, i),
            }
        )
        for i, genset in enumerate(plant.gensets)
    )
    return plant.model_copy(update={"gensets": units})


def planning_step_min(step_min: float) -> float:
    """Step of the fitted values: the plant's own from 15 min on, else 15 min."""
    return max(step_min, PLANNING_MIN)


def coarse_planner(
    plant: Plant, arrays: PlantArrays, load: NDArray[Any], free: NDArray[Any]
) -> Planner:
    """Relaxed unit graph and battery at planning steps, over some steps."""
    step_min = planning_step_min(float(arrays.step_min))
    record = plant_arrays(planning_plant(plant, arrays, step_min), step_min)
    graph = unit_graph(record, (all_off(record),), relaxed=True)
    price = stored_energy_price_l_per_kwh(plant)
    tank = store(record, price, float(record.soc_initial))
    steps = stages(record, load, free, np.zeros_like(free))
    return Planner(graph, tank, steps).inside()


def past_of(scenario: GridScenario, plant: Plant) -> Past:
    """Generated past: whole years, or the same season where an episode is short."""
    step_min = planning_step_min(scenario.step_min)
    hours = 8760.0 if scenario.horizon_h > LONG_H else 24.0 * (2.0 * _DAYS_AROUND)
    first = scenario.data.first_day
    if scenario.horizon_h <= LONG_H:
        first = (first - 1 - int(_DAYS_AROUND)) % 365 + 1
    data = scenario.data.model_copy(update={"first_day": first})
    steps = round(hours * 60.0 / step_min)
    whole_year = hours > LONG_H
    past = scenario.model_copy(
        update={"step_min": step_min, "horizon_h": steps * step_min / 60.0, "data": data}
    )
    episodes = Episodes(past, plant)
    count = PAST_YEARS if whole_year else max(1, round(PAST_STEPS / steps))
    seeds = PAST_SEEDS + np.arange(count)
    bank = episodes.bank(seeds, np.zeros(count, np.int64))[:, 1:]
    hour, day = clock(episodes.start + timedelta(minutes=step_min), step_min, steps)
    flat = bank.reshape(-1, 3)
    free = flat[:, 1] + flat[:, 2]
    return Past(flat[:, 0].copy(), free, np.tile(hour, count), np.tile(day, count))


@lru_cache(maxsize=8)
def _fitted(text: str) -> tuple[Values, ...]:
    """Values of each season of a scenario, from its JSON; the same for every process."""
    scenario = GridScenario.model_validate_json(text)
    plant = scenario.resolved_plant()
    arrays = plant_arrays(plant, scenario.step_min)
    past = past_of(scenario, plant)
    planner = coarse_planner(plant, arrays, past.load_kw, past.free_kw)
    if scenario.horizon_h <= 24.0:  # noqa: PLR2004
        start = Episodes(scenario, plant).start + timedelta(minutes=scenario.step_min)
        last_hour = (start.hour + start.minute / 60.0 + scenario.horizon_h) % 24.0
        step_h = planning_step_min(scenario.step_min) / 60.0
        last_block = (last_hour - step_h) % 24.0
        return (fit_day(planner, past, last_block, _DAY_SAMPLES, seed=0),)
    price = stored_energy_price_l_per_kwh(plant)
    seasons = SEASONS if scenario.horizon_h > LONG_H else 1
    return fit(planner, past, price, SAMPLES, seed=0, seasons=seasons)


class StochasticProgram(GridController):
    """See the module.

    Args:
        problem: a grid problem.
        scenario: whose settings generate the past.
        values: of each season, where they are at hand.
    """

    def __init__(
        self,
        problem: ControlProblem,
        scenario: GridScenario,
        values: tuple[Values | AverseValues, ...] | None = None,
    ) -> None:
        super().__init__(problem)
        self._values: tuple[Any, ...] = values or _fitted(scenario.model_dump_json())
        one = np.zeros(1)
        self._planner = coarse_planner(self.model.plant, self.plant, one, one)
        self._steering = Steering(self, self._planner.graph, coarse=True)
        step_min = planning_step_min(float(self.plant.step_min))
        self._kept = math.exp(-float(self.plant.step_min) / step_min)
        self._slow = np.full(problem.copies, np.nan)
        nodes = len(self._planner.graph.states)
        levels = self._values[0].levels
        first = np.arange(nodes)[None, :] * levels.size
        known = np.tile(levels, nodes)
        self._after = CostToGo(first, first + levels.size, known, np.zeros(known.size))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(self.problem.copies) if rows is None else rows
        self._slow[which] = np.nan

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = self.see(obs)
        count = len(seen.soc)
        hour = np.arctan2(seen.step_hint[:, 0], seen.step_hint[:, 1]) * 12.0 / math.pi % 24.0
        year = np.arctan2(seen.step_hint[:, 2], seen.step_hint[:, 3]) / (2.0 * math.pi) % 1.0
        season = season_of(year * 365.0, len(self._values))
        known = self.known(seen, hour)
        command, battery = np.zeros((count, self.units), np.int64), np.zeros(count)
        for row in np.flatnonzero(obs.alive[:, 0]):
            values = self._values[season[row]]
            at = float(place(values, known[row] @ values.weights))
            block = int(block_of(hour[row], len(values.cost)))
            self._set_stage(seen, int(row))
            command[row], battery[row] = self._decide(obs, seen, int(row), values, block, at)
        return self.action(obs, command, battery)

    def known(self, seen: Seen, hour: FloatArray) -> FloatArray:
        """What the next net load is foretold from, [N, F]; called once a step."""
        slow = np.where(np.isnan(self._slow), seen.free_kw, self._slow)
        self._slow = self._kept * slow + (1.0 - self._kept) * seen.free_kw
        return features(seen.load_kw, seen.free_kw, self._slow, hour)

    def _set_after(self, values: Values, block: int, at: float) -> None:
        """Costs-to-go after the coming step at a place between two knots."""
        for node in range(len(self._planner.graph.states)):
            blend(values, block, at, node, self._after.y[node * LEVELS :][:LEVELS])

    def _set_stage(self, seen: Seen, row: int) -> None:
        """The present load and renewables stand for the coming step."""
        stage = self._planner.stage
        stage.load_kw[0], stage.renewable_kw[0] = seen.load_kw[row], seen.free_kw[row]
        share = float(self.plant.reserve_load_share)
        stage.reserve_kw[0] = share * seen.load_kw[row] + (MARGIN_KW if share > 0.0 else 0.0)

    def _stored(self, seen: Seen, row: int) -> float:
        """Stored energy inside the planner's window, kWh."""
        stored, tank = stored_kwh(self.plant, float(seen.soc[row])), self._planner.store
        return min(max(stored, tank.low_kwh), tank.high_kwh)

    def _decide(
        self, obs: Obs, seen: Seen, row: int, values: Any, block: int, at: float
    ) -> tuple[IntArray, float]:
        """Command [units] and setpoint of one row."""
        self._set_after(values, block, at)
        node, stored = self._steering.node(seen, row), self._stored(seen, row)
        return self._steering.decide(self._planner, self._after, 0, 0, node, obs, row, stored)

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """The smoothed renewables."""
        return {"slow": self._slow}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._slow = state["slow"].copy()
