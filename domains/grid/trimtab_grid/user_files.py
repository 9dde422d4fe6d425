"""Reads the bytes and text of users' files: existing, of bearable size, UTF-8."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.errors import InputFileError

MAX_BYTES = 50 * 1024 * 1024
"""Size above which a table, weather or network file is refused (the app's upload limit), bytes."""


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises:
        InputFileError: it is missing, unreadable, empty or larger than `MAX_BYTES`.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if 0 < size <= MAX_BYTES else b""
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}; name an existing file"
        raise InputFileError(msg) from error
    if not content:
        what = "is empty" if size == 0 else f"has {size} bytes, at most {MAX_BYTES} are read"
        msg = f"{path}: {what}; give a file of measured values, cut if need be"
        raise InputFileError(msg)
    return content


def decoded(content: bytes, name: str) -> str:
    """Text of a file's bytes; a byte-order mark is dropped.

    Raises:
        InputFileError: the bytes are no UTF-8 or hold NUL; names line and column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        msg = f"{name}:{line}:{column}: is no UTF-8 text; save the file as UTF-8"
        raise InputFileError(msg) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        msg = f"{name}:{line}: holds a NUL character; give a text file"
        raise InputFileError(msg)
    return text


def read_text(path: Path) -> str:
    """Text of a file.

    Raises:
        InputFileError: see `read_bytes` and `decoded`.
    """
    return decoded(read_bytes(path), path.name)
