"""The regional split agents beside the shipped plan, actuated control and the wave rule.

    python benchmarks/traffic_regional.py --log regional.jsonl         # ingolstadt21w, 5 seeds
    python benchmarks/traffic_regional.py --net cologne8 --seeds 101   # quicker

Profile `resco`. `regional` (learned) and `regional_rule` (classical) see probe vehicles only, at
10 % and at 100 % penetration, and keep cycle, phase order and offsets; they play without the trial
that keeps them from networks where they do harm. Demand is that of the
network, then with every relation multiplied by a factor of its own between 0.7 and 1.3, drawn anew
for each seed. Prints the mean true delay, the worst seed, never-inserted vehicles, gridlocked
episodes, the difference to the shipped plan on the same seeds, and CPU-seconds per episode. Every
episode gets a fresh process. With --log, episodes are appended to the file as they end, and those
that it already holds are not played again.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from episode_log import append_row, read_rows
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

OD_NOISE = 0.3
PROBES_ONLY = ("regional", "regional_rule")
ROWS = (
    ("fixed", 1.0, 0.0),
    ("actuated_5_50", 1.0, 0.0),
    ("wave_50", 1.0, 0.0),
    ("regional_rule", 0.1, 0.0),
    ("regional_rule", 1.0, 0.0),
    ("regional", 0.1, 0.0),
    ("regional", 1.0, 0.0),
    ("fixed", 1.0, OD_NOISE),
    ("actuated_5_50", 1.0, OD_NOISE),
    ("regional_rule", 0.1, OD_NOISE),
    ("regional", 0.1, OD_NOISE),
)


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to play."""

    net: str
    controller: str
    penetration: float
    od_noise: float
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
            "demand": {"od_noise": job.od_noise, "od_seed": job.seed},
        }
    )
    entry = entries(model)[job.controller]
    unasked = {"trials": 0} if job.controller in PROBES_ONLY else None
    with SignalControl(model, entry.interface) as problem:
        controller = make_controller(problem, entry, unasked, job.controller)
        record = evaluate(problem, controller, [job.seed], name=job.controller)[0]
    return Outcome(
        record.metrics["true_delay_s"],
        record.metrics["never_inserted_veh"],
        bool(record.metrics["gridlock"]),
        record.budget.cpu_s,
    )


def logged(log: Path | None) -> dict[Job, Outcome]:
    """Episodes already played."""
    return {Job(**row["job"]): Outcome(**row["outcome"]) for row in read_rows(log)}


def play_all(jobs: list[Job], log: Path | None, workers: int) -> dict[Job, Outcome]:
    """Outcomes of all jobs, those of the log not played again."""
    found = logged(log)
    missing = [job for job in jobs if job not in found]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, max_tasks_per_child=1) as pool:
        for job, outcome in zip(missing, pool.map(play, missing), strict=True):
            found[job] = outcome
            append_row(log, {"job": asdict(job), "outcome": asdict(outcome)})
    return found


def main() -> None:
    """Play all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="ingolstadt21w")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--controllers", nargs="+", default=sorted({row[0] for row in ROWS}))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--log", type=Path, help="file of finished episodes")
    chosen = parser.parse_args()
    rows = {
        row: [Job(chosen.net, *row, seed) for seed in chosen.seeds]
        for row in ROWS
        if row[0] in chosen.controllers
    }
    found = play_all([job for jobs in rows.values() for job in jobs], chosen.log, chosen.workers)
    print(f"{chosen.net}, profile resco, seeds {chosen.seeds}")
    print(
        f"{'controller':16s} {'probes':>6s} {'demand':>8s} {'mean s':>8s} {'worst s':>8s} "
        f"{'never':>6s} {'grid':>5s} {'vs plan':>9s} {'CPU-s':>7s}"
    )
    plan_s: dict[float, float] = {}
    for (name, share, noise), jobs in rows.items():
        played = [found[job] for job in jobs]
        mean_s = fmean(outcome.delay_s for outcome in played)
        if name == "fixed":
            plan_s[noise] = mean_s
        against = f"{100 * (mean_s / plan_s[noise] - 1):+7.1f} %" if noise in plan_s else "-"
        seen = f"{share:.0%}" if name in PROBES_ONLY else "-"
        demand = f"OD ±{noise:.0%}" if noise else "given"
        print(
            f"{name:16s} {seen:>6s} {demand:>8s} {mean_s:8.1f} "
            f"{max(o.delay_s for o in played):8.1f} {fmean(o.never for o in played):6.0f} "
            f"{sum(o.gridlock for o in played):5d} {against:>9s} "
            f"{fmean(o.cpu_s for o in played):7.1f}"
        )


if __name__ == "__main__":
    main()
