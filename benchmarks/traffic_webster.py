"""Webster with offset optimisation against the shipped plans of the eight RESCO networks.

Per network: true delay of the shipped plan and of the chosen plan on seeds 1-3 (never used to
choose), the worst seed, the gain, the delay the queue model predicts for the plan (queues plus
floor), and the CPU time of planning.

    python benchmarks/traffic_webster.py [--maxband] [network ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from trimtab_traffic.conflict_groups import read_drivers
from trimtab_traffic.floor import run_floor
from trimtab_traffic.plan_choice import designed_plans, proved_plan
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


def main(words: list[str]) -> None:
    """Print the table."""
    method = "maxband" if "--maxband" in words else "platoon"
    names = [word for word in words if not word.startswith("--")]
    print("network         shipped s (worst)   webster s (worst)    gain  cycle  model s  CPU-s")
    for source in RESCO_NETS:
        if names and source.name not in names:
            continue
        problem = SignalsProblem(
            network=NetworkSource(wheel=source.name), rules=RuleSettings(profile="resco")
        )
        with tempfile.TemporaryDirectory() as folder:
            case = prepare(problem, PLANNING_SEED, Path(folder))
            began = cpu_s()
            designs = designed_plans(problem, case, {}, method)
            plan = proved_plan(case, {}, [design.programs for design in designs])
            spent = cpu_s() - began
            shipped = [simulate_plan(case, {}, seed) for seed in SEEDS]
            chosen = [simulate_plan(case, plan, seed) for seed in SEEDS] if plan else shipped
            model = predicted_s(case, plan)
        cycles = sorted({round(program.cycle_s) for program in plan.values()})
        gain = 1.0 - sum(chosen) / sum(shipped)
        print(
            f"{source.name:14} {sum(shipped) / 3:8.1f} ({max(shipped):6.1f})"
            f"   {sum(chosen) / 3:8.1f} ({max(chosen):6.1f})   {gain:6.1%}"
            f"  {','.join(map(str, cycles)) or 'shipped'}  {model:7.1f}  {spent:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
