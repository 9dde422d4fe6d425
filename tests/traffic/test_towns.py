import numpy as np
import pytest
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.towns import Towns


def town(kind: str, columns: int) -> SignalsProblem:
    generated = {"kind": kind, "columns": columns, "rows": 1, "vehicles_per_h": 600, "lanes": 1}
    return SignalsProblem.model_validate(
        {
            "network": {"generated": generated},
            "rules": {"profile": "resco"},
            "horizon_s": 100 * (columns + 1),
        }
    )


MODELS = (town("grid", 1), town("arterial", 3))


@pytest.mark.parametrize("seed", [4, 5])
def test_an_episode_among_towns_is_the_lone_episode_of_its_network(seed: int) -> None:
    with SignalControl(MODELS[seed % 2], "graph") as alone:
        lone = evaluate(alone, StageScore(alone), [seed])[0]
    with Towns(MODELS) as towns:
        among = evaluate(towns, StageScore(towns), [seed])[0]
    assert among.metrics["true_delay_s"] == lone.metrics["true_delay_s"]


def test_what_a_network_lacks_is_masked() -> None:
    with Towns(MODELS) as towns:
        obs = towns.reset(np.array([0]))
        assert obs.alive.tolist() == [[True, False, False]]
        assert not obs.action_mask[0, 1:].any()
        assert not obs.edge_mask.any()
        assert towns.reset(np.array([1])).edge_mask.any()


def test_teachers_are_told_of_the_present_network_in_the_sizes_of_all() -> None:
    silent = {"faults": [{"kind": "stuck_off", "share": 1.0}]}
    blind = SignalsProblem.model_validate(MODELS[0].model_dump() | {"sensors": silent})
    with Towns((blind, MODELS[1])) as towns:
        rule, obs = StageScore(towns), towns.reset(np.array([0]))
        while obs.alive.any():
            told = towns.informed(obs)
            assert told.entities["stages"].shape == obs.entities["stages"].shape
            obs = towns.step(rule.act(told)).obs
            assert not obs.obs[..., :2].any()
        assert told.obs[..., :2].any()  # vehicles, queued
