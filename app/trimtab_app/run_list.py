"""The list of runs as one element: a table whose rows can be ticked and opened.

Streamlit draws every control as an element of its own; twenty rows of them take a browser most of a
second, each time. Here the server sends rows, and the script below changes what differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

SCRIPT = Path(__file__).parent / "static" / "run_list.js"
KEY = "run-list"
TICKED = "runs-ticked"
OPENED = "runs-opened"


@dataclass(frozen=True, slots=True)
class Line:
    """One run: where its link leads, and the ready markup of its cells."""

    id: str
    href: str
    cells: tuple[str, ...]


def show(lines: Sequence[Line]) -> list[str]:
    """Draw the list; ids of the ticked ones, in its order."""
    table = component(
        "trimtab.run_list", js=SCRIPT.read_text(encoding="utf-8"), isolate_styles=False
    )
    table(
        key=KEY,
        data={"lines": [asdict(line) for line in lines], "ticked": _known(lines)},
        on_ticked_change=lambda: _keep(TICKED, "ticked"),
        on_opened_change=lambda: _keep(OPENED, "opened"),
    )
    return _known(lines)


def _keep(name: str, part: str) -> None:
    found: Any = st.session_state[KEY]
    st.session_state[name] = found.get(part)


def _known(lines: Sequence[Line]) -> list[str]:
    ticked = st.session_state.get(TICKED) or ()
    return [line.id for line in lines if line.id in ticked]


def opened() -> str | None:
    """The run whose link was followed since it was last asked."""
    found = st.session_state.pop(OPENED, None)
    return None if found is None else str(found)
