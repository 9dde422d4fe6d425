"""The batched runner: plays controllers on problems and leaves episode records.

One episode per seed, autoreset off, many seeds at once as copies. Per decision: check what the
controller sees, ask it, check what it proposes, project it (`run.shielding`), step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trimtab.contracts.controller import AnyController, NativeController
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import Budget, ControlProblem
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.shield import Monitor, Shield
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Step
from trimtab.run.checks import FlowChecker
from trimtab.run.resume import Past
from trimtab.run.shielding import shielded


@dataclass(slots=True)
class Decision:
    """One decision of a batch: what was seen, proposed, and what came of it."""

    index: int
    obs: Obs
    proposed: Action | None
    step: Step


Watch = Callable[[Decision], None]


def decisions(
    problem: ControlProblem,
    controller: AnyController,
    seeds: IntArray,
    context: Float32Array | None = None,
    shield: Shield | None = None,
    past: Past | None = None,
) -> Iterator[Decision]:
    """Play one episode in every copy and yield each decision.

    Args:
        problem: with autoreset off; `problem.copies` equals `len(seeds)`.
        controller: acts on all copies, or is native and is installed.
        seeds: [N] int64.
        context: [N, P] float32, or None for the spec's defaults.
        shield: projects what the controller proposes; native control passes unprojected.
        past: first steps of this episode, known already; the controller goes on after them.

    Raises:
        ContractError: autoreset is on, sizes differ, or the episode outlives `spec.horizon`.
        ActionError, ObservationError, EmptyMaskError: see `run.checks`.
    """
    if problem.autoreset or problem.copies != len(seeds):
        msg = (
            f"{problem.spec.name}: evaluation needs autoreset off and one seed per copy, got "
            f"autoreset={problem.autoreset}, {problem.copies} copies, {len(seeds)} seeds"
        )
        raise ContractError(msg)
    native = isinstance(controller, NativeController)
    problem = problem if native else shielded(problem, shield)
    check = FlowChecker.of(problem.spec, seeds)
    obs = problem.reset(seeds, context)
    act = _actor(problem, controller, seeds, context)
    if past is not None:
        act = past.then(controller, act)
    ended = np.zeros(len(seeds), dtype=bool)
    index = 0
    while not ended.all():
        if index >= problem.spec.horizon:
            msg = f"{problem.spec.name}: an episode did not end within its horizon of {index} steps"
            raise ContractError(msg)
        check.obs(obs, index)
        proposed = act(obs)
        if not native:
            check.action(proposed, obs.alive, index)
        step = problem.step(proposed)
        check.step(step, obs.alive, index)
        yield Decision(index, obs, proposed, step)
        ended |= step.done
        obs, index = step.obs, index + 1


def _actor(
    problem: ControlProblem,
    controller: AnyController,
    seeds: IntArray,
    context: Float32Array | None,
) -> Callable[[Obs], Action | None]:
    if isinstance(controller, NativeController):
        controller.install(problem)
        return lambda _: None
    controller.reset(seeds, context)
    return controller.act


@dataclass(slots=True)
class _Accounts:
    """Per-copy tallies of one batch, arrays of shape [N]."""

    decisions: IntArray
    interventions: IntArray
    steps: IntArray
    metrics: dict[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, n: int) -> _Accounts:
        return cls(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64))

    def add(self, decision: Decision) -> None:
        alive, step = decision.obs.alive, decision.step
        self.decisions += alive.sum(axis=1)
        self.interventions += (step.intervened & alive).sum(axis=1)
        self.steps += alive.any(axis=1)
        if step.done.any():
            for name, values in step.metrics.items():
                kept = self.metrics.setdefault(name, np.full(len(values), np.nan))
                kept[step.done] = values[step.done]


def evaluate(
    problem: ControlProblem,
    controller: AnyController,
    seeds: Sequence[int],
    *,
    name: str = "controller",
    shield: Shield | None = None,
    monitor: Monitor | None = None,
    context: Float32Array | None = None,
    watch: Watch | None = None,
    past: Past | None = None,
) -> list[EpisodeRecord]:
    """Play one episode per seed and return its records, in the order of `seeds`.

    Own-kernel problems play `problem.copies` seeds at once; the records do not depend on how
    many. Build the controller with `run.grants.make_controller`, so that its needs are held.

    Args:
        problem: autoreset off, any number of copies.
        controller: acts, or is native (monitored, not projected).
        seeds: any number of seeds.
        name: the controller's public name, for the records.
        shield: projects every proposed action; where placement is not "runner" the problem
            itself does so and the shield is only named here.
        monitor: checks every finished episode.
        context: [len(seeds), P] float32, or None for defaults.
        watch: called with each decision of the batch (recording, progress); must not keep
            its arrays without a copy.
        past: first steps of the episodes, where one batch takes all seeds.

    Raises:
        ContractError: see `decisions`.
    """
    records: list[EpisodeRecord] = []
    for start in range(0, len(seeds), problem.copies):
        chunk = slice(start, start + problem.copies)
        part = None if context is None else context[chunk]
        batch = _Batch(problem, controller, seeds[chunk], part)
        records += batch.play(name, shield, monitor, watch, past)
    return records


@dataclass(frozen=True, slots=True)
class _Batch:
    """Seeds that are played at once; spare copies repeat the last seed and are not recorded."""

    problem: ControlProblem
    controller: AnyController
    seeds: Sequence[int]
    context: Float32Array | None

    def play(
        self,
        name: str,
        shield: Shield | None,
        monitor: Monitor | None,
        watch: Watch | None,
        past: Past | None,
    ) -> list[EpisodeRecord]:
        """Play the batch to its end."""
        accounts = _Accounts.of(self.problem.copies)
        started = time.process_time()
        for decision in self.decisions(shield, past):
            accounts.add(decision)
            if watch is not None:
                watch(decision)
        cpu_s = (time.process_time() - started) / len(self.seeds)
        native = isinstance(self.controller, NativeController)
        record = EpisodeRecord(
            controller=name,
            seed=0,
            metrics={},
            shielded=shield is not None and not native,
            budget=Budget(evaluations=1, cpu_s=cpu_s),
            dt_s=self.problem.spec.dt_s,
            series_units=self.problem.spec.series_units,
        )
        return [self._finish(record, i, accounts, monitor) for i in range(len(self.seeds))]

    def decisions(self, shield: Shield | None, past: Past | None) -> Iterator[Decision]:
        """Decisions of all copies, behind the shield."""
        spare = self.problem.copies - len(self.seeds)
        seeds = np.array([*self.seeds, *[self.seeds[-1]] * spare], dtype=np.int64)
        context = self.context
        if context is not None and spare:
            context = np.concatenate([context, np.repeat(context[-1:], spare, axis=0)])
        return decisions(self.problem, self.controller, seeds, context, shield, past)

    def _finish(
        self, record: EpisodeRecord, row: int, accounts: _Accounts, monitor: Monitor | None
    ) -> EpisodeRecord:
        return replace(
            record,
            seed=int(self.seeds[row]),
            metrics={key: float(values[row]) for key, values in accounts.metrics.items()},
            violations={} if monitor is None else monitor.check(self.problem.episode_log(row)),
            interventions=int(accounts.interventions[row]),
            decisions=int(accounts.decisions[row]),
            budget=replace(record.budget, env_steps=int(accounts.steps[row])),
            details=self.problem.details(row),
            notes=tuple(self.controller.notes),
        )
