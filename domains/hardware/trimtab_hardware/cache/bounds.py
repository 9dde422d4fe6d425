"""Certified lower bound on energy × time of every hierarchy: compulsory misses.

A line that is touched must be read from memory once, whatever the design (there is no prefetch),
and that read misses both levels. So for each line size, with M distinct lines: first-level misses
≥ M and memory reads ≥ M. With the array costs of each pair of sizes (ways ≥ the least of the
space, write-backs and fills left out) this bounds time and energy; the least product over the
sizes within the limit bounds energy × time.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import Bound

from trimtab_hardware.cache.model import total_cycles, total_pj
from trimtab_hardware.cache.problem import (
    L1_KIB,
    L1_WAYS,
    L2_KIB,
    L2_WAYS,
    LINE_BYTES,
    CacheScenario,
    load_references,
)


def cache_bound(scenario: CacheScenario) -> Bound:
    """Bound of `energy_delay_pj_cycles`, with the distinct lines of each size as certificate."""
    start = time.thread_time()
    address, _ = load_references(scenario)
    lines = {size: len(np.unique(address // size)) for size in LINE_BYTES}
    value = _least_product(scenario, lines, len(address))
    certificate = {
        "references": len(address),
        "distinct_lines": {str(k): v for k, v in lines.items()},
    }
    how = "compulsory misses of the best line size in the cheapest pair of arrays"
    return Bound(value, "proven", how, certificate, cpu_s=time.thread_time() - start)


def verify_cache_bound(scenario: CacheScenario, bound: Bound) -> None:
    """Count the distinct lines anew, by hashing, and derive the value again.

    Raises:
        BoundError: a count or the value differs.
    """
    address, _ = load_references(scenario)
    stated = bound.certificate.get("distinct_lines", {})
    lines = {size: _distinct(address, size) for size in LINE_BYTES}
    if {str(size): count for size, count in lines.items()} != dict(stated):
        msg = f"cache bound: the stream has {lines} distinct lines, the certificate says {stated}"
        raise BoundError(msg)
    value = _least_product(scenario, lines, len(address))
    if abs(value - bound.value) > 1e-9 * value:
        msg = f"cache bound: the certificate gives {value}, the bound says {bound.value}"
        raise BoundError(msg)


def _distinct(address: NDArray[np.int64], size: int) -> int:
    return len({place // size for place in address.tolist()})


def _least_product(scenario: CacheScenario, lines: dict[int, int], references: int) -> float:
    sizes = [pair for pair in product(L1_KIB, L2_KIB) if sum(pair) <= scenario.size_limit_kib]
    rows = np.array([(l1, l2, size) for l1, l2 in sizes for size in LINE_BYTES], dtype=np.float64)
    if not len(rows):
        return float("inf")
    first, second, line = rows.T
    misses = np.array([lines[int(size)] for size in line], dtype=np.float64)
    count = np.full(len(rows), float(references))
    ways = np.full((2, len(rows)), [[min(L1_WAYS)], [min(L2_WAYS)]], dtype=np.float64)
    cycles = total_cycles(scenario.technology, first, second, count, misses, misses)
    energy = total_pj(
        scenario.technology,
        (first, ways[0]),
        (second, ways[1]),
        count + misses,
        misses,
        misses * line,
    )
    return float((cycles * energy).min()) / references**2
