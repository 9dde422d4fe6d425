"""What the learned regional agent sees: approaches and legal moves of every junction, as sets.

One *round* of a decision offers every junction its legal moves of a second of green, and staying.
A junction is described by the set of its approaches, a move by what probes tell about the stage
that gives and the stage that takes, so one policy reads any network and any number of stages.
"""

from __future__ import annotations

import numpy as np
from trimtab.contracts.spec import (
    BoolArray,
    Composite,
    EntityBlock,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
)

from trimtab_traffic.neighbours import neighbours
from trimtab_traffic.probes import REACH_M, probe_queue_veh
from trimtab_traffic.regional import Junction, Load, Region
from trimtab_traffic.signals import TrafficNetwork

ROUNDS = 8
"""Moves that one junction may make per decision."""
APPROACH_FEATURES = (
    "saturation", "counted", "flow", "delay", "queue", "heard", "green", "lanes",
)  # fmt: skip
STAGE_FEATURES = ("saturation", "flow", "delay", "heard", "green", "room")
MOVE_FEATURES = (
    "stay",
    "gain",
    "relative_gain",
    *(f"giver_{name}" for name in STAGE_FEATURES),
    *(f"taker_{name}" for name in STAGE_FEATURES),
)
JUNCTION_FEATURES = ("saturation", "counted", "heard", "round", "region")

_FLOW_VPS, _DELAY_S, _QUEUE_VEH = 0.2, 60.0, 10.0  # scales that bring features near 1
_GAIN_VEH = 0.02


