"""What the machine refuses (disk, memory, permissions), said as errors of our own."""

from __future__ import annotations

import errno
import sqlite3

from trimtab.contracts.errors import TrimtabError

REFUSED = {
    errno.EACCES: "give yourself the permission, or name another folder",
    errno.EPERM: "give yourself the permission, or name another folder",
    errno.EROFS: "the file system is read-only: name another folder",
    errno.ENOSPC: "the disk is full: make room and do it again",
    errno.EDQUOT: "your quota is used up: make room and do it again",
}
"""Error number of the system → how to mend it."""


def machine_fault(error: BaseException) -> TrimtabError | None:
    """An error of ours for one of the machine's; None for anything else, which is a bug."""
    if isinstance(error, MemoryError):
        return TrimtabError("there is not enough memory for this: a file may be too large")
    if isinstance(error, sqlite3.Error):
        return TrimtabError(f"the job store cannot be used ({error}): {_store_advice(str(error))}")
    if isinstance(error, OSError) and error.errno in REFUSED:
        return TrimtabError(f"{error.filename}: {error.strerror}: {REFUSED[error.errno]}")
    return None


def _store_advice(said: str) -> str:
    if "readonly" in said:
        return "its folder is read-only for you: give yourself write permission, or work in a copy"
    if "disk is full" in said:
        return REFUSED[errno.ENOSPC]
    return "see `trimtab doctor`; where it is damaged, restore it from a copy or move it away"
