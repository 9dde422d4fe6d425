"""Requests per second and core of the DRAM engine, thread CPU time, median of five runs.

Streams and random lines with a third of writes, one request a cycle, on the reference controller.
`engine` is the compiled loop alone; `result` adds energy, counts and latencies.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from trimtab_hardware.dram import Configuration, Engine, Trace, load_part
from trimtab_hardware.dram.channel import run_channel

PARTS = ("ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8")


def workloads(requests: int) -> dict[str, Trace]:
    """The two traces, both saturating."""
    k = np.arange(requests)
    rng = np.random.default_rng(1)
    far = rng.integers(0, 1 << 24, requests)
    return {
        "stream": Trace.of(k, 64 * k % (1 << 30), np.zeros(requests, dtype=bool)),
        "random": Trace.of(k, 64 * far, rng.random(requests) < 1 / 3),
    }


def median_s(action: Callable[[], object]) -> float:
    """Thread CPU seconds, median of five."""
    action()
    times = []
    for _ in range(5):
        started = time.thread_time()
        action()
        times.append(time.thread_time() - started)
    return statistics.median(times)


def main() -> None:
    """Print one row per part and workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300_000)
    requests = parser.parse_args().requests
    design = Configuration()
    print(f"{'part':20} {'workload':8} {'engine M/s':>10} {'result M/s':>10}")
    for part in map(load_part, PARTS):
        for name, trace in workloads(requests).items():
            engine = Engine(trace, part)
            records = engine.split(1, 1)[0][1].copy()
            inner = median_s(lambda: run_channel(part, design, records))  # noqa: B023
            outer = median_s(lambda: engine.run(design))  # noqa: B023
            millions = requests / 1e6
            print(f"{part.id:20} {name:8} {millions / inner:10.2f} {millions / outer:10.2f}")


if __name__ == "__main__":
    main()
