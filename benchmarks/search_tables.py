"""Exact tables that the search benchmarks run on: space A on the four seed workloads of DRAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from trimtab.search.optimizer import penalised
from trimtab.search.table import Table
from trimtab_hardware.dram.enumerate import COST, enumerate_space
from trimtab_hardware.dram.problem import DramProblem, evaluation_of
from trimtab_hardware.dram.scenario import DramScenario, Workload

WORKLOADS = ("stream", "random", "cloud-1", "cloud-2")
HELD: dict[str, str | int] = {"refresh_max_postponed": 1, "refresh_max_pulled_in": 1}


def dram_table(
    workloads: list[str], requests: int, folder: Path, *, hold_refresh: bool, processes: int
) -> Table:
    """Energy × time of every design, one row of scores a workload; enumerated once, then loaded.

    Args:
        workloads: of `WORKLOADS`.
        requests: prefix of each.
        folder: where tables are kept.
        hold_refresh: leave out the two refresh knobs (9,792 designs instead of 156,672).
        processes: simulators at the same time.
    """
    scores = []
    for name in workloads:
        scenario = DramScenario(
            workloads=(Workload(seed=name, requests=requests),),
            fixed=HELD if hold_refresh else {},
        )
        problem = DramProblem(scenario)
        table = enumerate_space(problem, folder, processes=processes)
        known = evaluation_of(problem.spec, table.metrics(slice(None)), table.column(COST))
        scores.append(penalised(known.objectives[:, 0], known.constraints))
    return Table(problem.spec.space, table.designs, np.array(scores))
