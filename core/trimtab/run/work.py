"""What workers do for each kind of job: play episodes, compute bounds, judge a run.

A kind is a function of a `Lease` and of what tells the parent the present step; it returns the
results of the lease's jobs, and their metric rows that are not stored yet. Episodes of external
simulators are played in forks of the warm worker (`run.apart`): libsumo gives other trajectories
for the same seed once a simulation has run in its process (measured on cologne1). They cannot
be restored, so resuming one means beginning it again.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import Controller
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.registry import load_domain
from trimtab.run.apart import Send, apart
from trimtab.run.claims import Rows
from trimtab.run.controllers import Choice, find_choice
from trimtab.run.lease import Lease
from trimtab.run.records_json import bound_to_json, record_to_json
from trimtab.run.resume import ActionLog, Past
from trimtab.run.runner import Decision
from trimtab.run.stage import Stage, play, staged
from trimtab.run.step_series import StepSeries
from trimtab.search.loop import Search

FLUSH_EVERY_S = 0.25
Tell = Callable[[int], None]
Results = Sequence[Mapping[str, Any] | None]
Work = Callable[[Lease, Tell], tuple[Results, Sequence[Rows]]]


class TaskFailedError(Exception):
    """A job failed in a process of its own, which has printed everything about it."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.reason, self.exit_code = reason, exit_code


