"""Files that users bring: kept under their SHA-256 in a quota folder, unpacked with limits.

Only bytes are handled here. What a file means is found out by the domain's importer, in a process
of its own with limits on memory and time (`confined`).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trimtab.contracts.damage import DAMAGED_ZIP
from trimtab.contracts.errors import InputFileError

MAX_FILE_BYTES = 50_000_000
QUOTA_BYTES = 1_000_000_000
MAX_MEMBERS = 500
MAX_UNPACKED_BYTES = 200_000_000
MAX_RATIO = 200
"""Unpacked over packed size of one member; text of simulators reaches about 40."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it came: the name that the user's machine gave it, and its bytes."""

    name: str
    content: bytes


def unpacked(upload: Upload) -> list[Upload]:
    """The file itself, or the members of a zip.

    Raises:
        InputFileError: too large, or a zip with links, too many members or too much in them.
    """
    if len(upload.content) > MAX_FILE_BYTES:
        msg = f"{upload.name}: is larger than {MAX_FILE_BYTES // 10**6} MB"
        raise InputFileError(msg)
    if not upload.name.lower().endswith(".zip"):
        return [Upload(safe_name(upload.name), upload.content)]
    try:
        with zipfile.ZipFile(io.BytesIO(upload.content)) as archive:
            return list(_members(upload.name, archive))
    except InputFileError:
        raise
    except DAMAGED_ZIP as error:
        msg = f"{upload.name}: cannot be unpacked: {error}"
        raise InputFileError(msg) from None


def _members(name: str, archive: zipfile.ZipFile) -> Iterator[Upload]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MAX_MEMBERS:
        msg = f"{name}: has {len(members)} members, at most {MAX_MEMBERS} are unpacked"
        raise InputFileError(msg)
    total = 0
    for member in members:
        where = f"{name}: member {member.filename!r}"
        if stat.S_ISLNK(member.external_attr >> 16):
            msg = f"{where} is a link: pack the file itself"
            raise InputFileError(msg)
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            msg = f"{where} leads out of the archive"
            raise InputFileError(msg)
        total += member.file_size
        if total > MAX_UNPACKED_BYTES or member.file_size > MAX_RATIO * max(
            member.compress_size, 1000
        ):
            msg = f"{where} unpacks to more than is allowed ({MAX_UNPACKED_BYTES // 10**6} MB)"
            raise InputFileError(msg)
        with archive.open(member) as stream:
            content = stream.read(member.file_size + 1)
        if len(content) != member.file_size:
            msg = f"{where} is not as large as the archive says"
            raise InputFileError(msg)
        yield Upload("/".join(safe_name(part) for part in path.parts), content)


def safe_name(name: str) -> str:
    """A file name without anything that a path or a shell could take amiss."""
    clean = re.sub(r"[^\w.+-]", "_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")
    return clean[-120:] or "file"


@dataclass(frozen=True, slots=True)
class Shelf:
    """One user's uploads, each once, named by content."""

    folder: Path
    quota_bytes: int = QUOTA_BYTES

    @classmethod
    def of(cls, workspace: Path, user: str) -> Shelf:
        """Uploads of a user in a workspace."""
        return cls(workspace.resolve() / "uploads" / user)

    def used_bytes(self) -> int:
        """What the uploads take on disk."""
        if not self.folder.is_dir():
            return 0
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def keep(self, content: bytes) -> Path:
        """Store bytes under their hash; the same bytes twice are one file.

        Raises:
            InputFileError: the quota is used up.
        """
        path = self.folder / hashlib.sha256(content).hexdigest()
        if path.exists():
            return path
        if self.used_bytes() + len(content) > self.quota_bytes:
            msg = (
                f"uploads: {self.quota_bytes // 10**6} MB are used up; delete scenarios with "
                "their files to make room"
            )
            raise InputFileError(msg)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)
        return path

    def place(self, upload: Upload, folder: Path) -> Path:
        """Put an upload into a folder under its own name; nothing lands outside it.

        Raises:
            InputFileError: the name leads out of the folder, or the quota is used up.
        """
        try:
            target = (folder / upload.name).resolve()
        except (ValueError, OSError):
            msg = f"{upload.name!r}: is no name of a file"
            raise InputFileError(msg) from None
        if not target.is_relative_to(folder.resolve()):
            msg = f"{upload.name}: leads out of the scenario's folder"
            raise InputFileError(msg)
        kept = self.keep(upload.content)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(kept, target)
        return target

    def sweep(self) -> None:
        """Delete uploads that no scenario has any more (no other link to the file is left)."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.stat().st_nlink == 1:
                    path.unlink()
