"""The user's scenarios in the workspace: a working copy each, saved versions, files beside them.

``scenarios/<name>/<name>.yaml`` is the working copy, rewritten with every edit, so that a reload
or a restart loses nothing; ``<name>.v001.yaml`` and so on are versions and never change.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError, UnknownNameError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
FILES = "files"


@dataclass(frozen=True, slots=True)
class Library:
    """Scenarios below one folder."""

    folder: Path

    @classmethod
    def of(cls, workspace: Path) -> Library:
        """The scenarios of a workspace."""
        return cls(workspace.resolve() / "scenarios")

    def names(self) -> list[str]:
        """Every scenario, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if self._draft(p.name).is_file())

    def home(self, name: str) -> Path:
        """Folder of a scenario.

        Raises:
            InputFileError: that is no name.
        """
        if NAME.fullmatch(name) is None:
            msg = (
                f"{name!r} is no scenario name: lower-case letters, digits and hyphens, at most 64"
            )
            raise InputFileError(msg)
        return self.folder / name

    def _draft(self, name: str) -> Path:
        return self.folder / name / f"{name}.yaml"

    def path(self, name: str, version: int = 0) -> Path:
        """File of a version; 0 is the working copy.

        Raises:
            UnknownNameError: there is none.
        """
        home = self.home(name)
        path = home / (f"{name}.v{version:03d}.yaml" if version else f"{name}.yaml")
        if not path.is_file():
            raise UnknownNameError(path.name, "scenario of this workspace", self.names())
        return path

    def text(self, name: str, version: int = 0) -> str:
        """Text of a version; 0 is the working copy."""
        return self.path(name, version).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Replace the working copy so that a reader never sees half of it."""
        path = self.home(name) / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)

    def create(self, name: str, text: str) -> str:
        """A new scenario of that name, numbered where the name is taken; returns its name."""
        free = self.free_name(name)
        self.write(free, renamed(text, free))
        return free

    def free_name(self, name: str) -> str:
        """A name that is not taken, as near as can be."""
        clean = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:56] or "scenario"
        taken, free, number = set(self.names()), clean, 2
        while free in taken or (self.folder / free).exists():
            free, number = f"{clean}-{number}", number + 1
        return free

    def duplicate(self, name: str) -> str:
        """A copy with the files, without the versions; returns its name."""
        free = self.free_name(f"{name}-copy")
        if (self.home(name) / FILES).is_dir():
            shutil.copytree(self.home(name) / FILES, self.home(free) / FILES, copy_function=os.link)
        self.write(free, renamed(self.text(name), free))
        return free

    def versions(self, name: str) -> list[int]:
        """Numbers of the saved versions, rising."""
        found = self.home(name).glob(f"{name}.v*.yaml")
        return sorted(int(p.suffixes[-2][2:]) for p in found if p.suffixes[-2][2:].isdigit())

    def save(self, name: str) -> int:
        """Keep the working copy as a version; the same text twice is one version."""
        text, known = self.text(name), self.versions(name)
        if known and self.text(name, known[-1]) == text:
            return known[-1]
        number = known[-1] + 1 if known else 1
        path = self.home(name) / f"{name}.v{number:03d}.yaml"
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        return number

    def restore(self, name: str, version: int) -> None:
        """Make a version the working copy again."""
        self.write(name, self.text(name, version))

    def delete(self, name: str) -> None:
        """Delete a scenario with its versions and files; runs made of it stay."""
        shutil.rmtree(self.home(name))

    def files(self, name: str) -> list[str]:
        """Paths of the scenario's own files, relative to it."""
        home = self.home(name)
        found = (p for p in (home / FILES).rglob("*") if p.is_file())
        return sorted(p.relative_to(home).as_posix() for p in found)


def renamed(text: str, name: str) -> str:
    """The text of a scenario file with another `name`."""
    return re.sub(r"(?m)^name:.*$", f"name: {name}", text, count=1)
