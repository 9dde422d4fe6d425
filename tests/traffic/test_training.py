import json
from pathlib import Path

import numpy as np
import pytest
from trimtab.deploy.policy import PolicyController
from trimtab.deploy.weights import load_policy
from trimtab.run.grants import make_controller
from trimtab_traffic import training
from trimtab_traffic.controllers import learned
from trimtab_traffic.controllers.stage_score import TUNED, StageScore
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.training import (
    SCORE,
    Recipe,
    imitate,
    judge,
    plays,
    with_scores,
)
from trimtab_traffic.training_networks import busy_hours, held_out_towns, training_towns

PAIR = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 2, "rows": 1, "vehicles_per_h": 900, "lanes": 1}},
        "rules": {"profile": "resco"},
        "horizon_s": 200,
    }
)
SHORT = Recipe(dagger_rounds=2, dagger_steps=40)


def test_training_and_judging_networks_are_disjoint_and_our_own() -> None:
    train = {m.network.generated for m in training_towns()}
    held_out = {m.network.generated for m in (*held_out_towns(), *busy_hours())}
    assert None not in train | held_out
    assert not train & held_out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_student_mostly_does_what_its_teacher_does_and_training_is_reproducible() -> None:
    first, second = (imitate([PAIR], TUNED, 3, SHORT) for _ in range(2))
    assert all(np.array_equal(first.params[k], second.params[k]) for k in first.params)
    with SignalControl(PAIR, "graph") as problem:
        teacher, student = StageScore(problem, **TUNED), PolicyController(problem, first)
        obs = problem.reset(np.array([9]))
        student.reset(np.array([9]))
        same = []
        while obs.alive.any():
            same.append(teacher.act(obs).discrete == student.act(obs).discrete)
            obs = problem.step(teacher.act(obs)).obs
    assert np.mean(same) > 0.7


def test_a_student_and_the_shipped_one_do_not_react_to_what_its_teacher_does_not_weigh() -> None:
    for policy in (imitate([PAIR], TUNED, 3, SHORT), load_policy(learned.GRAPH)):
        reads = policy.params["actor.embed.stages.w"][0].any(axis=-1)
        assert {n for n, used in zip(STAGE_FEATURES, reads, strict=True) if not used} == set(
            SHORT.ignored
        )
        assert policy.net.blocks == (("stages", len(STAGE_FEATURES)),)


def test_a_policy_is_not_judged_better_than_itself() -> None:
    policy = load_policy(learned.GRAPH)
    verdict = judge([PAIR], plays(policy), plays(policy), (1, 2, 3))
    assert (verdict.accepted, verdict.change) == (False, 0.0)


def test_the_search_moves_the_score_layer_alone_and_no_offset_is_the_start() -> None:
    policy = load_policy(learned.GRAPH)
    width = policy.params[SCORE].size
    same, moved = with_scores(policy, np.zeros(width)), with_scores(policy, np.ones(width))
    assert np.array_equal(same.params[SCORE], policy.params[SCORE])
    changed = [k for k in policy.params if not np.array_equal(moved.params[k], policy.params[k])]
    assert changed == [SCORE]


def test_fine_tuning_leaves_weights_that_play_with_the_hold_that_won_and_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "JUDGED", 3)
    short = PAIR.model_copy(update={"horizon_s": 60})
    told: list[str] = []
    parameters = DOMAIN.train(short, "graph", 1, tmp_path, cpu_s=1.0, progress=told.append)
    assert told[0].startswith("delay without the hold (a stage stays up to 20 s for vehicles")
    assert " against with it: " in told[0]
    notes = json.loads((tmp_path / "graph.json").read_text())["notes"]
    assert notes["start"] == "shipped weights"
    assert {"accepted", "change", "low", "high"} == notes["verdict"].keys()
    assert parameters["hold_s"] == notes["hold_s"]
    assert (notes["hold_s"] == 0) == notes["verdict_without_hold"]["accepted"]
    with SignalControl(short, "graph") as problem:
        controller = make_controller(problem, DOMAIN.controllers(short)["graph"], parameters)
        assert controller.act(problem.reset(np.array([1]))).discrete is not None


@pytest.mark.parametrize("weights", [learned.GRAPH, learned.GRAPH_SENSED])
def test_shipped_weights_come_from_our_own_networks_and_say_so(weights: Path) -> None:
    notes = json.loads(weights.with_suffix(".json").read_text())["notes"]
    assert notes["networks"]
    assert all(set(network) == {"generated"} for network in notes["networks"])
    assert notes["cpu_s"] > 0


@pytest.mark.parametrize(
    ("sensors", "weights"),
    [
        ({}, learned.GRAPH),
        ({"kind": "probes"}, learned.GRAPH),
        ({"faults": [{"kind": "stuck_off"}]}, learned.GRAPH_SENSED),
    ],
)
def test_where_detectors_fail_the_student_taught_with_such_plays(
    sensors: dict[str, object], weights: Path
) -> None:
    model = SignalsProblem.model_validate(PAIR.model_dump() | {"sensors": sensors})
    assert DOMAIN.controllers(model)["graph"].files[0] == weights
