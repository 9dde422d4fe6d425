"""Learned agents of a cluster: trained in small, saved, offered and played."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import UnknownNameError
from trimtab.deploy.weights import load_arrays
from trimtab.learn import checkpoint
from trimtab_grid.islands import training
from trimtab_grid.islands.building import build
from trimtab_grid.islands.domain import DOMAIN
from trimtab_grid.islands.learned import entries, weights_name
from trimtab_grid.islands.scenario import Island, IslandsScenario, Tie

SMALL = IslandsScenario(
    islands=(
        Island(name="harbour", plant="isle-harbour"),
        Island(name="ridge", plant="isle-ridge"),
    ),
    ties=(Tie(name="west", between=("harbour", "ridge"), capacity_kw=80),),
    step_min=15,
    horizon_h=2,
)


def costs(entry: object, copies: int = 3) -> np.ndarray:
    """C of one episode per seed."""
    problem = DOMAIN.build(SMALL, copies, entry.interface)
    controller = entry.factory(problem, **entry.defaults)
    seeds = np.arange(copies)
    obs = problem.reset(seeds)
    controller.reset(seeds)
    while obs.alive.any():
        step = problem.step(controller.act(obs))
        obs = step.obs
    assert step.metrics["unserved_kwh"].max() == 0.0
    return step.metrics["cost_l"]


def test_agents_train_save_and_play_behind_their_shields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "JUDGED", 4)
    lines: list[str] = []
    made = training.train(SMALL, "ippo", 3, tmp_path, 0.3, lines.append, copies=8)
    path = tmp_path / weights_name(SMALL)
    notes = json.loads(path.with_suffix(".json").read_text())["notes"]
    entry = entries(SMALL, tmp_path)["ippo"]
    assert made == entry.defaults == {"weights": str(path)}
    assert notes["command"] == "trimtab train SCENARIO --controller ippo --seed 3 --cpu-s 0.3"
    assert not entry.untrained
    assert entry.trained.env_steps > 0
    assert lines[-2].startswith("mean C: students")
    clear = notes["against_students"]["high"] < 0.0
    assert notes["kept"] == ("what was learnt" if clear else "the students they began as")
    assert np.isfinite(costs(entry)).all()


def test_agents_whose_training_was_killed_go_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught, horizon = training.DaggerConfig, build(SMALL, 1).spec.horizon
    monkeypatch.setattr(training, "JUDGED", 4)
    monkeypatch.setattr(training, "STEPS_PER_CPU_S", 8 * horizon * 5 / 5)
    monkeypatch.setattr(training, "DaggerConfig", lambda **k: taught(**{**k, "updates": 4}))
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))
    lines: list[str] = []

    def killed(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            raise TimeoutError

    def train(folder: str, tell: Callable[[str], None]) -> dict[str, np.ndarray]:
        (tmp_path / folder).mkdir(exist_ok=True)
        training.train(SMALL, "ippo", 3, tmp_path / folder, 5.5, tell, copies=8)
        return load_arrays(tmp_path / folder / weights_name(SMALL))[0]

    with pytest.raises(TimeoutError):
        train("killed", killed)
    resumed, through = train("killed", lines.append), train("through", lambda line: None)
    assert lines[4].startswith("goes on after 2 iterations, ")
    assert all(np.array_equal(x, through[name]) for name, x in resumed.items())


def test_until_trained_the_agents_play_the_rule_that_they_would_begin_as() -> None:
    offered = DOMAIN.controllers(SMALL)
    assert offered["ippo"].untrained
    assert np.array_equal(costs(offered["ippo"]), costs(offered["combined_sharing"]))


def test_another_learned_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="learned controller 'ipo'.*Did you mean 'ippo'"):
        DOMAIN.train(SMALL, "ipo", 0, tmp_path)
