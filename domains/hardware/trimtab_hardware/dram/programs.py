"""Traces of program kernels: what their cache misses ask of memory, at a chosen load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ContractError, UnknownNameError

from trimtab_hardware.dram.traces import Trace

if TYPE_CHECKING:
    from trimtab_hardware.cache.filter import Filter

CACHE_BYTES = 256 * 1024
"""Last-level share of one core; 8 ways, LRU, write-back."""
KV_BLOCKS, KV_SEQUENCES, KV_HEAD_BYTES, KV_HEADS = 16, 8, 256, 8
CHASE_NODES = 1 << 18


def _kernels() -> Mapping[str, Callable[[Filter, int], None]]:
    """Name → what plays it into a filter, given a seed."""
    from trimtab_hardware.dram import kernels

    return {
        "triad": lambda out, _: kernels.triad(out, 1 << 20),
        "gemm": lambda out, _: kernels.gemm(out, 1024, 128),
        "spmv": lambda out, seed: kernels.spmv(out, 1 << 20, 8, seed),
        "pointer-chase": lambda out, seed: kernels.pointer_chase(out, _cycle(seed)),
        "gups": lambda out, seed: kernels.gups(out, 1 << 25, seed),
        "attention": lambda out, seed: kernels.attention(
            out, _block_table(seed), KV_HEAD_BYTES, KV_HEADS
        ),
        "histogram": lambda out, seed: kernels.histogram(out, 1 << 20, seed),
        "transpose": lambda out, _: kernels.transpose(out, 2048),
        "stencil": lambda out, _: kernels.stencil(out, 2048),
        "stencil-3d": lambda out, _: kernels.stencil_3d(out, 256),
        "fft": lambda out, _: kernels.fft(out, 1 << 20),
    }


KERNELS = (
    "triad",
    "gemm",
    "spmv",
    "pointer-chase",
    "gups",
    "attention",
    "histogram",
    "transpose",
    "stencil",
    "stencil-3d",
    "fft",
)


def _cycle(seed: int) -> NDArray[np.int64]:
    """One random cycle through all nodes, as successor of each."""
    order = np.random.default_rng(seed).permutation(CHASE_NODES)
    following = np.empty(CHASE_NODES, dtype=np.int64)
    following[order] = np.roll(order, -1)
    return following


def _block_table(seed: int) -> NDArray[np.int64]:
    """Physical blocks of each sequence, shuffled as an allocator leaves them."""
    blocks = np.random.default_rng(seed).permutation(KV_SEQUENCES * KV_BLOCKS)
    return blocks.reshape(KV_SEQUENCES, KV_BLOCKS).astype(np.int64)


def kernel_trace(
    name: str,
    requests: int = 10_000,
    load: float = 0.5,
    burst_cycles: int = 4,
    *,
    cache_bytes: int = CACHE_BYTES,
    seed: int = 1,
) -> Trace:
    """Line fills and write-backs of a kernel after its cache is warm.

    Reference numbers become cycles by one constant factor, so that the mean load is `load` and
    the kernel's own bursts stay; the processor is not slowed by memory (open loop).

    Args:
        name: one of `KERNELS`.
        requests: length; fewer if the kernel's work ends.
        load: share of the data bus that the requests need on average, 0 < load ≤ 2.
        burst_cycles: data-bus cycles of one request.
        cache_bytes: capacity of the cache in front of memory.
        seed: of random places.

    Raises:
        UnknownNameError: no such kernel.
        ContractError: the load is out of range, or the cache holds all of the kernel's lines.
    """
    if name not in KERNELS:
        raise UnknownNameError(name, "kernel", KERNELS)
    if not 0 < load <= 2:
        msg = f"kernel {name}: load {load} must lie in (0, 2]"
        raise ContractError(msg)
    from trimtab_hardware.cache.filter import new_filter

    warm = 2 * cache_bytes // 64
    out = new_filter(cache_bytes, warm + requests + 2)
    _kernels()[name](out, 1 + seed % 2147483646)
    end = int(out.counts[1])
    if end <= warm:
        msg = f"kernel {name}: its lines fit into {cache_bytes} bytes: choose a smaller cache"
        raise ContractError(msg)
    kept = out.requests[warm : min(end, warm + requests)]
    return paced(kept[:, 0], kept[:, 1] >> 1 << 6, kept[:, 1] & 1 == 1, load, burst_cycles)


def kernel_references(
    name: str, references: int, seed: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First loads and stores of a kernel in program order: byte addresses, and which write.

    Raises:
        UnknownNameError: no such kernel.
    """
    if name not in KERNELS:
        raise UnknownNameError(name, "kernel", KERNELS)
    from trimtab_hardware.cache.filter import new_recorder

    out = new_recorder(references + 2)
    _kernels()[name](out, 1 + seed % 2147483646)
    kept = out.requests[: min(references, int(out.counts[1])), 1]
    return kept >> 1, kept & 1 == 1


def paced(
    when: NDArray[np.int64],
    address: NDArray[np.int64],
    is_write: NDArray[np.bool_],
    load: float,
    burst_cycles: int,
) -> Trace:
    """Requests at reference numbers `when` as a trace of the given mean load from cycle 0."""
    elapsed = when - when[0]
    span = len(when) * burst_cycles / load
    scale = span / max(int(elapsed[-1]), 1)
    return Trace.of(np.floor(elapsed * scale).astype(np.int64), address, is_write)
