"""The decision table of a policy: what each signal saw, and which stage it showed next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from trimtab.contracts.spec import Action, FloatArray, IntArray
from trimtab.run.runner import Decision

from trimtab_traffic.problem import SignalControl
from trimtab_traffic.signals import Signal

DECISION_COLUMNS = (
    "time_s",
    "signal",
    "vehicles_on_approaches",
    "halting_on_approaches",
    "stage_shown",
    "stage_chosen",
    "chosen_state",
    "chosen_greens_s",
    "changed_by_shield",
)


@dataclass(slots=True)
class DecisionLog:
    """Collects one row per signal and decision; `watch` goes to the runner.

    Attributes:
        rows: in the order of `DECISION_COLUMNS`.
    """

    control: SignalControl
    rows: list[tuple[object, ...]] = field(default_factory=list)
    _seen: tuple[IntArray, ...] = ()
    _time_s: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.control.signal_ids)
        none = np.zeros(n, dtype=np.int64)
        self._seen, self._time_s = (none, none, none), self.control.inputs.start_s

    def watch(self, decision: Decision) -> None:
        """Add a decision's rows and look at what the next one will see."""
        step = decision.step
        if step.executed is not None:
            for row, signal in enumerate(self.control.network.controllable):
                seen = tuple(int(values[row]) for values in self._seen)
                chosen = _chosen(step.executed, row, signal)
                changed = int(step.intervened[0, row])
                self.rows.append((float(self._time_s), signal.id, *seen, *chosen, changed))
        self._time_s += float(step.elapsed_s[0])
        if not step.done[0]:
            self._seen = self._look()

    def _look(self) -> tuple[IntArray, ...]:
        state = self.control.state
        return (
            self._per_signal(state.lane_vehicles()),
            self._per_signal(state.lane_halting()),
            state.stage(),
        )

    def _per_signal(self, lanes: FloatArray | IntArray) -> IntArray:
        column = {lane: k for k, lane in enumerate(self.control.state.lanes)}
        return np.array(
            [
                sum(int(lanes[column[lane]]) for lane in signal.approach_lanes)
                for signal in self.control.network.controllable
            ],
            dtype=np.int64,
        )


def _chosen(action: Action, row: int, signal: Signal) -> tuple[object, object, str]:
    """Stage and its state, or the greens of the next cycle, whichever the interface chooses."""
    stage: object = ""
    state: object = ""
    greens = ""
    if action.discrete is not None:
        stage = int(action.discrete[0, row, 0])
        state = signal.stage_states[int(action.discrete[0, row, 0])]
    if action.box is not None:
        values = action.box[0, row, : len(signal.stage_states)]
        greens = " ".join(f"{value:.1f}" for value in values)
    return stage, state, greens
