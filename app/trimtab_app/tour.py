"""The tour that a first visitor is led through: one quiet banner per page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

import streamlit as st

from trimtab_app import markup, navigation, session


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of the tour."""

    page: str
    heading: str
    text: str


STOPS = (
    Stop(
        "overview",
        "Welcome to Trimtab",
        "Bring a system, compare today's controller with better ones, take home what wins. "
        "Six stops show how.",
    ),
    Stop(
        "scenarios",
        "Set a scenario up",
        "Pick a domain, or upload your own files. The form and the YAML beside it are the same "
        "document; every fault is named while you edit, and every save is a version.",
    ),
    Stop(
        "run",
        "Start a run",
        "Choose controllers and seeds, see what it will take, and start. Close the browser if you "
        "like: the work goes on without it.",
    ),
    Stop(
        "runs",
        "Come back to it",
        "Every run of this workspace: its progress, its log, and what can be cancelled, resumed "
        "or deleted.",
    ),
    Stop(
        "compare",
        "Compare",
        "How far each controller goes from the best of today (0 %) to a computed bound (100 %); "
        "differences on common seeds with their intervals, trade-offs, rules kept and broken, and "
        "the domain's own views.",
    ),
    Stop(
        "report",
        "Take it home",
        "Read the report and download it with its tables and figures. The command at its end "
        "reproduces it, on this machine to the last bit.",
    ),
)
PARAMETER = "tour"
SEEN = "tour-seen"


def _seen_file() -> Path:
    return session.workspace() / f".{SEEN}-{session.user()}"


def offered() -> bool:
    """Whether this user has neither taken nor declined the tour, and is not on it."""
    return PARAMETER not in st.query_params and not _seen_file().exists()


def decline() -> None:
    """Never offer the tour again in this workspace."""
    session.workspace().mkdir(parents=True, exist_ok=True)
    _seen_file().touch()


def banner() -> None:
    """Show the present stop of the tour where one is under way."""
    text = st.query_params.get(PARAMETER, "")
    if not text.isdigit() or not 1 <= int(text) <= len(STOPS):
        return
    number = int(text)
    stop = STOPS[number - 1]
    with st.container(key="tour"):
        markup.show(
            f'<div class="tour" role="region" aria-label="Tour"><strong>{number} of {len(STOPS)} · '
            f"{escape(stop.heading)}</strong><p>{escape(stop.text)}</p></div>"
        )
        with st.container(horizontal=True):
            if number > 1:
                _step("Back", number - 1)
            if number < len(STOPS):
                _step("Next", number + 1, kind="primary")
            if st.button("End the tour", key="tour-end"):
                decline()
                navigation.go(stop.page if number < len(STOPS) else navigation.DEFAULT)


def _step(label: str, number: int, kind: Literal["primary", "secondary"] = "secondary") -> None:
    if st.button(label, key=f"tour-{label.lower()}", type=kind):
        navigation.go(STOPS[number - 1].page, **{PARAMETER: str(number)})
