"""Finished runs as the pages read them: from the store and the run's folder."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from pydantic import ValidationError
from trimtab.contracts.errors import RunFailedError, UnknownNameError
from trimtab.contracts.figure import Figure
from trimtab.evidence.figures_json import FIGURES_FILE, figures_from_json
from trimtab.evidence.result import Result
from trimtab.run.workspace import RunBrief, RunQuery, Workspace

from trimtab_app import choices, session

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
LATEST = 200
"""Runs that a picker offers; older ones are reached from the Runs page or by address."""


def workspace() -> Workspace:
    """The store's front door."""
    return Workspace(session.workspace())


def listed(query: RunQuery) -> list[RunBrief]:
    """Runs that a query chooses; read again only when the store has changed."""
    front = workspace()
    return _listed(str(front.path), query, front.stamp())


@st.cache_resource(max_entries=128, show_spinner=False)
def _listed(path: str, query: RunQuery, stamp: tuple[int, ...]) -> list[RunBrief]:
    return Workspace(Path(path)).runs(query)


def counted(query: RunQuery) -> int:
    """Number of runs that a query chooses, whatever its limit; read as `listed`."""
    front = workspace()
    return _counted(str(front.path), query, front.stamp())


@st.cache_data(max_entries=256, show_spinner=False)
def _counted(path: str, query: RunQuery, stamp: tuple[int, ...]) -> int:
    return Workspace(Path(path)).count(query)


def domains_and_owners() -> tuple[list[str], list[str]]:
    """Domains of the stored runs, and who asked for them; read as `listed`."""
    front = workspace()
    return _domains_and_owners(str(front.path), front.stamp())


@st.cache_data(max_entries=8, show_spinner=False)
def _domains_and_owners(path: str, stamp: tuple[int, ...]) -> tuple[list[str], list[str]]:
    front = Workspace(Path(path))
    return front.domains(), front.owners()


def run_dir(run: str) -> Path:
    """Folder of a run's files.

    Raises:
        UnknownNameError: that is no run id, but for example a path.
    """
    if RUN_ID.fullmatch(run) is None:
        raise UnknownNameError(run, "run", finished(20))
    return session.workspace() / "runs" / run


def finished(limit: int = LATEST) -> list[str]:
    """Ids of the latest runs that have a result, newest first."""
    briefs = listed(RunQuery(limit=limit))
    return [b.id for b in briefs if b.headline is not None or b.recommended is not None]


def pick_run(label: str, parameter: str) -> str | None:
    """A picker of finished runs that keeps its choice in the address; None where there is none."""
    known = finished()
    asked = st.query_params.get(parameter, "")
    if asked and asked not in known and is_finished(asked):
        known = [asked, *known]
    if not known:
        return None
    return choices.pick(label, parameter, known)


def result_of(run: str) -> Result:
    """Result of a finished run.

    Raises:
        RunFailedError: it has none, or not one of this version.
    """
    path = run_dir(run) / "result.json"
    try:
        return _result(str(path), path.stat().st_mtime_ns)
    except (OSError, ValidationError):
        msg = f"{run}: has no result that this version reads: run its scenario again"
        raise RunFailedError(msg) from None


@st.cache_resource(max_entries=64, show_spinner=False)
def _result(path: str, stamp: int) -> Result:
    return Result.from_json(Path(path).read_bytes())


def figures_of(run: str) -> tuple[Figure, ...]:
    """The domain's figures of a run, as its report stored them; none where it has none."""
    path = run_dir(run) / FIGURES_FILE
    try:
        return _figures(str(path), path.stat().st_mtime_ns)
    except (OSError, ValidationError):
        return ()


@st.cache_resource(max_entries=64, show_spinner=False)
def _figures(path: str, stamp: int) -> tuple[Figure, ...]:
    return figures_from_json(Path(path).read_bytes())


def when(seconds: float) -> str:
    """A time as a person reads it, in the browser's time zone where that is known."""
    moment = datetime.fromtimestamp(seconds, UTC)
    offset = st.context.timezone_offset
    if offset is None:
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    return f"{datetime.fromtimestamp(seconds - 60 * offset, UTC):%Y-%m-%d %H:%M}"


def is_finished(run: str) -> bool:
    """Whether a run has a result."""
    return (run_dir(run) / "result.json").is_file()


def titled(figure: Figure, run: str) -> Figure:
    """The figure with its run in the title; as it is where `run` is empty."""
    return replace(figure, title=f"{figure.title}, {run}") if run else figure
