"""Seconds from `trimtab cancel` to the job's end, for each domain that is installed.

    python benchmarks/cancel_latency.py --repeats 5 [--scenarios toy/tank-day,traffic/cologne1]

The clock starts before the flag is written and stops when the store says that nothing of the run
is queued or running any more. Also printed: what the episode was doing when it was stopped.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from trimtab.run.crew import Crew
from trimtab.run.duty import Duty
from trimtab.run.plan import RunOptions
from trimtab.run.scope import Scope
from trimtab.run.store import Store
from trimtab.run.workspace import Workspace

PATIENCE_S = 20.0
LONG = {
    "toy/tank-day": ("problem.horizon_h=8760", "controllers=[tariff]"),
    "toy/queue-hour": ("problem.horizon_min=1440", "controllers=[threshold]"),
    "toy/beam": ("budget.evaluations=200000", "controllers=[random]"),
    "traffic/cologne1": ("controllers=[max_pressure]",),
    "traffic/cologne8": ("controllers=[fixed]",),
    "hardware/dram-cloud-1": ("controllers=[random]",),
    "hardware/cache-gemm": ("controllers=[random]",),
    "grid/plant-b-year": (),
}


def latency(scenario: str, overrides: tuple[str, ...], folder: Path) -> tuple[float, str] | None:
    """Seconds to cancel a job of the scenario in full swing, and what it was doing."""
    space = Workspace(folder)
    run = space.enqueue(scenario, RunOptions(), overrides=[*overrides, "seeds=[1]"])
    with Store(folder) as store, Crew(store, Duty(str(folder), run), 1) as crew:
        until = time.monotonic() + PATIENCE_S
        while not any(d.kind in {"episode", "search"} and d.step > 0 for d in crew.doing):
            if crew.doing and time.monotonic() > until:
                break  # a long bound comes first: cancel that
            crew.tick()
            if not Scope(run).open_jobs(store.db):
                return None
        busy = f"{crew.doing[0].label}, step {crew.doing[0].step}"
        began = time.monotonic()
        space.cancel(run)
        while Scope(run).open_jobs(store.db):
            crew.tick()
        return time.monotonic() - began, busy


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scenarios", default=",".join(LONG))
    given = parser.parse_args()
    print(f"{'scenario':26} {'median s':>9} {'max s':>9}  while")
    for name in given.scenarios.split(","):
        with tempfile.TemporaryDirectory() as folder:
            found = [
                latency(name, LONG.get(name, ()), Path(folder) / str(i))
                for i in range(given.repeats)
            ]
        times = [one[0] for one in found if one is not None]
        if not times:
            print(f"{name:26} ended before it could be cancelled")
            continue
        doing = next(one[1] for one in found if one is not None)
        print(f"{name:26} {statistics.median(times):9.2f} {max(times):9.2f}  {doing}", flush=True)


if __name__ == "__main__":
    main()
