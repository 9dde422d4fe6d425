"""Reads a user's file up to a size: one that is larger, or has no end, is refused unread."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.errors import InputFileError

SMALL_BYTES = 16_000_000
"""More than any parameter file, design, plant, part or controller needs."""


def read_bounded(path: Path, limit_bytes: int = SMALL_BYTES) -> bytes:
    """Content of a file.

    Raises:
        InputFileError: it is larger than the limit.
        OSError: it cannot be read; the caller says what it should have been.
    """
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        msg = f"{path}: is larger than {limit_bytes / 1e6:g} MB: this is no such file"
        raise InputFileError(msg)
    return content
