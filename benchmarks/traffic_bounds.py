"""Bounds of the eight RESCO networks, and a check that the junction model is optimistic.

Per network: the bound of seeds 1-3 beside the published floor, its CPU time beside that of one
simulated episode, and the cost that the junction optima find for the crossing times of a run under
the shipped plan. That cost must be 0: what SUMO did, the model can do without delay.

    python benchmarks/traffic_bounds.py [network ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from trimtab_traffic.bounds import bound
from trimtab_traffic.conflict_groups import Junctions, read_drivers
from trimtab_traffic.floor import read_passages
from trimtab_traffic.junction_dp import solve, with_fitting_caps
from trimtab_traffic.rawrun import prepare, simulate
from trimtab_traffic.scenario import NetworkSource, RuleSettings, SignalsProblem
from trimtab_traffic.sources import RESCO_NETS

PUBLISHED_S = (7.9, 30.6, 2.4, 3.9, 7.5, 4.2, 6.6, 19.5)  # table of floors, seeds 1-3
SEEDS = (1, 2, 3)


def cpu_s() -> float:
    """CPU time of this process and its children, s."""
    children = getrusage(RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(call: Callable[[], object]) -> float:
    """CPU time of a call, s."""
    began = cpu_s()
    call()
    return cpu_s() - began


def recorded_cost(problem: SignalsProblem) -> tuple[int, float]:
    """Junction optima for the crossing times of a shipped-plan run, and the run's CPU seconds."""
    with tempfile.TemporaryDirectory() as name:
        case = prepare(problem, SEEDS[0], Path(name))
        episode_s = timed(lambda: simulate(case, case.options))
        routes = Path(name) / "routes.xml"
        words = ("--vehroute-output", str(routes), "--vehroute-output.exit-times", "true")
        options = replace(case.options, extra=(*words, "--vehroute-output.write-unfinished"))
        simulate(case, options)
        drivers = read_drivers((*case.options.additional, *case.options.routes))
        passages = read_passages(routes, case)
        sets = Junctions(case.network, passages, drivers, problem.profile, case.slots).sets()
        return sum(solve(with_fitting_caps(s.model)).cost_veh_s for s in sets), episode_s


def main(names: list[str]) -> None:
    """Print the table."""
    print("network        floor s (published)  spread  kind   CPU-s (episode)  recorded run veh-s")
    for source, published in zip(RESCO_NETS, PUBLISHED_S, strict=True):
        if names and source.name not in names:
            continue
        problem = SignalsProblem(
            network=NetworkSource(wheel=source.name), rules=RuleSettings(profile="resco")
        )
        found = [bound(problem, seed) for seed in SEEDS]
        values = [b.value for b in found]
        mean = sum(values) / len(values)
        cost, episode_s = recorded_cost(problem)
        spread = max(values) / min(values) - 1
        print(
            f"{source.name:14} {mean:7.2f} ({published:5.1f})      {spread:6.1%}"
            f"  {found[0].kind:6} {found[-1].cpu_s:6.2f} ({episode_s:6.2f})  {cost:8d}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