class MoveBoard:
    """Moves of a region, offered round by round.

    Args:
        region: greens and estimates; chosen moves change its greens.
        network: the static model.

    Attributes:
        region: the region.
        offered: per signal the moves (giver, taker) of the last round observed.
    """

    def __init__(self, region: Region, network: TrafficNetwork) -> None:
        self.region = region
        signals, stages = region.splits.green_s.shape
        sizes = np.bincount(region.groups.signal, minlength=signals)
        self._rows = [np.flatnonzero(region.groups.signal == row) for row in range(signals)]
        self._approaches, self._moves = int(sizes.max(initial=1)), stages * (stages - 1) + 1
        self._edges = neighbours(network)[None]
        self.offered: list[list[tuple[int, int]]] = [[] for _ in range(signals)]

    def spec(self, decisions: int, interval_s: float) -> Spec:
        """The moves as a control problem: one agent per junction, `ROUNDS` steps per decision."""
        return Spec(
            name="traffic.signals/moves/1",
            agent_type=(0,) * len(self._rows),
            actions=(Composite(discrete=(self._moves,)),),
            obs_dim=len(JUNCTION_FEATURES),
            entity_blocks=(
                EntityBlock("approaches", self._approaches, len(APPROACH_FEATURES)),
                EntityBlock("moves", self._moves, len(MOVE_FEATURES)),
            ),
            rewards=(RewardChannel("time_in_network", "veh*s", "min"),),
            edges=int(self._edges.shape[1]),
            horizon=decisions * ROUNDS,
            dt_s=interval_s / ROUNDS,
        )

    def observe(self, number: int, *, alive: bool = True) -> Obs:
        """What junctions see in round `number`, and the moves they may choose from."""
        region, load = self.region, self.region.load()
        approaches = self._approach_features()
        everywhere = float(approaches[:, 0].mean()) if len(approaches) else 0.0
        signals = len(self._rows)
        own = np.zeros((1, signals, self._approaches, len(APPROACH_FEATURES)), np.float32)
        there = np.zeros((1, signals, self._approaches), dtype=bool)
        moves = np.zeros((1, signals, self._moves, len(MOVE_FEATURES)), np.float32)
        legal = np.zeros((1, signals, self._moves), dtype=bool)
        junctions = np.zeros((1, signals, len(JUNCTION_FEATURES)), np.float32)
        for row, groups in enumerate(self._rows):
            seen = approaches[groups]
            own[0, row, : len(groups)], there[0, row, : len(groups)] = seen, True
            junction = region.junction(row, load)
            self.offered[row] = junction.moves() if len(groups) else []
            size = len(self.offered[row]) + 1
            moves[0, row, :size] = self._move_features(row, junction, seen)
            legal[0, row, :size] = True
            worst = seen.max(axis=0, initial=0.0)
            junctions[0, row] = (worst[0], worst[1], worst[5], number / ROUNDS, everywhere)
        return Obs(
            obs=junctions,
            alive=np.full((1, signals), alive),
            entities={"approaches": own, "moves": moves},
            entity_mask={"approaches": there, "moves": legal},
            edges=self._edges,
            edge_mask=np.ones(self._edges.shape[:2], dtype=bool),
            action_mask=legal,
        )

    def make(self, choices: IntArray) -> BoolArray:
        """Make the chosen moves.

        Args:
            choices: [signals] 0 to stay, k for the k-th move offered.

        Returns:
            [signals] whether a move was made.
        """
        made = choices > 0
        for row in np.flatnonzero(made).tolist():
            giver, taker = self.offered[row][int(choices[row]) - 1]
            self.region.greens_s[row, giver] -= 1.0
            self.region.greens_s[row, taker] += 1.0
        return np.asarray(made)

    def choices(self, region: Region, load: Load) -> IntArray:
        """The offered moves that save most delay by another region's estimates, [signals].

        Args:
            region: has the same greens.
            load: its load.
        """
        found = np.zeros(len(self._rows), dtype=np.int64)
        for row, offered in enumerate(self.offered):
            if offered:
                gains = region.junction(row, load).gains_veh(offered)
                best = int(gains.argmax())
                found[row] = best + 1 if gains[best] > 0 else 0
        return found

    def _approach_features(self) -> Float32Array:
        """[groups, features]."""
        region = self.region
        green_s = region.effective_green_s(region.greens_s)
        share = green_s / region.cycle_s
        heard = region.estimates.fresh
        delay_s = region.estimates.fresh_s / np.maximum(heard, 1.0)
        lanes = region.groups.lanes
        columns = (
            np.minimum(region.flow_ratio / share, 3.0),
            np.minimum(region.counted() / share, 3.0),
            region.flow_vps() / _FLOW_VPS,
            delay_s / _DELAY_S,
            probe_queue_veh(delay_s, lanes, np.full_like(lanes, REACH_M), share) / _QUEUE_VEH,
            np.log1p(heard),
            share,
            lanes,
        )
        return np.stack(columns, axis=1).astype(np.float32)

    def _move_features(self, row: int, junction: Junction, seen: Float32Array) -> Float32Array:
        """[1 + moves, features]; the first row is staying."""
        offered = self.offered[row]
        table = np.zeros((len(offered) + 1, len(MOVE_FEATURES)), np.float32)
        table[0, 0] = 1.0
        if offered:
            gains = junction.gains_veh(offered)
            stages = self._stage_features(row, seen)
            giver, taker = np.array(offered).T
            table[1:, 1] = np.sign(gains) * np.log1p(np.abs(gains) / _GAIN_VEH)
            table[1:, 2] = gains / max(float(np.abs(gains).max()), 1e-9)
            table[1:, 3:] = np.hstack([stages[giver], stages[taker]])
        return table

    def _stage_features(self, row: int, seen: Float32Array) -> Float32Array:
        """[stages, features] from the approaches that each stage serves."""
        region = self.region
        served = region.service[self._rows[row]] > 0
        cycle_s = region.splits.cycle_s[row]

        def worst(column: int) -> FloatArray:
            return np.asarray((served * seen[:, column, None]).max(axis=0, initial=0.0))

        greens_s = region.greens_s[row]
        room_s = greens_s - region.splits.low_s[row]
        flow = (served * seen[:, 2, None]).sum(axis=0)
        columns = (worst(0), flow, worst(3), worst(5), greens_s / cycle_s, room_s / cycle_s)
        return np.stack(columns, axis=1).astype(np.float32)
