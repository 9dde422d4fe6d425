"""Which scenario a copy plays next, and how much of it the teacher plays first.

`FreshSeeds` draws a new seed for every episode. `Retry` puts failed scenarios (by the problem's
own metrics, never by reward) back on the list: the teacher plays a prefix of the episode, the
student the rest; each verified success shortens the prefix, each failure lengthens it again,
until the student succeeds alone (teacher-guided retries after Agent-RLVR; the prefix schedule
is that of jump-start RL, Uchendu et al. 2023, so that what the student plays stays on-policy).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from trimtab.contracts.errors import ContractError
from trimtab.contracts.spec import BoolArray, Float32Array, FloatArray, IntArray

Verify = Callable[[int, Mapping[str, float]], bool]
"""Whether an episode was a success, from its seed and its metrics."""
Contexts = Callable[[np.random.Generator], Float32Array]


class ScenarioSource(Protocol):
    """Decides what the rows of a problem with autoreset off play next."""

    def draw(self, rows: IntArray) -> tuple[IntArray, Float32Array | None]:
        """Seeds [M] and contexts [M, P] (or None) of the next episodes of `rows`."""
        ...

    def guided(self, decision: IntArray) -> BoolArray:
        """Rows [N] that the teacher plays at this decision [N] of their episodes."""
        ...

    def finished(self, rows: IntArray, metrics: Mapping[str, FloatArray]) -> BoolArray:
        """Take note of ended episodes; metrics are [M]. Returns whether each was a success."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""


@dataclass(slots=True)
class FreshSeeds:
    """A new seed, and optionally a new context, for every episode; no guidance.

    Attributes:
        rng: draws seeds and contexts.
        contexts: draws one context [P], or None for the spec's defaults.
        among: seeds to draw from, or None for all of 63 bits.
    """

    rng: np.random.Generator
    contexts: Contexts | None = None
    among: IntArray | None = None

    def draw(self, rows: IntArray) -> tuple[IntArray, Float32Array | None]:
        """See `ScenarioSource.draw`."""
        if self.among is None:
            seeds = self.rng.integers(0, 2**63 - 1, size=len(rows), dtype=np.int64)
        else:
            seeds = self.rng.choice(self.among, size=len(rows))
        if self.contexts is None:
            return seeds, None
        return seeds, np.stack([self.contexts(self.rng) for _ in rows]).astype(np.float32)

    def guided(self, decision: IntArray) -> BoolArray:
        """See `ScenarioSource.guided`; none."""
        return np.zeros(len(decision), dtype=bool)

    def finished(self, rows: IntArray, metrics: Mapping[str, FloatArray]) -> BoolArray:
        """See `ScenarioSource.finished`."""
        return np.zeros(len(rows), dtype=bool)

    def state(self) -> dict[str, Any]:
        """See `ScenarioSource.state`."""
        return {"rng": self.rng.bit_generator.state}

    def load(self, state: Mapping[str, Any]) -> None:
        """See `ScenarioSource.load`."""
        self.rng.bit_generator.state = state["rng"]


@dataclass(slots=True)
class Attempt:
    """A scenario on the retry list.

    Attributes:
        seed: environment seed.
        context: [P], or None.
        guidance: share of the horizon that the teacher plays first.
        tries: retries so far.
    """

    seed: int
    context: Float32Array | None
    guidance: float = 0.0
    tries: int = 0

    def plain(self) -> list[Any]:
        """Data for JSON; float32 contexts survive as float64."""
        context = None if self.context is None else self.context.tolist()
        return [self.seed, context, self.guidance, self.tries]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Attempt:
        """Inverse of `plain`."""
        seed, context, guidance, tries = plain
        row = None if context is None else np.array(context, dtype=np.float32)
        return cls(seed, row, guidance, tries)


