"""Traces from files and pipes: formats told apart by content, errors with file and line."""

from __future__ import annotations

import gzip
import lzma
import math
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from trimtab.contracts.damage import DAMAGED_STREAM, DAMAGED_ZIP
from trimtab.contracts.errors import InputFileError, UnknownNameError

from trimtab_hardware.dram.lackey import read_lackey
from trimtab_hardware.dram.trace_lines import (
    FORMATS,
    LACKEY,
    LACKEY_FIRST_LINE,
    NPZ,
    TEXT_FORMATS,
    LineRequests,
    Pace,
    TextFormat,
)
from trimtab_hardware.dram.traces import LINE_BYTES, Trace

STANDARD_INPUT = Path("-")
MAGIC: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open}
MAX_NPZ_BYTES = 2 << 30
"""Unpacked size of a stored trace: some 80 million requests."""
MAX_LINE_BYTES = 64 << 10
MAX_EMPTY_LINES = 1_000_000
MAX_RATIO = 1000
"""Compression ratio above which a trace is a bomb (regular traces reach some hundreds in xz)."""
MAX_COUNT = 1 << 62
MAX_REQUEST_BYTES = 1 << 20
MAX_BURSTS, BURSTS_FLOOR = 64, 1 << 20
"""Bursts per line, on the average, above which a trace is a bomb; judged above a number of them."""
RATIO_FLOOR = 256 << 20
"""Decompressed bytes below which the ratio does not matter."""
COLUMNS = ("arrival", "address", "is_write", "thread")


def read_trace(
    path: Path,
    memory_clock_mhz: float,
    *,
    form: str | None = None,
    pace: Pace | None = None,
    pipe: IO[bytes] | None = None,
) -> Trace:
    """Read a trace file, plain or compressed by gzip or xz.

    Times become memory-clock cycles, rounded up to the next edge. Requests longer than 64 bytes
    are split. Relative times (.rstl) are added up, as if each request were accepted on arrival.

    Args:
        path: the file; "-" with `pipe` for a stream.
        memory_clock_mhz: clock that the simulation counts in.
        form: one of `FORMATS`; found out from name and first line if None.
        pace: clock and spacing where the file does not say them.
        pipe: stream of bytes to read instead of the file (valgrind's output).

    Raises:
        InputFileError: unreadable, of no known format, or a wrong line (file:line: reason).
        UnknownNameError: no such format.
    """
    if form is not None and form not in FORMATS:
        raise UnknownNameError(form, "trace format", FORMATS)
    chosen = pace or Pace()
    if pipe is not None:
        return _read_stream(pipe, path, memory_clock_mhz, form, chosen)
    with _opened(path) as stream:
        if form == NPZ or (form is None and zipfile.is_zipfile(path)):
            return _read_npz(path)
        return _read_stream(stream, path, memory_clock_mhz, form, chosen)


def write_npz(trace: Trace, path: Path) -> None:
    """Keep a trace in the form that reads fastest."""
    np.savez_compressed(path, **{name: getattr(trace, name) for name in COLUMNS})


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as raw:
            opener = MAGIC.get(raw.read(2))
        with opener(path, "rb") if opener else path.open("rb") as stream:
            yield stream
    except DAMAGED_STREAM as broken:
        msg = f"{path}: cannot be read: {broken}"
        raise InputFileError(msg) from broken


def _read_npz(path: Path) -> Trace:
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as stored:
            return Trace.of(*(stored[name] for name in COLUMNS))
    except InputFileError:
        raise
    except (*DAMAGED_ZIP, KeyError, TypeError, MemoryError, SyntaxError) as broken:
        msg = f"{path}: is no stored trace ({broken}): it must hold {', '.join(COLUMNS)}"
        raise InputFileError(msg) from broken


