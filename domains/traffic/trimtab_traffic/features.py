"""What learned stage policies see: one feature row per stage, one per signal.

Every quantity belongs to a link or a stage, never to a position in a list, so one policy reads any
network: a stage is described by sums over the links it serves, a signal by its totals. Vehicles
are seen through `TrafficState`, sensor model and faults included. Among the features is what the
rollout of `mpc` thinks of each stage, so a policy that reads nothing else is that controller.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import BoolArray, EntityBlock, Float32Array, FloatArray, IntArray, Obs

from trimtab_traffic.equipment import EQUIPMENT_FEATURES, Equipment
from trimtab_traffic.neighbours import neighbours
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.rollout import Rollouts
from trimtab_traffic.shield import ShieldState
from trimtab_traffic.signals import Signal, TrafficNetwork
from trimtab_traffic.state import STANDING_MPS, TrafficState

LINK_FEATURES = ("n_25", "n_50", "n_100", "n_200", "queued", "queued_yielding", "wait", "blocked")
STAGE_FEATURES = (
    *LINK_FEATURES, "longest_wait", "links", "shown", "shown_age", "red_age", "boxed", "rollout",
    *EQUIPMENT_FEATURES,
)  # fmt: skip
SIGNAL_FEATURES = ("vehicles", "queued", "stages", "shown_age", "interval")
MARGIN_VEH_S = 100.0
"""A stage so much dearer than the cheapest is as bad as any; its rollout is cut short there."""

_VEHICLES, _WAIT_S, _AGE_S, _COST_VEH_S, _BOXED = 10.0, 60.0, 60.0, 50.0, 2.0  # bring them near 1


class StageFeatures:
    """Turns the readings of a decision into the arrays of the `graph` interface.

    Args:
        network: static model; A controllable signals with S stages at most.
        state: readings.
        profile: rules that the rollouts keep.
        interval_s: decision interval.
        equipment: reads deadlines, requests and blind spots.
    """

    def __init__(
        self,
        network: TrafficNetwork,
        state: TrafficState,
        profile: RuleProfile,
        interval_s: int,
        equipment: Equipment,
    ) -> None:
        signals = network.controllable
        self._state, self._interval_s, self._equipment = state, interval_s, equipment
        self._signals = len(signals)
        self._capacity = max(len(s.stage_states) for s in signals)
        green = [[[c in "Gg" for c in state] for state in s.stage_states] for s in signals]
        minor = [[[c == "g" for c in state] for state in s.stage_states] for s in signals]
        self._green = _block_diagonal([np.array(g, dtype=np.float64) for g in green])
        self._minor = _block_diagonal([np.array(g, dtype=np.float64) for g in minor])
        self._abandons = _block_diagonal([abandoned_links(s) for s in signals])
        self._rollouts = Rollouts(network, state, profile, interval_s)
        self._signal_of_link = np.repeat(np.arange(len(signals)), [s.n_links for s in signals])
        self._signal_of_stage = np.repeat(
            np.arange(len(signals)), [len(s.stage_states) for s in signals]
        )
        first = np.cumsum([0, *(len(s.stage_states) for s in signals)])[:-1]
        self._slot = np.arange(len(self._signal_of_stage)) - first[self._signal_of_stage]
        self._served = self._green @ np.ones((self._green.shape[1], 1))
        self._exits = _exit_columns(network, state)
        self._red_s = np.zeros(len(self._signal_of_stage))
        self._first = True
        self._exists = self._padded(np.ones(len(self._slot)))[None] > 0
        self._edges = neighbours(network)[None]

    @property
    def blocks(self) -> tuple[EntityBlock, ...]:
        """Entity blocks for the spec."""
        return (EntityBlock("stages", self._capacity, len(STAGE_FEATURES)),)

    @property
    def edges(self) -> int:
        """Directed edges between signals."""
        return int(self._edges.shape[1])

    def reset(self) -> None:
        """A new episode begins."""
        self._red_s[:] = 0.0
        self._rollouts.reset()
        self._first = True

    def observe(self, alive: BoolArray, mask: BoolArray, signals: ShieldState) -> Obs:
        """The observation of this decision; call once per decision.

        Args:
            alive: [1, A].
            mask: [1, A, S] legal stages.
            signals: what they show, and how old their reds are.
        """
        if not alive.any():
            return self._nothing(alive, mask)
        links = self._links()
        shown = self._state.stage()[self._signal_of_stage] == self._slot
        self._red_s = np.where(shown, 0.0, self._red_s + self._interval_s)
        age_s = np.maximum(self._state.stage_elapsed_s(), 0).astype(np.float64)
        return Obs(
            obs=self._signal_rows(links, age_s),
            alive=alive,
            entities={"stages": self._stage_rows(links, shown, age_s, mask[0], signals)},
            entity_mask={"stages": self._exists},
            edges=self._edges,
            edge_mask=np.ones((1, self.edges), dtype=bool),
            action_mask=mask,
        )

    def _nothing(self, alive: BoolArray, mask: BoolArray) -> Obs:
        """The observation after the end of an episode: no simulation is left to read."""
        stages = np.zeros((1, self._signals, self._capacity, len(STAGE_FEATURES)), np.float32)
        return Obs(
            obs=np.zeros((1, self._signals, len(SIGNAL_FEATURES)), np.float32),
            alive=alive,
            entities={"stages": stages},
            entity_mask={"stages": self._exists},
            edges=self._edges,
            edge_mask=np.ones((1, self.edges), dtype=bool),
            action_mask=mask,
        )

    def _links(self) -> FloatArray:
        """[links, LINK_FEATURES]."""
        seen, speed = self._state.sightings(200.0), self._state.speeds_mps(200.0)
        n = len(self._signal_of_link)
        rows = np.zeros((n, len(LINK_FEATURES)))
        for k, radius in enumerate((25.0, 50.0, 100.0, 200.0)):
            rows[:, k] = np.bincount(seen.links[seen.distance_m <= radius], minlength=n)
        rows[:, 4] = np.bincount(seen.links[speed < STANDING_MPS], minlength=n)
        rows[:, 5] = rows[:, 4]
        rows[:, :6] /= _VEHICLES
        rows[:, 6] = np.minimum(self._state.head_wait_s() / _WAIT_S, 3.0)
        rows[:, 7] = self._blocked() * (rows[:, 3] > 0)
        return rows

    def _blocked(self) -> FloatArray:
        """How full the exit of each link is, [links], 0 free to 1 full."""
        length = self._state.lane_length_m[self._state.exit_columns]
        fill = 1.0 - self._state.free_space_m() / length
        return np.where(self._exits >= 0, fill[self._exits], 0.0)

    def _dearer(self, legal: BoolArray) -> FloatArray:
        """How much dearer than the cheapest stage each one is to the rollout, [stages], veh·s."""
        if not self._first:
            self._rollouts.played(self._state.stage())
        self._first = False
        costs = np.concatenate(self._rollouts.costs(legal, MARGIN_VEH_S))
        cheapest = np.full(self._signals, np.inf)
        np.minimum.at(cheapest, self._signal_of_stage, costs)
        return np.asarray(np.minimum(costs - cheapest[self._signal_of_stage], MARGIN_VEH_S))

    def _stage_rows(
        self,
        links: FloatArray,
        shown: BoolArray,
        age_s: FloatArray,
        legal: BoolArray,
        signals: ShieldState,
    ) -> Float32Array:
        sums = self._green @ links
        sums[:, 5] = self._minor @ links[:, 5]
        longest = np.max(self._green * links[None, :, 6], axis=1, initial=0.0)
        shown_age = shown * np.minimum(age_s[self._signal_of_stage] / _AGE_S, 3.0)
        red_age = np.minimum(self._red_s / _AGE_S, 3.0)
        boxed = self._abandons @ self._state.box_slow_veh(STANDING_MPS) / _BOXED
        dearer = self._dearer(legal) / _COST_VEH_S
        served = self._served / 10.0
        besides = self._equipment.read(self._green, shown, self._slot, signals)
        columns = [sums, longest, served, shown, shown_age, red_age, boxed, dearer, besides]
        rows = np.asarray(np.column_stack(columns), dtype=np.float64)
        return self._padded(rows)[None].astype(np.float32)

    def _signal_rows(self, links: FloatArray, age_s: FloatArray) -> Float32Array:
        size = self._signals
        rows = np.zeros((1, size, len(SIGNAL_FEATURES)), dtype=np.float32)
        rows[0, :, 0] = np.bincount(self._signal_of_link, links[:, 3], size)
        rows[0, :, 1] = np.bincount(self._signal_of_link, links[:, 4], size)
        rows[0, :, 2] = np.bincount(self._signal_of_stage, minlength=size) / 8.0
        rows[0, :, 3] = np.minimum(age_s / _AGE_S, 3.0)
        rows[0, :, 4] = self._interval_s / 10.0
        return rows

    def _padded(self, rows: FloatArray) -> FloatArray:
        """[stages, ...] → [A, S, ...], zeros behind the last stage."""
        out = np.zeros((self._signals, self._capacity, *rows.shape[1:]))
        out[self._signal_of_stage, self._slot] = rows
        return out


def abandoned_links(signal: Signal) -> FloatArray:
    """[stages, links]: 1 where a stage stops a link and lets traffic go that crosses its path."""
    green = signal.stage_green
    crossed = green.astype(np.int64) @ signal.foes.astype(np.int64) > 0
    return np.asarray(~green & crossed, dtype=np.float64)


def _block_diagonal(blocks: list[FloatArray]) -> FloatArray:
    out = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        out[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return out


def _exit_columns(network: TrafficNetwork, state: TrafficState) -> IntArray:
    """Column in `state.exit_lanes` of each link's first exit lane, -1 where it has none."""
    column = {lane: k for k, lane in enumerate(state.exit_lanes)}
    first = [
        next((column[c.out_lane] for c in connections if c.on_road), -1)
        for signal in network.controllable
        for connections in signal.link_connections
    ]
    return np.array(first, dtype=np.int64)