class Retry:
    """Retries failed scenarios under annealed teacher guidance.

    Args:
        fresh: source of new scenarios.
        copies: N.
        horizon: decisions per episode.
        verify: seed and metrics of an ended episode → success.
        rng: decides between a new scenario and a retry.
        share: probability that a free row takes a retry, if there is one.
        start: guidance of the first retry.
        step: change of guidance after each verified success or failure.
        give_up: retries after which a scenario is dropped.

    Attributes:
        waiting: failed scenarios that are to be played again.
        retries: how often one was.
        solved: failed scenarios that the student has come to master alone.
        dropped: those that were given up.
    """

    def __init__(
        self,
        fresh: FreshSeeds,
        copies: int,
        horizon: int,
        verify: Verify,
        rng: np.random.Generator,
        *,
        share: float = 0.5,
        start: float = 0.75,
        step: float = 0.25,
        give_up: int = 20,
    ) -> None:
        if not 0.0 <= start <= 1.0 or not 0.0 < step <= 1.0:
            msg = f"Retry: start must lie in [0, 1] and step in (0, 1], got {start} and {step}"
            raise ContractError(msg)
        self._fresh, self._horizon, self._verify, self._rng = fresh, horizon, verify, rng
        self._share, self._start, self._step, self._give_up = share, start, step, give_up
        self._playing = [Attempt(0, None) for _ in range(copies)]
        self.waiting: deque[Attempt] = deque()
        self.retries = 0
        self.solved = 0
        self.dropped = 0

    def draw(self, rows: IntArray) -> tuple[IntArray, Float32Array | None]:
        """See `ScenarioSource.draw`."""
        seeds, contexts = self._fresh.draw(rows)
        for i, row in enumerate(rows):
            if self.waiting and self._rng.random() < self._share:
                self._playing[row] = self.waiting.popleft()
                self.retries += 1
            else:
                context = None if contexts is None else contexts[i]
                self._playing[row] = Attempt(int(seeds[i]), context)
        chosen = [self._playing[row] for row in rows]
        kept = [a.context for a in chosen if a.context is not None]
        return (
            np.array([a.seed for a in chosen], dtype=np.int64),
            np.stack(kept) if contexts is not None else None,
        )

    def guided(self, decision: IntArray) -> BoolArray:
        """See `ScenarioSource.guided`."""
        prefix = np.array([a.guidance * self._horizon for a in self._playing])
        return np.asarray(decision < prefix)

    def finished(self, rows: IntArray, metrics: Mapping[str, FloatArray]) -> BoolArray:
        """See `ScenarioSource.finished`."""
        success = np.array(
            [
                self._verify(
                    self._playing[row].seed, {name: float(x[i]) for name, x in metrics.items()}
                )
                for i, row in enumerate(rows)
            ],
            dtype=bool,
        )
        for row, good in zip(rows, success, strict=True):
            self._judge(self._playing[row], bool(good))
        return success

    def state(self) -> dict[str, Any]:
        """See `ScenarioSource.state`."""
        return {
            "fresh": self._fresh.state(),
            "rng": self._rng.bit_generator.state,
            "playing": [attempt.plain() for attempt in self._playing],
            "waiting": [attempt.plain() for attempt in self.waiting],
            "counts": [self.retries, self.solved, self.dropped],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """See `ScenarioSource.load`."""
        self._fresh.load(state["fresh"])
        self._rng.bit_generator.state = state["rng"]
        self._playing = [Attempt.from_plain(plain) for plain in state["playing"]]
        self.waiting = deque(Attempt.from_plain(plain) for plain in state["waiting"])
        self.retries, self.solved, self.dropped = state["counts"]

    def _judge(self, attempt: Attempt, success: bool) -> None:
        """Anneal the guidance, and put the scenario back unless it is solved or hopeless."""
        if success and attempt.guidance <= 0.0:
            self.solved += attempt.tries > 0
            return
        if attempt.tries == 0:
            attempt.guidance = self._start
        elif success:
            attempt.guidance = max(0.0, attempt.guidance - self._step)
        else:
            attempt.guidance = min(1.0, attempt.guidance + self._step)
        attempt.tries += 1
        if attempt.tries > self._give_up:
            self.dropped += 1
        else:
            self.waiting.append(attempt)
