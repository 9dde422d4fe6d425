"""What a regional agent works with: plans as arrays, probe estimates, and moves of green.

A *move* gives a second of green of one stage to another stage of the same signal. Cycle, phase
order and offset stay; no stage goes below its shortest or above its longest legal green. A signal
whose cycle is longer than the maximum red keeps its plan.

The load of an approach is its flow ratio y = flow / saturation flow, which a change of splits
leaves as it is. Counts of probes give it from below: lanes may be used unevenly, and a queue passes
no more than its green lets through. So y is filtered by delays: the HCM's control delay at y
foretells what the probes of a cycle lose; what they lost beyond or below that moves y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, FloatArray

from trimtab_traffic.approaches import ApproachGroups, ProbeEstimates
from trimtab_traffic.controllers.native import has_one_cycle
from trimtab_traffic.probes import HEADWAY_S, ProbeFleet
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.split import CyclePlan
from trimtab_traffic.state import TrafficState
from trimtab_traffic.webster import control_delay_s

START_UP_LOSS_S = 2.0
"""Green in which no vehicle passes, s per green (HCM 2000, chapter 16)."""
HIGHEST_SATURATION = 3.0
"""Degree of saturation above which delays tell nothing more."""


@dataclass(frozen=True)
class Splits:
    """Plans of all controllable signals.

    Attributes:
        green_s: [signals, stages] of the plan, 0 for stages it never shows.
        low_s: [signals, stages] shortest legal; equal to `high_s` where nothing may be moved.
        high_s: [signals, stages] longest legal.
        cycle_s: [signals].
    """

    green_s: FloatArray
    low_s: FloatArray
    high_s: FloatArray
    cycle_s: FloatArray

    @classmethod
    def of(cls, problem: ControlProblem, profile: RuleProfile) -> Splits:
        """Plans of a problem with interface `split`, and the limits of its rules."""
        network: TrafficNetwork = problem.resource("model")
        signals = network.controllable
        shape = len(signals), max((len(s.stage_states) for s in signals), default=0)
        green, low, high = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        cycle = np.full(len(signals), 90.0)
        for row, signal in enumerate(signals):
            if not has_one_cycle(signal):
                continue
            plan = CyclePlan.of(signal_timing(network, signal, profile), profile.name)
            size, on = len(signal.stage_states), plan.stages >= 0
            green[row, :size] = plan.green_of_stages(size)
            low[row], high[row], cycle[row] = green[row], green[row], plan.cycle_s
            rules = profile.for_signal(signal.id)
            if rules.max_red_s is None or plan.cycle_s <= rules.max_red_s:
                low[row, :size] = np.bincount(plan.stages[on], np.ceil(plan.low_s[on]), size)
                longest = np.inf if rules.max_green_s is None else float(rules.max_green_s)
                high[row] = np.where(green[row] > 0, np.maximum(green[row], longest), 0.0)
        return cls(green, low, high, cycle)


@dataclass(frozen=True, slots=True)
class Filter:
    """How probes become loads; set by hand on the wheel's ingolstadt1 and 7w, seeds 101 and 102.

    Attributes:
        memory_s: time in which a flow is forgotten.
        prior_probes: probes that the plan's own division of the flow is worth.
        prior_delays: delays that the expected one is worth.
        most_delays: delays of one cycle that count at most; cycles differ by chance.
        relaxation: share by which a flow ratio falls back to that of the counts per decision.
        yielding: worth of a second of green in which a group yields to others.
        horizon_s: time for which the load is taken to last.
    """

    memory_s: float = 600.0
    prior_probes: float = 3.0
    prior_delays: float = 3.0
    most_delays: float = 3.0
    relaxation: float = 0.1
    yielding: float = 0.3
    horizon_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Load:
    """Traffic of all groups; arrays [groups].

    Attributes:
        demand_veh_h: flow to be served.
        saturation_veh_h: saturation flow as the group uses it.
    """

    demand_veh_h: FloatArray
    saturation_veh_h: FloatArray


class Region:
    """The greens of all signals and what is known of their approaches.

    Args:
        problem: with interface `split`.
        profile: its rule profile.
        settings: how probes become loads.
        fleet: the probes, by default those of the problem's state.

    Attributes:
        groups: approach groups.
        splits: plans and limits.
        estimates: of the probes.
        service: [groups, stages] worth of a second of green, 0..1.
        greens_s: [signals, stages] as they will be from the next cycle on.
        cycle_s: [groups] cycle of its signal.
        flow_ratio: [groups] y.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        settings: Filter,
        fleet: ProbeFleet | None = None,
    ) -> None:
        self._state = cast(TrafficState, problem.resource("state"))
        self._fleet = fleet or self._state.fleet
        self._fleet.watched = True
        self.groups = ApproachGroups.of(problem.resource("model"))
        self.splits = Splits.of(problem, profile)
        self.estimates = ProbeEstimates(self.groups, settings.memory_s)
        self.service = self.groups.service(settings.yielding)
        self._set = settings
        self.cycle_s = self.splits.cycle_s[self.groups.signal]
        self._saturation_veh_h = self.groups.lanes / HEADWAY_S * 3600.0
        self.reset()

    def reset(self) -> None:
        """Return to the plan, know nothing."""
        self.estimates.reset(self._state.time_s)
        self.greens_s = self.splits.green_s.copy()
        self.flow_ratio = np.zeros(self.groups.count)

    def look(self) -> None:
        """Take in what probes reported since the last decision."""
        if self._state.time_s <= self._fleet.begin_s:
            return
        green = self.effective_green_s(self.greens_s)
        self.estimates.update(self._fleet, self._state.time_s, self._delay_s(green))
        counted = self.counted()
        held = np.where(self.flow_ratio > 0, self.flow_ratio, counted)
        self.flow_ratio = held + self._set.relaxation * (counted - held)
        heard, expected_s = self.estimates.fresh, self._delay_s(green)
        mean_s = self.estimates.fresh_s / np.maximum(heard, 1.0)
        worth, prior = np.minimum(heard, self._set.most_delays), self._set.prior_delays
        delay_s = (worth * mean_s + prior * expected_s) / (worth + prior)
        found = self._ratio_of_delay(delay_s, green)
        self.flow_ratio = np.where(heard > 0, found, self.flow_ratio)

    def effective_green_s(self, greens_s: FloatArray) -> FloatArray:
        """Green of each group without start-up loss, [groups], at least 1 s.

        Args:
            greens_s: [signals, stages].
        """
        green_s = (self.service * greens_s[self.groups.signal]).sum(axis=1)
        return np.asarray(np.maximum(green_s - START_UP_LOSS_S, 1.0))

    def flow_vps(self) -> FloatArray:
        """Flow of each group as counted, [groups], vehicles per second."""
        planned = self.effective_green_s(self.splits.green_s) / self.cycle_s
        return self.estimates.flow_vps(self._fleet.share, self._set.prior_probes, planned)

    def load(self) -> Load:
        """The traffic to be served."""
        green = self.effective_green_s(self.greens_s)
        ratio = np.maximum(self.flow_ratio, 1e-3)
        saturated = np.maximum(ratio * self.cycle_s / green, 1.0)
        flow = self.flow_vps() * 3600.0
        used = np.maximum(flow, 1.0) * saturated / ratio
        saturation = np.minimum(used, 3.0 * self._saturation_veh_h)
        return Load(np.where(flow > 0, ratio * saturation, 0.0), saturation)

    def junction(self, signal: int, load: Load) -> Junction:
        """One signal of the region under a load."""
        own, limits = self.groups.signal == signal, self.splits
        return Junction(
            service=self.service[own],
            load=Load(load.demand_veh_h[own], load.saturation_veh_h[own]),
            cycle_s=float(limits.cycle_s[signal]),
            greens_s=self.greens_s[signal],
            low_s=limits.low_s[signal],
            high_s=limits.high_s[signal],
            horizon_s=self._set.horizon_s,
        )

    def action(self) -> Action:
        """The greens as an action of interface `split`, offsets unchanged."""
        offsets = np.zeros((len(self.greens_s), 1))
        return Action(box=np.hstack([self.greens_s, offsets])[None].astype(np.float32))

    def counted(self) -> FloatArray:
        """Flow ratio by counts, [groups]."""
        return self.flow_vps() * 3600.0 / self._saturation_veh_h

    def _delay_s(self, green_s: FloatArray, ratio: FloatArray | None = None) -> FloatArray:
        """HCM control delay at a flow ratio, by default the present one, [groups]."""
        ratio = self.flow_ratio if ratio is None else ratio
        flow = np.maximum(ratio, 1e-3) * self._saturation_veh_h
        hours = self._set.horizon_s / 3600.0
        return control_delay_s(self.cycle_s, green_s, flow, self._saturation_veh_h, hours)

    def _ratio_of_delay(self, delay_s: FloatArray, green_s: FloatArray) -> FloatArray:
        """Flow ratio at which the control delay is `delay_s`, by bisection, [groups]."""
        low, high = np.zeros_like(green_s), HIGHEST_SATURATION * green_s / self.cycle_s
        for _ in range(16):
            middle = 0.5 * (low + high)
            less = self._delay_s(green_s, middle) < delay_s
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return low


