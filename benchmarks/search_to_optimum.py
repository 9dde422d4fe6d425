"""Unique simulator calls to the exact optimum of DRAM space A, 40 seeds, four seed workloads.

Every design of the space is simulated once per workload (first 2,000 requests; stored, about 3
CPU minutes each), so that the optimum is known and a search costs no simulation. Methods without
a vectorised form (CMA-ES, TPE, Gaussian processes) run one by one.

Run: ``python benchmarks/search_to_optimum.py --folder tables --workloads random cloud-1``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from search_tables import WORKLOADS, dram_table
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.table import Table, search_table, search_table_once


def calls_to_optimum(name: str, table: Table, workload: int, seeds: int, calls: int) -> np.ndarray:
    """Unique calls at which each seed first met the optimum, 0 where it did not."""
    entry = OPTIMIZERS[name]
    if entry.vectorise is None:
        runs = [
            search_table_once(make(name, table.space, seed), table, workload, calls)
            for seed in range(seeds)
        ]
        return np.array([int(run.to_optimum[0]) for run in runs])
    algorithm = entry.vectorise(table.space, list(range(seeds)), **entry.defaults)
    which = np.full(seeds, workload)
    return search_table(algorithm, table, which, calls, to_optimum=True).to_optimum


def line(name: str, calls: np.ndarray, limit: int, cpu_s: float) -> str:
    """Median and quartiles; a seed that missed counts as more than the limit."""
    spent = np.where(calls > 0, calls, np.inf)
    quartiles = np.quantile(spent, [0.25, 0.5, 0.75], method="inverted_cdf")
    low, median, high = (f"{q:.0f}" if np.isfinite(q) else f">{limit}" for q in quartiles)
    hits = f"{int((calls > 0).sum())}/{len(calls)}"
    return f"{name:14s} {median:>7s} {low:>7s} – {high:<7s} {hits:>7s} {cpu_s:10.1f}"


def main() -> None:
    """Print one table a workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("trimtab-work/cache"))
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--hold-refresh", action="store_true", help="without the refresh knobs")
    parser.add_argument("--optimizers", nargs="+", default=None, choices=list(OPTIMIZERS))
    args = parser.parse_args()
    table = dram_table(
        args.workloads,
        args.requests,
        args.folder,
        hold_refresh=args.hold_refresh,
        processes=args.processes,
    )
    ids = args.optimizers or [n for n, e in OPTIMIZERS.items() if e.installed and n != "enumerate"]
    for k, workload in enumerate(args.workloads):
        ties = int((table.scores[k] == table.optima[k]).sum())
        print(f"\n{workload}: {table.scores.shape[1]} designs, {ties} of them optimal")
        print(f"{'optimizer':14s} {'median':>7s} {'quartiles':^17s} {'hits':>7s} {'CPU s':>10s}")
        for name in ids:
            started = time.process_time()
            calls = calls_to_optimum(name, table, k, args.seeds, args.calls)
            print(line(name, calls, args.calls, time.process_time() - started), flush=True)


if __name__ == "__main__":
    main()
