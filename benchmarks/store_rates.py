"""Store rates beside MLflow: commits and rows per second, listing of 100,000 runs, opening.

    python benchmarks/store_rates.py            # all; --runs N, --seconds S

Every write is a fenced one, as workers make it: `begin immediate`, the job's row checked for its
attempt, then the rows. Four reader processes list runs all the while. Durability is printed with
each figure: FULL syncs at every commit (a power cut loses nothing), NORMAL at checkpoints of the
write-ahead log (the death of any process loses nothing). MLflow is measured in the same run on
its own SQLite file; its pragmas are its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trimtab.run.claims import Claim, Claimer, Update, advance
from trimtab.run.rows import NewJob, NewRun
from trimtab.run.schema import Durability, writing
from trimtab.run.store import Store
from trimtab.run.workspace import RunQuery, Workspace

READERS = 4
BATCH = 1000
READER = """
import sys, time
from pathlib import Path
from trimtab.run.workspace import RunQuery, Workspace
space = Workspace(Path(sys.argv[1]))
print("reading", flush=True)
while True:
    space.runs(RunQuery(limit=50))
    time.sleep(0.25)
"""


def held(store: Store) -> Claim:
    """A claimed job to write about."""
    scenario = {"hash": "h", "domain": "d", "schema": "trimtab/scenario/1", "text": "{}"}
    store.begin_run(
        NewRun("r", scenario, "n", ("c",), (1,)), [NewJob("j", "episode", "c", 1, "{}")]
    )
    claimed = Claimer(store.db, store.workspace, "elsewhere:1:1", lease_s=1e6).claim()
    if claimed is None:
        msg = "nothing to claim"
        raise SystemExit(msg)
    return claimed.claims[0]


def rate(work: Callable[[int], int], seconds: float) -> tuple[float, float]:
    """Rows per wall second and per CPU second of `work(first step)`, which returns rows."""
    step, began, cpu = 1, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        step += work(step)
    rows = step - 1
    return rows / (time.perf_counter() - began), rows / (time.process_time() - cpu)


def write_rates(durability: Durability, seconds: float, readers: int) -> dict[str, float]:
    """Single-row commits and batched rows under readers."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder), durability) as store:
        claim = held(store)
        reading = [
            subprocess.Popen([sys.executable, "-c", READER, folder], stdout=subprocess.PIPE)
            for _ in range(readers)
        ]
        for process in reading:
            if process.stdout is not None:
                process.stdout.readline()

        def one(step: int) -> int:
            advance(store.db, [Update(claim, step, 0.0, [("x", step, 1.0)])])
            return 1

        def many(step: int) -> int:
            rows = [("y", step + i, 1.0) for i in range(BATCH)]
            advance(store.db, [Update(claim, step, 0.0, rows)])
            return BATCH

        single, single_cpu = rate(one, seconds)
        batched, batched_cpu = rate(many, seconds)
        for process in reading:
            process.kill()
            process.communicate()
    return {
        "single_per_s": single,
        "single_per_cpu_s": single_cpu,
        "batched_per_s": batched,
        "batched_per_cpu_s": batched_cpu,
    }


def mlflow_rates(seconds: float) -> dict[str, float] | None:
    """The same on MLflow's SQLite store; None where it is not installed."""
    try:
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        try:
            client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
            run = client.create_run("0").info.run_id
        except Exception as error:  # noqa: BLE001 - a part that mlflow-skinny leaves out
            print(f"MLflow's SQLite store cannot be used here: {error}", file=sys.stderr)
            return None
        first = time.perf_counter() - began

        def one(step: int) -> int:
            client.log_metric(run, "x", 1.0, step=step)
            return 1

        def many(step: int) -> int:
            rows = [Metric("y", 1.0, 0, step + i) for i in range(BATCH)]
            client.log_batch(run, metrics=rows)
            return BATCH

        single, single_cpu = rate(one, seconds)
        batched, batched_cpu = rate(many, seconds)
    return {
        "first_use_s": first,
        "single_per_s": single,
        "single_per_cpu_s": single_cpu,
        "batched_per_s": batched,
        "batched_per_cpu_s": batched_cpu,
    }


def listing(runs: int) -> dict[str, float]:
    """Milliseconds to open a store of many runs and to list its top 50, medians."""
    summary = json.dumps({"recommendation": {"name": "c"}, "rows": [{"name": "c"}] * 20})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with Store(path) as store:
            held(store)
            with writing(store.db):
                store.db.executemany(
                    "insert into run(id, scenario, domain, name, controller, seeds, recommended, "
                    "headline, created) values(?, 'h', 'd', ?, '[]', '[]', 'c', ?, ?)",
                    (
                        (f"run-{i:06d}", f"n{i % 97}", (i * 7919) % 100_003 / 7, float(i))
                        for i in range(runs)
                    ),
                )
                store.db.executemany(
                    "insert into outcome values(?, ?, '{}')",
                    ((f"run-{i:06d}", summary) for i in range(runs)),
                )
                store.db.executemany(
                    "insert into tally values(?, ?, 9)",
                    ((f"run-{i:06d}", ("done", "failed")[i % 50 == 0]) for i in range(runs)),
                )
        space = Workspace(path)
        queries = {
            "newest": RunQuery(),
            "best_headline": RunQuery(domain="d", order="headline", descending=False),
            "failed_only": RunQuery(state="failed"),
        }
        found = {
            f"top_50_{name}_ms": median_ms(lambda query=query: space.runs(query))  # type: ignore[misc]
            for name, query in queries.items()
        }
        found["open_ms"] = median_ms(lambda: Store(path).close())
    return found


def median_ms(work: Callable[[], object], repeats: int = 15) -> float:
    """Median CPU milliseconds."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1e3 * statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    peer = mlflow_rates(given.seconds)
    print(f"{'store':34} {'rows/s':>10} {'per CPU-s':>10} {'x1000/s':>10} {'per CPU-s':>10}")
    if peer is not None:
        show("MLflow log_metric / log_batch", peer, None)
    for durability in ("normal", "full"):
        rates = write_rates(durability, given.seconds, READERS)  # type: ignore[arg-type]
        show(f"trimtab {durability.upper()}, {READERS} readers", rates, peer)
    for name, value in listing(given.runs).items():
        print(f"{name.replace('_', ' ')} ({given.runs} runs): {value:.2f} (CPU)")


def show(name: str, rates: dict[str, float], peer: dict[str, float] | None) -> None:
    """One line of the table."""
    line = f"{name:34} {rates['single_per_s']:10.0f} {rates['single_per_cpu_s']:10.0f} "
    line += f"{rates['batched_per_s']:10.0f} {rates['batched_per_cpu_s']:10.0f}"
    if peer is not None:
        single = rates["single_per_s"] / peer["single_per_s"]
        batched = rates["batched_per_s"] / peer["batched_per_s"]
        line += f"   {single:.0f} x and {batched:.0f} x MLflow"
    if "first_use_s" in rates:
        line += f"   first use {rates['first_use_s']:.1f} s"
    print(line, flush=True)


if __name__ == "__main__":
    main()
