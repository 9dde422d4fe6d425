import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from trimtab.contracts.errors import MissingDependencyError
from trimtab.run.execute import execute
from trimtab.run.plan import RunOptions
from trimtab.run.reproduce import flat
from trimtab.run.scenario_file import load_scenario
from trimtab.run.store import Store

SETTINGS = ["problem.horizon_h=1500", "seeds=[1, 2, 3, 4]", "controllers=[level_band, tariff]"]
NODE_LOSS = """
import json, os, sys, threading
from pathlib import Path

os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="t" * 64)
import ray
from ray.cluster_utils import Cluster
from trimtab.run.execute import execute
from trimtab.run.plan import RunOptions
from trimtab.run.scenario_file import load_scenario
from trimtab.run.store import Store

workspace, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
head = {"num_cpus": 1, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
lost = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
notes, killed = [], []

def watch(progress):
    if progress.note:
        notes.append(progress.note)
    with Store(workspace) as store:
        workers = store.db.execute(
            "select count(distinct worker) from job where state='running' and step>0"
        ).fetchone()[0]
    if workers == 2 and not killed:
        killed.append(True)
        cluster.remove_node(lost, allow_graceful=False)

done = threading.Event()

def poll():
    from types import SimpleNamespace
    while not done.wait(0.05):
        if (workspace / "store.db").exists():
            watch(SimpleNamespace(note=""))

thread = threading.Thread(target=poll, daemon=True)
thread.start()
options = RunOptions(workspace=workspace, workers=2, engine="ray")
outcome = execute(load_scenario("toy/tank-day", settings), options, watch)
done.set()
thread.join()
print(json.dumps({"killed": len(killed), "notes": notes, "failures": len(outcome.failures)}))
ray.shutdown()
cluster.shutdown()
"""


def stored(workspace: Path) -> tuple[dict[str, Any], list[Any]]:
    """Results without CPU times, and all metric rows."""
    with Store(workspace) as store:
        (run,) = store.runs()
        results = {
            job.id: {k: v for k, v in flat(job.result).items() if not k.endswith("cpu_s")}
            for job in store.jobs(run.id)
        }
        rows = store.db.execute("select * from metric order by job, name, step").fetchall()
    return results, rows


@pytest.fixture
def with_ray() -> None:
    """Skip, by name, where there is no Ray; where it is required its absence is a failure."""
    if find_spec("ray") is None:
        if os.environ.get("TRIMTAB_REQUIRE_RAY"):
            pytest.fail("ray is not installed: pip install trimtab[ray]")
        pytest.skip("ray is not installed (extra ray)")


def test_a_run_on_ray_survives_the_loss_of_a_node_with_the_same_bits(
    with_ray: None, tmp_path: Path
) -> None:
    execute(load_scenario("toy/tank-day", SETTINGS), RunOptions(workspace=tmp_path / "local"))
    done = subprocess.run(
        [sys.executable, "-c", NODE_LOSS, str(tmp_path / "ray"), json.dumps(SETTINGS)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = done.stdout.splitlines()  # Ray may print blank ones after ours
    said = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    assert (said["killed"], said["failures"]) == (1, 0)
    assert any("listens on all interfaces" in note for note in said["notes"])
    assert stored(tmp_path / "ray") == stored(tmp_path / "local")
    with Store(tmp_path / "ray") as store:
        (run,) = store.runs()
        assert store.states(run.id) == {"done": 12}
        assert max(job.attempt for job in store.jobs(run.id)) >= 2


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    options = RunOptions(workspace=tmp_path, engine="ray")
    with pytest.raises(MissingDependencyError, match=r"trimtab\[ray\]"):
        execute(load_scenario("toy/tank-day", ["seeds=[1]"]), options)
