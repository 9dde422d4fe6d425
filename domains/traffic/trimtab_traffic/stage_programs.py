"""A signal's stages, and what is shown between any two of them, as one SUMO program.

A change of stage is then a single call, which sets the phase that the transition begins with. SUMO
goes through the transition by itself, so a decision interval needs no stop in between: on cologne8
that costs a third of setting every state on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from trimtab.contracts.spec import IntArray

from trimtab_traffic.automaton import SignalAutomaton
from trimtab_traffic.signals import Phase, Program

HOLD_S = 1_000_000.0
"""Duration of a stage in the file, longer than any run: it ends when another phase is set."""
PROGRAM_ID = "trimtab-stages"


@dataclass(frozen=True, slots=True)
class StagePhases:
    """Phases of one signal: first its stages, then the transitions.

    Attributes:
        first: [stages, stages] index of the phase that a change of stage begins with; a transition
            that shows nothing of its own begins with the new stage.
    """

    phases: tuple[Phase, ...]
    first: IntArray


def stage_phases(automaton: SignalAutomaton) -> StagePhases:
    """The phases of a signal, transitions that its successor graph permits among them."""
    states = automaton.timing.stage_states
    phases = [Phase(state, HOLD_S, next=(stage,)) for stage, state in enumerate(states)]
    first = np.tile(np.arange(len(states)), (len(states), 1))
    for before, after in np.argwhere(automaton.successors).tolist():
        runs = [(state, len(list(run))) for state, run in groupby(automaton.shown[before][after])]
        if runs:
            first[before, after] = len(phases)
        for state, seconds in runs[:-1]:
            phases.append(Phase(state, float(seconds), next=(len(phases) + 1,)))
        for state, seconds in runs[-1:]:
            phases.append(Phase(state, float(seconds), next=(after,)))
    return StagePhases(tuple(phases), first)


def stage_programs(signals: Mapping[str, StagePhases], begin_s: float) -> dict[str, Program]:
    """Programs to load at `begin_s`, by signal id; each shows stage 0 then."""
    return {
        name: Program(PROGRAM_ID, "static", begin_s, found.phases, ())
        for name, found in signals.items()
    }
