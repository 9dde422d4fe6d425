"""Action interfaces: how a joint action becomes what the signals show until the next decision.

A drive knows the signals only as a mirror (what they show and for how long) and never reads it back
from SUMO. It yields phases to set at the decision where SUMO holds the transitions as programs, or
timed changes of what is shown; the problem advances SUMO from one such change to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action, BoolArray, Composite, IntArray

from trimtab_traffic.automaton import SignalAutomaton
from trimtab_traffic.shield import ShieldInputs, ShieldState, SignalShield
from trimtab_traffic.shield_tables import padded
from trimtab_traffic.stage_programs import StagePhases, stage_phases

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
        phases: (signal row, phase of its stage program) to set at the decision, in place of that.
    """

    executed: Action | None
    changed: BoolArray
    reason: NDArray[np.int16]
    changes: Sequence[Change]
    phases: Sequence[tuple[int, int]] = ()


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

    Args:
        shield: the compiled automata.
        by_program: SUMO has loaded `programs`, so a change is said by its first phase.

    Attributes:
        state: mirrored signal state.
    """

    def __init__(self, shield: SignalShield, *, by_program: bool = False) -> None:
        self.shield, self.by_program = shield, by_program
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
        before, stages = self.state.stage, _proposed(action, len(self._rows))
        changed, reason = np.zeros(len(stages), dtype=bool), np.zeros(len(stages), dtype=np.int16)
        turning = (stages != before).nonzero()[0]
        wanted = stages[turning]
        legal = not ((wanted < 0) | (wanted >= self._sizes[turning])).any()
        free = legal and self._free and inputs is None
        if not free and not (legal and self.mask(inputs)[self._rows, stages].all()):
            stages, changed, reason = self.shield.project(self.state, stages, inputs)
            turning = (stages != before).nonzero()[0]
        changes: Sequence[Change] = ()
        phases: Sequence[tuple[int, int]] = ()
        if self.by_program:
            first = self._first_phase[turning, before[turning], stages[turning]]
            phases = list(zip(turning.tolist(), first.tolist(), strict=True))
        elif free:
            changes = self._steps(stages, turning)
        else:
            changes = self.shield.schedule(self.state, stages, int(seconds))
        if free:
            self.state = self._moved_on(stages, turning, int(seconds))
        else:
            self.state = self.shield.advance(self.state, stages, inputs, int(seconds))
        return Played(Action(discrete=stages[None, :, None]), changed, reason, changes, phases)

    @cached_property
    def programs(self) -> tuple[StagePhases, ...]:
        """The phases of every signal's stage program."""
        return tuple(stage_phases(automaton) for automaton in self.shield.automata)

    @cached_property
    def _first_phase(self) -> IntArray:
        """[signals, most stages, most stages] phase that a change of stage begins with."""
        return padded([signal.first for signal in self.programs], 0, np.int64)

    def _steps(self, stages: IntArray, turning: IntArray) -> list[Change]:
        """Every state that is shown during the coming interval, where no choice is forbidden."""
        changes: list[Change] = []
        for row in turning.tolist():
            automaton = self.shield.automata[row]
            steps = automaton_steps(automaton, int(self.state.stage[row]), int(stages[row]))
            changes += [(second, row, shown) for second, shown in steps]
        return sorted(changes)

    def _moved_on(self, stages: IntArray, turning: IntArray, seconds: int) -> ShieldState:
        """The mirrored state at the end of the coming interval, where no choice is forbidden."""
        state = self.state
        previous, elapsed_s = state.previous, state.elapsed_s + seconds
        if len(turning):
            before = state.stage[turning]
            previous = previous.copy()
            previous[turning] = before
            elapsed_s[turning] = seconds - self._transition_s[turning, before, stages[turning]]
        return ShieldState(state.automaton, previous, stages, elapsed_s, state.age_s, state.bus_s)

    def stage(self) -> IntArray:
        """See `Drive.stage`."""
        return self.state.stage

    def elapsed_s(self) -> IntArray:
        """See `Drive.elapsed_s`."""
        return self.state.elapsed_s


def _proposed(action: Action, signals: int) -> IntArray:
    """The stages of an action, [signals]."""
    if action.discrete is None or action.discrete.shape != (1, signals, 1):
        got = None if action.discrete is None else action.discrete.shape
        msg = f"stage interface: action.discrete must have shape (1, {signals}, 1), got {got}"
        raise ActionError(msg)
    return np.array(action.discrete[0, :, 0], dtype=np.int64)


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
