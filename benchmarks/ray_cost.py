"""What the Ray engine costs beside the local one, and that both give the same result.

    python benchmarks/ray_cost.py [--seeds 40] [--workers 2]

Runs the same scenario of short jobs on both engines in workspaces of their own: seconds until the
first job is done (start-up), then jobs per second, and the hash over the metrics of every row.
Ray's own start is measured apart, with tasks that do nothing. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

from trimtab.run.comparison import compare_run
from trimtab.run.plan import RunOptions
from trimtab.run.store import Store

SETTINGS = ["problem.horizon_h=24"]
NO_OPS = 1000


def engine(name: str, seeds: int, workers: int, folder: Path) -> str:
    """Run on one engine and print a line; returns the hash of the results."""
    options = RunOptions(
        workspace=folder, seeds=tuple(range(1, seeds + 1)), workers=workers, engine=name
    )
    began = time.monotonic()
    run = compare_run("toy/tank-day", options, overrides=SETTINGS)
    total_s = time.monotonic() - began
    with Store(folder) as store:
        started, first, last, jobs = store.db.execute(
            "select min(created), min(ended), max(ended), count(*) from job"
        ).fetchone()
    rows = [row.model_dump(mode="json") for row in run.result.rows]
    for row in rows:
        row.pop("budget"), row.pop("trained", None)  # processor time differs from run to run
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
    rate = (jobs - 1) / max(last - first, 1e-9)
    print(
        f"{name:6} first job after {first - started:6.2f} s, then {rate:7.1f} jobs/s "
        f"({1000 / rate:.1f} ms a job, {workers} workers), {total_s:.1f} s in all, result {digest}",
        flush=True,
    )
    return digest


def no_ops(workers: int) -> None:
    """Ray alone: start, first task, tasks that do nothing."""
    import ray

    began = time.monotonic()
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    started = time.monotonic()

    @ray.remote
    def nothing() -> int:
        return 1

    ray.get(nothing.remote())
    first = time.monotonic()
    ray.get([nothing.remote() for _ in range(NO_OPS)])
    done = time.monotonic()
    ray.shutdown()
    print(
        f"Ray {ray.__version__} alone: init {started - began:.1f} s, first task "
        f"{first - started:.2f} s, {NO_OPS / (done - first):.0f} empty tasks/s",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    digests = set()
    for name in ("local", "ray"):
        with tempfile.TemporaryDirectory() as folder:
            digests.add(engine(name, given.seeds, given.workers, Path(folder)))
    print("same result" if len(digests) == 1 else "RESULTS DIFFER")
    no_ops(given.workers)


if __name__ == "__main__":
    main()
