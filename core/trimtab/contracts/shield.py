"""Shields keep actions legal; monitors, which share no code with them, watch that they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trimtab.contracts.problem import ControlProblem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trimtab.contracts.spec import Action, BoolArray

Placement = Literal["runner", "in_step"]


@dataclass(frozen=True, slots=True)
class Projection:
    """Result of a projection.

    Attributes:
        action: legal joint action.
        changed: [N, A] bool.
        reason: [N, A] int16, index into `Shield.reasons`; 0 where unchanged.
    """

    action: Action
    changed: BoolArray
    reason: NDArray[np.int16]


class Shield(ABC):
    """Projects proposed actions to legal ones; the identity on legal actions.

    Attributes:
        placement: where `project` is called: by the runner, or by the problem's own step (compiled
            kernels among them).
        reasons: text of each reason code; code 0 is "unchanged".
    """

    placement: Placement = "runner"
    reasons: tuple[str, ...] = ("unchanged",)

    @abstractmethod
    def project(self, problem: ControlProblem, action: Action) -> Projection:
        """Nearest legal action in the problem's present state."""


@dataclass(frozen=True, slots=True)
class Violations:
    """How often a constraint was broken, of how many times it was looked at."""

    count: int
    exposure: int

    def __add__(self, other: Violations) -> Violations:
        return Violations(self.count + other.count, self.exposure + other.exposure)


class Monitor(ABC):
    """Checks a finished episode against the rules, from the simulator's own log."""

    @abstractmethod
    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """Violations per constraint of one episode (`ControlProblem.episode_log`)."""
