"""The program that keeps a day's fuel in sight: its values, and what it does on a bad day."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from trimtab.learn.risk import StockProblem
from trimtab_grid.controllers.averse import AverseProgram
from trimtab_grid.controllers.averse_fit import best_stock_l, fit_averse
from trimtab_grid.controllers.players import averse_planner
from trimtab_grid.controllers.rules import RuleController
from trimtab_grid.controllers.stochastic import coarse_planner, past_of
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario

DAY = GridScenario(plant="plant-b", step_min=60, horizon_h=24)
STARTS = np.arange(12)


@pytest.fixture(scope="module")
def fitted() -> Any:
    """Values of a day at any slope, from few samples."""
    with DOMAIN.build(DAY) as problem:
        past = past_of(DAY, problem.plant)
        planner = coarse_planner(problem.plant, problem.arrays, past.load_kw, past.free_kw)
    return partial(fit_averse, planner, past, 0.0, samples=6, seed=0)


def day(problem: Any, controller: AverseProgram) -> Any:
    """Metrics of one day per start."""
    obs = problem.reset(STARTS)
    controller.reset(STARTS)
    while obs.alive.any():
        step = problem.step(controller.act(obs))
        obs = step.obs
    return step.metrics


def test_without_weight_on_the_risk_the_stock_says_nothing(fitted: Any) -> None:
    assert np.ptp(fitted(0.0).cost, axis=-1).max() < 1e-2


def test_a_litre_left_of_the_stock_is_worth_between_nothing_and_the_slope(fitted: Any) -> None:
    values = fitted(3.0)
    worth = -np.diff(values.cost, axis=-1) / values.cell_l
    assert worth.min() > -1e-3
    assert worth.max() < 3.0 + 1e-3
    assert worth[..., 0].min() > worth[..., -1].max()


def test_with_a_stock_that_no_day_needs_the_costs_are_those_without_risk(fitted: Any) -> None:
    averse, neutral = fitted(3.0), fitted(0.0)
    assert averse.cost[..., -1] == pytest.approx(neutral.cost[..., -1], abs=0.5)
    assert averse.first_left_l == neutral.first_left_l


def test_the_best_stock_is_a_bad_days_fuel_and_rises_as_the_weight_falls(fitted: Any) -> None:
    values = fitted(3.0)
    kwh = float(values.levels[8])
    stocks = [best_stock_l(values, 0, kwh, weight) for weight in (0.6, 0.15, 0.03)]
    assert stocks == sorted(stocks)
    assert stocks[0] < stocks[2]


def test_a_day_beyond_its_stock_empties_the_battery_and_burns_less() -> None:
    problem = DOMAIN.build(DAY, len(STARTS))
    ample, short = (
        day(problem, AverseProgram(problem, DAY, stock_l=stock)) for stock in (1e5, 1.0)
    )
    assert short["fuel_l"].mean() < ample["fuel_l"].mean() - 20.0
    assert short["end_soc"].mean() < ample["end_soc"].mean() - 0.1
    assert short["cost_l"].mean() > ample["cost_l"].mean() - 5.0


def test_in_training_the_stock_is_read_from_the_observation() -> None:
    problem = StockProblem(DOMAIN.build(DAY, 2), 100.0, 3000.0)
    controller = AverseProgram(problem, DAY)
    context = np.repeat(problem.spec.default_context[None], 2, axis=0)
    context[:, -1] = (150.0, 2500.0)
    controller.act(problem.reset(np.arange(2), context))
    assert controller._left_l == pytest.approx([150.0, 2500.0], rel=1e-6)


def test_where_no_past_can_be_generated_the_averse_planner_is_the_neutral_one() -> None:
    own = DAY.model_copy(update={"data": DAY.data.model_copy(update={"kind": "weather"})})
    problem = DOMAIN.build(DAY, 1)
    assert isinstance(averse_planner(own, 0.15)(problem), RuleController)
    assert isinstance(averse_planner(DAY, 0.15)(problem), AverseProgram)


def test_the_program_is_offered_for_days_and_for_nothing_longer() -> None:
    offered = DOMAIN.controllers(DAY)
    controller = offered["averse_dp"].factory(DOMAIN.build(DAY, 2))
    assert isinstance(controller, AverseProgram)
    week = DAY.model_copy(update={"horizon_h": 168})
    assert "averse_dp" not in DOMAIN.controllers(week)
