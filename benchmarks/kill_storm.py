"""Random SIGKILLs of workers, supervisor, driver and server: nothing lost, nothing twice.

    python benchmarks/kill_storm.py --kills 200 --points 24 --seeds 5 --server

A sweep of the tanks (21 jobs a point: 5 bounds, 3 controllers x 5 seeds, a report) is worked on by
a foreground driver with two workers and a supervisor with two more, beside the app's server; each
is started again when it was killed. Some workers are killed while the draft of a checkpoint lies
beside the place that it is about to be renamed to. Afterwards every job must be done, every series
must have every row once, and all metrics and results must be bit-equal to those of an undisturbed
run. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from trimtab.run.crew import Crew
from trimtab.run.drive import drive
from trimtab.run.duty import Duty
from trimtab.run.plan import RunOptions
from trimtab.run.scope import Scope
from trimtab.run.step_series import MAX_POINTS
from trimtab.run.store import Store
from trimtab.run.supervisor import supervise, supervisor_pid
from trimtab.run.sweep import plan_sweep

SCENARIO = """\
name: storm
domain: toy.tank
problem: {{horizon_h: {horizon}}}
seeds: {seeds}
sweep: {{over: {{problem.tariff_peak: [{peaks}]}}}}
"""
CHECKPOINT_EVERY_S = 0.1
SLOTS = 2
VICTIMS = {"worker": 6, "draft": 2, "supervisor": 2, "driver": 2, "server": 1}
"""Who is killed how often; `draft`: a worker between writing a checkpoint and renaming it."""
DRAFT_WAIT_S = 1.5


def duty(workspace: Path, sweep: str = "") -> Duty:
    """What the workers of either side are told."""
    return Duty(str(workspace), sweep=sweep, checkpoint_every_s=CHECKPOINT_EVERY_S)


def drive_sweep(scenario: Path, workspace: Path) -> None:
    """The driver: queues the sweep and works on it with its own crew."""
    planned = plan_sweep(scenario, RunOptions(workspace=workspace))
    with Store(workspace) as store:
        planned.begin(store)
        with Crew(store, duty(workspace, planned.id), SLOTS) as crew:
            drive(store, Scope(sweep=planned.id), crew)


def start(role: str, scenario: Path, workspace: Path) -> subprocess.Popen[bytes]:
    """Start driver or supervisor as a process."""
    command = [sys.executable, __file__, "--role", role, "--scenario", str(scenario)]
    if role == "server":
        command = [sys.executable, "-m", "trimtab.cli", "app", "--port", "0", "--no-browser"]
    log = (workspace / f"{role}.log").open("ab")
    with log:
        return subprocess.Popen([*command, "--workspace", str(workspace)], stdout=log, stderr=log)


def killed(pid: int) -> bool:
    """Kill a process; whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def busy_workers(db: sqlite3.Connection) -> list[int]:
    """Process ids of workers that may be killed.

    The third death in a row without a new stored step fails a job, as it should; that one is
    spared here, since on a slow machine a job may not have begun when its third kill comes.
    """
    rows = db.execute(
        "select worker from job where state='running' group by worker "
        "having max(deaths>=2 and step<=death_step)=0"
    ).fetchall()
    return [int(row[0].split(":")[1]) for row in rows if row[0]]


def is_over(db: sqlite3.Connection) -> bool:
    """Whether no job is open."""
    row = db.execute("select 1 from job where state not in ('done', 'failed') limit 1").fetchone()
    return row is None


class Storm:
    """Kills at random until `kills` are done or nothing is left to do."""

    def __init__(self, scenario: Path, workspace: Path, given: argparse.Namespace) -> None:
        self.scenario, self.workspace, self.kills = scenario, workspace, given.kills
        self.rng = random.Random(given.seed)  # noqa: S311 - chooses victims
        self.done: Counter[str] = Counter()
        self.drafts_left = 0
        roles = ("driver", "supervisor", *(("server",) if given.server else ()))
        self.processes = {role: start(role, scenario, workspace) for role in roles}

    def run(self, gap_s: float) -> None:
        """Kill one victim about every `gap_s` seconds; start again what died."""
        while not (self.workspace / "store.db").exists():
            time.sleep(0.05)
        with contextlib.closing(Store(self.workspace)) as store:
            begun = False
            while not (begun and is_over(store.db)):
                begun = (
                    begun or store.db.execute("select 1 from job limit 1").fetchone() is not None
                )
                time.sleep(self.rng.uniform(0.2, 1.8) * gap_s)
                if sum(self.done.values()) < self.kills:
                    self.kill_one(store.db)
                self.revive()
        self.end()

    def kill_one(self, db: sqlite3.Connection) -> None:
        """Kill one victim, where there is one."""
        known = {r: n for r, n in VICTIMS.items() if r != "server" or r in self.processes}
        (role,) = self.rng.choices(list(known), list(known.values()))
        if role == "draft":
            self.done[role] += self.kill_before_rename(db)
            return
        pids = busy_workers(db) if role == "worker" else self.pids(role)
        self.done[role] += bool(pids) and killed(self.rng.choice(pids))

    def pids(self, role: str) -> list[int]:
        """Process of a role; the server too may have started the supervisor."""
        if role == "supervisor":
            pid = supervisor_pid(self.workspace)
            return [pid] if pid else []
        process = self.processes[role]
        return [process.pid] if process.poll() is None else []

    def kill_before_rename(self, db: sqlite3.Connection) -> bool:
        """Wait for the draft of a checkpoint and kill the worker that writes it."""
        until = time.monotonic() + DRAFT_WAIT_S
        while time.monotonic() < until:
            spared = busy_workers(db)
            rows = db.execute("select run, id, worker from job where state='running'").fetchall()
            for run, job, worker in rows:
                pid = int(worker.split(":")[1])
                folder = self.workspace / "runs" / run / "checkpoints" / job[:16]
                draft = next(folder.glob(".*.part"), None)
                if draft is not None and pid in spared and killed(pid):
                    self.drafts_left += draft.exists()
                    return True
        return False

    def revive(self) -> None:
        """Start again what was killed."""
        for role, process in self.processes.items():
            code = process.poll()
            gone = code is not None and code < 0
            if role == "supervisor":
                gone = code is not None and supervisor_pid(self.workspace) is None
            if gone:
                self.processes[role] = start(role, self.scenario, self.workspace)

    def end(self) -> None:
        """Stop the server and the supervisor, wait for the driver."""
        self.processes["driver"].wait()
        if "server" in self.processes:
            self.processes["server"].kill()
            self.processes["server"].wait()
        while pid := supervisor_pid(self.workspace):
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.5)
        self.processes["supervisor"].wait()


