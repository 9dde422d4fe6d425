"""Action interfaces: how a joint action becomes what the signals show until the next decision.

A drive knows the signals only as a mirror (what they show and for how long) and never reads it back
from SUMO. It yields phases to set at the decision where SUMO holds the transitions as programs, or
timed changes of what is shown; the problem advances SUMO from one such change to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action, BoolArray, Composite, IntArray

from trimtab_traffic.automaton import SignalAutomaton
from trimtab_traffic.shield import ShieldInputs, ShieldState, SignalShield
from trimtab_traffic.stage_programs import StagePhases, stage_phases

_Array = TypeVar("_Array", bound=NDArray[Any])
Change = tuple[float, int, str]
"""(seconds from the decision, signal row, state string)."""
Turn = tuple[int, int, int]
"""(signal row, stage before, stage after)."""


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
        self._sizes = [len(a.timing.stage_states) for a in shield.automata]
        self._exists = np.arange(shield.n_stages)[None, :] < np.array(self._sizes)[:, None]
        self._free = all(_never_forbids(automaton) for automaton in shield.automata)
        self._transition_s = [automaton.transition_s.tolist() for automaton in shield.automata]
        self._unchanged = constant(np.zeros(len(self._rows), bool))
        self._no_reason = constant(np.zeros(len(self._rows), np.int16))
        self._mask: tuple[ShieldState, ShieldInputs | None, BoolArray] | None = None

    def actions(self) -> tuple[tuple[int, ...], tuple[Composite, ...]]:
        """See `Drive.actions`: one type per number of stages."""
        sizes = self._sizes
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
        state, stages, seconds = self.state, _proposed(action, len(self._rows)), int(seconds)
        changed, reason, turns = self._unchanged, self._no_reason, _turns(state.stage, stages)
        legal = all(0 <= new < self._sizes[row] for row, _, new in turns)
        free = legal and self._free and inputs is None
        if not free and not (legal and self.mask(inputs)[self._rows, stages].all()):
            stages, changed, reason = self.shield.project(state, stages, inputs)
            turns = _turns(state.stage, stages)
        changes: Sequence[Change] = ()
        phases: Sequence[tuple[int, int]] = ()
        if self.by_program:
            phases = [(row, self._first_phase[row][old][new]) for row, old, new in turns]
        elif free:
            changes = self._steps(turns)
        else:
            changes = self.shield.schedule(state, stages, seconds)
        if free:
            self.state = self._moved_on(stages, turns, seconds)
        else:
            self.state = self.shield.advance(state, stages, inputs, seconds)
        return Played(Action(discrete=stages[None, :, None]), changed, reason, changes, phases)

    @cached_property
    def programs(self) -> tuple[StagePhases, ...]:
        """The phases of every signal's stage program."""
        return tuple(stage_phases(automaton) for automaton in self.shield.automata)

    @cached_property
    def _first_phase(self) -> list[list[list[int]]]:
        """By signal, stage before and stage after: the phase that the change begins with."""
        return [signal.first.tolist() for signal in self.programs]

    def _steps(self, turns: Sequence[Turn]) -> list[Change]:
        """Every state that is shown during the coming interval, where no choice is forbidden."""
        return sorted(
            (second, row, shown)
            for row, old, new in turns
            for second, shown in automaton_steps(self.shield.automata[row], old, new)
        )

    def _moved_on(self, stages: IntArray, turns: Sequence[Turn], seconds: int) -> ShieldState:
        """The mirrored state at the end of the coming interval, where no choice is forbidden."""
        state = self.state
        previous = state.previous.tolist()
        elapsed_s = [s + seconds for s in state.elapsed_s.tolist()]
        for row, old, new in turns:
            previous[row] = old
            elapsed_s[row] = seconds - self._transition_s[row][old][new]
        return ShieldState(
            state.automaton,
            np.array(previous, np.int64),
            stages,
            np.array(elapsed_s, np.int64),
            state.age_s,
            state.bus_s,
        )

    def stage(self) -> IntArray:
        """See `Drive.stage`."""
        return self.state.stage

    def elapsed_s(self) -> IntArray:
        """See `Drive.elapsed_s`."""
        return self.state.elapsed_s


def constant(array: _Array) -> _Array:
    """The array, read-only: it is handed out at every decision instead of a new one."""
    array.flags.writeable = False
    return array


def _turns(before: IntArray, after: IntArray) -> list[Turn]:
    """The signals whose stage changes.

    Lists: signals are few, and every further function of numpy must be fetched into the processor's
    cache anew after each step of SUMO.
    """
    shown = before.tolist()
    return [(row, shown[row], new) for row, new in enumerate(after.tolist()) if new != shown[row]]


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
