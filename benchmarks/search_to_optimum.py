"""Unique simulator calls to the exact optimum of DRAM space A, 40 seeds, four seed workloads.

Every design of the space is simulated once per workload (10,000 requests; stored, 1 to 2 CPU
minutes each), so that the optimum is known and a search costs no simulation. Methods without
a vectorised form (CMA-ES, TPE, Gaussian processes) run one by one. Searches that the results file
holds already are not run again.

Run: ``python benchmarks/search_to_optimum.py --folder tables --workloads random cloud-1``.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from search_tables import WORKLOADS, dram_table
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.table import Table, search_table, search_table_once


@dataclass(frozen=True, slots=True)
class Found:
    """Calls to the optimum by seed (0: not met) and CPU seconds of the searches behind them."""

    calls: dict[int, int] = field(default_factory=dict)
    cpu_s: list[float] = field(default_factory=list)


class Results:
    """What was found before, in a file of JSON lines.

    Args:
        path: of the file.
        setting: what must be equal for a result to count: workload, requests, calls, ...
    """

    def __init__(self, path: Path, setting: dict[str, Any]) -> None:
        self._path, self._setting = path, setting

    def of(self, name: str) -> Found:
        """Everything stored of one optimizer."""
        found = Found()
        for line_ in self._path.read_text().splitlines() if self._path.exists() else []:
            row = json.loads(line_)
            if row["setting"] == self._setting and row["optimizer"] == name:
                found.calls.update((int(s), c) for s, c in row["calls"].items())
                found.cpu_s.append(row["cpu_s"])
        return found

    def add(self, name: str, calls: dict[int, int], cpu_s: float) -> None:
        """Append the results of some seeds."""
        row = {"setting": self._setting, "optimizer": name, "calls": calls, "cpu_s": cpu_s}
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def search_missing(
    name: str, table: Table, workload: int, seeds: int, calls: int, results: Results
) -> Found:
    """Run the seeds that are not stored yet: one by one, or side by side if vectorised."""
    entry = OPTIMIZERS[name]
    missing = [seed for seed in range(seeds) if seed not in results.of(name).calls]
    groups = [[seed] for seed in missing] if entry.vectorise is None else [missing]
    for group in groups if missing else []:
        started = time.process_time()
        if entry.vectorise is None:
            found = search_table_once(make(name, table.space, group[0]), table, workload, calls)
        else:
            algorithm = entry.vectorise(table.space, group, **entry.defaults)
            which = np.full(len(group), workload)
            found = search_table(algorithm, table, which, calls, to_optimum=True)
        met = dict(zip(group, found.to_optimum.tolist(), strict=True))
        results.add(name, met, time.process_time() - started)
    return results.of(name)


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
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--hold-refresh", action="store_true", help="without the refresh knobs")
    parser.add_argument("--results", type=Path, default=Path("search_to_optimum.jsonl"))
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
        setting = {
            "workload": workload,
            "requests": args.requests,
            "calls": args.calls,
            "hold_refresh": args.hold_refresh,
        }
        for name in ids:
            found = search_missing(
                name, table, k, args.seeds, args.calls, Results(args.results, setting)
            )
            met = np.array([calls for seed, calls in found.calls.items() if seed < args.seeds])
            print(line(name, met, args.calls, sum(found.cpu_s)), flush=True)


if __name__ == "__main__":
    main()
