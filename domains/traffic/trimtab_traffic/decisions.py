"""The decision table of a policy: what each signal saw, and which stage it showed next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.run.runner import Decision

from trimtab_traffic.problem import SignalControl

DECISION_COLUMNS = (
    "time_s",
    "signal",
    "vehicles_on_approaches",
    "halting_on_approaches",
    "stage_shown",
    "stage_chosen",
    "chosen_state",
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
    _seen: tuple[IntArray, IntArray, IntArray] | None = None
    _time_s: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.control.signal_ids)
        none = np.zeros(n, dtype=np.int64)
        self._seen, self._time_s = (none, none, none), self.control.inputs.start_s

    def watch(self, decision: Decision) -> None:
        """Add a decision's rows and look at what the next one will see."""
        step = decision.step
        if step.executed is not None and step.executed.discrete is not None and self._seen:
            chosen = step.executed.discrete[0, :, 0]
            for row, signal in enumerate(self.control.network.controllable):
                vehicles, halting, stage = (int(values[row]) for values in self._seen)
                self.rows.append(
                    (
                        float(self._time_s),
                        signal.id,
                        vehicles,
                        halting,
                        stage,
                        int(chosen[row]),
                        signal.stage_states[int(chosen[row])],
                        int(step.intervened[0, row]),
                    )
                )
        self._time_s += float(step.elapsed_s[0])
        self._seen = None if step.done[0] else self._look()

    def _look(self) -> tuple[IntArray, IntArray, IntArray]:
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
