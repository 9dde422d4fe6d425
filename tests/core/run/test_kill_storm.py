import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_killed_workers_supervisors_and_drivers_lose_and_repeat_nothing() -> None:
    storm = [sys.executable, str(ROOT / "benchmarks" / "kill_storm.py")]
    done = subprocess.run(
        [
            *storm,
            "--kills",
            "6",
            "--points",
            "2",
            "--seeds",
            "2",
            "--horizon",
            "500",
            "--gap-s",
            "0.3",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    outcome = json.loads(done.stdout)
    assert (done.returncode, outcome["faults"]) == (0, [])
    assert outcome["jobs"] == 18
    assert sum(outcome["kills"].values()) >= 4
