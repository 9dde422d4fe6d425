"""Fuel beyond what net load and stored energy are worth: the same comparisons, other numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trimtab.contracts.spec import Action
from trimtab_grid.domain import DOMAIN
from trimtab_grid.excess import ExcessProblem
from trimtab_grid.scenario import GridScenario
from trimtab_grid.seasons import Seasons

HOURS = GridScenario(plant="plant-a", step_min=15, horizon_h=3)
SEEDS = np.arange(4)


def plants(ends: bool = True) -> Seasons:
    return Seasons([DOMAIN.build(HOURS, len(SEEDS), "order", autoreset=True)], ends=ends)


def episode(problem: Any, choice: int, charge: float) -> tuple[np.ndarray, Any]:
    """Sum of the scalar reward of an episode, and its last step."""
    context = np.tile(problem.spec.default_context, (len(SEEDS), 1))
    obs = problem.reset(SEEDS, context)
    total = np.zeros(len(SEEDS))
    for _ in range(HOURS.horizon):
        wanted = np.where(obs.action_mask[:, 0, choice], choice, 1)[:, None, None]
        unit = np.full((len(SEEDS), 1, 1), charge, np.float32)
        step = problem.step(Action(wanted, unit))
        total += step.reward[:, 0] @ problem.spec.reward_weights
        obs = step.obs
    return total, step


@pytest.mark.parametrize(("choice", "battery_kw"), [(1, 30.0), (2, -60.0)])
def test_where_an_end_is_an_end_all_policies_gain_the_same_on_a_day(
    choice: int, battery_kw: float
) -> None:
    gained = []
    for here, kw in ((choice, battery_kw), (0, 0.0)):
        plain, _ = episode(plants(), here, kw)
        beyond, _ = episode(ExcessProblem(plants()), here, kw)
        gained.append(beyond - plain)
    assert gained[0] == pytest.approx(gained[1], abs=1e-2)
    assert np.abs(gained[0]).min() > 1.0


def test_where_an_end_is_a_cut_the_charge_that_is_left_counts() -> None:
    (full, last), (drained, end) = (
        episode(ExcessProblem(plants(ends=False)), 1, kw) for kw in (0.0, 200.0)
    )
    plain = [episode(plants(ends=False), 1, kw)[0] for kw in (0.0, 200.0)]
    soc = last.metrics["end_soc"] - end.metrics["end_soc"]
    worth = (full - drained) - (plain[0] - plain[1])
    assert soc.min() > 0.05
    assert worth / soc == pytest.approx((worth / soc)[0], rel=1e-2)
    assert worth.min() > 5.0


def test_a_snapshot_goes_on_alike() -> None:
    problem = ExcessProblem(plants())
    problem.reset(SEEDS)
    hold = Action(np.ones((4, 1, 1), np.int64), np.full((4, 1, 1), 50.0, np.float32))
    problem.step(hold)
    kept = problem.snapshot(SEEDS)
    first = problem.step(hold).reward
    problem.step(hold)
    problem.restore(kept, SEEDS)
    assert np.array_equal(problem.step(hold).reward, first)
