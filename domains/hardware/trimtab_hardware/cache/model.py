"""What a cache hierarchy costs: hit times, energies and size of its arrays.

Energy of an access follows the square root of the capacity through Horowitz' figures (ISSCC 2014,
45 nm, 64 bits: 8 KiB 10 pJ, 32 KiB 20 pJ, 1 MiB 100 pJ; the root gives 10, 20 and 113); every
further way adds a tag comparison. Hit time is 4 cycles at 32 KiB and grows with the cube root of
the capacity, rounded up (12.7 at 1 MiB; 14 measured on cores with that L2). Prefetch, bandwidth,
leakage and coherence are not modelled.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.spec import FloatArray

KIB = 1024


class Technology(StrictModel):
    """Costs of arrays and memory."""

    l1_cycles: float = Field(default=4.0, gt=0, description="hit time of a 32 KiB array, cycles")
    access_pj: float = Field(default=10.0, gt=0, description="energy of an access to 8 KiB, pJ")
    way_share: float = Field(
        default=0.05, ge=0, le=1, description="energy that each further way adds"
    )
    memory_cycles: float = Field(default=200.0, gt=0, description="time of a memory access, cycles")
    memory_pj_per_byte: float = Field(
        default=200.0,
        gt=0,
        description="energy of memory traffic, pJ/byte (1.3 to 2.6 nJ per 8 bytes)",
    )


def hit_cycles(technology: Technology, kib: FloatArray) -> FloatArray:
    """Hit time of arrays of `kib` KiB, whole cycles."""
    return np.asarray(np.ceil(technology.l1_cycles * np.cbrt(kib / 32.0) - 1e-9))


def access_pj(technology: Technology, kib: FloatArray, ways: FloatArray) -> FloatArray:
    """Energy of one access, pJ."""
    return technology.access_pj * np.sqrt(kib / 8.0) * (1.0 + technology.way_share * (ways - 1.0))


def total_cycles(
    technology: Technology,
    l1_kib: FloatArray,
    l2_kib: FloatArray,
    references: FloatArray,
    l1_misses: FloatArray,
    memory_reads: FloatArray,
) -> FloatArray:
    """Time of all references one after another; write-backs are buffered, cycles."""
    return np.asarray(
        references * hit_cycles(technology, l1_kib)
        + l1_misses * hit_cycles(technology, l2_kib)
        + memory_reads * technology.memory_cycles
    )


def total_pj(
    technology: Technology,
    l1: tuple[FloatArray, FloatArray],
    l2: tuple[FloatArray, FloatArray],
    l1_accesses: FloatArray,
    l2_accesses: FloatArray,
    memory_bytes: FloatArray,
) -> FloatArray:
    """Energy of all accesses, pJ; levels as (KiB, ways)."""
    return (
        l1_accesses * access_pj(technology, *l1)
        + l2_accesses * access_pj(technology, *l2)
        + memory_bytes * technology.memory_pj_per_byte
    )
