"""The recorder: writes what the engine says into the store, and tells whoever asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trimtab.run.engine import TaskEnd, Watcher
from trimtab.run.jobs import BOUND, Task
from trimtab.run.store import Store


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that did not come to its end."""

    controller: str
    seed: int
    reason: str
    exit_code: int = 1


class Recorder:
    """Follows the tasks of one run.

    Attributes:
        failures: jobs that did not come to their end.
        done: jobs settled, failed ones included.
    """

    def __init__(self, store: Store, run: str, on_change: OnChange | None = None) -> None:
        self.failures: list[Failure] = []
        self.done = 0
        self._store, self._run, self._on_change = store, run, on_change
        self._running: dict[Task, str] = {}
        self._tell()

    @property
    def running(self) -> tuple[str, ...]:
        """One text per busy worker: controller, seeds, step."""
        return tuple(self._running.values())

    def watcher(self) -> Watcher:
        """Callbacks for the engine."""
        return Watcher(self._started, self._decided, self._ended, self._died)

    @contextlib.contextmanager
    def cancelling(self) -> Iterator[None]:
        """Mark what is left as cancelled when the run is interrupted."""
        try:
            yield
        except KeyboardInterrupt:
            left = [j.id for j in self._store.jobs(self._run) if j.state in {"queued", "running"}]
            self._store.settle(left, "cancelled", "interrupted by the user")
            self._store.event(self._run, "warning", f"interrupted, {len(left)} jobs cancelled")
            raise

    def _started(self, task: Task, worker: str) -> None:
        self._store.start([job.id for job in task.jobs], worker)
        self._running[task] = _label(task)
        self._tell()

    def _decided(self, task: Task, decisions: int) -> None:
        self._running[task] = f"{_label(task)}, step {decisions}"
        self._tell()

    def _ended(self, end: TaskEnd) -> None:
        self._running.pop(end.task, None)
        self.done += len(end.task.jobs)
        for job, result in zip(end.task.jobs, end.results, strict=False):
            self._store.finish(job.id, result)
        if end.error:
            self._fail(end)
        self._tell(f"{_label(end.task)}: {end.error}" if end.error else "")

    def _fail(self, end: TaskEnd) -> None:
        for job in end.task.jobs:
            self.failures.append(Failure(job.controller, job.seed, end.error, end.exit_code))
        self._store.settle([job.id for job in end.task.jobs], "failed", end.error)
        self._store.event(self._run, "error", f"{_label(end.task)}: {end.error}")

    def _died(self, task: Task, reason: str) -> None:
        self._running.pop(task, None)
        self._store.event(self._run, "warning", f"{_label(task)}: {reason}; repeated")
        self._tell(f"{_label(task)}: {reason}; repeating it")

    def _tell(self, note: str = "") -> None:
        if self._on_change is not None:
            self._on_change(self, note)


OnChange = Callable[[Recorder, str], None]
"""Called with the recorder and a note, empty unless a reader should know."""


def _label(task: Task) -> str:
    seeds = task.seeds
    which = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
    name = "bound" if task.controller == BOUND else task.controller
    return f"{name}, {which}"
