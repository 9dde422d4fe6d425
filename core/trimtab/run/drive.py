"""Drives one run in the foreground: its own crew works until every job is settled."""

from __future__ import annotations

import time
from collections.abc import Callable

from trimtab.run.claims import OPEN_STATES, REPORT
from trimtab.run.control import cancel_run
from trimtab.run.crew import Crew
from trimtab.run.store import Store

CANCEL_WAIT_S = 2.0
LOOK_EVERY_S = 0.1


def open_jobs(store: Store, run: str) -> int:
    """Jobs of a run that are not settled, its report not counted."""
    states = store.states(run)
    row = store.db.execute("select state from job where id=?", (f"{REPORT}{run}",)).fetchone()
    waits = row is not None and row[0] in OPEN_STATES
    return sum(states.get(state, 0) for state in OPEN_STATES) - int(waits)


def drive(
    store: Store, run: str, crew: Crew, look: Callable[[int], None] = lambda left: None
) -> None:
    """Work until every job of `run` is settled.

    Args:
        store: of the workspace.
        run: id.
        crew: works on it; others may take jobs of it too.
        look: called with the number of open jobs, when something may have changed.

    Raises:
        KeyboardInterrupt: the user interrupted; what is left is cancelled, what was done is kept.
            A second interrupt does not wait for the workers.
    """
    looked = 0.0
    left = open_jobs(store, run)
    try:
        while left:
            crew.tick()
            if time.monotonic() - looked >= LOOK_EVERY_S:
                left = open_jobs(store, run)
                looked = time.monotonic()
                look(left)
    except KeyboardInterrupt:
        cancel_run(store.db, run, "interrupted by the user")
        _let_them_stop(store, run, crew)
        raise


def _let_them_stop(store: Store, run: str, crew: Crew) -> None:
    """Wait a moment for running jobs to keep what they have."""
    until = time.monotonic() + CANCEL_WAIT_S
    while store.states(run).get("running") and time.monotonic() < until:
        crew.tick()
