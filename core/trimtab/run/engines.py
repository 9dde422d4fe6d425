"""Engines: where the worker processes of a run live. They only execute leases of the store."""

from __future__ import annotations

import os

from trimtab.run.crew import Crew, Watcher
from trimtab.run.plan import RunOptions
from trimtab.run.scope import Scope
from trimtab.run.store import Store
from trimtab.run.worker import Duty


def crew_of(
    options: RunOptions,
    store: Store,
    scope: Scope,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Crew:
    """The crew of one run or sweep on the engine that the options name.

    Args:
        options: engine and number of workers.
        store: of the workspace.
        scope: the jobs that it works on.
        jobs: that wait, where it is known: more workers than that are not started.
        watcher: hears what happens.
    """
    slots = options.workers or os.cpu_count() or 1
    duty = Duty(str(options.workspace.resolve()), scope.run, scope.sweep)
    return Crew(store, duty, slots if jobs is None else min(slots, jobs), watcher)
