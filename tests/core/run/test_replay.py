import os
from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab.run.replay import Replay, read_decisions
from trimtab.run.runner import evaluate
from trimtab.run.trajectory import rollout
from trimtab.testing.toys.tank import LevelBand, TankModel, TankProblem


def tanks(copies: int = 1) -> TankProblem:
    return TankProblem(TankModel(horizon_h=6), copies, autoreset=False)


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_replaying_logged_decisions_gives_the_logged_episodes(tmp_path: Path) -> None:
    problem = tanks(2)
    logged = rollout(problem, LevelBand(problem), [4, 5])
    assert logged.proposed is not None
    choices = logged.proposed.discrete
    assert choices is not None
    lines = ["seed,step,agent,discrete_0"] + [
        f"{(4, 5)[n]},{t},{a},{choices[t, n, a, 0]}"
        for t in range(6)
        for n in range(2)
        for a in range(2)
    ]
    path = csv_file(tmp_path, "\n".join(lines))
    replayed = evaluate(problem, Replay(problem, path), [4, 5])
    assert [r.metrics for r in replayed] == [
        r.metrics for r in evaluate(problem, LevelBand(problem), [4, 5])
    ]


def test_a_decision_holds_until_the_next_one(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "step,agent,discrete_0\n0,0,1\n0,1,0\n3,0,0\n")
    plan = read_decisions(path, tanks().spec)[-1]
    np.testing.assert_array_equal(plan[:, 0, 0], [1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(plan[:, 1, 0], 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step\n0\n", r":1: the header lacks discrete_0"),
        ("step,agent,discrete_0\n0,0,x\n", r":2: not a number"),
        ("step,agent,discrete_0\n9,0,1\n", r":2: step 9, agent 0 is outside the episode of 6"),
        ("step,agent,discrete_0\n0,0,nan\n", r":2: decisions must be finite"),
        ("step,agent,discrete_0\n0,0,1\n", r"agent 1 has no decision at step 0"),
    ],
)
def test_a_faulty_log_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        read_decisions(csv_file(tmp_path, text), tanks().spec)


def test_a_seed_without_decisions_is_named(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "seed,step,agent,discrete_0\n4,0,0,1\n4,0,1,1\n")
    problem = tanks()
    with pytest.raises(InputFileError, match="no decisions for seed 5"):
        evaluate(problem, Replay(problem, path), [5])


def test_seeds_without_end_are_refused_at_the_line_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.run.replay.MAX_NUMBERS", 24)
    lines = ["seed,step,agent,discrete_0", *(f"{seed},0,0,1" for seed in range(9))]
    with pytest.raises(InputFileError, match=r"log\.csv:4: too many seeds \(3\)"):
        read_decisions(csv_file(tmp_path, "\n".join(lines)), tanks().spec)


def test_a_log_without_end_is_refused_unread(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "")
    os.truncate(path, 1 << 40)
    with pytest.raises(InputFileError, match="larger than 50 MB"):
        read_decisions(path, tanks().spec)
