"""The hyper-parameter lottery: 9 algorithms × 50 settings × 10 seeds × 4 workloads.

How often does an algorithm find the exact optimum of DRAM space A, if its settings are drawn
from their ranges? 18,000 searches on exact tables (Krishnan et al., "ArchGym", ISCA 2023, name
the effect). Settings that shape arrays are grouped, all others run side by side.

Run: ``python benchmarks/search_lottery.py --folder tables``; ``--calls 200`` unique calls each.
Finished groups of settings are kept in the results file, so that a broken run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from search_tables import WORKLOADS, dram_table
from trimtab.contracts.parameters import Float
from trimtab.search.catalogue import OPTIMIZERS
from trimtab.search.table import Table, search_table

ALGORITHMS = (
    "coordinate",
    "screening",
    "annealing",
    "genetic",
    "differential",
    "ant_colony",
    "ppo",
    "marl",
    "marl_credit",
)
_TOGETHER = 400  # runs side by side: bounds the memory of who has seen what


def drawn_settings(name: str, settings: int) -> list[dict[str, Any]]:
    """Settings drawn uniformly (log-uniformly where so declared) from their ranges."""
    space = OPTIMIZERS[name].hyperparameters
    return space.designs(space.sample(settings, np.random.default_rng(7)))


class Results:
    """Finished groups of settings in a file of JSON lines.

    Args:
        path: of the file.
        setting: what must be equal for a line to count: table, settings, seeds, calls.
    """

    def __init__(self, path: Path, setting: dict[str, Any]) -> None:
        self._path, self._setting = path, setting

    def of(self, name: str) -> list[dict[str, Any]]:
        """Lines of one algorithm: `members`, `calls` [members, workloads, seeds] and `cpu_s`."""
        text = self._path.read_text() if self._path.exists() else ""
        rows = [json.loads(line) for line in text.splitlines()]
        return [r for r in rows if r["setting"] == self._setting and r["algorithm"] == name]

    def add(self, name: str, members: list[int], calls: np.ndarray, cpu_s: float) -> None:
        """Append one group."""
        row = {"setting": self._setting, "algorithm": name, "members": members}
        with self._path.open("a") as file:
            file.write(json.dumps({**row, "calls": calls.tolist(), "cpu_s": cpu_s}) + "\n")


def lottery(
    name: str, table: Table, settings: int, seeds: int, calls: int, results: Results
) -> tuple[np.ndarray, float]:
    """Calls to the optimum [settings, workloads, seeds], 0 where it was not met; CPU seconds."""
    entry = OPTIMIZERS[name]
    if entry.vectorise is None:
        msg = f"{name} has no vectorised form"
        raise SystemExit(msg)
    real = {p.name for p in entry.hyperparameters.parameters if isinstance(p, Float)}
    drawn = drawn_settings(name, settings)
    done = {k for row in results.of(name) for k in row["members"]}
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, setting in enumerate(drawn):
        if i not in done:
            groups[tuple(value for key, value in setting.items() if key not in real)].append(i)
    step = max(1, _TOGETHER // (len(table.scores) * seeds))
    for members in groups.values():
        for first in range(0, len(members), step):
            some, begun = members[first : first + step], time.process_time()
            met = _side_by_side(name, table, [drawn[i] for i in some], real, seeds, calls)
            results.add(name, some, met, time.process_time() - begun)
    out, cpu_s = np.zeros((settings, len(table.scores), seeds), np.int64), 0.0
    for row in results.of(name):
        out[row["members"]] = row["calls"]
        cpu_s += row["cpu_s"]
    return out, cpu_s


def _side_by_side(
    name: str, table: Table, some: list[dict[str, Any]], real: set[str], seeds: int, calls: int
) -> np.ndarray:
    each = len(table.scores) * seeds
    vectorise = OPTIMIZERS[name].vectorise
    assert vectorise is not None  # noqa: S101 - checked by the caller
    arguments = {
        key: np.repeat([s[key] for s in some], each) if key in real else some[0][key]
        for key in some[0]
    }
    workload = np.tile(np.repeat(np.arange(len(table.scores)), seeds), len(some))
    seed = np.tile(np.arange(seeds), each // seeds * len(some))
    algorithm = vectorise(table.space, seed, **arguments)
    found = search_table(algorithm, table, workload, calls, to_optimum=True)
    return found.to_optimum.reshape(len(some), len(table.scores), seeds)


def main() -> None:
    """Print the table and the CPU time it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("trimtab-work/cache"))
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--settings", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--algorithms", nargs="+", default=list(ALGORITHMS), choices=ALGORITHMS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("search_lottery.jsonl"))
    parser.add_argument("--hold-refresh", action="store_true", help="without the refresh knobs")
    args = parser.parse_args()
    table = dram_table(
        args.workloads,
        args.requests,
        args.folder,
        hold_refresh=args.hold_refresh,
        processes=args.processes,
    )
    print(f"{table.scores.shape[1]} designs, workloads {', '.join(args.workloads)}")
    print(f"share of searches that meet the optimum within {args.calls} unique calls")
    print(f"{'algorithm':14s} {'all':>6s} {'best':>6s} {'median':>6s} {'worst':>6s} {'CPU s':>7s}")
    setting = {
        "workloads": args.workloads,
        "requests": args.requests,
        "hold_refresh": args.hold_refresh,
        "settings": args.settings,
        "seeds": args.seeds,
        "calls": args.calls,
    }
    results = Results(args.results, setting)
    searches, spent_s = 0, 0.0
    for name in args.algorithms:
        calls, cpu_s = lottery(name, table, args.settings, args.seeds, args.calls, results)
        found = calls > 0
        share = found.mean(axis=(1, 2))
        searches, spent_s = searches + found.size, spent_s + cpu_s
        figures = (found.mean(), share.max(), np.median(share), share.min())
        shown = " ".join(f"{100 * f:5.1f}%" for f in figures)
        print(f"{name:14s} {shown} {cpu_s:7.1f}", flush=True)
    print(f"{searches} searches in {spent_s:.0f} CPU s, one thread")


if __name__ == "__main__":
    main()
