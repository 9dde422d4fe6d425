"""The Ray engine: one actor per slot holds a crew of one worker, which claims jobs as any other.

The store stays the only truth, so results are the same bits as on the local engine, and the loss
of an actor or a node loses nothing: its workers see their pipe close, give their jobs back and
end. Every node must see the workspace as a local disk: SQLite's locks do not hold on network
file systems. Imported only where `--engine ray` is asked for (extra ray).
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import MissingDependencyError
from trimtab.run.claims import reap
from trimtab.run.crew import PATROL_EVERY_S, TICK_S, Crew, Doing, Watcher
from trimtab.run.duty import Duty
from trimtab.run.store import Store

WARNING = (
    "Ray listens on all interfaces of this machine whatever it is told; token authentication is "
    "on, the dashboard off. Use it behind a firewall."
)


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingDependencyError(package="ray", extra="ray", purpose="the Ray engine") from None
    return ray


def begin_session(slots: int) -> bool:
    """Join the Ray cluster that is there, or start one on this machine.

    One is there where `ray.init` was called already or RAY_ADDRESS is set. Token authentication
    is switched on; a cluster of the user's own needs its token in RAY_AUTH_TOKEN.

    Returns:
        Whether this process began the session and has to end it.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _ray()
    if ray.is_initialized():
        return False
    joined = bool(os.environ.get("RAY_ADDRESS"))
    more = {} if joined else {"num_cpus": slots, "include_dashboard": False}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **more)
    return True


class Slot:
    """What runs in an actor: a crew of one worker."""

    def work(self, duty: dict[str, Any]) -> None:
        """Work until nothing of the duty's scope is open any more."""
        told = Duty(**duty)
        with Store(Path(told.workspace)) as store, Crew(store, told, 1, share=told.share) as crew:
            while told.scope.open_jobs(store.db) > 0:
                crew.tick()


class RayCrew:
    """As `run.crew.Crew`, with its workers in Ray actors."""

    def __init__(
        self, store: Store, duty: Duty, slots: int, watcher: Watcher | None = None
    ) -> None:
        self._store, self._size = store, max(slots, 1)
        self._duty = duty
        self._watcher = watcher or Watcher()
        self._began = begin_session(self._size)
        self._ray = _ray()
        self._actors: dict[Any, Any] = {}
        self._patrolled, self._warned = 0.0, False

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def doing(self) -> tuple[Doing, ...]:
        """What is running, read from the store."""
        scope = self._duty.scope
        rows = self._store.db.execute(
            "select kind, controller, seed, step from job where state='running' "  # noqa: S608
            f"and {scope.jobs}",
            scope.values,
        )
        return tuple(Doing(kind, name, (seed,), step) for kind, name, seed, step in rows)

    def tick(self) -> None:
        """Replace actors that were lost, and wait for `TICK_S` at most."""
        if not self._warned:
            self._warned = True
            self._watcher.noted(WARNING)
        if self._duty.scope.open_jobs(self._store.db):
            while len(self._actors) < self._size:
                self._start()
        ended, _ = self._ray.wait(list(self._actors), timeout=TICK_S) if self._actors else ([], [])
        for future in ended:
            self._ray.kill(self._actors.pop(future))
            try:
                self._ray.get(future)
            except self._ray.exceptions.RayError as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                self._watcher.noted(f"a Ray actor was lost ({lines[0]}); another one starts")
        if time.monotonic() - self._patrolled >= PATROL_EVERY_S:
            self._patrolled = time.monotonic()
            reap(self._store.db)

    def _start(self) -> None:
        path = os.pathsep.join(sys.path)
        actor = self._ray.remote(num_cpus=1, max_restarts=0)(Slot).options(
            scheduling_strategy="SPREAD", runtime_env={"env_vars": {"PYTHONPATH": path}}
        )
        made = actor.remote()
        future = made.work.remote(asdict(self._duty) | {"share": self._size})
        self._actors[future] = made

    def close(self) -> None:
        """End all actors, and Ray where it was begun here; jobs go back to the queue."""
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors = {}
        if self._began:
            self._ray.shutdown()
