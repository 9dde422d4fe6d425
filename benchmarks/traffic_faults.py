"""What faults, few probes and disturbances cost each controller, beside actuated control.

    python benchmarks/traffic_faults.py --log faults.jsonl
    python benchmarks/traffic_faults.py --net ingolstadt1 --controllers graph mpc --seeds 1 2 3
    python benchmarks/traffic_faults.py --profile field --conditions undisturbed "dead detectors" \
        --controllers graph --weights domains/traffic/trimtab_traffic/weights/graph.safetensors

Conditions: a fifth of the lanes with dead detectors; sensors that are a tenth of the vehicles; 30 %
more demand; one lane of the longest approach of several lanes closed for a quarter of an hour; an
emergency vehicle every five minutes. Per condition: mean true delay, worst seed, the change against
the same controller undisturbed, that against actuated control under the same condition, jams, and
stops of emergency vehicles. Every episode gets a fresh process. With --log, episodes are appended
to the file as they end, and those that it already holds are not played again. --weights makes
`graph` play a file in place of the student that suits the condition: give each file a log of its
own.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product, repeat
from pathlib import Path
from statistics import fmean
from typing import Any

from episode_log import append_row, read_rows
from trimtab.run.grants import make_controller
from trimtab.run.runner import evaluate
from trimtab_traffic.controllers import entries
from trimtab_traffic.network import compile_network
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem
from trimtab_traffic.sources import find_net

YARDSTICK = "actuated_5_50"
CONDITIONS: dict[str, dict[str, Any]] = {
    "undisturbed": {},
    "dead detectors": {"sensors": {"faults": [{"kind": "stuck_off", "share": 0.2}]}},
    "probes": {"sensors": {"kind": "probes", "penetration": 0.1}},
    "surge": {"demand": {"scale": 1.3}},
    "closure": {},
    "emergency": {"priority": {"emergency_every_s": 300}},
}


@dataclass(frozen=True, slots=True)
class Job:
    """One episode to play."""

    net: str
    condition: str
    controller: str
    seed: int
    profile: str = "resco"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it gave; `stops` are those of an emergency vehicle, 0 without any."""

    delay_s: float
    gridlock: bool
    stops: float
    cpu_s: float


def closed_lane(net: str) -> str:
    """A lane of the longest signalled approach that has several."""
    network = compile_network(find_net(net).net_file)
    edges = {network.lanes[lane].edge for s in network.controllable for lane in s.approach_lanes}
    several = [network.edges[edge] for edge in sorted(edges) if len(network.edges[edge].lanes) > 1]
    return max(several, key=lambda edge: network.lanes[edge.lanes[0]].length_m).lanes[0]


def play(job: Job, weights: str | None) -> Outcome:
    """Play one episode in this process, `graph` with these weights if any are given."""
    raw = {"network": {"wheel": job.net}, "rules": {"profile": job.profile}}
    raw |= CONDITIONS[job.condition]
    if job.condition == "closure":
        raw["closures"] = [{"lane": closed_lane(job.net), "start_s": 900, "end_s": 1800}]
    model = SignalsProblem.model_validate(raw)
    entry = entries(model)[job.controller]
    with SignalControl(model, entry.interface) as problem:
        given = {"weights": weights} if weights and job.controller == "graph" else None
        controller = make_controller(problem, entry, given, name=job.controller)
        (record,) = evaluate(problem, controller, [job.seed], name=job.controller)
    return Outcome(
        record.metrics["true_delay_s"],
        bool(record.metrics["gridlock"]),
        record.metrics.get("emergency_stops", 0.0),
        record.budget.cpu_s,
    )


def logged(log: Path | None) -> dict[Job, Outcome]:
    """Episodes already played."""
    return {Job(**row["job"]): Outcome(**row["outcome"]) for row in read_rows(log)}


def play_all(jobs: Sequence[Job], log: Path | None, weights: str | None) -> dict[Job, Outcome]:
    """Outcomes of all jobs, those of the log not played again."""
    found = logged(log)
    missing = [job for job in jobs if job not in found]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        for job, outcome in zip(missing, pool.map(play, missing, repeat(weights)), strict=True):
            found[job] = outcome
            append_row(log, {"job": asdict(job), "outcome": asdict(outcome)})
    return found


def lines(found: dict[Job, Outcome]) -> Iterator[str]:
    """The table, condition by condition."""
    cells: dict[tuple[str, str], list[Outcome]] = {}
    for job, outcome in found.items():
        cells.setdefault((job.condition, job.controller), []).append(outcome)

    def mean_s(condition: str, controller: str) -> float:
        return fmean(row.delay_s for row in cells[condition, controller])

    yield (
        f"{'condition':15} {'controller':14} {'mean':>8} {'worst':>8} {'own':>8} "
        f"{'actuated':>9} {'jams':>5} {'stops':>6}"
    )
    for (condition, controller), rows in cells.items():
        mean = mean_s(condition, controller)
        own = 100 * (mean / mean_s("undisturbed", controller) - 1)
        beside = 100 * (mean / mean_s(condition, YARDSTICK) - 1)
        yield (
            f"{condition:15} {controller:14} {mean:8.1f} {max(r.delay_s for r in rows):8.1f} "
            f"{own:+6.1f} % {beside:+7.1f} % {sum(r.gridlock for r in rows):5d} "
            f"{fmean(r.stops for r in rows):6.2f}"
        )


def main() -> None:
    """Play what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="cologne8")
    parser.add_argument("--controllers", nargs="+", default=["mph_split", "mpc", "graph"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[201, 202, 203])
    parser.add_argument("--log", type=Path, help="file of finished episodes, read and appended to")
    parser.add_argument("--profile", default="resco", choices=("resco", "field"))
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--weights", help="weights that `graph` plays in place of the shipped ones")
    chosen = parser.parse_args()
    controllers = dict.fromkeys([YARDSTICK, *chosen.controllers])
    conditions = dict.fromkeys(["undisturbed", *chosen.conditions])
    triples = product(conditions, controllers, chosen.seeds)
    jobs = [Job(chosen.net, *triple, chosen.profile) for triple in triples]
    found = play_all(jobs, chosen.log, chosen.weights)
    print("\n".join(lines({job: found[job] for job in jobs})))


if __name__ == "__main__":
    main()
