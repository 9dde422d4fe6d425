"""Enumeration of space A on the four seed workloads: time, optimum, and who never wins.

Run: python benchmarks/dram_enumerate.py [REQUESTS] [FOLDER] [WORKLOAD ...]
Per workload: designs, simulations made, CPU seconds of them, wall seconds with two processes,
checksum of the results; reference, optimum (and its ties) and closed-form bound of energy × time;
whether a design that has one buffer entry, or one active transaction under a queued arbiter is
among the best. Tables and parts of them are
kept in the folder, so a broken run goes on where it was.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from trimtab_hardware.dram.certificates import closed_form
from trimtab_hardware.dram.enumerate import (
    COST,
    SIMULATED,
    check_table,
    enumerate_space,
    feasible,
    true_front,
)
from trimtab_hardware.dram.problem import DramProblem
from trimtab_hardware.dram.scenario import DramScenario, Workload
from trimtab_hardware.dram.workloads import SEED_WORKLOADS


def enumerate_workload(name: str, requests: int, folder: Path) -> None:
    """Enumerate one workload and print what came of it."""
    workload = Workload.model_validate({"seed": name, "requests": requests})
    problem = DramProblem(DramScenario(workloads=(workload,)))
    started = time.monotonic()
    table = enumerate_space(problem, folder)
    wall_s = time.monotonic() - started
    check_table(problem, table)
    own = table.column(SIMULATED) > 0
    score = np.where(feasible(problem, table), table.values[:, 0], np.inf)
    best = np.flatnonzero(score == score.min())
    designs = problem.spec.space.designs(table.designs[best])
    reference = problem.measured({})["energy_delay_uj_us"]
    print(
        f"{name}: {len(table.designs)} designs from {int(own.sum())} simulations, "
        f"{table.column(COST)[own].sum():.0f} CPU s, {wall_s:.0f} s wall, "
        f"results {table.results_checksum[:16]}, front of {len(true_front(problem, table))}"
    )
    print(
        f"  reference {reference:.1f} µJ·µs, optimum {score.min():.1f} ({len(best)} ties), "
        f"closed-form bound {closed_form(problem)[0]:.1f}"
    )
    one_entry = sum(d["request_buffer_size"] == 1 for d in designs)
    one_active = sum(
        d["arbiter"] != "Simple" and d["max_active_transactions"] == 1 for d in designs
    )
    print(f"  among the best: {one_entry} with one entry, {one_active} with one transaction")
    print(f"  one of them: {designs[0]}", flush=True)


def main() -> None:
    """Enumerate the workloads that are named, or all four."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("trimtab-work/cache")
    for name in sys.argv[3:] or SEED_WORKLOADS:
        enumerate_workload(name, requests, folder)


if __name__ == "__main__":
    main()
