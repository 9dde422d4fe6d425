"""Generated traces: the four seed workloads and open-loop load sweeps.

The four seed workloads are 10,000 reads of 64 bytes, one per clock from cycle 0. `cloud-1` and
`cloud-2` alternate sequential and uniform blocks; no trace of a real data centre is in them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ContractError, UnknownNameError

from trimtab_hardware.dram.traces import LINE_BYTES, Trace

SEED_WORKLOADS = ("stream", "random", "cloud-1", "cloud-2")
SEED_REQUESTS = 10_000
SEED_CAPACITY_BYTES = 1 << 30
BLOCK_REQUESTS = 50
START_REQUESTS = 100


def seed_workload(name: str, seed: int = 1, requests: int = SEED_REQUESTS) -> Trace:
    """One of the seed workloads.

    `stream` walks line by line; `random` draws uniform lines of 1 GiB; `cloud-1` and `cloud-2`
    are blocks of 50 requests, each sequential or uniform with probability ½ (both go on where
    they left), after 100 sequential (`cloud-1`) or 100 uniform (`cloud-2`) requests.

    Raises:
        UnknownNameError: no such workload.
    """
    if name not in SEED_WORKLOADS:
        raise UnknownNameError(name, "seed workload", SEED_WORKLOADS)
    rng = np.random.default_rng([seed, SEED_WORKLOADS.index(name)])
    if name == "stream":
        sequential = np.ones(requests, dtype=bool)
    elif name == "random":
        sequential = np.zeros(requests, dtype=bool)
    else:
        sequential = _blocks(requests, name == "cloud-1", rng)
    lines = _mixed_lines(sequential, SEED_CAPACITY_BYTES, rng)
    return Trace.of(
        np.arange(requests, dtype=np.int64), lines * LINE_BYTES, np.zeros(requests, dtype=bool)
    )


def _blocks(requests: int, start: bool, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which requests are sequential, [requests]."""
    draws = rng.random(-(-requests // BLOCK_REQUESTS)) < 0.5
    blocks = np.concatenate([np.full(START_REQUESTS // BLOCK_REQUESTS, start), draws])
    return np.repeat(blocks, BLOCK_REQUESTS)[:requests]


def _mixed_lines(
    sequential: NDArray[np.bool_], capacity_bytes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Line number of each request: the next of a counter, or uniform."""
    total = capacity_bytes // LINE_BYTES
    counted = (np.cumsum(sequential) - 1) % total
    uniform = rng.integers(0, total, len(sequential))
    return np.where(sequential, counted, uniform)


def mixed_load(
    load: float,
    cycles: int,
    burst_cycles: int = 4,
    *,
    sequential_share: float = 0.5,
    write_share: float = 0.33,
    run_length: float = 16.0,
    capacity_bytes: int = SEED_CAPACITY_BYTES,
    seed: int = 1,
) -> Trace:
    """Open-loop traffic of one load: memoryless arrivals, runs of sequential or uniform lines.

    Args:
        load: share of the data bus that the requests need, 0 < load < 1.
        cycles: length; choose at least 64 refresh intervals to see refresh policies differ.
        burst_cycles: data-bus cycles of one request (BL/2).
        sequential_share: share of runs that walk line by line; the others are uniform.
        write_share: share of runs that write.
        run_length: mean requests a run (geometric).
        capacity_bytes: addresses are below it.
        seed: of everything drawn.

    Raises:
        ContractError: a share is not in [0, 1], or the load is not in (0, 1).
    """
    if not 0 < load < 1 or not (0 <= sequential_share <= 1 and 0 <= write_share <= 1):
        msg = (
            f"mixed load: load {load} must lie in (0, 1), sequential share {sequential_share} and "
            f"write share {write_share} in [0, 1]"
        )
        raise ContractError(msg)
    rng = np.random.default_rng(seed)
    busy = rng.random(cycles) < load / burst_cycles
    busy[0] = True
    arrival = np.flatnonzero(busy)
    n = len(arrival)
    starts = rng.random(n) < 1.0 / run_length
    run = np.cumsum(starts, dtype=np.int64)
    sequential = rng.random(n + 1)[run] < sequential_share
    is_write = rng.random(n + 1)[run] < write_share
    lines = _runs(sequential, run, capacity_bytes // LINE_BYTES, rng)
    return Trace.of(arrival, lines * LINE_BYTES, is_write)


def _runs(
    sequential: NDArray[np.bool_], run: NDArray[np.int64], total: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Lines: each sequential run counts on from a uniform start, others are uniform."""
    n = len(run)
    index = np.arange(n)
    first = np.full(int(run[-1]) + 1, n)
    np.minimum.at(first, run, index)
    base = rng.integers(0, total, int(run[-1]) + 1)
    walked = (base[run] + index - first[run]) % total
    return np.where(sequential, walked, rng.integers(0, total, n))


def load_sweep(
    loads: Sequence[float], refresh_interval: int, burst_cycles: int = 4, seed: int = 1
) -> dict[float, Trace]:
    """Mixed load at every share of peak over 64 refresh intervals.

    Args:
        loads: shares of the data bus, e.g. 0.1 to 0.9.
        refresh_interval: tREFI in cycles.
        burst_cycles: data-bus cycles of one request.
        seed: of everything drawn.
    """
    cycles = 64 * refresh_interval
    return {load: mixed_load(load, cycles, burst_cycles, seed=seed) for load in loads}
