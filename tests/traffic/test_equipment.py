"""Deadlines, requests and blind spots among the features of stages."""

from __future__ import annotations

from typing import Any

import numpy as np
from trimtab.contracts.spec import FloatArray
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem


def seen(feature: str, **more: Any) -> FloatArray:
    """A feature of the stages of one junction, [decisions, stages], while stage 0 is asked for."""
    people = {"vehicles_per_h": 1500, "buses_per_h": 120, "pedestrians_per_h": 600}
    generated = {"columns": 1, "rows": 1, "lanes": 1, "network_seed": 5, **people}
    raw = {"network": {"generated": generated}, "rules": {"profile": "resco"}, "horizon_s": 200}
    model = SignalsProblem.model_validate(raw | more)
    rows = []
    with SignalControl(model, "graph", logs=False) as problem:
        rule, obs = StageScore(problem, n_50=0.0, shown=1.0), problem.reset(np.array([3]))
        while obs.alive.any():
            rows.append(obs.entities["stages"][0, 0, :, STAGE_FEATURES.index(feature)])
            obs = problem.step(rule.act(obs)).obs
    return np.array(rows)


def test_no_deadline_is_seen_where_the_rules_have_none() -> None:
    assert not seen("deadline").any()


def test_a_deadline_comes_nearer_until_the_rules_force_the_stage() -> None:
    deadline = seen("deadline", rules={"profile": "field"})
    waiting = deadline[:, 1:].max(axis=1)
    assert waiting.max() > 0.5
    assert (np.diff(waiting[: waiting.argmax()]) >= 0).all()
    assert deadline[:, 0].min() < -0.5  # its longest green runs out


def test_buses_and_persons_at_the_kerb_are_heard() -> None:
    assert seen("buses").max() >= 1
    assert seen("pedestrians").max() > 0


def test_a_stage_knows_how_much_of_its_traffic_no_sensor_reports() -> None:
    assert not seen("unseen").any()
    probes = seen("unseen", sensors={"kind": "probes", "penetration": 0.1})
    assert np.allclose(probes, 0.9)
    dead = seen("unseen", sensors={"faults": [{"kind": "stuck_off", "share": 1.0}]})
    assert (dead[1:] == 1).all()


def test_a_teacher_is_told_what_the_sensors_hide() -> None:
    generated = {"columns": 1, "rows": 1, "lanes": 1, "vehicles_per_h": 1500}
    raw = {
        "network": {"generated": generated},
        "rules": {"profile": "resco"},
        "horizon_s": 100,
        "sensors": {"faults": [{"kind": "stuck_off", "share": 1.0}]},
    }
    near = STAGE_FEATURES.index("n_200")
    with SignalControl(SignalsProblem.model_validate(raw), "graph", logs=False) as problem:
        rule, obs = StageScore(problem), problem.reset(np.array([3]))
        told, reported = 0.0, 0.0
        while obs.alive.any():
            told += problem.informed(obs).entities["stages"][..., near].sum()
            reported += obs.entities["stages"][..., near].sum()
            obs = problem.step(rule.act(obs)).obs
    assert told > 0
    assert reported == 0
