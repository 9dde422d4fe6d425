"""Engines: where the worker processes of a run live. They only execute leases of the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trimtab.run.crew import Crew, Watcher
from trimtab.run.duty import Duty
from trimtab.run.plan import RunOptions
from trimtab.run.scope import Scope
from trimtab.run.store import Store

if TYPE_CHECKING:
    from trimtab.run.ray_crew import RayCrew


def crew_of(
    options: RunOptions,
    store: Store,
    scope: Scope,
    jobs: int | None = None,
    watcher: Watcher | None = None,
) -> Crew | RayCrew:
    """The crew of one run or sweep on the engine that the options name.

    Args:
        options: engine and number of workers.
        store: of the workspace.
        scope: the jobs that it works on.
        jobs: that wait, where it is known: more workers than that are not started.
        watcher: hears what happens.

    Raises:
        MissingDependencyError: the engine is Ray, which is not installed.
    """
    slots = options.workers or os.cpu_count() or 1
    duty = Duty(str(options.workspace.resolve()), scope.run, scope.sweep)
    slots = slots if jobs is None else min(slots, jobs)
    if options.engine == "local":
        return Crew(store, duty, slots, watcher)
    from trimtab.run.ray_crew import RayCrew

    return RayCrew(store, duty, slots, watcher)
