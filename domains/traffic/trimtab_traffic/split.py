"""Action interfaces `split` and `cycle`: green seconds per stage and an offset, order kept.

What existing controllers can do: once per cycle the greens of the running plan are set anew. Phase
order and intergreens stay. Under `split` the cycle stays too: it is stretched or cut by at most
`MAX_SHIFT_S` while an offset moves (SCOOT moves offsets by ±4 s; P. B. Hunt et al., "SCOOT",
TRRL LR 1014, 1981). Under `cycle` the greens are taken as they are and set the cycle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from trimtab.contracts.errors import ActionError
from trimtab.contracts.spec import Action, Box, Composite, FloatArray, IntArray

from trimtab_traffic.controllers.native import has_one_cycle
from trimtab_traffic.controllers.rewriting import legal_fixed, shared_out
from trimtab_traffic.drive import Change, Played
from trimtab_traffic.rules import SignalTiming
from trimtab_traffic.shield import ShieldInputs
from trimtab_traffic.webster import whole_seconds

MAX_SHIFT_S = 4
"""Largest change of a cycle's length while an offset moves, s."""


@dataclass(frozen=True)
class CyclePlan:
    """The plan whose greens are set: the shipped one, made legal under `field`.

    Attributes:
        states: state string of each phase.
        durations_s: [phases].
        stages: [phases] stage index, -1 for intergreens.
        low_s: [phases] shortest green, 0 for intergreens.
        offset_s: time at which the plan's first phase begins, modulo the cycle.
    """

    states: tuple[str, ...]
    durations_s: FloatArray
    stages: IntArray
    low_s: FloatArray
    offset_s: float

    @classmethod
    def of(cls, timing: SignalTiming, profile: str) -> CyclePlan:
        """Base plan of a signal with one cycle of stages."""
        program = timing.signal.program if profile == "resco" else legal_fixed(timing)
        index = {state: k for k, state in enumerate(timing.stage_states)}
        stages = np.array([index.get(p.state, -1) for p in program.phases], dtype=np.int64)
        durations = np.array([p.duration_s for p in program.phases], dtype=np.float64)
        low = np.where(stages >= 0, np.minimum(timing.min_green_s[stages], durations), 0.0)
        states = tuple(p.state for p in program.phases)
        return cls(states, durations, stages, low, program.offset_s)

    @property
    def cycle_s(self) -> float:
        """Length of the cycle."""
        return float(self.durations_s.sum())

    @property
    def green_s(self) -> float:
        """Sum of the greens of a cycle."""
        return float(self.durations_s[self.stages >= 0].sum())

    def green_of_stages(self, n_stages: int) -> FloatArray:
        """Green per cycle of each stage, [stages]."""
        on = self.stages >= 0
        return np.bincount(self.stages[on], self.durations_s[on], n_stages).astype(np.float64)

    def with_greens(
        self, wanted_s: FloatArray, longer_s: float, *, keep_cycle: bool = True
    ) -> FloatArray:
        """Durations of one cycle, [phases]: whole greens in proportion to what is wanted.

        Args:
            wanted_s: green per stage; phases that share a stage divide it as in the plan.
            longer_s: how much longer than that the cycle shall be.
            keep_cycle: the greens share out the plan's green; otherwise their sum is granted.
        """
        on = self.stages >= 0
        base = self.green_of_stages(len(wanted_s))[self.stages[on]]
        share = self.durations_s[on] / np.maximum(base, 1e-9)
        wanted = np.maximum(wanted_s, 1e-3)[self.stages[on]] * share
        low = np.ceil(self.low_s[on])
        green_s = self.green_s if keep_cycle else float(wanted_s.sum())
        total = max(round(green_s + longer_s), int(low.sum()))
        durations = self.durations_s.copy()
        durations[on] = whole_seconds(shared_out(wanted, low, float(total)), total)
        return durations


@dataclass
class _Running:
    """Where one signal stands in its plan."""

    plan: CyclePlan
    greens_s: FloatArray
    durations_s: FloatArray
    keep_cycle: bool = True
    phase: int = 0
    phase_began_s: float = 0.0
    target_s: float = 0.0
    shift_s: float = 0.0
    began_s: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def phase_ends_s(self) -> float:
        return self.phase_began_s + float(self.durations_s[self.phase])

    def start(self, time_s: float) -> None:
        """Join the base plan where it stands at `time_s`."""
        self.durations_s = self.plan.durations_s
        self.shift_s = self.target_s = 0.0
        at_s = (time_s - self.plan.offset_s) % self.plan.cycle_s
        ends = np.cumsum(self.durations_s)
        self.phase = int(np.searchsorted(ends, at_s + 1e-9, side="right"))
        self.phase = min(self.phase, len(ends) - 1)
        self.phase_began_s = time_s - (at_s - (ends[self.phase] - self.durations_s[self.phase]))

    def turn(self) -> None:
        """Go to the next phase; a new cycle takes the newest greens and moves the offset."""
        self.phase_began_s, self.phase = self.phase_ends_s, self.phase + 1
        if self.phase == len(self.durations_s):
            self.phase = 0
            half = self.plan.cycle_s / 2.0
            missing = (self.target_s - self.shift_s + half) % self.plan.cycle_s - half
            step = float(np.clip(round(missing), -MAX_SHIFT_S, MAX_SHIFT_S))
            self.durations_s = self.granted(step)
            cycle_s = self.plan.cycle_s if self.keep_cycle else float(self.granted(0.0).sum())
            self.shift_s += float(self.durations_s.sum()) - cycle_s

    def granted(self, longer_s: float) -> FloatArray:
        """Durations of a cycle with the newest greens, [phases]."""
        return self.plan.with_greens(self.greens_s, longer_s, keep_cycle=self.keep_cycle)

    def stage_and_elapsed(self, time_s: float) -> tuple[int, int]:
        """Stage shown or being entered, seconds of its green (negative before it)."""
        ahead, until = self.phase, self.phase_ends_s - time_s
        if self.plan.stages[ahead] >= 0:
            return int(self.plan.stages[ahead]), int(time_s - self.phase_began_s)
        for k in range(1, len(self.durations_s) + 1):
            ahead = (self.phase + k) % len(self.durations_s)
            if self.plan.stages[ahead] >= 0:
                break
            until += float(self.durations_s[ahead])
        return int(self.plan.stages[ahead]), -math.ceil(until)


