"""Dispatch rules of practice: diesel without battery, load following, cycle charging, combined.

Load following and cycle charging are the strategies of HOMER (Barley and Winn, Solar Energy 58,
1996), chosen anew each step among all sets of units that minimum times allow.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, FloatArray, Obs

from trimtab_grid.arrays import OFF, RUN, PlantArrays
from trimtab_grid.controllers.rules_kernel import (
    COMBINED,
    CYCLE,
    FOLLOW,
    NO_BATTERY_USED,
    Rule,
    decide,
)
from trimtab_grid.controllers.view import GridController, Seen
from trimtab_grid.model import fuel_l_h
from trimtab_grid.objective import stored_energy_price_l_per_kwh
from trimtab_grid.stage import Outputs, outputs

LOOK_H = 0.5
"""Least time over which a start is charged and a battery must last, h."""


class RuleController(GridController):
    """One of the rules of `rules_kernel`, for all rows."""

    def __init__(
        self,
        problem: ControlProblem,
        kind: int,
        look_h: float = LOOK_H,
        setpoint: float = 0.8,
        renewables: float = 1.0,
    ) -> None:
        super().__init__(problem)
        self._rule = _rule(self, kind, look_h, setpoint, renewables)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        seen = self.see(obs)
        return self.decided(obs, seen, seen.free_kw)

    def decided(self, obs: Obs, seen: Seen, free_kw: FloatArray) -> Action:
        """The rule's action if that much power [N] came for free (wind, PV, a neighbour's)."""
        count = len(seen.soc)
        command, battery = np.zeros((count, self.units), np.int64), np.zeros(count)
        decide(
            self._rule,
            seen.mode,
            seen.timer,
            seen.load_kw,
            free_kw,
            seen.soc,
            seen.room_kwh,
            float(self.plant.step_h),
            command,
            battery,
        )
        return self.action(obs, command, battery)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Rules remember nothing."""
        return {}


def _rule(
    controller: GridController, kind: int, look_h: float, setpoint: float, renewables: float
) -> Rule:
    plant, units = controller.plant, controller.units
    eta = (float(plant.charge_efficiency), float(plant.discharge_efficiency))
    return Rule(
        kind,
        units,
        int(plant.order),
        set_outputs(plant),
        np.array([start_l(plant, i) for i in range(units)]),
        np.asarray(plant.min_run_steps[:units], np.int64).copy(),
        max(float(plant.step_h), look_h),
        float(plant.energy_kwh),
        eta,
        (float(plant.charge_kw), float(plant.discharge_kw)),
        (float(plant.soc_min), float(plant.soc_max), min(setpoint, float(plant.soc_max))),
        (float(plant.reserve_load_share), float(plant.reserve_wind_share)),
        stored_energy_price_l_per_kwh(controller.model.plant),
        renewables,
    )


def set_outputs(plant: PlantArrays) -> Outputs:
    """Joint outputs of every set of running units; bit i of the row is unit i."""
    units = int(plant.n)
    rows = [row[::-1] for row in product((OFF, RUN), repeat=units)]
    return outputs(plant, rows)


def start_l(plant: PlantArrays, unit: int) -> float:
    """Fuel of a start, of its warm-up and of the cool-down that will follow, L."""
    warm = fuel_l_h(plant, unit, plant.warm_kw[unit]) * plant.warm_steps[unit]
    cool = fuel_l_h(plant, unit, plant.cool_kw[unit]) * plant.cool_steps[unit]
    return float(plant.start_fuel_l[unit] + (warm + cool) * plant.step_h)


def diesel_only(problem: ControlProblem, look_h: float = LOOK_H) -> RuleController:
    """Units are set for the whole load, as if renewables could fail at any time; no battery."""
    return RuleController(problem, NO_BATTERY_USED, look_h, renewables=0.0)


def diesel_wind(problem: ControlProblem, look_h: float = LOOK_H) -> RuleController:
    """Units are set for the load less renewables; no battery."""
    return RuleController(problem, NO_BATTERY_USED, look_h)


def load_following(problem: ControlProblem, look_h: float = LOOK_H) -> RuleController:
    """The cheapest set that covers load and reserve, battery first."""
    return RuleController(problem, FOLLOW, look_h)


def cycle_charging(
    problem: ControlProblem, look_h: float = LOOK_H, setpoint: float = 0.8
) -> RuleController:
    """No unit where possible; a running one charges the battery up to the setpoint."""
    return RuleController(problem, CYCLE, look_h, setpoint)


def combined(
    problem: ControlProblem, look_h: float = LOOK_H, setpoint: float = 0.8
) -> RuleController:
    """The cheaper of load following and cycle charging each step, stored energy at its price."""
    return RuleController(problem, COMBINED, look_h, setpoint)
