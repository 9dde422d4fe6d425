"""Webster with offset optimisation against the shipped plans of the eight RESCO networks.

Per network: true delay of the shipped plan and of the chosen plan on seeds 1-3 (never used to
choose), the worst seed, the gain, the delay the queue model predicts for the plan (queues plus
floor), and the CPU time of planning.

    python benchmarks/traffic_webster.py --log webster.jsonl [--maxband] [network ...]

With --log, networks are appended to the file as they end, and those that it already holds are not
planned again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import fmean

from episode_log import append_row, read_rows
from trimtab_traffic.conflict_groups import read_drivers
from trimtab_traffic.floor import run_floor
from trimtab_traffic.plan_choice import OffsetMethod, designed_plans, proved_plan
from trimtab_traffic.queue_model import build_queue_network, model_delay, timetable
from trimtab_traffic.rawrun import Case, prepare, simulate_plan
from trimtab_traffic.scenario import NetworkSource, RuleSettings, SignalsProblem
from trimtab_traffic.signals import Program
from trimtab_traffic.sources import RESCO_NETS

SEEDS = (1, 2, 3)
PLANNING_SEED = 900_001


def cpu_s() -> float:
    """CPU time of this process and its children, s."""
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def predicted_s(case: Case, plan: dict[str, Program]) -> float:
    """Delay of a plan in the queue model plus the floor, s per vehicle."""
    floor = run_floor(case)
    drivers = read_drivers((*case.options.additional, *case.options.routes))
    queues = build_queue_network(
        case.network, floor.passages, case.slots, drivers.tau_s, drivers.space_m
    )
    programs = {s.id: s.program for s in case.network.controllable} | plan
    found = model_delay(queues, timetable(queues, programs), begin_s=round(case.begin_s))
    vehicles = floor.delay.inserted + len(floor.delay.never)
    return floor.delay.mean_s + found.total_veh_s / vehicles


@dataclass(frozen=True, slots=True)
class Row:
    """What planning gave on one network; delays in s, one per seed."""

    net: str
    method: str
    shipped_s: list[float]
    chosen_s: list[float]
    cycles_s: list[int]
    model_s: float
    cpu_s: float

    @property
    def gain(self) -> float:
        """Share of the shipped plan's delay that is saved."""
        return 1.0 - sum(self.chosen_s) / sum(self.shipped_s)


def plan_network(net: str, method: OffsetMethod) -> Row:
    """Plan one network and simulate both plans on unseen seeds."""
    problem = SignalsProblem(network=NetworkSource(wheel=net), rules=RuleSettings(profile="resco"))
    with tempfile.TemporaryDirectory() as folder:
        case = prepare(problem, PLANNING_SEED, Path(folder))
        began = cpu_s()
        designs = designed_plans(problem, case, {}, method)
        plan = dict(proved_plan(case, {}, [design.programs for design in designs]))
        spent = cpu_s() - began
        shipped = [simulate_plan(case, {}, seed) for seed in SEEDS]
        chosen = [simulate_plan(case, plan, seed) for seed in SEEDS] if plan else shipped
        model = predicted_s(case, plan)
    cycles = sorted({round(program.cycle_s) for program in plan.values()})
    return Row(net, method, shipped, chosen, cycles, model, spent)


def main() -> None:
    """Plan what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", default=[source.name for source in RESCO_NETS])
    parser.add_argument("--maxband", action="store_true", help="offsets by MAXBAND")
    parser.add_argument("--log", type=Path, help="file of finished networks")
    chosen = parser.parse_args()
    method: OffsetMethod = "maxband" if chosen.maxband else "platoon"
    log: Path | None = chosen.log
    done = {(row.net, row.method): row for row in (Row(**told) for told in read_rows(log))}
    print("network         shipped s (worst)   webster s (worst)    gain  cycle  model s  CPU-s")
    for net in chosen.nets:
        row = done.get((net, method)) or plan_network(net, method)
        if (net, method) not in done:
            append_row(log, asdict(row))
        print(
            f"{net:14} {fmean(row.shipped_s):8.1f} ({max(row.shipped_s):6.1f})"
            f"   {fmean(row.chosen_s):8.1f} ({max(row.chosen_s):6.1f})   {row.gain:6.1%}"
            f"  {','.join(map(str, row.cycles_s)) or 'shipped'}  {row.model_s:7.1f}"
            f"  {row.cpu_s:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
