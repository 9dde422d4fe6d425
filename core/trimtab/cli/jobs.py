"""`worker`, `status`, `cancel`, `resume`: runs that go on while nobody watches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, Detach, RunId, Workers, Workspace
from trimtab.cli.session import Session

if TYPE_CHECKING:
    from trimtab.run.workspace import RunProgress

FOLLOW_EVERY_S = 0.5


def worker(
    slots: Annotated[
        int | None, typer.Option("--slots", metavar="N", min=1, help="processes (default: CPUs)")
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="end when nothing is queued any more")
    ] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Do queued jobs of a workspace until stopped; one such supervisor per workspace."""
    with Session(as_json=json_) as session:
        from trimtab.run.supervisor import supervise

        supervise(workspace, slots or os.cpu_count() or 1, until_idle=until_idle, say=session.note)
        session.document("trimtab/worker/1", workspace=str(workspace), stopped=True)


def status(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="a run; all recent ones if absent")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on until the run is settled")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="runs listed")] = 20,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Show how far runs are; `--follow --json` writes one JSON line per change."""
    if follow and run_id is None:
        msg = "--follow needs a run: name one, or `latest`"
        raise typer.BadParameter(msg)
    with Session(as_json=json_) as session:
        if run_id is None:
            _list(session, workspace, limit)
        elif follow:
            _follow(session, workspace, run_id)
        else:
            _show(session, workspace, run_id)


def _list(session: Session, workspace: Any, limit: int) -> None:
    from dataclasses import asdict

    from trimtab.run.supervisor import supervisor_pid
    from trimtab.run.workspace import RunQuery
    from trimtab.run.workspace import Workspace as Space

    found = Space(workspace).runs(RunQuery(limit=limit))
    rows = [
        [r.id, r.state, f"{r.done}/{r.total}", str(r.failed), r.recommended or ""] for r in found
    ]
    session.table(["run", "state", "done", "failed", "recommended"], rows)
    if not Space(workspace).exists:
        session.note(f"{workspace}: nothing has been run here yet; or name another --workspace")
    pid = supervisor_pid(workspace)
    open_ = any(r.state in {"queued", "running", "paused"} for r in found)
    if open_ and pid is None:
        session.note("no supervisor is at work here: start one with `trimtab worker`")
    session.document("trimtab/status/1", runs=[asdict(r) for r in found], supervisor=pid)


def _show(session: Session, workspace: Any, run_id: str) -> None:
    from dataclasses import asdict

    from trimtab.run.workspace import Workspace as Space

    space = Space(workspace)
    detail, progress = space.run(run_id), space.progress(run_id)
    session.text(f"{detail.row.id}: {_line(progress)}")
    shown = [j for j in detail.jobs if j.state != "done"] or detail.jobs
    rows = [[j.controller, str(j.seed), j.state, str(j.step), j.reason] for j in shown]
    session.table(["controller", "seed", "state", "step", "reason"], rows)
    for _, level, text in detail.events:
        if level != "info":
            session.note(f"{level}: {text}")
    session.document(
        "trimtab/run-status/1",
        run_id=detail.row.id,
        state=progress.state,
        states=dict(progress.states),
        share=progress.share,
        eta_s=progress.eta_s,
        cancelling=progress.cancelling,
        jobs=[asdict(job) for job in detail.jobs],
        events=[{"t": t, "level": level, "text": text} for t, level, text in detail.events],
    )


def _follow(session: Session, workspace: Any, run_id: str) -> None:
    import json
    import threading

    from trimtab.run.workspace import Workspace as Space

    space, tick, last = Space(workspace), threading.Event(), ""
    run = space.run(run_id).row.id
    while True:
        progress = space.progress(run)
        line = _line(progress)
        if line != last:
            last = line
            session.text(f"{run}: {line}")
            if session.as_json:
                document = {
                    "schema": "trimtab/progress/1",
                    "run_id": run,
                    "state": progress.state,
                    "states": dict(progress.states),
                    "share": progress.share,
                    "eta_s": progress.eta_s,
                }
                session.raw(json.dumps(document) + "\n")
            session.stream.flush()
        if not any(progress.states.get(s) for s in ("queued", "running", "paused")):
            raise typer.Exit(1 if progress.states.get("failed") else 0)
        tick.wait(FOLLOW_EVERY_S)


def _line(progress: RunProgress) -> str:
    states = ", ".join(f"{n} {state}" for state, n in sorted(progress.states.items()))
    state = "cancelling" if progress.cancelling else progress.state
    eta = "" if progress.eta_s is None else f", {progress.eta_s:.0f} s left"
    return f"{state}, {100 * progress.share:.0f} % ({states}{eta})"


def cancel(run_id: RunId, workspace: Workspace = DEFAULT_WORKSPACE, json_: AsJson = False) -> None:
    """Cancel what is left of a run; finished jobs and checkpoints are kept."""
    with Session(as_json=json_) as session:
        from trimtab.run.workspace import Workspace as Space

        space = Space(workspace)
        run = space.run(run_id).row.id
        jobs = space.cancel(run)
        session.text(f"{run}: {jobs} jobs cancelled" if jobs else f"{run}: nothing left to cancel")
        session.document("trimtab/cancelled/1", run_id=run, jobs=jobs)


def resume(
    run_id: RunId,
    workers: Workers = None,
    detach: Detach = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Go on with a run that was cancelled, interrupted, or failed; what is done is kept."""
    with Session(as_json=json_) as session:
        from trimtab.run.workspace import Workspace as Space

        space = Space(workspace)
        row = space.run(run_id).row
        run, jobs = row.id, space.resume(row.id)
        left = "nothing is left to do" if row.settled else "goes on with what is left"
        session.note(f"{run}: {jobs} jobs queued again" if jobs else f"{run}: {left}")
        if detach:
            session.text(run)
            session.document("trimtab/queued/1", run_id=run, workspace=str(workspace))
            return
        from trimtab.cli.running import conclude_stored

        raise typer.Exit(conclude_stored(session, workspace, run, workers))
