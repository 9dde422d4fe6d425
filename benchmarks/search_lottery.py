"""The hyper-parameter lottery: 9 algorithms × 50 settings × 10 seeds × 4 workloads.

How often does an algorithm find the exact optimum of DRAM space A, if its settings are drawn
from their ranges? 18,000 searches on exact tables (Krishnan et al., "ArchGym", ISCA 2023, name
the effect). Settings that shape arrays are grouped, all others run side by side.

Run: ``python benchmarks/search_lottery.py --folder tables``; ``--calls 200`` unique calls each.
"""

from __future__ import annotations

import argparse
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


def lottery(name: str, table: Table, settings: int, seeds: int, calls: int) -> np.ndarray:
    """Calls to the optimum [settings, workloads, seeds], 0 where it was not met."""
    entry = OPTIMIZERS[name]
    if entry.vectorise is None:
        msg = f"{name} has no vectorised form"
        raise SystemExit(msg)
    real = {p.name for p in entry.hyperparameters.parameters if isinstance(p, Float)}
    drawn = drawn_settings(name, settings)
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, setting in enumerate(drawn):
        groups[tuple(value for key, value in setting.items() if key not in real)].append(i)
    workloads = len(table.scores)
    out = np.zeros((settings, workloads, seeds), np.int64)
    for members in groups.values():
        step = max(1, _TOGETHER // (workloads * seeds))
        for first in range(0, len(members), step):
            some = members[first : first + step]
            out[some] = _side_by_side(name, table, [drawn[i] for i in some], real, seeds, calls)
    return out


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
    searches, started = 0, time.process_time()
    for name in args.algorithms:
        begun = time.process_time()
        found = lottery(name, table, args.settings, args.seeds, args.calls) > 0
        share = found.mean(axis=(1, 2))
        searches += found.size
        figures = (found.mean(), share.max(), np.median(share), share.min())
        shown = " ".join(f"{100 * f:5.1f}%" for f in figures)
        print(f"{name:14s} {shown} {time.process_time() - begun:7.1f}", flush=True)
    print(f"{searches} searches in {time.process_time() - started:.0f} CPU s, one thread")


if __name__ == "__main__":
    main()
