from pathlib import Path

from trimtab.run.runner import evaluate
from trimtab_traffic.controllers.stage_score import ROLLOUT, START, StageScore
from trimtab_traffic.evolution import Search
from trimtab_traffic.features import STAGE_FEATURES
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.tuning import tune_stage_score

ONE = Search(generations=1, population=4, networks=1)
TOWN = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 900, "lanes": 1}},
        "rules": {"profile": "resco"},
        "horizon_s": 120,
    }
)


def test_tuning_is_the_same_for_the_same_seed_and_moves_the_weights() -> None:
    first, second = (tune_stage_score([TOWN], 5, ONE)[0] for _ in range(2))
    assert first == second
    assert list(first) == list(STAGE_FEATURES)
    assert all(first[name] != START[name] for name in STAGE_FEATURES)


def test_the_shipped_weights_beat_wave_and_rollout_on_a_town_they_were_not_tuned_on() -> None:
    from trimtab_traffic.controllers.stage_score import TUNED

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
    import json

    import trimtab_traffic.controllers.stage_score as module

    path = Path(module.__file__).parent / "tuned/resco/stage_score.json"
    manifest = json.loads(path.read_text())["manifest"]
    assert {"command", "seed", "generations", "networks", "budget"} <= manifest.keys()
