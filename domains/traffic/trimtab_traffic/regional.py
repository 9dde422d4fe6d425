"""What a regional agent works with: plans as arrays, probe estimates, and moves of green.

A *move* gives a second of green of one stage to another stage of the same signal. Cycle, phase
order and offset stay; no stage goes below its shortest or above its longest legal green. A signal
whose cycle is longer than the maximum red keeps its plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, BoolArray, FloatArray

from trimtab_traffic.approaches import ApproachGroups, ProbeEstimates, uniform_delay_s
from trimtab_traffic.controllers.native import has_one_cycle
from trimtab_traffic.probe_fleet import ProbeFleet
from trimtab_traffic.probes import HEADWAY_S
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import signal_timing
from trimtab_traffic.signals import VEHICLE_SPACE_M, TrafficNetwork
from trimtab_traffic.split import CyclePlan
from trimtab_traffic.state import TrafficState


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


class Region:
    """The greens of all signals and what is known of their approaches.

    Args:
        problem: with interface `split`.
        profile: its rule profile.
        estimator: makes the estimates of the groups.

    Attributes:
        groups: approach groups.
        splits: plans and limits.
        estimates: of the probes.
        greens_s: [signals, stages] as they will be from the next cycle on.
    """

    def __init__(
        self,
        problem: ControlProblem,
        profile: RuleProfile,
        estimator: Callable[[ApproachGroups], ProbeEstimates],
    ) -> None:
        self._state = cast(TrafficState, problem.resource("state"))
        self._probes: ProbeFleet = self._state.fleet
        self._probes.watched = True
        self.groups = ApproachGroups.of(problem.resource("model"))
        self.splits = Splits.of(problem, profile)
        self.estimates = estimator(self.groups)
        self.reset()

    def reset(self) -> None:
        """Return to the plan, know nothing."""
        self.estimates.reset(self._state.time_s)
        self.greens_s = self.splits.green_s.copy()

    def look(self) -> None:
        """Take in what probes reported since the last decision."""
        if self._state.time_s > self._probes.begin_s:
            self.estimates.update(self._probes, self._state.time_s)

    def green_share(self, greens_s: FloatArray) -> FloatArray:
        """G / C of each group, [groups]."""
        return self.groups.green_share(greens_s, self.splits.cycle_s)

    def excess_veh(self, usual: float) -> FloatArray:
        """Queue beyond that of `usual` times the uniform delay, [groups], at least 0."""
        share = self.green_share(self.greens_s)
        cycle = self.splits.cycle_s[self.groups.signal]
        allowed = usual * uniform_delay_s(share, cycle) * self.groups.lanes / HEADWAY_S * share
        return np.maximum(self.estimates.queue_veh(share) - allowed, 0.0)

    def flow_vps(self, prior_probes: float) -> FloatArray:
        """Flow of each group, [groups], vehicles per second."""
        planned = self.green_share(self.splits.green_s)
        return self.estimates.flow_vps(self._probes.share, prior_probes, planned)

    def fill(self, excess_veh: FloatArray) -> FloatArray:
        """How full the approaches behind each group's stop line are, [groups], 0..1."""
        storage = self.groups.lanes * self.estimates.length_m / VEHICLE_SPACE_M
        full = np.minimum(excess_veh / np.maximum(storage, 1.0), 1.0)
        return np.asarray(self.groups.downstream @ full)

    def junction(self, signal: int, demand_s: FloatArray) -> Junction:
        """One signal of the region, given the demand [groups of the region]."""
        own, limits = self.groups.signal == signal, self.splits
        served, greens_s = self.groups.served[own], self.greens_s[signal]
        return Junction(
            served, demand_s[own], greens_s, limits.low_s[signal], limits.high_s[signal]
        )

    def action(self) -> Action:
        """The greens as an action of interface `split`, offsets unchanged."""
        offsets = np.zeros((len(self.greens_s), 1))
        return Action(box=np.hstack([self.greens_s, offsets])[None].astype(np.float32))


@dataclass(frozen=True, slots=True)
class Move:
    """One second of green from stage `giver` to stage `taker`.

    Attributes:
        before, after: highest degree of saturation of the signal.
    """

    giver: int
    taker: int
    before: float
    after: float


class Junction:
    """One signal with the demand of its groups, to try moves on.

    Args:
        served: [groups, stages] bool, green in that stage.
        demand_s: [groups] green each group needs per cycle at full saturation, s.
        greens_s: [stages] present greens.
        low_s: [stages] shortest legal greens.
        high_s: [stages] longest legal greens.
    """

    def __init__(
        self,
        served: BoolArray,
        demand_s: FloatArray,
        greens_s: FloatArray,
        low_s: FloatArray,
        high_s: FloatArray,
    ) -> None:
        self._served, self._demand_s = served, demand_s
        self._low_s, self._high_s = low_s, high_s
        self.greens_s = greens_s.copy()

    def saturation(self, greens_s: FloatArray) -> FloatArray:
        """Degree of saturation of each group, [groups of the signal]."""
        green = (self._served * greens_s).sum(axis=1)
        return np.asarray(self._demand_s / np.maximum(green, 1.0))

    def best_move(self) -> Move | None:
        """The second of green that lowers the highest degree of saturation most, if any does."""
        before = self.saturation(self.greens_s)
        if not len(before) or before.max() <= 0:
            return None
        critical = int(before.argmax())
        takers = self._served[critical] & (self.greens_s + 1.0 <= self._high_s)
        givers = ~self._served[critical] & (self.greens_s - 1.0 >= self._low_s)
        found: Move | None = None
        for taker in np.flatnonzero(takers).tolist():
            for giver in np.flatnonzero(givers).tolist():
                after = float(self.saturation(self._moved(giver, taker)).max())
                if after < (before.max() if found is None else found.after):
                    found = Move(giver, taker, float(before.max()), after)
        return found

    def make(self, move: Move) -> None:
        """Make a move."""
        self.greens_s = self._moved(move.giver, move.taker)

    def _moved(self, giver: int, taker: int) -> FloatArray:
        greens = self.greens_s.copy()
        greens[giver] -= 1.0
        greens[taker] += 1.0
        return greens
