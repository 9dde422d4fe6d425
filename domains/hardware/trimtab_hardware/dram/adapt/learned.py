"""A learned policy for run-time adaptation: a table of page policies by what the counters tell.

Counters of the last epoch are binned into a state. Training plays the threshold rule with random
page policies strewn in, and a table keeps what each of them cost in its state: the mean latency of
this epoch and, discounted, of the next, less the mean of both where the rule was played. A page
policy replaces the rule in a state only if it was better there by two standard errors: one step of
policy improvement over a classical teacher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import CheckpointError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs
from trimtab.deploy.weights import load_arrays, save_arrays

from trimtab_hardware.dram.adapt.controllers import LocalityThreshold
from trimtab_hardware.dram.adapt.copy import FEATURES
from trimtab_hardware.dram.adapt.scenario import PAGES, SCHEDULERS

KIND = "adaptation table"
BINS: Mapping[str, tuple[float, ...]] = {
    "repeated_row_share": (0.03, 0.08, 0.15, 0.2, 0.25, 0.3, 0.4, 0.55),
    "bus_utilisation": (0.22,),
}
"""Counters of a state and where their bins meet."""
STATES = int(np.prod([len(edges) + 1 for edges in BINS.values()]))
ACTIONS = len(PAGES)
SCHEDULER = SCHEDULERS.index("FrFcfsGrp")
ENOUGH = 20
"""Trials of a state and action from which its mean counts."""


def states_of(obs: Obs) -> IntArray:
    """State of each copy, shape [copies]."""
    state = np.zeros(obs.copies, np.int64)
    for name, edges in BINS.items():
        counted = obs.obs[:, 0, FEATURES.index(name)]
        state = state * (len(edges) + 1) + np.searchsorted(edges, counted)
    return state


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What was tried, shape [states, actions] each.

    Attributes:
        trials: how often a page policy was played in a state.
        total_ns: sum of its costs.
        squares_ns2: sum of their squares.
        taught: the page policy that the rule played most in a state, shape [states].
    """

    trials: IntArray
    total_ns: FloatArray
    squares_ns2: FloatArray
    taught: IntArray

    def choices(self) -> IntArray:
        """Page policy that beats the rule by two standard errors, -1 where none; shape [states]."""
        count = np.maximum(self.trials, 1)
        mean = self.total_ns / count
        error = np.sqrt(np.maximum(self.squares_ns2 / count - mean**2, 0.0) / count)
        state = np.arange(len(self.taught))
        rule, rule_error = mean[state, self.taught], error[state, self.taught]
        limit = rule[:, None] - 2.0 * np.hypot(error, rule_error[:, None])
        better = (self.trials >= ENOUGH) & (mean < limit)
        better &= (self.trials[state, self.taught] >= ENOUGH)[:, None]
        best = np.argmin(np.where(better, mean, np.inf), axis=1)
        return np.asarray(np.where(better.any(axis=1), best, -1), np.int64)

    def save(self, path: Path, notes: Mapping[str, Any]) -> None:
        """Write a .safetensors file and the .json beside it."""
        arrays = {name: getattr(self, name) for name in self.__slots__}
        save_arrays(path, arrays, {"kind": KIND, "notes": dict(notes)})


def load_table(path: Path) -> Table:
    """A stored table.

    Raises:
        CheckpointError: the file is missing, damaged, or of other states.
    """
    arrays, manifest = load_arrays(path)
    if manifest.get("kind") != KIND or arrays["trials"].shape != (STATES, ACTIONS):
        msg = f"{path}: is no {KIND} of {STATES} states and {ACTIONS} actions: train it again"
        raise CheckpointError(msg)
    return Table(**arrays)


def empty_table() -> Table:
    """Nothing tried yet."""
    shape = (STATES, ACTIONS)
    trials, taught = np.zeros(shape, np.int64), np.zeros(STATES, np.int64)
    return Table(trials, np.zeros(shape), np.zeros(shape), taught)


class EpochTable(Controller):
    """Plays the page policy that the table prefers to the rule's; else the threshold rule.

    Args:
        problem: what is controlled.
        weights: of the table; without them the threshold rule is played throughout.
    """

    def __init__(self, problem: ControlProblem, weights: str = "") -> None:
        self._choice = (load_table(Path(weights)) if weights else empty_table()).choices()
        self._fallback = LocalityThreshold(problem)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._fallback.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        ruled = self._fallback.act(obs).discrete
        assert ruled is not None  # noqa: S101 - the rule's actions are discrete
        begins = ~obs.obs[:, 0].any(axis=1)  # nothing has been counted yet
        choice = np.where(begins, -1, self._choice[states_of(obs)])
        chosen = np.stack([choice, np.full(obs.copies, SCHEDULER)], axis=-1)[:, None]
        return Action(discrete=np.where(choice[:, None, None] < 0, ruled, chosen))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Controller.state_dict`."""
        return self._fallback.state_dict()

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._fallback.load_state_dict(state)
