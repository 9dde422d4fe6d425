import json
from pathlib import Path

import pytest
from trimtab.run.parameter_file import read_parameters
from trimtab.run.runner import evaluate
from trimtab_traffic import training
from trimtab_traffic.controllers.stage_score import ROLLOUT, SHIPPED, START, TUNED, StageScore
from trimtab_traffic.evolution import Search
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.tuning import SEARCHED, retune, tune_stage_score

ONE = Search(generations=1, population=4, networks=1)
TOWN = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 900, "lanes": 1}},
        "rules": {"profile": "resco"},
        "horizon_s": 120,
    }
)


def test_tuning_is_the_same_for_the_same_seed_and_moves_the_weights_that_the_start_gives() -> None:
    first, second = (tune_stage_score([TOWN], 5, ONE)[0] for _ in range(2))
    assert first == second
    assert list(first) == list(STAGE_FEATURES)
    assert {name for name in STAGE_FEATURES if first[name] != START[name]} == set(SEARCHED)


def test_weights_not_shown_better_leave_the_shipped_ones_and_a_note_of_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "JUDGED", 3)
    path = tmp_path / "stage_score.json"
    retune([TOWN], [TOWN], 5, path, ONE)
    assert read_parameters(path) == ("stage_score", TUNED)
    refused = json.loads(path.read_text(encoding="utf-8"))["manifest"]["refused"]
    assert not refused["held_out_change"]["accepted"]
    assert refused["found"] == tune_stage_score([TOWN], 5, ONE)[0]


def test_the_shipped_weights_beat_wave_and_rollout_on_a_town_they_were_not_tuned_on() -> None:
    model = SignalsProblem.model_validate(
        {
            "network": {"generated": {"columns": 2, "rows": 2, "lanes": 1, "network_seed": 77}},
            "rules": {"profile": "resco"},
            "horizon_s": 900,
        }
    )
    with SignalControl(model, "graph") as town:
        delay = {
            name: evaluate(town, StageScore(town, **weights), [1])[0].metrics["true_delay_s"]
            for name, weights in (("tuned", TUNED), ("wave", {}), ("mpc", ROLLOUT))
        }
    assert delay["tuned"] < min(delay["wave"], delay["mpc"])


def test_the_manifest_of_the_shipped_weights_says_how_they_came_about() -> None:
    manifest = json.loads(SHIPPED.read_text(encoding="utf-8"))["manifest"]
    assert {"command", "seed", "generations", "networks", "budget"} <= manifest.keys()
