"""One run as it goes: progress, what runs now, log, what happened; cancel, resume, delete."""

from __future__ import annotations

from html import escape

import streamlit as st
from trimtab.run.rows import JobRow
from trimtab.run.workspace import RunDetail, RunProgress

from trimtab_app import markup, navigation, results
from trimtab_app.estimate import duration

POLL_S = 1.0
SHOWN_EVENTS = 12
MAX_ROWS = 200


def show(run: str) -> None:
    """Draw a run; it follows by itself while anything of it is open."""
    detail = results.workspace().run(run)
    markup.title(detail.row.id, f"{detail.row.domain}, started {results.when(detail.row.created)}")
    live = not detail.row.settled
    st.fragment(_live, run_every=POLL_S if live else None)(detail.row.id, live)
    if not live:
        _outcome(detail)
        _happened(detail.row.id, results.workspace().stamp())
    _jobs(detail)
    _files(detail)


def _live(run: str, was_live: bool) -> None:
    """What changes while the run goes on; the whole page is drawn again when it ends."""
    workspace = results.workspace()
    stamp = workspace.stamp()
    progress = _progress(str(workspace.path), run, stamp)
    if was_live and progress.eta_s is None and not _is_open(progress):
        st.rerun()
    _headline(progress)
    _actions(run, progress)
    if progress.running:
        _running(progress)
    if was_live:
        _happened(run, stamp)


def _is_open(progress: RunProgress) -> bool:
    return any(progress.states.get(state) for state in ("queued", "running", "paused"))


@st.cache_data(max_entries=32, show_spinner=False)
def _progress(path: str, run: str, stamp: tuple[int, ...]) -> RunProgress:
    return results.workspace().progress(run)


def _headline(progress: RunProgress) -> None:
    state = "cancelling" if progress.cancelling else progress.state
    states = progress.states
    done, total = states.get("done", 0), max(sum(states.values()), 1)
    share = progress.share if _is_open(progress) else done / total
    markup.show(f"<p>{markup.badge(state)}</p>{markup.bar(share, 'Progress')}")
    left = "none" if not _is_open(progress) else "not known yet"
    if progress.eta_s is not None:
        left = f"about {duration(progress.eta_s)}"
    jobs = f"{done} of {sum(states.values())} jobs"
    markup.tiles(
        [
            (
                "Progress",
                f"{100 * share:.0f} %",
                jobs,
            ),
            ("Time left", left, "at the speed so far" if _is_open(progress) else f"it is {state}"),
            ("Waiting", str(states.get("queued", 0)), f"{states.get('running', 0)} running"),
            ("Failed", str(states.get("failed", 0)), f"{states.get('cancelled', 0)} cancelled"),
        ]
    )


def _actions(run: str, progress: RunProgress) -> None:
    workspace = results.workspace()
    with st.container(horizontal=True, key="run-actions"):
        if _is_open(progress):
            if st.button("Cancel", key="cancel", disabled=progress.cancelling):
                workspace.cancel(run)
                st.rerun()
            return
        if results.is_finished(run):
            if st.button("Compare", type="primary", key="to-compare"):
                navigation.go("compare", base=run)
            if st.button("Report", key="to-report"):
                navigation.go("report", run=run)
        left = progress.states.get("cancelled", 0) + progress.states.get("failed", 0)
        if left and st.button(f"Resume {left} jobs", key="resume", type="primary"):
            workspace.resume(run)
            st.rerun()
        with st.popover("Delete"):
            markup.lead("The run goes with its files. What other runs share stays.")
            if st.button(f"Delete {run}", key="delete-run"):
                workspace.delete(run)
                navigation.go("runs")


def _running(progress: RunProgress) -> None:
    markup.table(
        "Running now.",
        ("Controller", "Seed", "Progress", "Step", "Attempt"),
        [
            (j.controller, str(j.seed), f"{100 * j.progress:.0f} %", str(j.step), str(j.attempt))
            for j in progress.running
        ],
    )


def _happened(run: str, stamp: tuple[int, ...]) -> None:
    events, tail = _said(str(results.workspace().path), run, stamp)
    if events:
        with st.expander(f"What happened ({len(events)})", key="events"):
            lines = [f"{results.when(t)}  {level}  {text}" for t, level, text in events]
            markup.log("\n".join(lines[-SHOWN_EVENTS:]), "What happened")
    if tail:
        with st.expander("End of the log", key="log", expanded=True):
            markup.log(tail, "End of the log")


@st.cache_data(max_entries=32, show_spinner=False)
def _said(
    path: str, run: str, stamp: tuple[int, ...]
) -> tuple[tuple[tuple[float, str, str], ...], str]:
    workspace = results.workspace()
    return workspace.run(run).events, workspace.log_tail(run)


def _outcome(detail: RunDetail) -> None:
    """The recommendation, or why there is none."""
    if results.is_finished(detail.row.id):
        advice = results.result_of(detail.row.id).recommendation
        markup.verdict(f"Recommended: {advice.name or 'nothing yet'}", advice.why)
    failed = [job for job in detail.jobs if job.state == "failed"]
    if failed:
        markup.faults([(f"{j.controller}, seed {j.seed}", j.reason) for j in failed[:10]])


def _jobs(detail: RunDetail) -> None:
    with st.expander(f"Jobs ({len(detail.jobs)})", key="jobs"):
        markup.table(
            f"The first {MAX_ROWS} jobs." if len(detail.jobs) > MAX_ROWS else "Every job.",
            ("Job", "Seed", "State", "Attempts", "Took", "Why"),
            [_job(job) for job in detail.jobs[:MAX_ROWS]],
            text=(0, 2, 5),
        )


def _job(job: JobRow) -> tuple[str, ...]:
    took = ""
    if job.started is not None and job.ended is not None and job.ended >= job.started:
        took = duration(job.ended - job.started)
    name = job.controller if job.kind == "episode" else job.kind
    return (name, str(job.seed), job.state, str(job.attempt), took, job.reason)


def _files(detail: RunDetail) -> None:
    if detail.artefacts:
        with st.expander(f"Files ({len(detail.artefacts)})", key="files"):
            markup.lead(f"In {detail.folder}")
            markup.table(
                "Files of the run with their SHA-256.",
                ("File", "Bytes", "SHA-256"),
                [(path, f"{size:,}", sha[:16]) for path, sha, _, size in detail.artefacts],
                text=(0, 2),
            )
    with st.expander("Scenario", key="scenario-text"):
        markup.show(f'<pre tabindex="0" aria-label="Scenario">{escape(detail.scenario)}</pre>')
