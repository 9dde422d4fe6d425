"""What `trimtab validate` finds in the files that came with a scenario, read within limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from trimtab_app import confined, markup
from trimtab_app.scenario_library import Library


@dataclass(frozen=True, slots=True)
class Read:
    """What was found: lines for the reader, and whether the files can be used."""

    fine: bool
    lines: tuple[str, ...]


def show(library: Library, name: str) -> bool:
    """Say what is wrong with the files of a valid scenario; whether it may be run."""
    files = library.files(name)
    if not files:
        return True
    home = library.home(name)
    stats = ((home / file).stat() for file in files)
    marks = tuple((file, s.st_mtime_ns, s.st_size) for file, s in zip(files, stats, strict=True))
    with st.spinner("Reading the files of this scenario"):
        found = _read(str(home), library.path(name).name, library.text(name), marks)
    if not found.fine:
        markup.faults([("files", line) for line in found.lines])
        return False
    for line in found.lines:
        markup.lead(line)
    markup.fine("Its files were read: they agree with each other")
    return True


@st.cache_data(max_entries=256, show_spinner=False)
def _read(home: str, file: str, text: str, marks: tuple[tuple[str, int, int], ...]) -> Read:
    """The command's own words; read again when the text or a file changes."""
    ended = confined.command_line(["validate", file], Path(home))
    said = ended.said if ended.code == 0 else ended.reason
    prefixes = (f"{file}: ", "trimtab: ")
    lines = [line for line in said.splitlines() if line.strip()]
    for prefix in prefixes:
        lines = [line.removeprefix(prefix) for line in lines]
    return Read(ended.code == 0, tuple(lines))
