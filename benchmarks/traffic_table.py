"""Signal controllers on the eight RESCO networks, beside the figures of the specification.

    python benchmarks/traffic_table.py --log table.jsonl        # all networks, controllers, seeds
    python benchmarks/traffic_table.py --nets cologne8 --controllers fixed graph --seeds 1 2 3

Plays every controller that a network offers, classical and learned, as it ships. Prints the mean
true delay over the seeds, the worst seed, never-inserted vehicles, gridlocks, the expected mean
(SUMO 1.28, seeds 1 to 3) and the difference; each episode is told on stderr as it ends. Every
episode gets a fresh process, because a libsumo that has simulated before can give slightly other
trips; CPU-seconds are the episode's. With --log, episodes are appended to the file as they end, and
those that it already holds are not played again: a table that was cut short goes on.

The same rows under SUMO 1.9.1: `traffic_sumo191.py`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from episode_log import append_row, read_rows
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

NETS = (
    "grid4x4", "arterial4x4", "cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7w",
    "ingolstadt21w",
)  # fmt: skip
EXPECTED = {  # mean true delay of seeds 1-3 [s], benchmark timing, SUMO 1.28.0
    "fixed": (91.5, 1470.7, 43.3, 35.8, 49.0, 29.3, 127.4, 140.1),
    "actuated_5_50": (69.3, 792.8, 72.5, 36.7, 43.6, 19.4, 33.0, 77.0),
    "delay_based": (65.2, 980.5, 75.3, 97.6, 55.6, 24.7, 65.0, 111.1),
    "greedy": (46.1, 811.8, 25.2, 249.9, 25.6, 14.7, 217.1, 241.6),
    "mp_split": (39.2, 743.4, 23.1, 230.0, 28.4, 34.3, 214.3, 360.4),
    "mph_split": (50.3, 807.1, 25.2, 22.0, 23.6, 14.6, 217.0, 216.1),
    "mp_move": (48.6, 722.3, 22.2, 22.0, 32.7, 14.6, 27.2, 252.2),
    "wave_50": (32.8, 817.0, 18.1, 17.9, 17.7, 13.9, 32.1, 57.2),
}
TABLE_PARAMETERS = {  # rows of the specification are untuned
    "delay_based": {
        "min_green_s": 5, "max_green_s": 50, "min_time_loss_s": 1.0, "detector_range_m": 100.0,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to play."""

    net: str
    controller: str
    seed: int
    profile: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it gave."""

    job: Job
    delay_s: float
    never: float
    gridlock: bool
    cpu_s: float


def play(job: Job) -> Outcome:
    """Play one episode in this process."""
    raw = {"network": {"wheel": job.net}, "rules": {"profile": job.profile}}
    model = SignalsProblem.model_validate(raw)
    entry = entries(model)[job.controller]
    with SignalControl(model, entry.interface) as problem:
        parameters = TABLE_PARAMETERS.get(job.controller)
        controller = make_controller(problem, entry, parameters, name=job.controller)
        record = evaluate(problem, controller, [job.seed], name=job.controller)[0]
    return Outcome(
        job,
        record.metrics["true_delay_s"],
        record.metrics["never_inserted_veh"],
        bool(record.metrics["gridlock"]),
        record.budget.cpu_s,
    )


def offered(net: str, profile: str) -> list[str]:
    """Every controller that ships ready to play."""
    raw = {"network": {"wheel": net}, "rules": {"profile": profile}}
    model = SignalsProblem.model_validate(raw)
    return [name for name, entry in entries(model).items() if not entry.untrained]


def outcomes(jobs: Sequence[Job], log: Path | None, workers: int = 1) -> Iterator[Outcome]:
    """Outcome of each job in their order; those of the log are not played again."""
    found = {}
    for row in read_rows(log):
        job = Job(*row["job"])
        found[job] = Outcome(job, row["delay_s"], row["never"], row["gridlock"], row["cpu_s"])
    missing = [job for job in jobs if job not in found]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, max_tasks_per_child=1) as pool:
        played = pool.map(play, missing)
        for job in jobs:
            if job not in found:
                found[job] = next(played)
                append_row(log, as_row(found[job]))
                sys.stderr.write(
                    f"{job.net} {job.controller} seed {job.seed}: {found[job].delay_s:.2f} s\n"
                )
            yield found[job]


def as_row(outcome: Outcome) -> dict[str, object]:
    """Line of the log."""
    job = outcome.job
    return {
        "job": [job.net, job.controller, job.seed, job.profile],
        "delay_s": outcome.delay_s,
        "never": outcome.never,
        "gridlock": outcome.gridlock,
        "cpu_s": outcome.cpu_s,
    }


def expected(controller: str, net: str) -> float | None:
    """The specification's mean, if it has one."""
    row = EXPECTED.get(controller)
    return None if row is None else row[NETS.index(net)]


def line(rows: Sequence[Outcome]) -> str:
    """One row of the table."""
    job = rows[0].job
    mean = fmean(row.delay_s for row in rows)
    told = expected(job.controller, job.net) if job.profile == "resco" else None
    beside = "" if told is None else f"{told:9.1f} {100 * (mean / told - 1):+7.2f} %"
    return (
        f"{job.net:14s} {job.controller:16s} {mean:9.2f} {max(r.delay_s for r in rows):9.2f} "
        f"{fmean(r.never for r in rows):7.0f} {sum(r.gridlock for r in rows):5d} "
        f"{fmean(r.cpu_s for r in rows):8.2f} {beside}"
    ).rstrip()


def main() -> None:
    """Play all jobs and print the table as rows are complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--controllers", nargs="+", help="default: all that ship ready to play")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--profile", choices=("resco", "field"), default="resco")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--log", type=Path, help="file of finished episodes, read and appended to")
    chosen = parser.parse_args()
    print(f"profile {chosen.profile}, seeds {chosen.seeds}, true delay in s")
    print(
        f"{'network':14s} {'controller':16s} {'mean':>9s} {'worst':>9s} {'never':>7s} {'grid':>5s} "
        f"{'CPU-s':>8s} {'expected':>9s} {'differs':>9s}"
    )
    for net in chosen.nets:
        names = chosen.controllers or offered(net, chosen.profile)
        jobs = [Job(net, name, seed, chosen.profile) for name in names for seed in chosen.seeds]
        played = outcomes(jobs, chosen.log, chosen.workers)
        for _ in names:
            print(line([next(played) for _ in chosen.seeds]), flush=True)


if __name__ == "__main__":
    main()
