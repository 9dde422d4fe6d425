"""Adaptive splits and cycle from the degree of saturation, like SCATS and SCOOT.

Once per cycle the degree of saturation of every lane is worked out from its stop-line loop and
queue. Each signal moves up to `step_s` of green from stages with the lowest to stages with the
highest degree of saturation; each group of signals that ship with one common cycle lengthens it by
`step_s` when its critical junction is above the target, and shortens it when there is room.

Sources: A. G. Sims, K. W. Dobinson, "SCAT", IEEE Trans. Veh. Technol. 29, 1980; P. B. Hunt et al.,
"SCOOT", TRRL LR 1014, 1981 (target 0.9, steps of 4 s).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.space import Float, Integer, Space
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
)

from trimtab_traffic.controllers.native import has_one_cycle
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.signals import Signal, TrafficNetwork
from trimtab_traffic.split import CyclePlan
from trimtab_traffic.state import TrafficState

PARAMETERS = Space(
    (
        Float("target_saturation", 0.6, 1.0),
        Integer("step_s", 1, 10, "s"),
        Float("newest", 0.1, 1.0),
        Integer("min_cycle_s", 40, 80, "s"),
        Integer("max_cycle_s", 80, 150, "s"),
    )
)
SATURATION_VEH_S = 0.5
"""Saturation flow of a lane before it has been observed, veh/s (1800 veh/h)."""

START_UP_LOSS_S = 2.0
"""Green lost while a queue starts, s per green (Highway Capacity Manual 2000, ch. 16)."""

OBSERVED_VEH_S = (0.1, 0.7)
"""Range of saturation flows that are believed, veh/s."""

LEARNING_RATE = 0.3
"""Weight of a newly observed saturation flow."""

ROOM = 0.05
"""How far below the target the degree of saturation must be at a shorter cycle."""


@dataclass
class Junction:
    """One signal with a plan of one cycle.

    Attributes:
        row: its row among the agents.
        lanes: [lanes] columns of its approach lanes.
        serves: [stages, lanes] bool, the stage is green for the lane.
        low_s: [stages] shortest greens.
        lost_s: time of all transitions of a cycle.
        greens_s: [stages] present greens.
    """

    row: int
    lanes: IntArray
    serves: BoolArray
    low_s: FloatArray
    lost_s: float
    shipped_s: FloatArray
    greens_s: FloatArray

    @property
    def cycle_s(self) -> float:
        """Present cycle."""
        return self.lost_s + float(self.greens_s.sum())

    def lane_green_s(self, greens_s: FloatArray) -> FloatArray:
        """Effective green per cycle of each lane, [lanes]."""
        return np.asarray(np.maximum(greens_s - START_UP_LOSS_S, 0.0) @ self.serves)

    def saturation(self, demand: FloatArray, greens_s: FloatArray) -> FloatArray:
        """Degree of saturation of each lane, [lanes].

        Args:
            demand: [lanes] flow over saturation flow.
            greens_s: [stages].
        """
        cycle_s = self.lost_s + float(greens_s.sum())
        return demand * cycle_s / np.maximum(self.lane_green_s(greens_s), 1e-3)

    def regreened(self, demand: FloatArray, cycle_s: float, moves: int) -> FloatArray:
        """Greens of a cycle length after at most `moves` seconds have changed hands, [stages]."""
        greens = self.greens_s.copy()
        longer_s = round(cycle_s - self.cycle_s)
        for _ in range(abs(longer_s)):
            greens = self._best(demand, greens, float(np.sign(longer_s)))
        for _ in range(moves):
            moved = self._best(demand, self._best(demand, greens, 1.0), -1.0)
            if self._worst(demand, moved) >= self._worst(demand, greens) - 1e-9:
                break
            greens = moved
        return greens

    def _worst(self, demand: FloatArray, greens_s: FloatArray) -> float:
        return float(self.saturation(demand, greens_s).max(initial=0.0))

    def _best(self, demand: FloatArray, greens_s: FloatArray, change_s: float) -> FloatArray:
        """Change the one stage by `change_s` that leaves the lowest worst saturation."""
        options = greens_s + change_s * np.eye(len(greens_s))
        legal = [o for o in options if (o >= np.minimum(self.low_s, greens_s)).all()]
        return min(legal, key=lambda o: self._worst(demand, o), default=greens_s)


class Scoot(Controller):
    """Splits by degree of saturation, common cycle from the critical junction.

    Args:
        profile: rule profile the plans keep.
        target_saturation: degree of saturation the cycle aims at.
        step_s: largest change of a green or a cycle per decision, s.
        newest: weight of the newest interval in the smoothed flows.
        min_cycle_s: shortest cycle, s.
        max_cycle_s: longest cycle, s.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        target_saturation: float = 0.9,
        step_s: int = 4,
        newest: float = 0.5,
        min_cycle_s: int = 60,
        max_cycle_s: int = 120,
    ) -> None:
        network: TrafficNetwork = problem.resource("model")
        self._state: TrafficState = problem.resource("state")
        self._interval_s = problem.spec.dt_s
        self._width = problem.spec.n_box
        self._target, self._step_s, self._newest = target_saturation, step_s, newest
        self._min_cycle_s, self._max_cycle_s = float(min_cycle_s), float(max_cycle_s)
        column = {lane: k for k, lane in enumerate(self._state.approach_lanes)}
        self._rows = len(network.controllable)
        self._junctions = [
            _junction(network, signal, profile, row, column)
            for row, signal in enumerate(network.controllable)
            if has_one_cycle(signal)
        ]
        self._groups: dict[int, list[Junction]] = {}
        for junction in self._junctions:
            self._groups.setdefault(round(junction.cycle_s), []).append(junction)
        self.reset(np.zeros(1, dtype=np.int64))

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """Back to the shipped greens and unobserved saturation flows."""
        lanes = len(self._state.approach_lanes)
        self._saturation_veh_s = np.full(lanes, SATURATION_VEH_S)
        self._passed = np.zeros(lanes)
        self._queue = np.zeros(lanes)
        self._flow_veh_s: FloatArray | None = None
        self._started = False
        for junction in self._junctions:
            junction.greens_s = junction.shipped_s.copy()

    def act(self, obs: Obs) -> Action:
        """Greens per stage of every signal, offsets as shipped; `box` [1, signals, stages + 1]."""
        if self._started:
            demand = self._demand()
            for group in self._groups.values():
                self._adapt(group, demand)
        self._started = True
        box = np.zeros((1, self._rows, self._width), dtype=np.float32)
        for junction in self._junctions:
            box[0, junction.row, : len(junction.greens_s)] = junction.greens_s
        return Action(box=box)

    def _demand(self) -> FloatArray:
        """Flow over saturation flow of each lane in the last interval, [lanes].

        A lane that passed fewer than stood waiting before was saturated: it shows its saturation
        flow, and what its queue grew by belongs to its flow.
        """
        total = self._state.passed_veh().astype(np.float64)
        queue = self._state.lane_halting()[: len(total)].astype(np.float64)
        passed, self._passed = total - self._passed, total
        grown, before, self._queue = queue - self._queue, self._queue, queue
        green_share = np.zeros(len(total))
        for junction in self._junctions:
            green_s = junction.lane_green_s(junction.greens_s)
            green_share[junction.lanes] = green_s / junction.cycle_s
        seen = passed / np.maximum(green_share * self._interval_s, 1.0)
        full = (before >= passed) & (passed > 0)
        learnt = (1 - LEARNING_RATE) * self._saturation_veh_s + LEARNING_RATE * seen
        self._saturation_veh_s = np.where(
            full, np.clip(learnt, *OBSERVED_VEH_S), self._saturation_veh_s
        )
        flow = (passed + np.where(full, np.maximum(grown, 0.0), 0.0)) / self._interval_s
        if self._flow_veh_s is None:
            self._flow_veh_s = flow
        self._flow_veh_s = (1 - self._newest) * self._flow_veh_s + self._newest * flow
        return np.asarray(self._flow_veh_s / self._saturation_veh_s)

    def _adapt(self, group: list[Junction], demand: FloatArray) -> None:
        """Change cycle and splits of signals with a common cycle by at most one step."""
        present_s = max(junction.cycle_s for junction in group)
        shorter_s = max(present_s - self._step_s, self._min_cycle_s)
        cycle_s = present_s
        if self._critical(group, demand, present_s) > self._target:
            cycle_s = max(present_s, min(present_s + self._step_s, self._max_cycle_s))
        elif self._critical(group, demand, shorter_s) < self._target - ROOM:
            cycle_s = min(present_s, shorter_s)
        for junction in group:
            junction.greens_s = junction.regreened(demand[junction.lanes], cycle_s, self._step_s)

    def _critical(self, group: list[Junction], demand: FloatArray, cycle_s: float) -> float:
        """Highest degree of saturation in the group at a cycle length, splits adapted."""
        worst = 0.0
        for junction in group:
            local = demand[junction.lanes]
            greens_s = junction.regreened(local, cycle_s, self._step_s)
            worst = max(worst, float(junction.saturation(local, greens_s).max(initial=0.0)))
        return worst


def _junction(
    network: TrafficNetwork,
    signal: Signal,
    profile: RuleProfile,
    row: int,
    column: dict[str, int],
) -> Junction:
    plan = CyclePlan.of(signal_timing(network, signal, profile), profile.name)
    stages = len(signal.stage_states)
    lanes = {lane: k for k, lane in enumerate(signal.approach_lanes)}
    serves = np.zeros((stages, len(lanes)), dtype=bool)
    for c in signal.connections:
        if c.on_road:
            serves[:, lanes[c.in_lane]] |= signal.stage_green[:, c.link]
    greens_s = plan.green_of_stages(stages)
    on = plan.stages >= 0
    low_s = np.bincount(plan.stages[on], plan.low_s[on], stages)
    return Junction(
        row=row,
        lanes=np.array([column[lane] for lane in lanes], dtype=np.int64),
        serves=serves,
        low_s=low_s.astype(np.float64),
        lost_s=plan.cycle_s - plan.green_s,
        shipped_s=greens_s,
        greens_s=greens_s.copy(),
    )