def _check_size(path: Path) -> None:
    """Refuse an archive that unpacks to more than any trace."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_NPZ_BYTES:
        msg = f"{path}: unpacks to {size >> 20} MB, more than {MAX_NPZ_BYTES >> 20}: cut it"
        raise InputFileError(msg)


def _lines(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    """Lines of a stream; neither a line nor, of a compressed file, the whole grows without end."""
    total = empty = 0
    packed = path.stat().st_size if path.is_file() else 0
    allowed = max(RATIO_FLOOR, MAX_RATIO * packed) if packed else math.inf
    while line := stream.readline(MAX_LINE_BYTES):
        total += len(line)
        empty += len(line) <= len("\r\n")
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            msg = f"{path}: a line is longer than {MAX_LINE_BYTES >> 10} kB: this is no trace"
            raise InputFileError(msg)
        if total > allowed:
            msg = f"{path}: decompresses to more than {int(allowed) >> 20} MB (a bomb?)"
            raise InputFileError(msg)
        if empty > MAX_EMPTY_LINES:
            msg = f"{path}: more than {MAX_EMPTY_LINES} empty lines: this is no trace"
            raise InputFileError(msg)
        yield line


def _read_stream(
    stream: IO[bytes], path: Path, memory_clock_mhz: float, form: str | None, pace: Pace
) -> Trace:
    lines = _lines(stream, path)
    head: list[bytes] = []
    for line in lines:
        head.append(line)
        if not _is_comment(line.decode("ascii", "replace")):
            break
    else:
        msg = f"{path}: empty: no request in {len(head)} lines"
        raise InputFileError(msg)
    name = form or _recognised(path, head[-1].decode("ascii", "replace"), len(head))
    everything = chain(head, lines)
    if name == LACKEY:
        return read_lackey(everything, path, pace)
    chosen = next(known for known in TEXT_FORMATS if known.name == name)
    return _read_lines(everything, path, chosen, pace, memory_clock_mhz)


def _is_comment(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith(("#", "//"))


def _recognised(path: Path, line: str, number: int) -> str:
    if ".rstl" in path.suffixes:
        return "rstl"
    if LACKEY_FIRST_LINE.match(line):
        return LACKEY
    for known in TEXT_FORMATS:
        if known.first_line.match(line):
            return known.name
    msg = (
        f"{path}:{number}: {line.strip()[:40]!r} is of no known trace format: {', '.join(FORMATS)}"
    )
    raise InputFileError(msg)


def _read_lines(
    lines: Iterator[bytes], path: Path, form: TextFormat, pace: Pace, memory_clock_mhz: float
) -> Trace:
    parse = form.parser(pace)
    scale = _scale(form, pace, memory_clock_mhz)
    time, address, write = array("q"), array("q"), array("b")
    last = 0
    for number, line in enumerate(_text(lines, path), 1):
        if _is_comment(line):
            continue
        try:
            requests = parse(line)
            last = _not_earlier(requests, last)
            for at, place, writes, size in requests:
                cycle = -(-at * scale.numerator // scale.denominator)
                for burst in range(place // LINE_BYTES, (place + size - 1) // LINE_BYTES + 1):
                    time.append(cycle)
                    address.append(burst * LINE_BYTES)
                    write.append(writes)
            if len(time) > max(BURSTS_FLOOR, MAX_BURSTS * number):
                _refuse_bursts(len(time))
        except (ValueError, OverflowError) as fault:
            msg = f"{path}:{number}: {fault}"
            raise InputFileError(msg) from fault
    if not time:
        msg = f"{path}: empty: it holds no read or write"
        raise InputFileError(msg)
    return Trace.of(
        np.array(time, dtype=np.int64),
        np.array(address, dtype=np.int64),
        np.array(write, dtype=np.bool_),
    )


def _refuse_bursts(count: int) -> NoReturn:
    msg = f"{count} bursts by this line, more than {MAX_BURSTS} a line: write them as requests"
    raise ValueError(msg)


def _scale(form: TextFormat, pace: Pace, memory_clock_mhz: float) -> Fraction:
    """Memory-clock cycles per unit of time of the file."""
    clock = form.clock_mhz or (pace.clock_mhz if form.timed else None)
    if clock is None:
        return Fraction(1)
    return Fraction(str(memory_clock_mhz)) / Fraction(str(clock))


def _text(lines: Iterator[bytes], path: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("ascii")
        except UnicodeDecodeError:
            msg = f"{path}:{number}: not a text trace (byte {line[:20]!r})"
            raise InputFileError(msg) from None


def _not_earlier(requests: LineRequests, last: int) -> int:
    for at, place, _, size in requests:
        if size > MAX_REQUEST_BYTES:
            msg = f"a request of {size} bytes: at most {MAX_REQUEST_BYTES} are split into bursts"
            raise ValueError(msg)
        if at < last:
            msg = f"time {at} is earlier than {last} before it: sort the trace by time"
            raise ValueError(msg)
        if max(at, place) >= MAX_COUNT:
            msg = f"time {at} or address {place:#x} does not fit into 62 bits"
            raise ValueError(msg)
        last = at
    return last
