"""Grants: a controller sees of its problem only what it declared to need.

This keeps tables honest; it is no sandbox. A controller is built on a `GrantedProblem`, which
gives the spec and the resources of its declared needs, and refuses the rest by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from trimtab.contracts.controller import AnyController, Entry
from trimtab.contracts.errors import ContractError, NeedNotGrantedError
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs, Step


class GrantedProblem(ControlProblem):
    """A problem as one controller may see it.

    `snapshot`, `restore`, `reset` and `step` (planning by simulating) need "snapshot"; every
    resource needs its own name.
    """

    def __init__(self, problem: ControlProblem, needs: frozenset[Need], controller: str) -> None:
        self.spec = problem.spec
        self.copies = problem.copies
        self.autoreset = problem.autoreset
        self._problem = problem
        self._needs = needs
        self._controller = controller

    def resource(self, need: Need) -> Any:
        """The resource, if declared.

        Raises:
            NeedNotGrantedError: it was not declared, or the problem has none.
        """
        self._require(need, f"resource({need!r})")
        return self._problem.resource(need)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """Exact state of `rows`, if "snapshot" was declared."""
        self._require("snapshot", "snapshot()")
        return self._problem.snapshot(rows)

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """Put a snapshot back, if "snapshot" was declared."""
        self._require("snapshot", "restore()")
        self._problem.restore(snapshot, rows)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Start an episode for planning, if "snapshot" was declared."""
        self._require("snapshot", "reset()")
        return self._problem.reset(seed, context, rows)

    def step(self, action: Action | None) -> Step:
        """Advance for planning, if "snapshot" was declared."""
        self._require("snapshot", "step()")
        return self._problem.step(action)

    def _require(self, need: Need, what: str) -> None:
        if need not in self._needs:
            declared = ", ".join(sorted(self._needs)) or "nothing"
            msg = (
                f"controller {self._controller!r} called {what} but declared {declared}: "
                f"add {need!r} to its needs, so that tables can print it"
            )
            raise NeedNotGrantedError(msg)


def make_controller(
    problem: ControlProblem,
    entry: Entry,
    parameters: Mapping[str, Any] | None = None,
    name: str = "controller",
) -> AnyController:
    """Build a controller on what it declared to need.

    Args:
        problem: the problem it will control.
        entry: how it is offered.
        parameters: overrides of `entry.defaults`.
        name: for messages.

    Raises:
        NeedNotGrantedError: its constructor asks for what the entry does not declare.
        ContractError: it takes no parameter of such a name.
    """
    granted = GrantedProblem(problem, entry.needs, name)
    used = {**entry.defaults, **(parameters or {})}
    try:
        inspect.signature(entry.factory).bind(granted, **used)
    except TypeError as error:
        msg = f"controller {name!r}: {error}; mend its parameters ({', '.join(sorted(used))})"
        raise ContractError(msg) from None
    return entry.factory(granted, **used)
