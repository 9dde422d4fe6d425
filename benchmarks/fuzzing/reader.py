"""What is fuzzed: readers of user files, several of one family to a target."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import TrimtabError

SEEDS = Path(__file__).parent / "seeds"
FOUND = Path(__file__).parent / "found"
SEPARATOR = b"\n%%%%\n"
"""Between the files of a reader of several."""
MAX_CPU_S = 2.0
MAX_MB = 512
ENDLESS_BYTES = 1 << 40


class TooSlowError(Exception):
    """A reader took longer over a small file than any file may."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One importer.

    Attributes:
        name: of the reader, and the first part of the names of its inputs on disk.
        files: names of the files that it is given.
        read: called with their paths; may raise nothing but errors of our tree.
        seeds: inputs that it accepts, the files of one joined by `SEPARATOR`.
        beside: further files in the folder, by name.
    """

    name: str
    files: tuple[str, ...]
    read: Callable[..., Any]
    seeds: tuple[bytes, ...]
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def settle(self, folder: Path) -> Path:
        """A folder for its inputs, with what lies beside them."""
        own = folder / self.name
        own.mkdir()
        for name, content in self.beside.items():
            (own / name).write_bytes(content)
        return own

    def feed(self, content: bytes, folder: Path) -> bool:
        """Let it read an input; True if it accepted that.

        Raises:
            TooSlowError: it took more than `MAX_CPU_S` of processor time.
            Exception: whatever the reader should not have raised.
        """
        parts = content.split(SEPARATOR, len(self.files) - 1)
        parts += [b""] * (len(self.files) - len(parts))
        paths = [folder / name for name in self.files]
        for path, part in zip(paths, parts, strict=True):
            path.write_bytes(part)
        started = time.process_time()
        try:
            self.read(*paths)
        except TrimtabError:
            accepted = False
        else:
            accepted = True
        spent = time.process_time() - started
        if spent > MAX_CPU_S:
            msg = f"{self.name}: {spent:.1f} s of processor time for {len(content)} bytes"
            raise TooSlowError(msg)
        return accepted

    def refuses_without_end(self, folder: Path) -> bool:
        """Whether it refuses a first file of a terabyte, which is all zeros and takes no room."""
        paths = [folder / name for name in self.files]
        for path in paths:
            path.write_bytes(b"")
        os.truncate(paths[0], ENDLESS_BYTES)
        try:
            self.read(*paths)
        except TrimtabError:
            return True
        finally:
            os.truncate(paths[0], 0)
        return False


@dataclass(frozen=True, slots=True)
class Target:
    """Readers of one family, fuzzed together: the first byte of an input chooses the reader.

    Attributes:
        packages: whose code is instrumented.
        readers: makes them; called late, so that their modules can be instrumented.
    """

    name: str
    packages: tuple[str, ...]
    readers: Callable[[], tuple[Reader, ...]]

    def inputs(self) -> list[tuple[int, bytes]]:
        """Seeds, and inputs that broke a reader once, each with the number of its reader."""
        readers = self.readers()
        seeds = [(i, seed) for i, reader in enumerate(readers) for seed in reader.seeds]
        names = {reader.name: i for i, reader in enumerate(readers)}
        found = sorted((FOUND / self.name).glob("*")) if (FOUND / self.name).is_dir() else []
        return seeds + [(names[path.name.partition(".")[0]], path.read_bytes()) for path in found]

    def keep(self, data: bytes) -> Path:
        """Save an input that broke a reader: from now on every replay reads it again."""
        readers = self.readers()
        reader = readers[data[0] % len(readers)]
        digest = hashlib.sha256(data[1:]).hexdigest()[:12]
        path = FOUND / self.name / f"{reader.name}.{digest}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[1:])
        return path


def seed_file(name: str) -> bytes:
    """A file of the folder of seeds."""
    return (SEEDS / name).read_bytes()
