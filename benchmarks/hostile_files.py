"""Hostile sizes at every reader of users' files: what each costs until it is refused.

    python benchmarks/hostile_files.py results.jsonl [TARGET ...] [--megabytes 50]

The readers are those of `benchmarks/fuzz.py`. Each gets files as large as the app takes: zeros, one
line without end, empty lines, its own last line again and again, one row of many cells, brackets
that open, and, for archives, much in little. It runs in a process of its own with 512 MB of address
space beyond what it needed for its own small files. Printed are the dearest file of each reader,
and every refusal that took more than 2 s of processor time, and every other end. Its own line again
and again is data to most readers: the time is that of reading it, and it is cut off after 6 s.
Readers that start netconvert are left out by name. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import lzma
import resource
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # also where this file is run by its path

from fuzz import TARGETS, target_of
from fuzzing.reader import MAX_CPU_S, MAX_MB, SEPARATOR, Reader
from trimtab.contracts.errors import TrimtabError

OUTSIDE = {"traffic-foreign": "netconvert reads these files, under the limits of the app"}
GIVE_UP_S = 6
STILL_READING = f"FAULT: neither read nor refused in {GIVE_UP_S} s"


class GivenUpError(Exception):
    """A reader worked on a file for too long."""


def hostile(seed: bytes, name: str, size: int) -> dict[str, Callable[[], bytes]]:
    """Makers of hostile contents of about `size` bytes, by name, after a file that is accepted."""
    body = seed if not name.endswith((".gz", ".xz")) else b""
    lines = body.splitlines(keepends=True) or [b"0,0\n"]
    last = lines[-1] if lines[-1].endswith(b"\n") else lines[-1] + b"\n"
    plain: dict[str, Callable[[], bytes]] = {
        "zeros": lambda: bytes(size),
        "one line": lambda: body + b"7" * size,
        "empty lines": lambda: body + b"\n" * size,
        "same line": lambda: body + last * (size // len(last)),
        "many cells": lambda: b"0," * (size // 2) + b"\n",
        "brackets": lambda: b"[" * size,
        "elements": lambda: b"<a>" + b'<b c="1"/>' * (size // 10) + b"</a>",
    }
    if name.endswith(".gz"):
        return {f"gz of {k}": lambda make=make: gzip.compress(make(), 1) for k, make in big(plain)}
    if name.endswith(".xz"):
        return {f"xz of {k}": lambda make=make: packed_xz(make()) for k, make in big(plain)}
    if name.endswith((".zip", ".xlsx", ".npz")):
        return {"zeros": plain["zeros"], "bomb": lambda: bomb(seed, 4 * size)}
    return plain


def big(plain: dict[str, Callable[[], bytes]]) -> list[tuple[str, Callable[[], bytes]]]:
    """The contents that are worth compressing."""
    return [(k, plain[k]) for k in ("zeros", "one line", "empty lines", "same line")]


def packed_xz(content: bytes) -> bytes:
    """As xz, quickly."""
    return lzma.compress(content, preset=0)


def bomb(seed: bytes, size: int) -> bytes:
    """The archive with each of its members grown to `size` bytes of zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as old:
        names = old.namelist()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name in names:
            new.writestr(name, bytes(size))
    return out.getvalue()


def attacked(reader: Reader, folder: Path, size: int) -> list[dict[str, Any]]:
    """What each hostile file cost a reader."""
    place = reader.settle(folder)
    first, _, rest = reader.seeds[0].partition(SEPARATOR)
    for seed in reader.seeds:
        try_to(reader, seed, place)
    base = memory_mb("VmSize")
    limit = int((base + MAX_MB) * 2**20)
    found = []
    for name, make in hostile(first, reader.files[0], size).items():
        content = make() + (SEPARATOR + rest if rest else b"")
        resource.setrlimit(resource.RLIMIT_AS, (limit + 2 * len(content), resource.RLIM_INFINITY))
        said, spent = try_to(reader, content, place)
        if name.endswith("same line") and said == STILL_READING:
            said = "data, still being read"
        found.append({"reader": reader.name, "file": name, "cpu_s": round(spent, 2), "end": said})
    return found


def memory_mb(what: str) -> float:
    """A line of this process' status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def try_to(reader: Reader, content: bytes, place: Path) -> tuple[str, float]:
    """Let a reader read; how that ended, and the processor seconds it took."""
    names = [place / name for name in reader.files]
    parts = content.split(SEPARATOR, len(names) - 1)
    for path, part in zip(names, parts + [b""] * (len(names) - len(parts)), strict=True):
        path.write_bytes(part)
    signal.setitimer(signal.ITIMER_PROF, GIVE_UP_S)
    began = time.process_time()
    try:
        reader.read(*names)
        said = "accepted"
    except TrimtabError as refusal:
        said = f"refused: {str(refusal).partition(chr(10))[0][-110:]}"
    except GivenUpError:
        said = STILL_READING
    except BaseException as fault:  # noqa: BLE001 - that is what it is after
        said = f"FAULT: {type(fault).__name__} {str(fault)[:80]}"
    spent = time.process_time() - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    return said, spent


def give_up(*_: object) -> None:
    """Called by the timer."""
    raise GivenUpError


def alone(name: str, megabytes: int) -> None:
    """Attack the readers of a target in this process; one line of JSON each."""
    signal.signal(signal.SIGPROF, give_up)
    with tempfile.TemporaryDirectory() as folder:
        for reader in target_of(name).readers():
            for row in attacked(reader, Path(folder), megabytes * 1_000_000):
                print(json.dumps({"target": name, **row}), flush=True)


def report(rows: list[dict[str, Any]]) -> int:
    """Print the dearest file of each reader; the number of faults."""
    bad = 0
    for key in sorted({(row["target"], row["reader"]) for row in rows}):
        own = [row for row in rows if (row["target"], row["reader"]) == key]
        dearest = max(own, key=lambda row: row["cpu_s"])
        print(f"{'/'.join(key):28} {len(own)} files, dearest {dearest['cpu_s']:6.2f} s "
              f"({dearest['file']}): {dearest['end']}")  # fmt: skip
        for row in own:
            slow = row["cpu_s"] > MAX_CPU_S and row["end"].startswith("refused")
            if slow or row["end"].startswith("FAULT"):
                bad += 1
                print(f"    {row['file']}: {row['cpu_s']} s, {row['end']}")
    return bad


def main() -> None:
    """Attack, or go on, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--alone", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.megabytes)
        return
    text = given.results.read_text() if given.results.is_file() else ""
    known = {json.loads(line)["target"] for line in text.splitlines()}
    for name in given.targets or [target.name for target in TARGETS]:
        if name in OUTSIDE:
            print(f"left out: {name}: {OUTSIDE[name]}")
        elif name not in known:
            words = [sys.executable, __file__, str(given.results), "--alone", name]
            words += ["--megabytes", str(given.megabytes)]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
            with given.results.open("a") as file:
                file.write(done.stdout)
            print(f"{name}: exit {done.returncode}", file=sys.stderr, flush=True)
    rows = [json.loads(line) for line in given.results.read_text().splitlines()]
    raise SystemExit(1 if report(rows) else 0)


if __name__ == "__main__":
    main()
