"""What the standard library raises over archives that are none, or were damaged."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

DAMAGED_STREAM = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""Reading gzip or xz."""
DAMAGED_ZIP = (
    *DAMAGED_STREAM, zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError,
    ValueError, IndexError, OverflowError,
)  # fmt: skip
"""Reading a zip archive; our own errors are ValueErrors, so let them pass first."""
