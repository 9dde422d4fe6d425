import contextlib
import dataclasses
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.cli.running import exit_code
from trimtab.cli.session import Session
from trimtab.evidence.result import ViolationSummary
from trimtab.run.comparison import compare_run
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import load_scenario
from trimtab.run.store import Store

Command = Callable[..., Any]
QUICK = ("--set", "problem.horizon_h=6", "--n-seeds", "3", "--workers", "1")


def test_a_run_prints_its_table_and_writes_its_report(trimtab: Command, tmp_path: Path) -> None:
    ended = trimtab("run", "toy/tank-day", *QUICK, "--out", "report")
    assert ended.code == 0
    assert "toy/tank-day" in ended.out
    assert "level_band" in ended.out
    assert "gap closed" in ended.out
    assert "12 jobs computed, 0 from the store, 0 failed" in ended.err
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"report.html", "report.md", "result.json", "manifest.json"} <= names

    again = trimtab("run", "toy/tank-day", *QUICK, "--json")
    result = again.document
    assert "0 jobs computed, 12 from the store" in again.err
    assert result["schema"] == "trimtab/result/1"
    assert {row["name"] for row in result["rows"]} == {"level_band", "proportional", "tariff"}
    assert result["scenario"] == "toy/tank-day"
    assert result["seeds"] == [1, 2, 3]
    assert (tmp_path / result["report"]).exists()
    manifest = json.loads((tmp_path / result["manifest"]).read_text())
    assert manifest["command"].startswith("trimtab ")
    assert manifest["run"]["jobs"] == {"computed": 0, "cached": 12, "failed": 0}

    first = (tmp_path / result["report"]).read_bytes()
    rendered = trimtab("report", "latest", "--out", "again", "--json").document
    assert rendered["run_id"] == result["run_id"]
    assert first == (tmp_path / "again" / "report.html").read_bytes()
    assert trimtab("report", "latest", "--markdown").out.startswith("# ")


OWN = """
import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import Action

class Idle(Controller):
    "Never pumps."
    def __init__(self, problem):
        self.shape = (problem.copies, problem.spec.n_agents, 1)
    def act(self, obs):
        return Action(discrete=np.zeros(self.shape, np.int64))
"""


def test_own_controllers_and_logs_join_a_run(trimtab: Command, tmp_path: Path) -> None:
    (tmp_path / "my_own.py").write_text(OWN)
    (tmp_path / "logged.csv").write_text("step,agent,discrete_0\n0,0,1\n0,1,0\n3,1,1\n")
    ended = trimtab(
        "run", "toy/tank-day", *QUICK, "--controllers", "level_band", "--controller",
        "my_own:Idle", "--controller", "logged.csv", "--json",
    )  # fmt: skip
    assert ended.code == 0
    roles = {row["name"]: row["role"] for row in ended.document["rows"]}
    assert roles == {"level_band": "reference", "Idle": "user", "logged": "user"}


def test_one_episode_is_kept_with_its_trajectory_and_log(trimtab: Command, tmp_path: Path) -> None:
    ended = trimtab(
        "simulate", "toy/tank-day", "--controller", "tariff", "--set", "problem.horizon_h=6",
        "--seed", "3", "--out", "log", "--json",
    )  # fmt: skip
    assert ended.code == 0
    record = json.loads((tmp_path / "log/record.json").read_text())
    assert record == ended.document["record"]
    assert sorted(Path(name).name for name in ended.document["files"]) == [
        "log.npz", "record.json", "trajectory.npz",
    ]  # fmt: skip
    with np.load(tmp_path / "log/trajectory.npz") as arrays:
        assert arrays["seeds"].tolist() == [3]
        assert len(arrays["reward"]) == len(arrays["proposed.discrete"]) == 6


@pytest.mark.parametrize("at", ["act", "__init__"])
def test_an_own_controller_that_raises_is_said_in_one_line_with_its_place(
    trimtab: Command, tmp_path: Path, at: str
) -> None:
    line = {"__init__": "self.shape", "act": "return"}[at]
    text = OWN.replace(line, '{}["level"]\n        ' + line, 1)
    (tmp_path / f"raises_in{at}.py").write_text(text)
    own = f"raises_in{at}:Idle"
    ended = trimtab("simulate", "toy/tank-day", "--controller", own, "--out", "log")
    place = next(n for n, row in enumerate(text.splitlines(), 1) if '{}["level"]' in row)
    (said,) = [row for row in ended.err.splitlines() if not row.startswith("plug-ins")]
    assert ended.code == 1
    assert said.startswith("trimtab: Idle: KeyError: 'level' (")
    assert said.endswith(f"raises_in{at}.py:{place}, in {at}); the whole trace: log/traceback.txt")
    assert "KeyError" in (tmp_path / "log/traceback.txt").read_text()


def test_strict_turns_violations_into_exit_code_4(trimtab: Command) -> None:
    assert trimtab("run", "toy/tank-day", *QUICK, "--strict").code == 0
    loaded = load_scenario("toy/tank-day", ["problem.horizon_h=6", "seeds=[1, 2, 3]"])
    kept = compare_run(loaded, RunOptions(workers=1))
    row = kept.result.rows[0]
    broken = row.model_copy(
        update={"violations": {"overflow": ViolationSummary(count=2, upper95=None, exposure=9)}}
    )
    result = kept.result.model_copy(update={"rows": (broken, *kept.result.rows[1:])})
    violated = dataclasses.replace(kept, result=result)
    session = Session(as_json=False)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert exit_code(session, violated, strict=False) == 0
        assert exit_code(session, violated, strict=True) == 4
    assert said.getvalue() == f"--strict: constraints violated: {row.name} 2\n"


