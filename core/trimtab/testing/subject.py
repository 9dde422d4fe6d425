"""The domain under test: problems of it, and episodes that several checks look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.domain import Domain, DomainManifest
from trimtab.contracts.problem import ControlProblem, DesignProblem
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.spec import Action, IntArray, Obs, Spec, Step
from trimtab.testing.failures import CheckFailedError

T = TypeVar("T")


class RandomPolicy:
    """Uniform legal actions; those of a copy depend on its own seed and the step alone."""

    def __init__(self, spec: Spec, seeds: Sequence[int]) -> None:
        self._spec, self._seeds, self._step = spec, tuple(seeds), 0
        self._type = [spec.actions[t] for t in spec.agent_type]

    def act(self, obs: Obs) -> Action:
        """One legal joint action for all copies."""
        spec = self._spec
        n, agents = len(self._seeds), spec.n_agents
        discrete = np.zeros((n, agents, len(spec.discrete)), np.int64)
        box = np.zeros((n, agents, spec.n_box), np.float32)
        for i, seed in enumerate(self._seeds):
            rng = np.random.default_rng((seed, self._step))
            for a in range(agents):
                discrete[i, a] = self._choices(obs, i, a, rng)
                box[i, a] = self._values(obs, i, a, discrete[i, a], rng)
        self._step += 1
        return Action(discrete if spec.discrete else None, box if spec.n_box else None)

    def _choices(self, obs: Obs, i: int, a: int, rng: np.random.Generator) -> list[int]:
        chosen, start = [], 0
        own = self._type[a].discrete
        for k, width in enumerate(self._spec.discrete):
            legal = np.arange(own[k] if k < len(own) else 1)
            if obs.action_mask is not None and obs.alive[i, a]:
                legal = np.flatnonzero(obs.action_mask[i, a, start : start + width])
            chosen.append(int(rng.choice(legal)) if len(legal) else 0)
            start += width
        return chosen

    def _values(
        self, obs: Obs, i: int, a: int, chosen: IntArray, rng: np.random.Generator
    ) -> NDArray[Any]:
        parts = self._type[a].box
        values = np.zeros(self._spec.n_box)
        for k, part in enumerate(parts):
            low, high = part.low, part.high
            if obs.box_low is not None and obs.box_high is not None:
                at = (i, a, int(chosen[0]), k) if obs.box_low.ndim == 4 else (i, a, k)
                low, high = float(obs.box_low[at]), float(obs.box_high[at])
            values[k] = rng.uniform(low, high)
        return values


@dataclass(frozen=True, slots=True)
class Moment:
    """One decision, copied: what was seen, proposed, and what came of it."""

    seen: Obs
    action: Action
    step: Step


@dataclass(frozen=True, slots=True)
class Trace:
    """An episode batch under random legal actions."""

    first: Obs
    moments: tuple[Moment, ...]

    def row(self, i: int) -> list[bytes]:
        """Everything that happened to copy i, per decision, to compare bit by bit."""
        return [_bits(self.first, i), *(step_bits(m.step, i) for m in self.moments)]

    def digest(self) -> str:
        """SHA-256 over all copies."""
        rows = [part for i in range(self.first.copies) for part in self.row(i)]
        return hashlib.sha256(b"".join(rows)).hexdigest()


def _bits(obs: Obs, i: int) -> bytes:
    arrays = [obs.obs, obs.alive, obs.edges, obs.edge_mask, obs.action_mask, obs.box_low]
    arrays += [obs.box_high, obs.state, *obs.entities.values(), *obs.entity_mask.values()]
    return b"".join(np.ascontiguousarray(a[i]).tobytes() for a in arrays if a is not None)


def step_bits(step: Step, i: int) -> bytes:
    """What a step says about copy i, to compare bit by bit."""
    arrays = [step.reward, step.cost, step.terminated, step.truncated, step.elapsed_s]
    arrays += [step.intervened, step.reason]
    arrays += [step.metrics[name] for name in sorted(step.metrics)]
    if step.executed is not None:
        arrays += [a for a in (step.executed.discrete, step.executed.box) if a is not None]
    return _bits(step.obs, i) + b"".join(np.ascontiguousarray(a[i]).tobytes() for a in arrays)


def play(
    problem: ControlProblem, seeds: Sequence[int], limit: int | None = None, start: int = 0
) -> Trace:
    """Reset to `seeds` and play random legal actions until all copies ended, or `limit` steps.

    Args:
        problem: its copies equal the number of seeds.
        seeds: one per copy.
        limit: most decisions; the horizon where None.
        start: of the policy's own step counter, to act otherwise on the same seeds.
    """
    policy = RandomPolicy(problem.spec, seeds)
    policy._step = start  # noqa: SLF001 - of this module
    obs = problem.reset(np.array(seeds, np.int64))
    first = _kept(obs)
    moments: list[Moment] = []
    ended = np.zeros(len(seeds), bool)
    while not ended.all() and len(moments) < (limit or problem.spec.horizon):
        seen, action = _kept(obs), policy.act(obs)
        step = problem.step(action)
        obs = step.obs
        ended |= step.done
        moments.append(Moment(seen, action, _kept(step)))
    return Trace(first, tuple(moments))


def _kept(thing: T) -> T:
    from copy import deepcopy

    return deepcopy(thing)


@dataclass(slots=True)
class Subject:
    """A domain, one scenario of it, and what checks have computed already.

    Attributes:
        manifest: its manifest, or None where there is none to compare with.
        problem: the scenario's problem part.
        folder: the plug-in's package folder, where it is known.
        seeds: three distinct ones.
    """

    domain: Domain
    manifest: DomainManifest | None
    problem: StrictModel
    folder: Path | None = None
    seeds: tuple[int, ...] = (11, 12, 13)
    _known: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Literal["control", "design"]:
        """As the manifest says, else as the domain builds."""
        if self.manifest is not None:
            return self.manifest.kind

        def built() -> Literal["control", "design"]:
            problem = self.domain.build(self.problem)
            problem.close()
            return "control" if isinstance(problem, ControlProblem) else "design"

        return self.once("kind", built)

    def exemption(self, rule: str) -> str | None:
        """Why the manifest says that a rule is not asked of the domain, where it does."""
        found = None if self.manifest is None else self.manifest.quality.get(rule)
        return None if found is None or found.state != "exempt" else found.reason

    @property
    def batch(self) -> tuple[int, ...]:
        """Seeds played at once: all in own kernels, the first in external simulators."""
        return self.seeds[:1] if self.domain.external else self.seeds

    def once(self, key: str, make: Callable[[], T]) -> T:
        """The value of `make`, computed by the first check that asks; failures are kept too."""
        if key not in self._known:
            try:
                self._known[key] = make()
            except Exception as error:  # noqa: BLE001 - given again to every check that asks
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    def control(self, copies: int = 1, *, autoreset: bool = False) -> ControlProblem:
        """A fresh control problem; the caller closes it."""
        made = self.domain.build(self.problem, copies, autoreset=autoreset)
        if not isinstance(made, ControlProblem):
            msg = f"build returned {type(made).__name__}, expected a ControlProblem"
            raise CheckFailedError(msg)
        return made

    def design(self) -> DesignProblem:
        """A fresh design problem; the caller closes it."""
        made = self.domain.build(self.problem)
        if not isinstance(made, DesignProblem):
            msg = f"build returned {type(made).__name__}, expected a DesignProblem"
            raise CheckFailedError(msg)
        return made

    def spec(self) -> Spec:
        """Spec of the control problem."""

        def made() -> Spec:
            with self.control(len(self.batch)) as problem:
                return problem.spec

        return self.once("spec", made)

    def trace(self) -> Trace:
        """One whole episode batch under random legal actions."""

        def made() -> Trace:
            with self.control(len(self.batch)) as problem:
                return play(problem, self.batch)

        return self.once("trace", made)

    def lone(self, seed: int) -> Trace:
        """The episode of one seed in a problem of one copy."""

        def made() -> Trace:
            with self.control(1) as problem:
                return play(problem, [seed])

        return self.once(f"lone-{seed}", made)
