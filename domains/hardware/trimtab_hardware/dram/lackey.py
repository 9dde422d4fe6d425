"""Valgrind's lackey (``--trace-mem=yes``) through a cache, as a stream: nothing is stored.

Its lines are instruction fetches (``I``), loads, stores and modifies of a whole program. Time is
the count of instructions times a stated number of memory-clock cycles per instruction. Data
references pass an 8-way write-back LRU cache; its misses and write-backs are the trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.trace_lines import Pace
from trimtab_hardware.dram.traces import Trace

CHUNK_LINES = 1 << 18
MAX_ADDRESS = 1 << 62
MAX_LENGTH = 1 << 20
IntArray = NDArray[np.int64]


def read_lackey(lines: Iterator[bytes], path: Path, pace: Pace) -> Trace:
    """Play a lackey stream through the cache of `pace`.

    Raises:
        InputFileError: a line of another form (file:line: reason), or no reference passed.
    """
    from trimtab_hardware.cache.filter import new_filter, play_timed

    cache = new_filter(pace.cache_bytes, 4 * CHUNK_LINES + 2)
    number = instructions = 0
    passed: list[IntArray] = []
    while chunk := list(islice(lines, CHUNK_LINES)):
        references, instructions = _references(chunk, number, instructions, path)
        number += len(chunk)
        cache.counts[1] = 0
        play_timed(cache, references)
        passed.append(cache.requests[: int(cache.counts[1])].copy())
    requests = np.concatenate(passed) if passed else np.empty((0, 2), dtype=np.int64)
    if not len(requests):
        msg = f"{path}: empty: no load or store in {number} lines"
        raise InputFileError(msg)
    when = np.ceil(requests[:, 0] * pace.cycles_per_instruction).astype(np.int64)
    return Trace.of(when, requests[:, 1] >> 1 << 6, requests[:, 1] & 1 == 1)


def _references(
    chunk: list[bytes], number: int, instructions: int, path: Path
) -> tuple[IntArray, int]:
    """[k, 3] instruction count, address, is-write of the chunk's data references."""
    found: list[tuple[int, int, int]] = []
    for k, line in enumerate(chunk):
        kind = line[:2]
        if kind == b"I ":
            instructions += 1
        elif kind in (b" L", b" S", b" M"):
            try:
                address, _, size = line[3:].partition(b",")
                first, length = int(address, 16), int(size)
            except ValueError:
                raise InputFileError(_fault(path, number + k + 1, line)) from None
            if not (0 <= first < MAX_ADDRESS and 0 < length <= MAX_LENGTH):
                raise InputFileError(_fault(path, number + k + 1, line))
            write = 0 if kind == b" L" else 1
            found.append((instructions, first, write))
            if first >> 6 != first + length - 1 >> 6:
                found.append((instructions, first + length - 1, write))
        elif kind != b"==" and line.strip():
            raise InputFileError(_fault(path, number + k + 1, line))
    return np.array(found, dtype=np.int64).reshape(len(found), 3), instructions


def _fault(path: Path, number: int, line: bytes) -> str:
    return (
        f"{path}:{number}: {line.strip()[:40]!r} is no line of lackey: expected "
        "'I  address,size' or ' L|S|M address,size'"
    )
