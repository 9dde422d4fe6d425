"""Overview: what there is, what happens now, and what to do next."""

from __future__ import annotations

import shutil

import streamlit as st
from trimtab.contracts.errors import RunFailedError
from trimtab.evidence.content import tiles_of

from trimtab_app import markup, navigation, results, session, tour


def show() -> None:
    """Draw the page."""
    markup.title(
        "Overview",
        "How much of the gap between today's practice and a computed bound does each controller "
        "close? Every number here comes from the workspace's store.",
    )
    _machine()
    known = results.finished(5)
    if not known:
        _first()
        return
    st.subheader("Last results", anchor=False)
    for run in known:
        _result(run)


def _machine() -> None:
    folder = session.workspace()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    markup.tiles([("Free disk", f"{free_gb:,.0f} GB", str(session.workspace()))])


def _first() -> None:
    markup.empty(
        "Nothing has been run here yet",
        "Start from a shipped scenario or from your own files; the first result takes minutes.",
    )
    with st.container(horizontal=True):
        navigation.button("Set up a scenario", "scenarios", type="primary")
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
