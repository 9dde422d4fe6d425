"""The path from the best classical controller to a pupil, on the toy tanks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import SpecMismatchError, TrimtabError
from trimtab.deploy.pupil import play_pupil
from trimtab.learn.pupil import train_pupil, verifier
from trimtab.learn.verdict import judged
from trimtab.run.controllers import Choice
from trimtab.run.stage import play, staged
from trimtab.testing.toys.beam import DOMAIN as BEAM
from trimtab.testing.toys.tank import TankDomain, TankModel, TankProblem

DAY = TankModel(horizon_h=12)
DOMAIN = TankDomain()


def cost(choice: Choice) -> float:
    seeds = range(1, 41)
    with staged(DOMAIN, DAY, choice, 40) as stage:
        records = play(DOMAIN, stage, choice, seeds)
    assert not any(v.count for r in records for v in r.violations.values())
    return float(np.mean([r.metrics["pumping_cost"] for r in records]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder, told = tmp_path_factory.mktemp("pupil"), list[str]()
    parameters = DOMAIN.train(DAY, "pupil", 3, folder, 4.0, told.append)
    return Path(parameters["weights"]), told


def notes_of(weights: Path) -> dict[str, Any]:
    notes: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text())["notes"]
    return notes


def test_the_best_classical_controller_teaches_and_the_pupil_is_no_worse_than_it(
    trained: tuple[Path, list[str]],
) -> None:
    offered = DOMAIN.controllers(DAY)
    costs = {name: cost(Choice(name, e)) for name, e in offered.items() if name != "pupil"}
    best = min(costs, key=lambda name: costs[name])
    assert notes_of(trained[0])["teacher"] == best
    pupil = cost(Choice("pupil", offered["pupil"], parameters={"weights": str(trained[0])}))
    assert pupil < 1.05 * costs[best]


def test_failed_scenarios_are_retried_under_guidance_until_solved_or_given_up(
    trained: tuple[Path, list[str]],
) -> None:
    notes = notes_of(trained[0])
    assert notes["retries"] > 0
    assert notes["solved"] + notes["given_up"] > 0


def test_the_manifest_says_what_was_kept_and_how_it_stands_to_the_teacher(
    trained: tuple[Path, list[str]],
) -> None:
    notes, told = notes_of(trained[0]), trained[1]
    kept = {True: "what was learnt", False: "the student it began as"}
    assert notes["kept"] == kept[notes["against_student"]["better"]]
    assert notes["against_teacher"]["low"] <= notes["against_teacher"]["mean"]
    assert told[-1].startswith("pumping_cost as a cost less that of tariff, the teacher: ")


def test_only_an_interval_below_zero_replaces_the_student() -> None:
    cost = np.arange(20.0)
    clear, unclear = judged(cost - 1.0, cost), judged(cost + np.tile([3.0, -3.1], 10), cost)
    assert (clear.better, clear.mean) == (True, -1.0)
    assert not unclear.better
    assert unclear.low < 0.0 < unclear.high
    assert not judged(cost[:2] - 1.0, cost[:2]).better


def test_a_success_is_a_headline_no_worse_than_the_teachers_on_the_same_scenario() -> None:
    succeeded = verifier(DOMAIN, {7: 100.0, 8: 50.0})
    assert succeeded(7, {"pumping_cost": 100.5})
    assert not succeeded(7, {"pumping_cost": 102.0})
    assert not succeeded(8, {"pumping_cost": 100.0})


def test_nothing_plays_before_it_was_trained(trained: tuple[Path, list[str]]) -> None:
    with TankProblem(DAY, 1, autoreset=False) as problem:
        with pytest.raises(TrimtabError, match="nothing was trained yet: run `trimtab train"):
            play_pupil(problem)
        play_pupil(problem, str(trained[0]))
    with (
        TankProblem(TankModel(horizon_h=48), 1, autoreset=False) as longer,
        pytest.raises(SpecMismatchError, match="horizon"),
    ):
        play_pupil(longer, str(trained[0]))


def test_without_a_classical_controller_there_is_no_pupil(tmp_path: Path) -> None:
    class Bare(TankDomain):
        def controllers(self, problem: TankModel) -> Mapping[str, Entry]:
            return {"pupil": super().controllers(problem)["pupil"]}

    with pytest.raises(TrimtabError, match="no classical controller acts here, so none can teach"):
        Bare().train(DAY, "pupil", 0, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_design_problem_has_no_pupil(tmp_path: Path) -> None:
    with pytest.raises(TrimtabError):
        train_pupil(BEAM, BEAM.problem_model(), 0, tmp_path)
