"""The local engine: warm worker processes that do tasks and may die.

A worker that dies is replaced and its task repeated; after `MAX_DEATHS` deaths the task fails.
How many workers there are never changes a result.
"""

from __future__ import annotations

import selectors
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.run.child import Child
from trimtab.run.jobs import Task

MAX_DEATHS = 3
MAX_STEP_S = 900.0


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task ended: one result per job, or the error that ended it.

    Attributes:
        results: JSON data per job; empty after an error.
        exit_code: that of the error, else 0.
    """

    task: Task
    results: tuple[dict[str, Any] | None, ...] = ()
    error: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Watcher:
    """What the caller wants to know; called in the caller's thread.

    Attributes:
        started: (task, worker name), again after a death.
        decided: (task, decisions done).
        ended: the task is settled.
        died: (task, what happened); it will be repeated.
    """

    started: Callable[[Task, str], None] = lambda task, worker: None
    decided: Callable[[Task, int], None] = lambda task, decisions: None
    ended: Callable[[TaskEnd], None] = lambda end: None
    died: Callable[[Task, str], None] = lambda task, reason: None


@dataclass(slots=True)
class _Slot:
    """One warm worker and what it does."""

    child: Child
    task: Task | None = None
    heard: float = 0.0

    def give(self, task: Task) -> None:
        self.task, self.heard = task, time.monotonic()
        self.child.send(
            {
                "kind": task.kind,
                "domain": task.domain,
                "problem": task.problem,
                "controller": task.controller,
                "own": task.own,
                "parameters": task.parameters,
                "budget": task.budget,
                "seeds": task.seeds,
            }
        )

    def is_stuck(self, max_step_s: float) -> bool:
        """Whether a job has not advanced for too long; bounds may take any time."""
        waits = self.task is not None and self.task.kind != "bound"
        return waits and time.monotonic() - self.heard > max_step_s


class LocalEngine:
    """At most `workers` warm processes; use it in a `with`.

    Args:
        workers: processes at most.
        log: file that descriptors 1 and 2 of every worker append to.
        max_step_s: an episode that does not advance for so long is taken as dead.
    """

    def __init__(self, workers: int, log: Path, max_step_s: float = MAX_STEP_S) -> None:
        self._size = max(workers, 1)
        self._log = log
        self._max_step_s = max_step_s
        self._slots: list[_Slot] = []
        self._waiting: deque[Task] = deque()
        self._deaths: Counter[Task] = Counter()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers: idle ones by farewell, busy ones at once."""
        while self._slots:
            slot = self._slots.pop()
            if slot.task is None:
                slot.child.stop()
            else:
                slot.child.kill()

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> None:
        """Do all tasks; the error of one does not stop the others.

        Raises:
            KeyboardInterrupt: the user interrupted; busy workers are killed first.
        """
        self._waiting = deque(tasks)
        try:
            while self._waiting or any(slot.task for slot in self._slots):
                self._hand_out(watcher)
                self._listen(watcher)
        except BaseException:
            self.close()
            raise

    def _hand_out(self, watcher: Watcher) -> None:
        while self._waiting:
            idle = next((slot for slot in self._slots if slot.task is None), None)
            if idle is None:
                if len(self._slots) >= self._size:
                    return
                idle = _Slot(Child("trimtab.run.worker", self._log))
                self._slots.append(idle)
            task = self._waiting.popleft()
            idle.give(task)
            watcher.started(task, idle.child.name)

    def _listen(self, watcher: Watcher) -> None:
        with selectors.DefaultSelector() as selector:
            for slot in self._slots:
                selector.register(slot.child, selectors.EVENT_READ, slot)
            ready = [key.data for key, _ in selector.select(timeout=1.0)]
        for slot in ready:
            messages = slot.child.receive()
            if messages is None:
                self._bury(slot, watcher, "")
                continue
            for message in messages:
                self._hear(slot, message, watcher)
        for slot in [s for s in self._slots if s.is_stuck(self._max_step_s)]:
            self._bury(slot, watcher, f"made no step in {self._max_step_s:g} s")

    def _hear(self, slot: _Slot, message: dict[str, Any], watcher: Watcher) -> None:
        task, slot.heard = slot.task, time.monotonic()
        if task is None:
            return
        if "decision" in message:
            watcher.decided(task, message["decision"])
            return
        slot.task = None
        if "results" in message:
            watcher.ended(TaskEnd(task, tuple(message["results"])))
        elif len(task.jobs) > 1:  # find out which seed it was
            self._waiting.extendleft(reversed(task.split()))
        else:
            watcher.ended(TaskEnd(task, (), message["error"], message["exit_code"]))

    def _bury(self, slot: _Slot, watcher: Watcher, reason: str) -> None:
        """Replace a dead worker, and repeat its task unless it has killed too many."""
        ending = slot.child.kill()
        self._slots.remove(slot)
        if slot.task is None:
            return
        reason = reason or f"worker died ({ending})"
        self._deaths[slot.task] += 1
        if self._deaths[slot.task] < MAX_DEATHS:
            watcher.died(slot.task, reason)
            self._waiting.appendleft(slot.task)
        else:
            watcher.ended(TaskEnd(slot.task, (), reason, 1))
