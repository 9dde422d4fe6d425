"""What users do to runs from outside: cancel, resume."""

from __future__ import annotations

import sqlite3
import time

from trimtab.run.claims import REPORT, ready_reports
from trimtab.run.schema import writing

CANCELLED = "cancelled by the user"


def cancel_run(db: sqlite3.Connection, run: str, reason: str = CANCELLED) -> int:
    """Cancel what is left of a run; jobs that another open run needs go on.

    Waiting jobs are cancelled at once, running ones flagged: their workers stop within a second.

    Returns:
        Number of jobs that this concerns.
    """
    left = (
        "id in (select job from run_job where run=:run) and not exists (select 1 from run_job "
        "join run on run.id=run_job.run where run_job.job=job.id and run.id<>:run "
        "and run.cancelled=0)"
    )
    values = {"run": run, "reason": reason, "now": time.time()}
    with writing(db):
        db.execute("update run set cancelled=1 where id=?", (run,))
        waiting = db.execute(
            "update job set state='cancelled', reason=:reason, ended=:now "  # noqa: S608
            f"where state in ('queued', 'paused') and {left}",
            values,
        ).rowcount
        running = db.execute(
            f"update job set cancel=1 where state='running' and {left}",  # noqa: S608 - our own text
            values,
        ).rowcount
        if waiting + running:
            what = f"{reason}: {waiting} waiting and {running} running jobs"
            db.execute("insert into event values(?, ?, 'warning', ?)", (run, time.time(), what))
    return int(waiting + running)


def resume_run(db: sqlite3.Connection, run: str, *, failed: bool = True) -> int:
    """Queue again what was cancelled, and what failed where `failed` is true.

    Finished jobs are kept; checkpoints are used. Its report is written again.

    Returns:
        Number of jobs queued, the report not counted.
    """
    states = "('cancelled', 'failed')" if failed else "('cancelled')"
    mine = "id in (select job from run_job where run=:run)"
    fresh = "state='queued', reason='', exit_code=0, cancel=0, deaths=0, death_step=-1"
    with writing(db):
        db.execute("update run set cancelled=0 where id=?", (run,))
        queued = db.execute(
            f"update job set {fresh} where state in {states} "  # noqa: S608 - our own text
            f"and kind<>'report' and {mine}",
            {"run": run},
        ).rowcount
        if queued:
            db.execute(
                f"update job set {fresh}, ready=0 "  # noqa: S608 - our own text
                "where id=:report and state<>'running'",
                {"report": f"{REPORT}{run}"},
            )
            what = f"resumed: {queued} jobs queued again"
            db.execute("insert into event values(?, ?, 'info', ?)", (run, time.time(), what))
        else:
            _judge_again(db, run)
    return int(queued)


def _judge_again(db: sqlite3.Connection, run: str) -> None:
    """Only the report is missing: let it begin."""
    db.execute(
        "update job set state='queued', reason='', exit_code=0, ready=0, deaths=0, death_step=-1 "
        "where id=? and state in ('cancelled', 'failed')",
        (f"{REPORT}{run}",),
    )
    some = db.execute("select job from run_job where run=? limit 1", (run,)).fetchone()
    ready_reports(db, [some[0]] if some else [])
