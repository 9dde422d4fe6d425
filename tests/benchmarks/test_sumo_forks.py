"""A fork of the simulation tells what is going to happen, and leaves no trace."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from trimtab_traffic.controllers.stage_score import TUNED, StageScore
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.training_networks import training_towns

# Python 3.12 and newer warn where threads stand still in the copy; it only simulates, then ends.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
INTERVALS = 6
ASKED = 8
"""Decision at which forks are asked."""


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import sumo_forks

    return sumo_forks


@pytest.fixture
def town() -> SignalControl:
    return SignalControl(
        training_towns()[0].model_copy(update={"horizon_s": 180}), "graph", logs=False
    )


def test_a_fork_loses_the_time_that_is_going_to_be_lost(
    forks: ModuleType, town: SignalControl
) -> None:
    with town:
        base = StageScore(town, **TUNED)
        fork, obs = forks.Forks(town, base), town.reset(np.array([3]))
        for _ in range(ASKED):
            obs = town.step(base.act(obs)).obs
        action = base.act(obs)
        stages = action.discrete[0, :, 0]
        foretold = fork.lost_veh_s(stages, INTERVALS)
        fork.lost_veh_s(1 - np.minimum(stages, 1), INTERVALS)
        losses, happened = forks.Losses(town), []
        for _ in range(INTERVALS):
            step = town.step(action)
            happened.append(losses.read())
            action = base.act(step.obs)
        np.testing.assert_array_equal(foretold, happened)
        assert foretold.sum() > 0.0


def test_a_fork_told_of_nobody_loses_nothing(forks: ModuleType, town: SignalControl) -> None:
    with town:
        base = StageScore(town, **TUNED)
        fork, obs = forks.Forks(town, base, sight_m=0.0), town.reset(np.array([3]))
        for _ in range(ASKED):
            action = base.act(obs)
            obs = town.step(action).obs
        lost = fork.lost_veh_s(base.act(obs).discrete[0, :, 0], INTERVALS)
        assert lost[:, :-1].sum() == 0.0
