"""The demo's path where torch is not installed: `make demo` does not install it."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_learned_controllers_play_without_torch(tmp_path: Path) -> None:
    """In every process: a module that refuses to be imported stands before the installed one."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "torch.py").write_text('raise ImportError("torch is not installed")\n')
    paths = os.pathsep.join([str(absent), os.environ.get("PYTHONPATH", "")])
    words = [
        "run", "traffic/cologne8", "--controllers", "fixed,graph,stage_score",
        "--n-seeds", "1", "--set", "problem.horizon_s=60", "--workers", "1", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "trimtab.cli", *words, "--workspace", str(tmp_path / "work")],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["graph"]["role"] == "learned"
    assert all(row["metrics"]["true_delay_s"]["mean"] > 0 for row in rows.values())
