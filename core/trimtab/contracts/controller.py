"""Controllers: classical, learned, clairvoyant and the engineer's own keep one contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trimtab.contracts.problem import Budget, ControlProblem, Need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trimtab.contracts.space import Space
    from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs

BARE = "_unshielded"
"""End of the name under which a shielded controller is also offered without its shield."""

Role = Literal["reference", "classical", "learned", "clairvoyant", "optimizer", "user"]


class Controller(ABC):
    """Decides from observations; a class `C` is built as `C(problem, **parameters)`.

    Attributes:
        notes: what a reader of its row must know, such as what it falls back to here.
    """

    notes: tuple[str, ...] = ()

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Forget the past of `rows` (all if None); same shapes as `ControlProblem.reset`."""

    @abstractmethod
    def act(self, obs: Obs) -> Action:
        """One joint action for all N copies."""

    def state_dict(self) -> Mapping[str, NDArray[Any]] | None:
        """All that `act` remembers of the episode; empty if nothing, None if it is not said.

        Jobs of a controller that says it are checkpointed and resumed to the same bits; others
        begin their episode again.
        """
        return None

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state_dict`, after `reset` with the same arguments."""


class NativeController(ABC):
    """A program that runs inside the simulator; it is monitored, not projected.

    Attributes:
        notes: see `Controller`.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def install(self, problem: ControlProblem) -> None:
        """Put the program into every copy; called after each reset."""


AnyController = Controller | NativeController
Factory = Callable[..., AnyController]


@dataclass(frozen=True, slots=True)
class Entry:
    """How a controller is offered in tables.

    Attributes:
        role: what it is in a comparison.
        factory: called as `factory(problem, **parameters)`.
        needs: resources granted by the runner and printed beside the name.
        interface: the problem's action interface it plays (`Domain.build`).
        parameters: the space that tuning searches, or None.
        defaults: parameters used, tuned ones where they ship.
        files: files whose content is part of its identity (weights, tables).
        trained: budget spent on tuning and training it.
    """

    role: Role
    factory: Factory
    help: str
    needs: frozenset[Need] = frozenset()
    interface: str = "default"
    parameters: Space | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    trained: Budget = Budget()
    shielded: bool = True

    @property
    def untrained(self) -> bool:
        """A learned controller without weights: it can be trained, and is played if named."""
        return self.role == "learned" and not self.files
