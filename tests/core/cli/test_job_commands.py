import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trimtab.run.workspace import Workspace

Command = Callable[..., Any]
QUICK = ("--set", "problem.horizon_h=6", "--n-seeds", "3")


@pytest.fixture
def queued(trimtab: Command) -> str:
    ended = trimtab("run", "toy/tank-day", *QUICK, "--detach", "--json")
    assert "no supervisor is at work" in ended.err
    return str(ended.document["run_id"])


def test_a_detached_run_is_done_by_a_worker_and_followed(trimtab: Command, queued: str) -> None:
    waiting = trimtab("status", "--json").document
    assert [(r["id"], r["state"]) for r in waiting["runs"]] == [(queued, "queued")]
    assert waiting["supervisor"] is None
    assert trimtab("worker", "--slots", "1", "--until-idle").code == 0
    shown = trimtab("status", queued, "--json").document
    assert (shown["state"], shown["states"], shown["share"]) == ("done", {"done": 13}, 1.0)
    followed = trimtab("status", "latest", "--follow", "--json")
    lines = [json.loads(line) for line in followed.out.splitlines()]
    assert (followed.code, lines[-1]["state"]) == (0, "done")
    assert trimtab("report", "latest", "--json").document["run_id"] == queued


def test_a_cancelled_run_is_resumed_in_the_foreground(trimtab: Command, queued: str) -> None:
    assert trimtab("cancel", queued, "--json").document["jobs"] == 13
    assert "nothing left to cancel" in trimtab("cancel", queued).out
    ended = trimtab("resume", queued, "--workers", "1", "--json")
    assert (ended.code, ended.document["run_id"]) == (0, queued)
    assert "12 jobs computed" in ended.err
    assert trimtab("status", queued, "--json").document["states"] == {"done": 13}


def test_resuming_says_whether_something_is_left(trimtab: Command, queued: str) -> None:
    assert f"{queued}: goes on with what is left" in trimtab("resume", queued).err
    assert f"{queued}: nothing is left to do" in trimtab("resume", queued).err


def test_a_run_is_reproduced_bit_for_bit(trimtab: Command) -> None:
    trimtab("run", "toy/tank-day", *QUICK, "--workers", "1")
    ended = trimtab("reproduce", "latest", "--workers", "2", "--json")
    document = ended.document
    assert (ended.code, document["jobs"], document["exact"]) == (0, 12, True)
    assert document["environment"] == []


def test_a_difference_is_named_by_job_and_figure(trimtab: Command, tmp_path: Path) -> None:
    import sqlite3

    trimtab("run", "toy/tank-day", *QUICK, "--workers", "1")
    db = sqlite3.connect(tmp_path / "trimtab-work" / "store.db")
    job, text = db.execute("select job, text from result where text like '%tariff%'").fetchone()
    changed = json.loads(text)
    changed["metrics"]["pumping_cost"] += 1e-9
    db.execute("update result set text=? where job=?", (json.dumps(changed), job))
    db.commit()
    db.close()
    ended = trimtab("reproduce", "latest", "--workers", "1")
    assert ended.code == 1
    assert "tariff, seed" in ended.err
    assert "metrics.pumping_cost was" in ended.err


def test_runs_are_compared_on_paired_seeds(trimtab: Command) -> None:
    quick = ("--n-seeds", "3", "--workers", "1", "--controllers", "level_band,tariff")
    base, other = (
        trimtab("run", "toy/tank-day", *quick, "--set", f"problem.horizon_h={h}", "--json").document
        for h in (6, 7)
    )
    document = trimtab("compare", base["run_id"], other["run_id"], "--json").document
    assert document["metric"] == "pumping_cost"
    assert document["base"] == f"level_band · {base['run_id']}"
    assert len(document["rows"]) == 4
    assert [r["difference"] is None for r in document["rows"]].count(True) == 1
    shown = trimtab("compare", base["run_id"], other["run_id"]).out
    assert "minus level_band" in shown
    wrong = trimtab("compare", base["run_id"], "--controller", "tarif")
    assert (wrong.code, "Did you mean 'tariff'" in wrong.err) == (2, True)


