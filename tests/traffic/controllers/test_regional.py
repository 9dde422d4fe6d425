"""The learned regional agent plays splits on networks it never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Action
from trimtab.run.grants import make_controller
from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.regional import Splits
from trimtab_traffic.scenario import SignalsProblem

MODEL = SignalsProblem.model_validate(
    {
        "network": {"generated": {"kind": "arterial", "columns": 2, "rows": 1}},
        "rules": {"profile": "field"},
        "sensors": {"penetration": 0.5},
        "horizon_s": 540,
    }
)


def test_it_is_the_learned_controller_and_names_its_weights() -> None:
    entry = entries(MODEL)["regional"]
    assert (entry.role, entry.interface) == ("learned", "split")
    assert all(Path(file).is_file() for file in entry.files)


def test_greens_are_moved_within_the_limits_and_their_sum_stays() -> None:
    with SignalControl(MODEL, "split") as problem:
        splits = Splits.of(problem, problem.profile)
        agent = make_controller(problem, entries(MODEL)["regional"], {"trials": 0}, "regional")
        obs = problem.reset(np.array([1]))
        agent.reset(np.array([1]))
        played: list[Action] = []
        while obs.alive.any():
            played.append(agent.act(obs))
            obs = problem.step(played[-1]).obs
    greens_s = np.stack([action.box[0, :, :-1] for action in played if action.box is not None])
    assert (greens_s >= splits.low_s).all()
    assert (greens_s <= splits.high_s).all()
    assert (greens_s.sum(axis=2) == splits.green_s.sum(axis=1)).all()
    assert (greens_s != splits.green_s).any()


def test_weights_that_are_not_there_are_named() -> None:
    with (
        SignalControl(MODEL, "split") as problem,
        pytest.raises(InputFileError, match="none.safet"),
    ):
        make_controller(
            problem, entries(MODEL)["regional"], {"weights": "none.safetensors"}, name="regional"
        )