def test_bad_input_is_one_line_and_writes_nothing(trimtab: Command, tmp_path: Path) -> None:
    for arguments, said in [
        (("toy/tank-dya",), "Did you mean 'toy/tank-day'?"),
        (("none.yaml",), "none.yaml:1:1: no such file"),
        (("toy/tank-day", "--controllers", "tarif"), "Did you mean 'tariff'?"),
        (("toy/tank-day", "--controller", "nope:X"), "cannot be loaded: ModuleNotFoundError"),
        (("toy/tank-day", "--parameters", "none.json"), "none.json: cannot be read"),
        (("toy/beam", "--controllers", "cmeas"), "Did you mean 'cmaes'?"),
    ]:
        ended = trimtab("run", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.count("\n") == 1
        assert said in ended.err
    assert not list(tmp_path.iterdir())


def test_errors_come_as_json_too(trimtab: Command) -> None:
    document = trimtab("run", "none.yaml", "--json").document
    assert document["schema"] == "trimtab/error/1"
    assert document["exit_code"] == 2


def test_a_failed_run_has_exit_code_1_and_names_its_log(trimtab: Command) -> None:
    ended = trimtab("run", "toy/queue-hour", "--set", "problem.crash_at_min=2", "--n-seeds", "1")
    assert ended.code == 1
    assert "died with code 7" in ended.err
    assert "log.txt" in ended.err


def test_tuned_parameters_are_used_by_the_next_run(trimtab: Command) -> None:
    tuned = trimtab(
        "tune", "toy/tank-day", "--controller", "tariff", "--evaluations", "8", "--seeds", "101",
        "--set", "problem.horizon_h=6", "--workers", "1", "--out", "tuned.json", "--json",
    ).document  # fmt: skip
    assert tuned["schema"] == "trimtab/tuning/1"
    assert tuned["evaluations"] == 8
    assert set(tuned["parameters"]) == {"night", "day"}
    assert tuned["unseen_seeds"] == [111, 112, 113, 114, 115]
    assert tuned["versus_shipped"]["seeds"] == 5
    ended = trimtab("run", "toy/tank-day", *QUICK, "--parameters", "tuned.json", "--json")
    config = json.loads((Path(ended.document["run_dir"]) / "config.json").read_text())
    used = {c["name"]: c["parameters"] for c in config["controllers"]}
    assert used["tariff"] == tuned["parameters"]
    refused = trimtab("tune", "toy/tank-day", "--controller", "level_band")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_only_learned_controllers_are_trained(trimtab: Command) -> None:
    ended = trimtab("train", "toy/tank-day", "--controller", "tariff")
    assert ended.code == 2
    assert "is classical, not learned: try tune" in ended.err


def test_a_trained_controller_joins_the_next_run(trimtab: Command) -> None:
    short = ("--set", "problem.horizon_h=6")
    trained = trimtab(
        "train", "toy/tank-day", *short, "--controller", "pupil", "--cpu-s", "1", "--json"
    )
    assert "the teacher: " in trained.err
    document = trained.document
    assert document["schema"] == "trimtab/training/1"
    ended = trimtab(
        "run", "toy/tank-day", *short, "--n-seeds", "3", "--workers", "1", "--controllers",
        "level_band,pupil", "--parameters", document["file"], "--json",
    )  # fmt: skip
    rows = {row["name"]: row for row in ended.document["rows"]}
    assert rows["pupil"]["role"] == "learned"
    assert rows["pupil"]["shielded"]
    refused = trimtab("run", "toy/tank-day", *short, "--controllers", "pupil", "--n-seeds", "1")
    assert (refused.code, "nothing was trained yet" in refused.err) == (2, True)


def test_simulate_keeps_the_full_log(trimtab: Command, tmp_path: Path) -> None:
    ended = trimtab(
        "simulate",
        "toy/tank-day",
        "--controller",
        "tariff",
        "--seed",
        "3",
        "--out",
        "log",
        "--json",
    )
    assert ended.document["record"]["seed"] == 3
    with np.load(tmp_path / "log" / "trajectory.npz") as trajectory:
        assert trajectory["obs"].shape == (24, 1, 2, 3)
    with np.load(tmp_path / "log" / "log.npz") as log:
        assert log["level_m3"].shape == (25, 2)
    assert "pumping_cost" in trimtab("simulate", "toy/tank-day", "--controller", "tariff").out


def test_export_without_a_deployable_form_is_refused(trimtab: Command, tmp_path: Path) -> None:
    ended = trimtab("export", "toy/tank-day", "--controller", "tariff", "--out", "x")
    assert ended.code == 2
    assert "no deployable form" in ended.err


def test_an_unknown_run_is_named(trimtab: Command) -> None:
    assert "has no job store yet" in trimtab("report", "abc").err


def test_an_interrupt_has_exit_code_130_and_ends_the_workers(
    tmp_path: Path, group_is_gone: Callable[[int], bool]
) -> None:
    hanging = ("--set", "problem.hang_at_min=2", "--n-seeds", "1", "--workers", "1")
    command = [sys.executable, "-m", "trimtab.cli", "run", "toy/queue-hour", *hanging]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 - a job in the background ignores them
    )
    group = _running_group(tmp_path / "trimtab-work")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "interrupted; finished jobs are kept, run the same command to go on\n"
    assert group_is_gone(group)


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _running_group(workspace: Path) -> int:
    """Process group of the worker that plays the first episode, once it does."""
    tick = threading.Event()
    while True:
        tick.wait(0.05)
        if not (workspace / "store.db").exists():
            continue
        with Store(workspace) as store:
            found = [r.worker for run in store.runs() for r in store.jobs(run.id) if r.worker]
            busy = [r for run in store.runs() for r in store.jobs(run.id) if r.state == "running"]
        if found and any(job.kind == "episode" for job in busy):
            return int(found[-1].split(":")[2])
