"""The regional split agent beside the shipped plan, actuated control and the wave rule.

    python benchmarks/traffic_regional.py                              # ingolstadt21w, 5 seeds
    python benchmarks/traffic_regional.py --net cologne8 --seeds 101   # quicker

Profile `resco`. The regional agent sees probe vehicles only, at 10 % and at 100 % penetration, and
keeps cycle, phase order and offsets. Prints the mean true delay, the worst seed, never-inserted
vehicles, gridlocked episodes, the difference to the shipped plan on the same seeds, and CPU-seconds
per episode. Every episode gets a fresh process.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean

from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

ROWS = (
    ("fixed", 1.0),
    ("actuated_5_50", 1.0),
    ("wave_50", 1.0),
    ("regional", 0.1),
    ("regional", 1.0),
)


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to play."""

    net: str
    controller: str
    penetration: float
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it gave."""

    delay_s: float
    never: float
    gridlock: bool
    cpu_s: float


def play(job: Job) -> Outcome:
    """Play one episode in this process."""
    model = SignalsProblem.model_validate(
        {
            "network": {"wheel": job.net},
            "rules": {"profile": "resco"},
            "sensors": {"penetration": job.penetration},
        }
    )
    entry = entries(model)[job.controller]
    with SignalControl(model, entry.interface) as problem:
        controller = make_controller(problem, entry, name=job.controller)
        record = evaluate(problem, controller, [job.seed], name=job.controller)[0]
    return Outcome(
        record.metrics["true_delay_s"],
        record.metrics["never_inserted_veh"],
        bool(record.metrics["gridlock"]),
        record.budget.cpu_s,
    )


def main() -> None:
    """Play all rows and print the table as they are complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="ingolstadt21w")
    parser.add_argument("--seeds", nargs="+", type=int, default=[101, 102, 103, 104, 105])
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    print(f"{chosen.net}, profile resco, seeds {chosen.seeds}")
    print(
        f"{'controller':16s} {'probes':>6s} {'mean s':>8s} {'worst s':>8s} {'never':>6s} "
        f"{'grid':>5s} {'vs plan':>8s} {'CPU-s':>7s}"
    )
    plan_s = 0.0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.workers, spawn, max_tasks_per_child=1) as pool:
        for name, share in ROWS:
            jobs = [Job(chosen.net, name, share, seed) for seed in chosen.seeds]
            found = list(pool.map(play, jobs))
            mean = fmean(outcome.delay_s for outcome in found)
            plan_s = mean if name == "fixed" else plan_s
            seen = f"{share:.0%}" if name == "regional" else "-"
            print(
                f"{name:16s} {seen:>6s} {mean:8.1f} {max(o.delay_s for o in found):8.1f} "
                f"{fmean(o.never for o in found):6.0f} {sum(o.gridlock for o in found):5d} "
                f"{100 * (mean / plan_s - 1):+7.1f} % {fmean(o.cpu_s for o in found):7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