def content(workspace: Path) -> tuple[dict[str, str], list[tuple[str, str, int, float]]]:
    """Results by job without CPU times, and every metric row, in order."""
    with contextlib.closing(Store(workspace)) as store:
        results = {
            job: json.dumps(timeless(json.loads(text)), sort_keys=True)
            for job, text in store.db.execute("select job, text from result order by job")
        }
        metrics = store.db.execute(
            "select job, name, step, value from metric order by job, name, step"
        ).fetchall()
    return results, metrics


def timeless(result: dict[str, object] | None) -> dict[str, object]:
    """A result without the time that it took."""
    plain = dict(result or {})
    plain.pop("cpu_s", None)
    budget = plain.get("budget")
    if isinstance(budget, dict):
        plain["budget"] = {k: v for k, v in budget.items() if k != "cpu_s"}
    return plain


def faults(stormy: Path, calm: Path, horizon: int) -> list[str]:
    """What is wrong after the storm; empty if nothing is."""
    found = []
    with contextlib.closing(Store(stormy)) as store:
        states = Scope().states(store.db)
        jobs = store.db.execute("select state, count(*) from job group by state").fetchall()
        if [state for state, _ in jobs] != ["done"]:
            found.append(f"jobs are not all done: {states}")
        if store.check() != "ok":
            found.append(f"integrity: {store.check()}")
        rows = -(-horizon // -(-horizon // MAX_POINTS))
        odd = store.db.execute(
            "select job, name, count(*) from metric where step>0 group by job, name "
            "having count(*)<>? or max(step)<>?",
            (rows, horizon),
        ).fetchall()
        found += [f"{job[:12]} {name}: {n} rows, expected {rows}" for job, name, n in odd]
    results, metrics = content(stormy)
    expected, expected_metrics = content(calm)
    if metrics != expected_metrics:
        found.append("metrics are not bit-equal to the undisturbed run")
    if results != expected:
        found.append("results are not bit-equal to the undisturbed run")
    return found


def main() -> int:
    """Run the storm and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--points", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--horizon", type=int, default=500)
    parser.add_argument("--gap-s", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", action="store_true", help="kill the app's server, too")
    parser.add_argument("--role", choices=("driver", "supervisor"))
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--workspace", type=Path)
    given = parser.parse_args()
    if given.role == "driver":
        drive_sweep(given.scenario, given.workspace)
        return 0
    if given.role == "supervisor":
        supervise(given.workspace, SLOTS, say=print, duty=duty(given.workspace))
        return 0
    with tempfile.TemporaryDirectory(prefix="kill-storm-") as folder:
        return storm(Path(folder), given)


def storm(folder: Path, given: argparse.Namespace) -> int:
    """The whole experiment in a folder."""
    scenario, calm, stormy = folder / "storm.yaml", folder / "calm", folder / "stormy"
    peaks = ", ".join(f"{1 + 0.01 * i:.2f}" for i in range(given.points))
    seeds = list(range(1, given.seeds + 1))
    text = SCENARIO.format(horizon=given.horizon, peaks=peaks, seeds=seeds)
    scenario.write_text(text, encoding="utf-8")
    calm.mkdir()
    stormy.mkdir()
    begun = time.monotonic()
    undisturbed = start("driver", scenario, calm)
    raging = Storm(scenario, stormy, given)
    raging.run(given.gap_s)
    stormy_s = time.monotonic() - begun
    undisturbed.wait()
    wrong = faults(stormy, calm, given.horizon)
    with contextlib.closing(Store(stormy)) as store:
        attempts = store.db.execute("select max(attempt), count(*) from job").fetchone()
        resumed = store.db.execute("select count(*) from job where attempt>1").fetchone()[0]
        rows = store.db.execute("select count(*) from metric").fetchone()[0]
    outcome = {
        "kills": dict(raging.done),
        "drafts_left_behind": raging.drafts_left,
        "jobs": attempts[1],
        "resumed": resumed,
        "attempts_max": attempts[0],
        "metric_rows": rows,
        "storm_s": round(stormy_s, 1),
        "faults": wrong,
    }
    print(json.dumps(outcome, indent=2))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
