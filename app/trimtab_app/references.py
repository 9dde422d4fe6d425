"""Paths that an uploaded file names: those that lead out of the upload are refused.

Simulators follow such paths when they read, and when they write their output, so they are looked
for before anything else reads the file, whatever its format.
"""

from __future__ import annotations

import io
import posixpath
import re
import zlib
from gzip import GzipFile
from itertools import pairwise

from trimtab.contracts.errors import InputFileError

MAX_TEXT_BYTES = 200_000_000
_BLOCK = 1 << 20
_OVERLAP = 4096
_QUOTED = re.compile(
    rb"""=\s*["']\s*((?:/|~|[A-Za-z]:[\\/]|file:)[^"'<>\n]*|[^"'<>\n]*\.\.[\\/][^"'<>\n]*)["']"""
)
"""A quoted attribute value that is an absolute path, or climbs."""


def check_references(name: str, content: bytes) -> None:
    """Refuse a file that names a path outside the upload.

    Args:
        name: path of the file below the scenario's files.
        content: its bytes; gzip is looked into.

    Raises:
        InputFileError: with the path it names, or because it unpacks to too much.
    """
    text = _unpacked(name, content)
    folder = posixpath.dirname(name)
    starts = [*range(0, len(text), _BLOCK), len(text)]
    for start, end in pairwise(starts):
        for match in _QUOTED.finditer(text, max(start - _OVERLAP, 0), end):
            for path in match[1].decode("utf-8", "replace").replace("\\", "/").split(","):
                if _leads_out(folder, path.strip()):
                    line = text.count(b"\n", 0, match.start()) + 1
                    msg = (
                        f"{name}:{line}: names {path.strip()}, which is not among the files "
                        "uploaded: name files relative to this one and upload them with it"
                    )
                    raise InputFileError(msg)


def _leads_out(folder: str, path: str) -> bool:
    if re.match(r"/|~|[A-Za-z]:/|file:", path):
        return True
    return posixpath.normpath(posixpath.join(folder, path)).startswith("..")


def _unpacked(name: str, content: bytes) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        text = GzipFile(fileobj=io.BytesIO(content)).read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{name}: cannot be unpacked: {error}"
        raise InputFileError(msg) from None
    if len(text) > MAX_TEXT_BYTES:
        msg = f"{name}: unpacks to more than {MAX_TEXT_BYTES // 10**6} MB"
        raise InputFileError(msg)
    return text
