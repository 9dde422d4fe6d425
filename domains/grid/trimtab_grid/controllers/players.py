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
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Spec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import load_arrays, load_policy
from trimtab.learn.risk import StockProblem

from trimtab_grid.controllers.fuel_account import FuelAccount
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


def averse_planner(scenario: GridScenario, weight: float) -> Callable[[ControlProblem], Controller]:
    """The same for who fears bad days; `weight` as in `averse`. For longer scenarios `planner`."""
    if scenario.data.kind != "generated" or scenario.horizon_h > DAY_H:
        return planner(scenario)
    from trimtab_grid.controllers.averse import AverseProgram

    return partial(AverseProgram, scenario=scenario, weight=weight)


class LearnedController(Controller):
    """Greedy play of a trained policy.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file; empty: play a rule.
        untaught: makes that rule.
    """

    def __init__(
        self,
        problem: ControlProblem,
        weights: str = "",
        untaught: Callable[[ControlProblem], Controller] = teacher,
    ) -> None:
        self._player: Controller = (
            PolicyController(problem, fitting_policy(Path(weights), problem.spec))
            if weights
            else untaught(problem)
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
    """Plays a policy that was trained with a stock, with an account of each day's fuel.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file.
        stock_l: stock at the start of every day, L.
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
        self._scale = widened.scale
        self._account = FuelAccount(problem, stock_l)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._account.reset(rows)
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        column = (self._account.left_l(obs) / self._scale).astype(np.float32)[:, None, None]
        return self._player.act(replace(obs, obs=np.concatenate([obs.obs, column], axis=-1)))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The account of every row."""
        return self._account.state_dict()

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        self._account.load_state_dict(state)
