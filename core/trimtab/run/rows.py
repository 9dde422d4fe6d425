"""Rows of the store as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled", "paused"]
OPEN_STATES: tuple[State, ...] = ("queued", "running", "paused")
PRECEDENCE: tuple[State, ...] = ("running", "queued", "paused", "failed", "cancelled", "done")
RUN_COLUMNS = (
    "run.id, run.scenario, run.domain, run.name, run.controller, run.seeds, run.owner_user, "
    "outcome.summary, outcome.manifest, run.config, run.sweep, run.headline, run.created"
)
RUN_TABLES = "run left join outcome on outcome.run=run.id"
JOB_COLUMNS = (
    "job.id, job.kind, job.controller, job.seed, job.state, job.reason, job.exit_code, "
    "job.attempt, job.worker, job.cancel, job.progress, job.step, job.created, job.started, "
    "job.ended"
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be written.

    Attributes:
        scenario: hash, domain, schema and text.
        controllers, seeds: in table order.
        config: what makes its plan again (`run.plan`).
        sweep: id of the sweep it belongs to, or empty.
    """

    id: str
    scenario: Mapping[str, str]
    name: str
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    sweep: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written; `task` is the JSON text of what its worker needs to know.

    Attributes:
        ready: False for a job that waits until every other job of its run is settled.
    """

    id: str
    kind: str
    controller: str
    seed: int
    task: str = ""
    ready: bool = True


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as stored.

    Attributes:
        worker: ``host:pid:pgid`` of the last attempt, or empty.
        attempt: how often it was begun; the fencing token of its writes.
        progress: share done, 0 to 1.
        step: last step whose figures are stored.
        created, started, ended: seconds since the epoch.
        result: filled by `Store.jobs(..., results=True)`.
    """

    id: str
    kind: str
    controller: str
    seed: int
    state: State
    reason: str
    exit_code: int
    attempt: int
    worker: str
    cancelling: bool
    progress: float
    step: int
    created: float
    started: float | None
    ended: float | None
    result: dict[str, Any] | None = None

    @classmethod
    def of(cls, row: tuple[Any, ...], result: str | None = None) -> JobRow:
        """From the columns `JOB_COLUMNS`."""
        plain = json.loads(result) if result else None
        cancelling = bool(row[9]) and row[4] == "running"
        values = [*row[:8], row[8] or "", cancelling, *row[10:], plain]
        return cls(*values)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as stored; times are seconds since the epoch.

    Attributes:
        states: job state → number of its jobs.
        summary: the result document (`trimtab/result/1`) once the run is judged.
        headline: the headline of its best row, for sorting.
    """

    id: str
    scenario: str
    domain: str
    name: str
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    owner: str
    summary: dict[str, Any] | None
    manifest: dict[str, Any] | None
    config: dict[str, Any]
    sweep: str
    headline: float | None
    created: float
    states: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, row: tuple[Any, ...], states: Mapping[str, int] | None = None) -> RunRow:
        """From the columns `RUN_COLUMNS`."""
        values = [
            *row[:4],
            tuple(json.loads(row[4])),
            tuple(json.loads(row[5])),
            row[6],
            _document(row[7]),
            _document(row[8]),
            json.loads(row[9] or "{}"),
            *row[10:],
            states or {},
        ]
        return cls(*values)

    @property
    def total(self) -> int:
        """Number of its jobs."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Jobs that are done."""
        return self.states.get("done", 0)

    @property
    def settled(self) -> bool:
        """Whether none of its jobs is queued, running or paused."""
        return not any(self.states.get(state) for state in OPEN_STATES)

    @property
    def state(self) -> State:
        """The state of the run as a whole."""
        return overall(self.states)


def overall(states: Mapping[str, int]) -> State:
    """The state of a run as a whole, by the numbers of its jobs in each state."""
    for state in PRECEDENCE:
        if states.get(state):
            return state
    return "done"


def _document(text: str | None) -> dict[str, Any] | None:
    return json.loads(text) if text else None
