"""Rollouts of stage sequences on the queue model of each signal, from what the sensors see now.

SUMO has no exact snapshot inside a running process, so the rollout runs on point queues: vehicles
within 200 m of the stop line are the predicted arrivals, each at the speed limit; what is further
away is not known. Where the rules limit red, a stage is forced at the latest possible moment
whatever waits there; so red itself counts as a queue that grows up to one vehicle, and the search
serves it when that costs least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray

from trimtab_traffic.discharge import START_LOSS_S, saturation_flow_veh_s
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rules import SignalTiming, intergreen_plan, signal_timing
from trimtab_traffic.signals import VEHICLE_SPACE_M, Signal, TrafficNetwork
from trimtab_traffic.state import TrafficState

RADII_M = np.arange(25.0, 201.0, 25.0)
"""Distances at which approaching vehicles are counted, m."""


@dataclass(frozen=True, slots=True)
class _SignalModel:
    """What the rollout of one signal needs; link columns are flat over all signals.

    Attributes:
        columns: flat columns of its links.
        due_veh: vehicles that the longest red counts as; links green in the same stages share one.
        delay_s: [radii, links] time from a ring between two radii to the stop line, s.
    """

    columns: slice
    rate_veh_s: FloatArray
    lane: IntArray
    green: BoolArray
    yields: BoolArray
    change_s: IntArray
    min_green_s: IntArray
    exits: IntArray
    due_veh: FloatArray
    max_red_s: float
    delay_s: IntArray


class Rollouts:
    """What each stage would cost at each signal, if the best sequence followed it.

    Args:
        network: static model.
        state: readings.
        profile: rules that set transitions and minimum greens.
        interval_s: decision interval.
        horizon_s: time looked ahead, s.
        tail_s: what a vehicle still waiting at the horizon is charged, s.
        patience_s: red time after which a link's vehicles count double, s.
    """

    def __init__(
        self,
        network: TrafficNetwork,
        state: TrafficState,
        profile: RuleProfile,
        interval_s: int,
        horizon_s: int = 30,
        tail_s: float = 20.0,
        patience_s: float = 120.0,
    ) -> None:
        from trimtab_traffic.rollout_kernel import MOST_CHOICES, stage_costs  # loads Numba

        self._search = stage_costs
        self._state, self._interval_s = state, interval_s
        self._horizon_s = min(int(horizon_s), MOST_CHOICES * interval_s)
        self._tail_s, self._patience_s = tail_s, patience_s
        exits = {lane: k for k, lane in enumerate(state.exit_lanes)}
        self._models = [
            _signal_model(network, signal, profile, int(start), exits)
            for signal, start in zip(network.controllable, state.first_link, strict=False)
        ]
        length_m = state.lane_length_m[state.exit_columns]
        self._room_m = np.minimum(VEHICLE_SPACE_M, length_m)  # an empty short lane has room
        self._red_s = np.zeros(int(state.first_link[-1]))

    def reset(self) -> None:
        """Nobody has waited yet."""
        self._red_s[:] = 0.0

    def played(self, stages: IntArray) -> None:
        """One interval passes with these stages, [signals]."""
        for model, stage in zip(self._models, stages, strict=True):
            red = self._red_s[model.columns]
            red[:] = np.where(model.green[stage], 0.0, red + self._interval_s)

    def costs(self, legal: BoolArray | None, margin: float = 0.0) -> list[FloatArray]:
        """Cost of each stage at each signal, weighted veh·s.

        Args:
            legal: [signals, most stages] stages allowed now; None for all.
            margin: stages that are so much dearer than the cheapest are not worked out.

        Returns:
            Per signal [stages], infinite where illegal or not worked out.
        """
        near = [self._state.approach_count(radius) for radius in RADII_M[::-1]][::-1]
        rings = np.diff(np.array(near, dtype=np.float64), axis=0, prepend=0.0)
        has_room = self._state.free_space_m() >= self._room_m
        masks = [None] * len(self._models) if legal is None else list(legal)
        return [
            self._signal_costs(model, rings, has_room, int(present), mask, margin)
            for model, present, mask in zip(self._models, self._state.stage(), masks, strict=True)
        ]

    def _signal_costs(
        self,
        model: _SignalModel,
        rings: FloatArray,
        has_room: BoolArray,
        present: int,
        mask: BoolArray | None,
        margin: float,
    ) -> FloatArray:
        stages, links = model.green.shape
        own = rings[:, model.columns]
        arrivals = np.zeros((links, self._horizon_s))
        seconds = np.minimum(model.delay_s, self._horizon_s - 1)
        np.add.at(arrivals, (np.arange(links)[None, :].repeat(len(own), 0), seconds), own)
        room = np.where(model.exits < 0, True, has_room[model.exits])
        red_s = self._red_s[model.columns]
        costs: FloatArray = self._search(
            model.due_veh * (red_s / model.max_red_s) ** 2,
            arrivals,
            model.rate_veh_s * room,
            model.lane,
            1.0 + red_s / self._patience_s,
            model.green,
            model.yields,
            model.change_s,
            model.min_green_s,
            np.ones(stages, dtype=np.bool_) if mask is None else mask[:stages].copy(),
            present,
            self._interval_s,
            START_LOSS_S,
            self._tail_s,
            margin,
        )
        return costs


def _signal_model(
    network: TrafficNetwork, signal: Signal, profile: RuleProfile, start: int, exits: dict[str, int]
) -> _SignalModel:
    timing = signal_timing(network, signal, profile)
    first = [next((c for c in row if c.on_road), None) for row in signal.link_connections]
    lanes = list(dict.fromkeys(c.in_lane for c in first if c is not None))
    speed = np.array([13.9 if c is None else network.lanes[c.in_lane].speed_mps for c in first])
    turning = np.array(
        [
            v if c is None else min([v, *(network.lanes[lane].speed_mps for lane in c.via)])
            for c, v in zip(first, speed, strict=True)
        ]
    )
    middles = (RADII_M - np.diff(RADII_M, prepend=0.0) / 2.0)[:, None]
    return _SignalModel(
        columns=slice(start, start + signal.n_links),
        rate_veh_s=np.array([saturation_flow_veh_s(v, VEHICLE_SPACE_M) for v in turning]),
        lane=np.array(
            [len(lanes) + j if c is None else lanes.index(c.in_lane) for j, c in enumerate(first)],
            dtype=np.int64,
        ),
        green=signal.stage_green,
        yields=signal.yields,
        change_s=_change_s(timing),
        min_green_s=timing.min_green_s.astype(np.int64),
        due_veh=_shares(signal.stage_green),
        max_red_s=timing.rules.max_red_s or np.inf,
        exits=np.array([-1 if c is None else exits[c.out_lane] for c in first], dtype=np.int64),
        delay_s=np.floor(middles / speed).astype(np.int64),
    )


def _shares(green: BoolArray) -> FloatArray:
    """Each link's share of those that are green in the same stages, [links]."""
    _, group, sizes = np.unique(green, axis=1, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / sizes[group.reshape(-1)])


def _change_s(timing: SignalTiming) -> IntArray:
    stages = range(len(timing.stage_states))
    lengths = [
        [sum(x.duration_s for x in intergreen_plan(timing, a, b)) if a != b else 0 for b in stages]
        for a in stages
    ]
    return np.array(lengths, dtype=np.int64)
