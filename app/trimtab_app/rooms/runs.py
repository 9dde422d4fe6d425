"""Runs: every run of the workspace; filter, sort, follow, compare, cancel, resume, delete."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import ceil
from typing import Any, get_args
from urllib.parse import urlencode

import streamlit as st
from trimtab.contracts.errors import TrimtabError
from trimtab.evidence.words import metric_words, value_text
from trimtab.run.rows import State
from trimtab.run.workspace import Order, RunBrief, RunQuery

from trimtab_app import markup, navigation, results, run_list
from trimtab_app.estimate import duration

PER_PAGE = 20
POLL_S = 2.0
ORDERS: dict[str, tuple[Order, bool]] = {
    "newest first": ("created", True),
    "oldest first": ("created", False),
    "name": ("name", False),
    "domain": ("domain", False),
    "smallest headline": ("headline", False),
    "largest headline": ("headline", True),
}


def show() -> None:
    """Draw the page."""
    markup.title("Runs", "Every run of this workspace. Nothing here is lost with the browser.")
    if not results.counted(RunQuery()):  # workers make a store before there is a run
        markup.empty("No run yet", "What you start on the Run page is listed here.")
        navigation.link("Start a run", "run")
        return
    st.fragment(_found)()


def _found() -> None:
    """Filters and what they leave; a filter draws nothing else of the page again."""
    domains, owners = results.domains_and_owners()
    query = _filters(domains, owners)
    count = results.counted(query)
    if not count:
        markup.empty("No run matches", "Loosen the filter.")
        return
    pages = ceil(count / PER_PAGE)
    page = _page(pages)
    query = RunQuery(
        domain=query.domain,
        state=query.state,
        text=query.text,
        owner=query.owner,
        sweep=query.sweep,
        order=query.order,
        descending=query.descending,
        limit=PER_PAGE,
        offset=(page - 1) * PER_PAGE,
    )
    st.fragment(_list, run_every=_interval(query))(query, len(owners) > 1)
    if pages > 1:
        st.pagination(pages, default=page, key="runs-page", on_change=_turned)
    markup.lead(_so_many(count))


def _so_many(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _interval(query: RunQuery) -> float | None:
    """Follow by itself only while something of this page is open."""
    briefs = results.listed(query)
    return POLL_S if any(b.state in {"queued", "running", "paused"} for b in briefs) else None


def _turned() -> None:
    st.query_params["page"] = str(st.session_state["runs-page"])


def _page(pages: int) -> int:
    text = str(st.query_params.get("page", "1"))
    return min(max(int(text), 1), pages) if text.isdigit() else 1


def _filters(domains: list[str], owners: list[str]) -> RunQuery:
    several = len(owners) > 1
    first, second, third, fourth, *more = st.columns([3, 2, 2, 2, 2] if several else [3, 2, 2, 2])
    with first:
        text = st.text_input("Name or id contains", key="q", bind="query-params")
    with second:
        state = _choice("State", "state", ["any", *get_args(State)])
    with third:
        domain = _choice("Domain", "domain", ["any", *domains])
    with fourth:
        order, descending = ORDERS[_choice("Order", "order", list(ORDERS))]
    owner = "any"
    for place in more:
        with place:
            owner = _choice("Owner", "owner", ["any", *owners])
    sweep = str(st.query_params.get("sweep", ""))
    if sweep:
        _one_sweep(sweep)
    chosen: Any = "" if state == "any" else state
    return RunQuery(
        domain="" if domain == "any" else domain,
        state=chosen,
        text=text,
        owner="" if owner == "any" else owner,
        sweep=sweep,
        order=order,
        descending=descending,
    )


def _one_sweep(sweep: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        markup.show(f"Runs of the sweep <code>{escape(sweep)}</code>")
        if st.button("Show all runs", key="runs-all"):
            st.query_params.pop("sweep", None)
            st.rerun()


def _choice(label: str, parameter: str, options: list[str]) -> str:
    asked = str(st.query_params.get(parameter, options[0]))
    index = options.index(asked) if asked in options else 0
    chosen = st.selectbox(label, options, index=index, key=f"runs-{parameter}")
    if chosen == options[0]:
        st.query_params.pop(parameter, None)
    elif chosen != asked:
        st.query_params[parameter] = chosen
    return str(chosen)


def _list(query: RunQuery, several: bool) -> None:  # noqa: FBT001
    """Actions above, because they are for what is ticked; filled in once that is known."""
    followed = run_list.opened()
    if followed is not None:
        navigation.go("run", run=followed)
    actions = st.container(horizontal=True, vertical_alignment="center", key="runs-actions")
    ticked = run_list.show([_line(b, b.owner if several else "") for b in results.listed(query)])
    with actions:
        _actions(ticked)


def _line(brief: RunBrief, owner: str) -> run_list.Line:
    share = brief.done / max(brief.total, 1)
    jobs = f"{brief.done} of {brief.total} jobs{_eta(brief)}"
    said = brief.recommended or ("no result yet" if brief.headline is None else "nothing yet")
    if brief.headline is not None:
        words = metric_words(brief.metric or "headline", brief.unit or "")
        said += f", {words} {value_text(brief.headline, brief.unit or '')}"
    about = ", ".join(x for x in (brief.domain, results.when(brief.created), owner) if x)
    return run_list.Line(
        brief.id,
        f"run?{urlencode({'run': brief.id})}",
        (
            f"{markup.badge(brief.state)} <span class='muted'>{escape(jobs)}</span>"
            f"{markup.bar(share, 'Progress')}",
            f"{escape(said)}<small>{escape(about)}</small>",
        ),
    )


def _eta(brief: RunBrief) -> str:
    if brief.state != "running":
        return ""
    eta_s = results.workspace().progress(brief.id).eta_s
    return "" if eta_s is None else f", about {duration(eta_s)} left"


def _actions(selected: list[str]) -> None:
    """What can be done with the runs that are ticked."""
    workspace = results.workspace()
    nothing = not selected
    if st.button("Compare", disabled=nothing, key="runs-compare", type="primary"):
        query = {"base": selected[0]}
        if selected[1:]:
            query["with"] = ",".join(selected[1:])
        navigation.go("compare", **query)
    if st.button("Cancel", disabled=nothing, key="runs-cancel"):
        _each(selected, workspace.cancel)
    if st.button("Resume", disabled=nothing, key="runs-resume"):
        _each(selected, workspace.resume)
    with st.popover("Delete", disabled=nothing):
        markup.lead("Runs go with their files. What other runs share stays.")
        if st.button(f"Delete {_so_many(len(selected))}", key="runs-delete"):
            _each(selected, workspace.delete)
    markup.show(f'<span class="muted">{len(selected) or "none"} selected</span>')


def _each(selected: list[str], do: Callable[[str], int]) -> None:
    for run in selected:
        try:
            do(run)
        except TrimtabError as error:
            st.toast(str(error))
    st.rerun()
