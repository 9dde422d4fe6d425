"""Traces, parts and the acceptance vectors that the tests of the engine share."""

from collections.abc import Callable

import numpy as np
import pytest
from trimtab_hardware.dram import Part, Trace, load_part


def vector_trace(requests: int = 2000) -> Trace:
    """The mixed trace `V`: hot lines, runs and far addresses from a 32-bit generator."""
    state, time, address, rows = 1, 0, 0, []

    def draw() -> int:
        nonlocal state
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        return state

    for k in range(requests):
        x = draw()
        if k:
            time += 200 if x >> 28 == 0 else (x >> 24) & 7
        x = draw()
        if x >> 30 == 0:
            address = 64 * ((x >> 8) & 63)
        elif x >> 30 == 1:
            address = (address + 64) % 2**30
        else:
            address = 64 * ((x >> 4) & (2**24 - 1))
        rows.append((time, address, draw() >> 29 < 3))
    return Trace.of(*map(np.array, zip(*rows, strict=True)))


@pytest.fixture(scope="session")
def mixed() -> Trace:
    return vector_trace()


@pytest.fixture(scope="session")
def stream() -> Trace:
    k = np.arange(10_000)
    return Trace.of(k, 64 * k, np.zeros(len(k), dtype=bool))


@pytest.fixture(scope="session")
def parts() -> dict[str, Part]:
    return {
        "DDR3": load_part("ddr3-1600-1gb-x8"),
        "DDR4": load_part("ddr4-2400-4gb-x8"),
    }


@pytest.fixture(scope="session")
def random_trace() -> Callable[[int], Trace]:
    """A trace from a seed: reads and writes, runs, hot lines, far lines, bursts and idle gaps."""

    def build(seed: int) -> Trace:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(30, 250))
        gaps = np.where(
            rng.random(n) < rng.choice([0.0, 0.05, 0.3]),
            rng.integers(20, int(rng.choice([60, 600, 12_000])), n),
            rng.integers(0, int(rng.choice([1, 2, 9])), n),
        )
        address = np.zeros(n, dtype=np.int64)
        weights = rng.dirichlet([1, 1, 1, 1])
        for k in range(1, n):
            kind = rng.choice(4, p=weights)
            far = int(rng.integers(0, 1 << 26)) * 64
            hot = int(rng.integers(0, 40)) * 64
            same_bank = int(rng.integers(0, 4)) << 17 | hot
            address[k] = (address[k - 1] + 64, far, hot, same_bank)[kind]
        writes = rng.random(n) < rng.choice([0.0, 0.3, 0.7])
        return Trace.of(np.cumsum(gaps), address % (1 << 32), writes)

    return build
