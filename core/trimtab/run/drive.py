"""Drives one run or sweep in the foreground: its own crew works until every job is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from trimtab.run.claims import REPORT
from trimtab.run.control import cancel_run
from trimtab.run.rows import OPEN_STATES
from trimtab.run.scope import Scope
from trimtab.run.store import Store

CANCEL_WAIT_S = 2.0


class AnyCrew(Protocol):
    """A crew of any engine."""

    def tick(self) -> None:
        """Look after the workers for a moment."""


LOOK_EVERY_S = 0.1


def open_jobs(store: Store, scope: Scope) -> int:
    """Jobs that are not settled; the report of a single run is not counted."""
    left = scope.open_jobs(store.db)
    if not scope.run:
        return left
    report = store.db.execute(
        "select state from job where id=?", (f"{REPORT}{scope.run}",)
    ).fetchone()
    return left - int(report is not None and report[0] in OPEN_STATES)


def drive(
    store: Store, scope: Scope, crew: AnyCrew, look: Callable[[int], None] = lambda left: None
) -> None:
    """Work until every job of a run or sweep is settled.

    Args:
        store: of the workspace.
        scope: what is to be done.
        crew: works on it; others may take jobs of it too.
        look: called with the number of open jobs, when something may have changed.

    Raises:
        KeyboardInterrupt: the user interrupted; what is left is cancelled, what was done is kept.
            A second interrupt does not wait for the workers.
    """
    looked = 0.0
    left = open_jobs(store, scope)
    try:
        while left:
            crew.tick()
            if time.monotonic() - looked >= LOOK_EVERY_S:
                left = open_jobs(store, scope)
                looked = time.monotonic()
                look(left)
    except KeyboardInterrupt:
        for run in _runs(store, scope):
            cancel_run(store.db, run, "interrupted by the user")
        _let_them_stop(store, scope, crew)
        raise


def _runs(store: Store, scope: Scope) -> list[str]:
    if scope.run:
        return [scope.run]
    rows = store.db.execute("select id from run where sweep=?", (scope.sweep,)).fetchall()
    return [row[0] for row in rows]


def _let_them_stop(store: Store, scope: Scope, crew: AnyCrew) -> None:
    """Wait a moment for running jobs to keep what they have."""
    until = time.monotonic() + CANCEL_WAIT_S
    while scope.states(store.db).get("running") and time.monotonic() < until:
        crew.tick()