@dataclass(frozen=True, slots=True)
class Move:
    """One second of green from stage `giver` to stage `taker`.

    Attributes:
        giver, taker: stages.
        gain_veh: delay saved, vehicle-seconds per second.
    """

    giver: int
    taker: int
    gain_veh: float


class Junction:
    """One signal with the load of its groups, to try moves on.

    Args:
        service: [groups, stages] worth of a second of green, 0..1.
        load: of its groups.
        cycle_s: cycle.
        greens_s: [stages] present greens.
        low_s: [stages] shortest legal greens.
        high_s: [stages] longest legal greens.
        horizon_s: time the load lasts.
    """

    def __init__(
        self,
        service: FloatArray,
        load: Load,
        cycle_s: float,
        greens_s: FloatArray,
        low_s: FloatArray,
        high_s: FloatArray,
        horizon_s: float,
    ) -> None:
        self._service, self._load = service, load
        self._cycle_s, self._horizon_h = cycle_s, horizon_s / 3600.0
        self._low_s, self._high_s = low_s, high_s
        self.greens_s = greens_s.copy()

    def delay_veh(self, greens_s: FloatArray) -> FloatArray:
        """Vehicles delayed at a time, HCM control delay times flow, [plans].

        Args:
            greens_s: [plans, stages].
        """
        green = np.maximum(greens_s @ self._service.T - START_UP_LOSS_S, 1.0)
        cycle = np.full(green.shape, self._cycle_s)
        flow = np.broadcast_to(self._load.demand_veh_h, green.shape)
        saturation = np.broadcast_to(self._load.saturation_veh_h, green.shape)
        delay_s = control_delay_s(cycle, green, flow, saturation, self._horizon_h)
        return np.asarray((flow * delay_s).sum(axis=-1) / 3600.0)

    def moves(self) -> list[tuple[int, int]]:
        """Legal moves: giver, taker."""
        takers = np.flatnonzero(self.greens_s + 1.0 <= self._high_s).tolist()
        givers = np.flatnonzero(self.greens_s - 1.0 >= self._low_s).tolist()
        return [(giver, taker) for giver in givers for taker in takers if giver != taker]

    def gains_veh(self, moves: Sequence[tuple[int, int]]) -> FloatArray:
        """Delay that each move saves, [moves]."""
        unit = np.eye(len(self.greens_s))
        moved = np.array([self.greens_s - unit[giver] + unit[taker] for giver, taker in moves])
        return self.delay_veh(self.greens_s[None]) - self.delay_veh(moved)

    def best_move(self) -> Move | None:
        """The second of green that saves most delay, if any does."""
        moves = self.moves()
        if not moves:
            return None
        gains = self.gains_veh(moves)
        best = int(gains.argmax())
        return Move(*moves[best], float(gains[best])) if gains[best] > 0 else None

    def make(self, move: Move) -> None:
        """Make a move."""
        self.greens_s[move.giver] -= 1.0
        self.greens_s[move.taker] += 1.0
