"""A crew: worker processes that are started, watched, replaced and ended by one parent.

The workers claim jobs themselves; the crew gives no orders. It starts a worker where something
waits and none is idle, counts the deaths of those that die, ends those that do not heed a cancel
or make no step, and queues again what lapsed leases left.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trimtab.run.child import Child
from trimtab.run.claims import count_death, note, reap
from trimtab.run.duty import LOG_FILE, Duty
from trimtab.run.lease import DISK_FULL, has_space
from trimtab.run.schema import writing
from trimtab.run.store import Store

MAX_STEP_S = 900.0
TICK_S = 0.2
PATROL_EVERY_S = 1.0
TERMINATE_AFTER_S = 0.5
KILL_AFTER_S = 5.0
BACK_OFF_S = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0)
LOG_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Doing:
    """What a worker is at, as far as it told."""

    kind: str
    controller: str
    seeds: tuple[int, ...]
    step: int = 0

    @property
    def label(self) -> str:
        """Controller and seeds in words."""
        which = f"seed {self.seeds[0]}" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        if self.kind == "report":
            return "report"
        return f"{'bound' if self.kind == 'bound' else self.controller}, {which}"


@dataclass(slots=True)
class _Slot:
    """One worker process."""

    child: Child
    doing: Doing | None = None
    heard: float = field(default_factory=time.monotonic)
    told_to_cancel: float | None = None

    def is_stuck(self, max_step_s: float) -> bool:
        """Whether a job has not advanced for too long; bounds and reports may take any time."""
        waits = self.doing is not None and self.doing.kind not in {"bound", "report"}
        return waits and time.monotonic() - self.heard > max_step_s


@dataclass(frozen=True, slots=True)
class Watcher:
    """What the parent wants to hear, in its own thread.

    Attributes:
        changed: a worker began, advanced or ended something.
        noted: something happened that a reader should know.
    """

    changed: Callable[[], None] = lambda: None
    noted: Callable[[str], None] = lambda text: None


class Crew:
    """At most `slots` worker processes on one workspace; use it in a `with`.

    Args:
        store: of the workspace, used in the calling thread.
        duty: what the workers are told.
        slots: processes at most.
        max_step_s: an episode that does not advance for so long is ended as dead.
        share: workers that share the queue, other crews' among them; None is `slots`.
    """

    def __init__(
        self,
        store: Store,
        duty: Duty,
        slots: int,
        watcher: Watcher | None = None,
        max_step_s: float = MAX_STEP_S,
        share: int | None = None,
    ) -> None:
        self._store, self._size = store, max(slots, 1)
        self._duty = replace(duty, share=share or self._size)
        self._watcher = watcher or Watcher()
        self._max_step_s = max_step_s
        self._slots: list[_Slot] = []
        self._deaths, self._not_before, self._patrolled = 0, 0.0, 0.0
        self._told_of_full_disk = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def doing(self) -> tuple[Doing, ...]:
        """What each busy worker is at."""
        return tuple(slot.doing for slot in self._slots if slot.doing is not None)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(slot.child.process.pid for slot in self._slots)

    def close(self) -> None:
        """End all workers: idle ones by farewell, busy ones at once, their jobs back to the queue.

        Whatever a busy worker held is no failure of its own.
        """
        for slot in self._slots:
            if slot.doing is None:
                slot.child.stop()
            else:
                slot.child.kill()
        with writing(self._store.db):
            self._store.db.executemany(
                "update job set state=case cancel when 1 then 'cancelled' else 'queued' end, "
                "lease=null where state='running' and worker=?",
                [(slot.child.name,) for slot in self._slots],
            )
        self._slots = []

    def tick(self) -> None:
        """Start what is needed, hear what is said, look after the rest; takes `TICK_S` at most."""
        self._start()
        self._listen()
        now = time.monotonic()
        self._press_cancels(now)
        for slot in [s for s in self._slots if s.is_stuck(self._max_step_s)]:
            self._bury(slot, f"made no step in {self._max_step_s:g} s")
        if now - self._patrolled >= PATROL_EVERY_S:
            self._patrolled = now
            reap(self._store.db)
            self._wake_paused()

    def _waiting(self) -> int:
        """Jobs that wait, as far as it matters for the number of workers."""
        scope = self._duty.scope
        rows = self._store.db.execute(
            "select 1 from job where state='queued' and ready=1 "  # noqa: S608 - our own text
            f"and {scope.jobs} limit :size",
            {**scope.values, "size": self._size},
        ).fetchall()
        return len(rows)

    def _start(self) -> None:
        if len(self._slots) >= self._size or time.monotonic() < self._not_before:
            return
        idle = sum(slot.doing is None for slot in self._slots)
        room = self._size - len(self._slots)
        for _ in range(min(self._waiting() - idle, room)):
            workspace = self._store.workspace.resolve()
            child = Child(
                "trimtab.run.worker",
                workspace / "workers.log",
                environment={"TRIMTAB_WORKSPACE": str(workspace)},
            )
            child.send({"duty": self._duty.plain()})
            self._slots.append(_Slot(child))

    def _listen(self) -> None:
        if not self._slots:
            time.sleep(TICK_S)
            return
        with selectors.DefaultSelector() as selector:
            for slot in self._slots:
                selector.register(slot.child, selectors.EVENT_READ, slot)
            ready = [key.data for key, _ in selector.select(timeout=TICK_S)]
        for slot in ready:
            messages = slot.child.receive()
            if messages is None:
                self._bury(slot, "")
                continue
            for message in messages:
                self._hear(slot, message)

    def _hear(self, slot: _Slot, message: Mapping[str, Any]) -> None:
        slot.heard = time.monotonic()
        if "began" in message:
            began = message["began"]
            seeds = tuple(began["seeds"])
            slot.doing = Doing(began["kind"], began["controller"], seeds, began["step"])
        elif "step" in message and slot.doing is not None:
            slot.doing = replace(slot.doing, step=message["step"])
        elif "ended" in message:
            slot.doing, slot.told_to_cancel, self._deaths = None, None, 0
        elif "note" in message:
            self._watcher.noted(message["note"])
        self._watcher.changed()

    def _press_cancels(self, now: float) -> None:
        """A worker that holds the interpreter lock hears nothing: end it from outside."""
        rows = self._store.db.execute(
            "select distinct worker from job where state='running' and cancel=1"
        ).fetchall()
        flagged = {row[0] for row in rows}
        for slot in list(self._slots):
            if slot.child.name not in flagged:
                slot.told_to_cancel = None
            elif slot.told_to_cancel is None:
                slot.told_to_cancel = now
            elif now - slot.told_to_cancel > KILL_AFTER_S:
                self._bury(slot, "did not heed a cancel")
            elif now - slot.told_to_cancel > TERMINATE_AFTER_S:
                slot.child.terminate()

    def _wake_paused(self) -> None:
        """Jobs that a full disk paused go on when there is room again; the wait is told once."""
        db = self._store.db
        some = db.execute("select 1 from job where state='paused' limit 1").fetchone()
        room = has_space(self._store.workspace, self._duty.min_free_bytes)
        waits = not room and (some or self._waiting())
        if waits and not self._told_of_full_disk:
            self._watcher.noted(
                f"the disk of {self._store.workspace} is full (less than "
                f"{self._duty.min_free_bytes >> 20} MiB free): jobs wait until there is room"
            )
        self._told_of_full_disk = bool(waits)
        if some and room:
            with writing(db):
                db.execute(
                    "update job set state='queued', reason='' where state='paused' and reason=?",
                    (DISK_FULL,),
                )

    def _bury(self, slot: _Slot, reason: str) -> None:
        """Settle what a dead worker held; the next one starts after a pause if many died."""
        ending = slot.child.kill()
        self._slots.remove(slot)
        reason = reason or f"worker died ({ending})"
        db = self._store.db
        rows = db.execute(
            "select id, run, cancel from job where state='running' and worker=?",
            (slot.child.name,),
        ).fetchall()
        jobs = [row[0] for row in rows]
        if any(not cancel for _, _, cancel in rows):
            self._deaths += 1
            pause = BACK_OFF_S[min(self._deaths, len(BACK_OFF_S) - 1)]
            self._not_before = time.monotonic() + pause
        if jobs:
            tail = log_tail(self._store.run_dir(rows[0][1]) / LOG_FILE)
            what = f"{slot.doing.label if slot.doing else 'a job'}: {reason}"
            with writing(db):
                failed = count_death(db, jobs, what, tail, reason)
                if len(failed) < len(jobs) and not all(cancel for _, _, cancel in rows):
                    note(db, jobs, "warning", f"{what}; repeated")
            self._watcher.noted(what if failed else f"{what}; repeating it")
        self._watcher.changed()


def log_tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """Last lines of a log, or nothing where there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 8192, 0))
        text = file.read().decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-lines:])
