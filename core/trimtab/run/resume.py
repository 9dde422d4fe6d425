"""Resuming an episode: the problem is played again by logged actions, the controller restored.

Actions are what the controller proposed, so shield, monitor and every tally come out as in the
undisturbed episode, bit for bit, and only the controller's own work is saved. A controller that
does not give its state (`Controller.state_dict`) is asked again from the first step, which gives
the same bits for more time; so it is with native programs and external simulators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.controller import AnyController, Controller
from trimtab.contracts.spec import Action, Obs
from trimtab.run.checkpoints import Checkpoint

_STATE = "state/"


@dataclass(frozen=True, slots=True)
class Past:
    """Proposed actions of the first steps, [steps, N, A, ...], and the controller after them."""

    discrete: NDArray[Any] | None
    box: NDArray[Any] | None
    state: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Past:
        """From a checkpoint that `ActionLog` filled."""
        arrays = checkpoint.arrays
        state = {k.removeprefix(_STATE): v for k, v in arrays.items() if k.startswith(_STATE)}
        return cls(arrays.get("discrete"), arrays.get("box"), state)

    def __len__(self) -> int:
        part = self.box if self.discrete is None else self.discrete
        return 0 if part is None else len(part)

    def action(self, index: int) -> Action:
        """The action of one step."""
        discrete = None if self.discrete is None else self.discrete[index].astype(np.int64)
        return Action(discrete, None if self.box is None else self.box[index].copy())

    def then(self, controller: AnyController, act: Callable[[Obs], Any]) -> Callable[[Obs], Any]:
        """Acts from the log, restores the controller after its end, and asks it from there on."""
        step = 0

        def acting(obs: Obs) -> Any:
            nonlocal step
            step += 1
            if step <= len(self):
                return self.action(step - 1)
            if step == len(self) + 1 and isinstance(controller, Controller):
                controller.load_state_dict(self.state)
            return act(obs)

        return acting


class ActionLog:
    """Keeps what the controller proposed, for checkpoints."""

    def __init__(self, past: Past | None = None) -> None:
        self._actions = [past.action(i) for i in range(len(past))] if past else []

    def add(self, proposed: Action) -> None:
        """Take in the next action."""
        self._actions.append(
            Action(
                None if proposed.discrete is None else proposed.discrete.copy(),
                None if proposed.box is None else proposed.box.copy(),
            )
        )

    def arrays(self, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Arrays of a checkpoint; integers as narrow as they go."""
        found = {f"{_STATE}{name}": array for name, array in state.items()}
        discrete = [a.discrete for a in self._actions if a.discrete is not None]
        box = [a.box for a in self._actions if a.box is not None]
        if discrete:
            whole = np.stack(discrete)
            narrow = np.promote_types(
                np.min_scalar_type(int(whole.min())), np.min_scalar_type(int(whole.max()))
            )
            found["discrete"] = whole.astype(narrow)
        if box:
            found["box"] = np.stack(box)
        return found
