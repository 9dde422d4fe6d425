"""Overview: what there is, what happens now, and what to do next."""

from __future__ import annotations

import os
import shutil

import streamlit as st
from trimtab.contracts.errors import RunFailedError
from trimtab.evidence.content import tiles_of
from trimtab.run.supervisor import supervisor_pid
from trimtab.run.workspace import RunQuery

from trimtab_app import markup, navigation, results, session, tour
from trimtab_app.estimate import size
from trimtab_app.scenario_library import Library

LAST = 4


def show() -> None:
    """Draw the page."""
    markup.title(
        "Overview",
        "How much of the gap between today's practice and a computed bound does each controller "
        "close? Every number here comes from the workspace's store.",
    )
    _machine()
    _running()
    known = results.finished(LAST)
    if not known:
        _first()
        return
    _next()
    st.subheader("Last results", anchor=False)
    for run in known:
        _result(run)


def _machine() -> None:
    folder = session.workspace()
    folder.mkdir(parents=True, exist_ok=True)
    states = results.workspace().states()
    pid = supervisor_pid(folder)
    cores = os.cpu_count() or 1
    busy = f"load {os.getloadavg()[0]:.1f} on {cores} cores"
    waiting = f"{states.get('queued', 0)} waiting, {states.get('paused', 0)} paused"
    lost = f"{states.get('failed', 0)} failed, {states.get('cancelled', 0)} cancelled"
    markup.tiles(
        [
            ("Jobs running", str(states.get("running", 0)), waiting),
            ("Jobs done", f"{states.get('done', 0):,}", lost),
            ("Workers", "none up" if pid is None else f"{session.slots()} at most", busy),
            ("Free disk", size(shutil.disk_usage(folder).free), str(folder)),
        ]
    )


def _running() -> None:
    briefs = results.listed(RunQuery(state="running", limit=LAST))
    if not briefs:
        return
    st.subheader("Running now", anchor=False)
    for brief in briefs:
        navigation.link(brief.id, "run", run=brief.id)
        markup.show(markup.bar(brief.done / max(brief.total, 1), f"Progress of {brief.id}"))


def _next() -> None:
    with st.container(horizontal=True, key="next"):
        navigation.button("New scenario", "scenarios", type="primary")
        navigation.button("Start a run", "run")
        navigation.button("All runs", "runs")
        if tour.offered():
            navigation.button("Take the tour", "overview", {tour.PARAMETER: "1"})


def _first() -> None:
    if Library.of(session.workspace()).names():
        text = "A scenario is set up: start a run of it; the first result takes minutes."
        markup.empty("Nothing has come to its end here yet", text)
    else:
        text = "Start from a shipped scenario or from your own files."
        markup.empty("Nothing has been run here yet", text)
    with st.container(horizontal=True):
        navigation.button("Set up a scenario", "scenarios", type="primary")
        navigation.button("Start a run", "run")
        if tour.offered():
            navigation.button("Take the tour", "overview", {tour.PARAMETER: "1"})


def _result(run: str) -> None:
    try:
        result = results.result_of(run)
    except RunFailedError as error:
        markup.faults([(run, str(error))])
        return
    with st.container(border=True, key=f"result-{run}"):
        navigation.link(f"**{result.scenario}** · {run}", "compare", base=run)
        markup.verdict(
            f"Recommended: {result.recommendation.name or 'nothing yet'}", result.recommendation.why
        )
        markup.tiles(tiles_of(result))
