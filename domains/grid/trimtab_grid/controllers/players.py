"""Trained policies at play, without torch, and the rules that their students imitate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import SpecMismatchError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Spec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import load_arrays, load_policy
from trimtab.learn.risk import StockProblem

from trimtab_grid.engine.observe import PLANT_COLUMNS, UNIT_COLUMNS
from trimtab_grid.model import fuel_l_h
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH
from trimtab_grid.resources import GridModel
from trimtab_grid.scenario import GridScenario

DAY_H = 48.0
"""Scenarios up to this length are settled at their end."""


def teacher(problem: ControlProblem) -> Controller:
    """The rule that students imitate: combined dispatch for days, load following for longer."""
    from trimtab_grid.controllers.rules import combined, load_following

    hours = problem.spec.horizon * problem.spec.dt_s / 3600.0
    return combined(problem) if hours <= DAY_H else load_following(problem)


def planner(scenario: GridScenario) -> Callable[[ControlProblem], Controller]:
    """The best planner without foresight that can label many plants; a rule where none can.

    Rolling MILPs take seconds a decision and teach nobody.
    """
    if scenario.data.kind != "generated":
        return teacher
    from trimtab_grid.controllers.stochastic import StochasticProgram

    return partial(StochasticProgram, scenario=scenario)


class LearnedController(Controller):
    """Greedy play of a trained policy.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file; empty: play the teacher.
    """

    def __init__(self, problem: ControlProblem, weights: str = "") -> None:
        self._player: Controller = (
            PolicyController(problem, fitting_policy(Path(weights), problem.spec))
            if weights
            else teacher(problem)
        )

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        return self._player.act(obs)


def fitting_policy(path: Path, spec: Spec) -> Policy:
    """The policy, if it was trained on the plant, interface and step of `spec`.

    Raises:
        CheckpointError: see `load_arrays`.
        SpecMismatchError: of another plant, interface or step; horizons may differ.
    """
    theirs = load_arrays(path)[1].get("spec", {})
    name, step_s = str(theirs.get("name")).removesuffix("+stock"), theirs.get("dt_s")
    if (name, step_s) != (spec.name, spec.dt_s):
        msg = (
            f"{path}: trained on {name} at steps of {step_s} s, the problem is {spec.name} at "
            f"{spec.dt_s} s: train anew for this plant"
        )
        raise SpecMismatchError(msg)
    return load_policy(path)


class StockPlayer(Controller):
    """Plays a policy that was trained with a stock: it keeps the day's account from what it sees.

    Cost so far is that of the observed unit powers, battery power and unserved load; fuel of
    starts cannot be seen in a power and is left out.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file.
        stock_l: stock at the start of the day, L.
        stock_low_l: least stock of the training.
        stock_high_l: largest one.
    """

    def __init__(
        self,
        problem: ControlProblem,
        weights: str,
        stock_l: float,
        stock_low_l: float,
        stock_high_l: float,
    ) -> None:
        policy = fitting_policy(Path(weights), problem.spec)
        widened = StockProblem(problem, stock_low_l, stock_high_l, draw=False)
        self._player = PolicyController(widened, policy)
        self._scale, self._first_l = widened.scale, stock_l
        self._model: GridModel = problem.resource("model")
        self._stock_l = np.full(problem.copies, stock_l)
        self._begun = np.zeros(problem.copies, dtype=bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(len(self._stock_l)) if rows is None else rows
        self._stock_l[which], self._begun[which] = self._first_l, False
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        self._stock_l -= np.where(self._begun, last_cost_l(self._model, obs), 0.0)
        self._begun[:] = True
        column = (self._stock_l / self._scale).astype(np.float32)[:, None, None]
        return self._player.act(replace(obs, obs=np.concatenate([obs.obs, column], axis=-1)))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The account of every row."""
        return {"stock_l": self._stock_l.copy(), "begun": self._begun.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        self._stock_l[:], self._begun[:] = state["stock_l"], state["begun"]


def last_cost_l(model: GridModel, obs: Obs) -> FloatArray:
    """C of the last step [N], read off the observation, L."""
    plant, rows = model.arrays, obs.obs[:, 0].astype(np.float64)
    width, step_h = len(UNIT_COLUMNS), float(plant.step_h)
    cost = np.zeros(len(rows))
    for i in range(int(plant.n)):
        unit = rows[:, i * width : (i + 1) * width]
        power = unit[:, UNIT_COLUMNS.index("power_share")] * plant.prime_kw[i]
        turning = (power > 0.0) | (unit[:, UNIT_COLUMNS.index("cooling")] > 0.0)
        fuel = np.array([fuel_l_h(plant, i, float(kw)) for kw in power])
        cost += np.where(turning, fuel, 0.0) * step_h
    base = int(plant.n) * width
    battery = np.abs(rows[:, base + PLANT_COLUMNS.index("battery")]) * model.scales.battery_kw
    unserved = rows[:, base + PLANT_COLUMNS.index("unserved")] * model.scales.load_kw
    wear = THROUGHPUT_L_PER_KWH * battery + UNSERVED_L_PER_KWH * unserved
    return np.asarray(cost + wear * step_h)