def test_runs_are_listed_removed_and_collected(trimtab: Command, tmp_path: Path) -> None:
    ids = [
        trimtab(
            "run", "toy/tank-day", "--n-seeds", "1", "--workers", "1", "--set",
            f"problem.horizon_h={h}", "--json",
        ).document["run_id"]
        for h in (4, 5)
    ]  # fmt: skip
    listed = trimtab("runs", "list", "--json").document["runs"]
    assert {run["id"] for run in listed} == set(ids)
    assert "Did you mean 'headline'" in trimtab("runs", "list", "--sort", "headlin").err
    assert trimtab("runs", "rm", ids[0]).code == 0
    stray = tmp_path / "trimtab-work" / "runs" / "stray"
    stray.mkdir()
    (stray / "file").write_text("x" * 1000)
    would = trimtab("runs", "gc", "--quota-gb", "0", "--dry-run", "--json").document
    assert (would["runs"], would["strays"]) == ([ids[1]], ["stray"])
    assert stray.exists()
    trimtab("runs", "gc", "--quota-gb", "0")
    assert trimtab("runs", "list", "--json").document["runs"] == []
    assert not list((tmp_path / "trimtab-work" / "runs").iterdir())


def test_an_archive_is_a_workspace_of_its_own(trimtab: Command, tmp_path: Path) -> None:
    import tarfile

    run = trimtab("run", "toy/tank-day", *QUICK, "--workers", "1", "--json").document["run_id"]
    trimtab("runs", "archive", run, "--out", "kept.tar.gz", "--delete")
    assert trimtab("runs", "list", "--json").document["runs"] == []
    with tarfile.open(tmp_path / "kept.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not before 3.11.4
        archive.extractall(tmp_path / "kept")  # noqa: S202 - an archive of our own
    document = trimtab("status", run, "--workspace", "kept", "--json").document
    assert document["states"] == {"done": 12}
    reported = trimtab("report", run, "--workspace", "kept", "--json").document
    assert Path(reported["files"][0]).exists()


def test_tables_are_written_as_parquet(trimtab: Command, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
    run = trimtab("run", "toy/tank-day", *QUICK, "--workers", "1", "--json").document
    trimtab("report", "latest", "--parquet", "--out", "out")
    table = parquet.read_table(tmp_path / "out" / "tables" / "seeds.parquet")
    assert table.num_rows == sum(len(r["metrics"]) + 1 for r in run["rows"]) * 3 + 3
    assert set(table.column_names) == {"controller", "metric", "unit", "seed", "value"}


def test_a_supervisor_started_apart_outlives_its_starter(
    tmp_path: Path, group_is_gone: Callable[[int], bool]
) -> None:
    program = (
        "from pathlib import Path; import sys; from trimtab.run.supervisor import *; "
        "print(start_supervisor(Path(sys.argv[1]), 1), start_supervisor(Path(sys.argv[1]), 1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    pid, same = map(int, done.stdout.split())
    try:
        assert pid == same
        space = Workspace(tmp_path)
        run = space.enqueue("toy/tank-day", overrides=["problem.horizon_h=4", "seeds=[1]"])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "trimtab.cli", "status", run, "--follow"]
        followed = subprocess.run(
            [*command, "--workspace", str(tmp_path)],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert followed.stdout.splitlines()[-1].startswith(f"{run}: done, 100 %")
    finally:
        os.kill(pid, signal.SIGTERM)
        assert group_is_gone(pid)


def test_a_damaged_store_is_one_line_and_left_as_it_is(
    trimtab: Command, queued: str, tmp_path: Path
) -> None:
    import sqlite3

    path = tmp_path / "trimtab-work" / "store.db"
    db = sqlite3.connect(path)
    db.execute("pragma wal_checkpoint(truncate)")
    (size,) = db.execute("pragma page_size").fetchone()
    db.close()
    content = path.read_bytes()
    damaged = content[:size] + b"\x55" * (len(content) - size)
    path.write_bytes(damaged)
    ended = trimtab("status", queued)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "restore it from a copy" in ended.err
    assert path.read_bytes() == damaged
    assert "broken" in trimtab("doctor").out
