"""Action interfaces: how a joint action becomes what the signals show until the next decision.

A drive knows the signals only as a mirror (what they show and for how long), never reads it back
from SUMO, and yields timed changes; the problem advances SUMO from one change to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action, BoolArray, Composite, IntArray

from trimtab_traffic.automaton import SignalAutomaton
from trimtab_traffic.shield import ShieldInputs, ShieldState, SignalShield

Change = tuple[float, int, str]
"""(seconds from the decision, signal row, state string)."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a joint action became.

    Attributes:
        executed: the action after the shield, None under native control.
        changed: [signals] bool.
        reason: [signals] int16, code of `shield.REASONS`.
        changes: what the signals show during the interval, in order of time.
    """

    executed: Action | None
    changed: BoolArray
    reason: NDArray[np.int16]
    changes: Sequence[Change]


class Drive(Protocol):
    """One action interface."""

    interval_s: int

    def actions(self) -> tuple[tuple[int, ...], tuple[Composite, ...]]:
        """Type index per signal, and the action of each type."""
        ...

    def begin(self, time_s: float) -> Sequence[str]:
        """Start an episode; state string of every signal at its begin."""
        ...

    def play(self, action: Action, inputs: ShieldInputs | None, seconds: float) -> Played:
        """Decide what is shown during the next `seconds`."""
        ...

    def stage(self) -> IntArray:
        """Stage shown or being entered, [signals]."""
        ...

    def elapsed_s(self) -> IntArray:
        """Seconds of its green, negative while its transition runs, [signals]."""
        ...


class StageDrive:
    """Next stage every interval, through the shield's automata.

    Where the rules forbid no choice at any decision (profile `resco`), the shield's tables are not
    asked: the mask is constant and a change is its transition followed by the new stage.

    Attributes:
        state: mirrored signal state.
    """

    def __init__(self, shield: SignalShield) -> None:
        self.shield = shield
        self.interval_s = shield.decision_s
        self.state: ShieldState = shield.initial()
        self._rows = np.arange(len(shield.automata))
        self._sizes = np.array([len(a.timing.stage_states) for a in shield.automata])
        self._exists = np.arange(shield.n_stages)[None, :] < self._sizes[:, None]
        self._free = all(_never_forbids(automaton) for automaton in shield.automata)
        self._transition_s = np.zeros((len(self._rows), shield.n_stages, shield.n_stages), np.int64)
        for row, automaton in enumerate(shield.automata):
            n = self._sizes[row]
            self._transition_s[row, :n, :n] = automaton.transition_s
        self._mask: tuple[ShieldState, ShieldInputs | None, BoolArray] | None = None

    def actions(self) -> tuple[tuple[int, ...], tuple[Composite, ...]]:
        """See `Drive.actions`: one type per number of stages."""
        sizes = self._sizes.tolist()
        kinds = sorted(set(sizes))
        types = tuple(kinds.index(size) for size in sizes)
        return types, tuple(Composite(discrete=(size,)) for size in kinds)

    def begin(self, time_s: float) -> Sequence[str]:
        """See `Drive.begin`."""
        self.state = self.shield.initial()
        return self.shield.state_strings(self.state)

    def mask(self, inputs: ShieldInputs | None) -> BoolArray:
        """Legal stages, [signals, most stages]."""
        if self._free and inputs is None:
            return self._exists
        if self._mask is None or self._mask[0] is not self.state or self._mask[1] is not inputs:
            self._mask = (self.state, inputs, self.shield.legal(self.state, inputs).mask)
        return self._mask[2]

    def play(self, action: Action, inputs: ShieldInputs | None, seconds: float) -> Played:
        """See `Drive.play`; `discrete` is [1, signals, 1].

        Raises:
            ActionError: wrong shape, or a stage that no signal has.
        """
        n = len(self._rows)
        if action.discrete is None or action.discrete.shape != (1, n, 1):
            got = None if action.discrete is None else action.discrete.shape
            msg = f"stage interface: action.discrete must have shape (1, {n}, 1), got {got}"
            raise ActionError(msg)
        stages = np.array(action.discrete[0, :, 0], dtype=np.int64)
        changed, reason = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int16)
        legal = bool(((stages >= 0) & (stages < self._sizes)).all())
        if legal and self._free and inputs is None:
            changes = self._play_freely(stages, int(seconds))
            return Played(Action(discrete=stages[None, :, None]), changed, reason, changes)
        if not legal or not self.mask(inputs)[self._rows, stages].all():
            stages, changed, reason = self.shield.project(self.state, stages, inputs)
        changes = self.shield.schedule(self.state, stages, int(seconds))
        self.state = self.shield.advance(self.state, stages, inputs, int(seconds))
        return Played(Action(discrete=stages[None, :, None]), changed, reason, changes)

    def _play_freely(self, stages: IntArray, seconds: int) -> Sequence[Change]:
        """Changes of the coming interval where every stage is legal; the clock moves on."""
        state = self.state
        changed = stages != state.stage
        previous, elapsed_s = state.previous, state.elapsed_s
        changes: list[Change] = []
        if changed.any():
            for row in np.flatnonzero(changed).tolist():
                automaton = self.shield.automata[row]
                steps = automaton_steps(automaton, int(state.stage[row]), int(stages[row]))
                changes += [(second, row, shown) for second, shown in steps]
            changes.sort()
            previous = np.where(changed, state.stage, previous)
            lost_s = self._transition_s[self._rows, state.stage, stages]
            elapsed_s = np.where(changed, -lost_s, elapsed_s)
        self.state = ShieldState(
            state.automaton, previous, stages, elapsed_s + seconds, state.age_s, state.bus_s
        )
        return changes

    def stage(self) -> IntArray:
        """See `Drive.stage`."""
        return self.state.stage

    def elapsed_s(self) -> IntArray:
        """See `Drive.elapsed_s`."""
        return self.state.elapsed_s


def automaton_steps(
    automaton: SignalAutomaton, before: int, after: int
) -> Iterator[tuple[int, str]]:
    """(second, state) of a change of stage: each state of the transition, then the new stage."""
    shown = automaton.timing.stage_states[before]
    states = (*automaton.shown[before][after], automaton.timing.stage_states[after])
    for second, state in enumerate(states):
        if state != shown:
            yield second, state
            shown = state


def _never_forbids(automaton: SignalAutomaton) -> bool:
    """Whether every stage may be chosen at every decision."""
    rules = automaton.timing.rules
    longest_s = int((automaton.transition_s + automaton.min_green_s[None, :]).max(initial=0))
    unlimited = rules.max_red_s is None and rules.max_green_s is None
    return bool(unlimited and automaton.successors.all() and longest_s <= automaton.decision_s)