def episodes(lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    """Play the seeds of one controller: own kernels as copies, external simulators in a fork."""
    domain = load_domain(lease.task["domain"])
    if domain.external:
        domain.preload()
        return _episode_apart(domain, lease, tell)
    return _episodes_here(domain, lease, tell)


def _choice(domain: Domain, task: Mapping[str, Any]) -> tuple[Any, Choice]:
    problem = domain.problem_model.model_validate_json(task["problem"])
    parameters = json.loads(task["parameters"])
    return problem, find_choice(domain, problem, task["controller"], task["own"], parameters)


def _episodes_here(domain: Domain, lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    problem, choice = _choice(domain, lease.task)
    checkpoint = lease.restored()
    past = None if checkpoint is None else Past.of(checkpoint)
    seeds = lease.seeds if checkpoint is None else list(checkpoint.plain["seeds"])
    with staged(domain, problem, choice, len(seeds)) as stage:
        follower = _Follower(lease, tell, stage, seeds, past)
        records = play(domain, stage, choice, seeds, follower, past)
        rows = dict(zip(seeds, follower.series.take(), strict=True))
    results = {record.seed: record_to_json(record) for record in records}
    return [results[seed] for seed in lease.seeds], [rows[seed] for seed in lease.seeds]


class _Follower:
    """Follows a batch step by step: heeds cancels, stores figures and checkpoints."""

    def __init__(
        self, lease: Lease, tell: Tell, stage: Stage, seeds: Sequence[int], past: Past | None
    ) -> None:
        after = 0 if past is None else len(past)
        self.series = StepSeries(stage.control.spec, len(seeds), after)
        self._lease, self._tell, self._stage, self._seeds = lease, tell, stage, seeds
        self._after, self._flushed = after, time.monotonic()
        self._log = ActionLog(past)
        controller = stage.controller
        self._keeps = isinstance(controller, Controller) and controller.state_dict() is not None

    def __call__(self, decision: Decision) -> None:
        self._lease.check()
        self.series.add(decision)
        if decision.index < self._after:
            return
        if self._keeps and decision.proposed is not None:
            self._log.add(decision.proposed)
        due = self._lease.checkpoint_is_due
        if self.series.on_boundary and self._keeps and due:
            self._checkpoint()
        elif time.monotonic() - self._flushed >= FLUSH_EVERY_S:
            self._lease.advance(self.series.step, self.series.progress, self._rows())
            self._said()

    def _checkpoint(self) -> None:
        controller = self._stage.controller
        state = controller.state_dict() if isinstance(controller, Controller) else None
        self._lease.checkpoint(
            self.series.step,
            self._log.arrays(state or {}),
            {"seeds": list(self._seeds)},
            self.series.progress,
            self._rows(),
        )
        self._said()

    def _rows(self) -> list[Rows]:
        rows = dict(zip(self._seeds, self.series.take(), strict=True))
        return [rows[seed] for seed in self._lease.seeds]

    def _said(self) -> None:
        self._flushed = time.monotonic()
        self._tell(self.series.step)


def _episode_apart(domain: Domain, lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    """Play each seed in a fork, which sends its figures here."""
    results: list[Mapping[str, Any] | None] = []
    left: list[Rows] = []
    for seed in lease.seeds:
        answer: dict[str, Any] = {}

        def hear(message: dict[str, Any], answer: dict[str, Any] = answer) -> None:
            if "step" not in message:
                answer.update(message)
                return
            lease.advance(message["step"], message["progress"], [_tuples(message["rows"])])
            tell(message["step"])

        apart(partial(_child, domain, lease.task, seed), hear, lease.check)
        if "error" in answer:
            raise TaskFailedError(answer["error"], answer["exit_code"])
        results.append(answer["result"])
        left.append(_tuples(answer["rows"]))
    return results, left


def _tuples(rows: Sequence[Sequence[Any]]) -> list[tuple[str, int, float | None]]:
    return [(name, step, value) for name, step, value in rows]


def _child(domain: Domain, task: Mapping[str, Any], seed: int, send: Send) -> None:
    """The fork's work; whatever domain code raises is an answer."""
    try:
        problem, choice = _choice(domain, task)
        with staged(domain, problem, choice) as stage:
            sender = _Sender(StepSeries(stage.control.spec, 1), send)
            (record,) = play(domain, stage, choice, [seed], sender)
        send({"result": record_to_json(record), "rows": sender.series.take()[0]})
    except Exception as error:  # noqa: BLE001 - see above
        traceback.print_exc()
        ours = isinstance(error, TrimtabError)
        send(
            {
                "error": str(error) if ours else f"{type(error).__name__}: {error}",
                "exit_code": error.exit_code if isinstance(error, TrimtabError) else 1,
            }
        )


class _Sender:
    """Sends the figures of an episode to the worker, at most every `FLUSH_EVERY_S`."""

    def __init__(self, series: StepSeries, send: Send) -> None:
        self.series, self._send, self._last = series, send, 0.0

    def __call__(self, decision: Decision) -> None:
        self.series.add(decision)
        now = time.monotonic()
        if now - self._last >= FLUSH_EVERY_S:
            self._last = now
            series = self.series
            rows = series.take()[0]
            self._send({"step": series.step, "progress": series.progress, "rows": rows})


def bounds(lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    """Compute and verify the bound of each seed."""
    domain = load_domain(lease.task["domain"])
    problem = domain.problem_model.model_validate_json(lease.task["problem"])
    results: list[dict[str, Any] | None] = []
    for seed in lease.seeds:
        lease.check()
        bound = domain.bound(problem, seed)
        if bound is not None:
            domain.verify(problem, seed, bound)
        results.append(bound_to_json(bound))
    return results, ()


def designs(lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    """Search with an optimizer, or score a given design; searches are checkpointed."""
    from trimtab.run.design_job import design_record

    domain = load_domain(lease.task["domain"])
    problem = domain.problem_model.model_validate_json(lease.task["problem"])
    checkpoint = lease.restored()
    follower = _SearchFollower(lease, tell, 0 if checkpoint is None else checkpoint.step)
    record = design_record(
        domain,
        problem,
        {**lease.task, "kind": lease.claims[0].kind, "seeds": lease.seeds},
        follower,
        None if checkpoint is None else checkpoint.arrays,
        _evaluations(lease) if domain.shares_evaluations else None,
    )
    return [record_to_json(record)], [follower.rows]


def _evaluations(lease: Lease) -> Path:
    """Where searches of one domain share results under the same versions."""
    versions = json.dumps(lease.task["versions"], sort_keys=True).encode()
    name = f"{lease.task['domain']}-{hashlib.sha256(versions).hexdigest()[:12]}.db"
    return lease.workspace / "evaluations" / name


class _SearchFollower:
    """Follows a search batch by batch: one row per unique simulator call, and checkpoints."""

    def __init__(self, lease: Lease, tell: Tell, step: int) -> None:
        self.rows: list[tuple[str, int, float | None]] = []
        self._lease, self._tell, self._step = lease, tell, step
        self._flushed = time.monotonic()

    def __call__(self, search: Search) -> None:
        self._lease.check()
        first = search.told.objectives[self._step :, 0].tolist()
        self.rows += [
            ("objective", self._step + i, value if math.isfinite(value) else None)
            for i, value in enumerate(first, start=1)
        ]
        self._step += len(first)
        if self._lease.checkpoint_is_due and first:
            progress = search.progress
            self._lease.checkpoint(self._step, search.state_dict(), {}, progress, [self.rows])
        elif time.monotonic() - self._flushed >= FLUSH_EVERY_S:
            self._lease.advance(self._step, search.progress, [self.rows])
        else:
            return
        self.rows, self._flushed = [], time.monotonic()
        self._tell(self._step)


def report(lease: Lease, tell: Tell) -> tuple[Results, Sequence[Rows]]:
    """Judge a run whose jobs are settled and write its report."""
    from trimtab.run.comparison import judge_stored

    judge_stored(lease.workspace, lease.claims[0].run)
    return [None], ()


KINDS: dict[str, Work] = {
    "episode": episodes,
    "bound": bounds,
    "search": designs,
    "design": designs,
    "report": report,
}