class SplitDrive:
    """Sets greens and offsets of running plans.

    Signals without a plan of one cycle keep what they have; their action has no effect.

    Args:
        timings: of the controllable signals.
        profile: name of the rule profile.
        keep_cycle: interface `split`; otherwise `cycle`.
    """

    def __init__(
        self, timings: Sequence[SignalTiming], profile: str, *, keep_cycle: bool = True
    ) -> None:
        self._sizes = [len(timing.stage_states) for timing in timings]
        self._running: list[_Running | None] = []
        for timing, size in zip(timings, self._sizes, strict=True):
            plan = CyclePlan.of(timing, profile) if has_one_cycle(timing.signal) else None
            self._running.append(
                None
                if plan is None
                else _Running(plan, plan.green_of_stages(size), plan.durations_s, keep_cycle)
            )
        cycles = [running.plan.cycle_s for running in self._running if running is not None]
        self.interval_s = math.ceil(max(cycles, default=90.0))
        self._time_s = 0.0

    def plan(self, row: int) -> CyclePlan | None:
        """Base plan of a signal, None if it has no single cycle."""
        running = self._running[row]
        return None if running is None else running.plan

    def actions(self) -> tuple[tuple[int, ...], tuple[Composite, ...]]:
        """See `Drive.actions`: green seconds per stage, then the offset to the plan's own."""
        kinds: list[Composite] = []
        for running, size in zip(self._running, self._sizes, strict=True):
            cycle = 90.0 if running is None else running.plan.cycle_s
            greens = [Box(f"green_{k}_s", "s", 0.0, cycle) for k in range(size)]
            kinds.append(Composite(box=(*greens, Box("offset_s", "s", -cycle / 2, cycle / 2))))
        return tuple(range(len(kinds))), tuple(kinds)

    def begin(self, time_s: float) -> Sequence[str]:
        """See `Drive.begin`: every plan where it stands at that time of day."""
        self._time_s = time_s
        shown = []
        for running, size in zip(self._running, self._sizes, strict=True):
            if running is not None:
                running.greens_s = running.plan.green_of_stages(size)
                running.start(time_s)
            shown.append("" if running is None else running.plan.states[running.phase])
        return shown

    def play(self, action: Action, inputs: ShieldInputs | None, seconds: float) -> Played:
        """See `Drive.play`; `box` is [1, signals, most stages + 1].

        Raises:
            ActionError: wrong shape or not finite.
        """
        n, width = len(self._running), max(self._sizes) + 1
        if action.box is None or action.box.shape != (1, n, width):
            got = None if action.box is None else action.box.shape
            msg = f"split interface: action.box must have shape (1, {n}, {width}), got {got}"
            raise ActionError(msg)
        if not np.isfinite(action.box).all():
            msg = "split interface: action.box must be finite"
            raise ActionError(msg)
        executed = np.zeros((1, n, width), np.float32)
        changed = np.zeros(n, dtype=bool)
        for row, (running, size) in enumerate(zip(self._running, self._sizes, strict=True)):
            if running is None:
                continue
            wanted = action.box[0, row, :size].astype(np.float64)
            running.greens_s = wanted
            running.target_s = float(action.box[0, row, size])
            granted = _per_stage(running.plan, running.granted(0.0), size)
            executed[0, row, :size], executed[0, row, size] = granted, running.target_s
            changed[row] = bool((np.abs(granted - wanted) > 1.0).any())
        changes = self._changes(self._time_s + seconds)
        return Played(Action(box=executed), changed, np.zeros(n, np.int16), changes)

    def _changes(self, until_s: float) -> list[Change]:
        changes: list[Change] = []
        for row, running in enumerate(self._running):
            while running is not None and running.phase_ends_s < until_s - 1e-9:
                running.turn()
                state = running.plan.states[running.phase]
                changes.append((running.phase_began_s - self._time_s, row, state))
        self._time_s = until_s
        return sorted(changes)

    def stage(self) -> IntArray:
        """See `Drive.stage`."""
        return np.array([self._where(row)[0] for row in range(len(self._running))])

    def elapsed_s(self) -> IntArray:
        """See `Drive.elapsed_s`."""
        return np.array([self._where(row)[1] for row in range(len(self._running))])

    def _where(self, row: int) -> tuple[int, int]:
        running = self._running[row]
        return (0, 0) if running is None else running.stage_and_elapsed(self._time_s)


def _per_stage(plan: CyclePlan, durations_s: FloatArray, size: int) -> FloatArray:
    on = plan.stages >= 0
    return np.bincount(plan.stages[on], durations_s[on], size).astype(np.float64)
