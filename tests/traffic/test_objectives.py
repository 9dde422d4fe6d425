"""Reward channels against what SUMO itself sums up over the episode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import REWARDS, SignalsProblem


def crossing(**more: Any) -> SignalsProblem:
    people = {"vehicles_per_h": 1300, "buses_per_h": 200, "pedestrians_per_h": 600}
    generated = {"columns": 1, "rows": 1, "lanes": 1, "network_seed": 5, **people}
    raw = {"network": {"generated": generated}, "rules": {"profile": "resco"}, "horizon_s": 400}
    return SignalsProblem.model_validate(raw | more)


def test_channels_that_no_weight_names_are_not_there() -> None:
    with SignalControl(crossing(), "graph", logs=False) as problem:
        assert [channel.name for channel in problem.spec.rewards] == list(REWARDS)


def test_asked_channels_add_up_to_what_sumo_writes_of_the_trips() -> None:
    asked = dict.fromkeys(("stops", "co2", "bus_delay", "pedestrian_wait"), 0.0)
    model = crossing(weights={"delay": 1.0, **asked}, emissions=True)
    with SignalControl(model, "graph", logs=False) as problem:
        channels = problem.spec.rewards
        assert [c.name for c in channels] == [*REWARDS, *asked]
        assert {c.unit for c in channels[3:]} == {"1", "g/s", "pers"}
        rule, total = StageScore(problem), np.zeros(len(channels))
        obs = problem.reset(np.array([2]))
        while obs.alive.any():
            step = problem.step(rule.act(obs))
            total += step.reward.sum(axis=(0, 1))
            obs = step.obs
    vehicles = step.metrics["demand_veh"][0]
    assert total[3] == pytest.approx(step.metrics["stops"][0] * vehicles, rel=0.1)
    # sampled at every decision against SUMO's sum over every second
    grams = total[4] * problem.interval_s
    assert grams == pytest.approx(step.metrics["co2_g"][0] * vehicles, rel=0.15)
    assert (total[5:] > 0).all()
    assert total[5] < total[0]
