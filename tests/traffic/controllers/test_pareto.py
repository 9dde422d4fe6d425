"""One rule for every preference: its weights, its errors, its search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import ActionError, InputFileError
from trimtab.run.grants import make_controller
from trimtab.run.parameter_file import write_parameters
from trimtab.run.runner import evaluate
from trimtab_traffic import pareto_training
from trimtab_traffic.controllers.pareto import (
    LEVERS,
    PARETO,
    PREFERRED,
    pareto,
    shares,
    slopes_of,
    weights_of,
)
from trimtab_traffic.controllers.stage_score import TUNED
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.evolution import Search
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training_networks import streets


def short() -> SignalsProblem:
    return streets()[0].model_copy(update={"horizon_s": 60})


def test_a_preference_for_delay_alone_is_the_stage_score() -> None:
    assert weights_of((1, 0, 0, 0), slopes_of(PARETO)) == TUNED


def test_shares_move_the_weights_in_proportion() -> None:
    slopes = dict.fromkeys(LEVERS, 0.0) | {"bus_delay.buses": 4.0, "stops.shown": -2.0}
    weights = weights_of((2, 1, 1, 0), slopes)
    assert weights["buses"] == pytest.approx(TUNED["buses"] + 1.0)
    assert weights["shown"] == pytest.approx(TUNED["shown"] - 0.5)


@pytest.mark.parametrize("wrong", [(1, 0, 0), (0, 0, 0, 0), (1, -1, 0, 0), (np.nan, 0, 0, 1)])
def test_what_is_no_preference_is_refused_with_the_objectives_named(
    wrong: tuple[float, ...],
) -> None:
    with pytest.raises(ActionError, match=", ".join(PREFERRED)):
        shares(wrong)


def test_slopes_of_another_controller_are_refused(tmp_path: Path) -> None:
    write_parameters(tmp_path / "other.json", "sotl", {"threshold_veh_s": 1.0}, {})
    with SignalControl(short(), "graph") as problem, pytest.raises(InputFileError, match="slopes"):
        pareto(problem, weights=str(tmp_path / "other.json"))


def test_a_search_on_the_users_network_leaves_slopes_that_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(generations=1, population=4, networks=1, spread=0.6)
    monkeypatch.setattr(pareto_training, "SEARCH", search)
    parameters = DOMAIN.train(short(), "pareto", 1, tmp_path)
    slopes = slopes_of(Path(parameters["weights"]))
    assert list(slopes.values()) != list(pareto_training.slopes_at(np.zeros(len(LEVERS))).values())
    entry = DOMAIN.controllers(short())["pareto"]
    with SignalControl(short(), "graph") as problem:
        asked = {**parameters, "preference": [0, 0, 0, 1]}
        (record,) = evaluate(problem, make_controller(problem, entry, asked), [1])
    assert record.metrics["demand_veh"] > 0


def test_shipped_slopes_come_from_our_own_networks_and_say_so() -> None:
    manifest = json.loads(PARETO.read_text(encoding="utf-8"))["manifest"]
    assert all(set(network) == {"generated"} for network in manifest["networks"])
    assert manifest["budget"]["cpu_s"] > 0
