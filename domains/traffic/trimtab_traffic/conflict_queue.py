"""Point-queue model of groups of movements that can never move at the same time.

The model is optimistic on purpose: its least cost is a lower bound of what any controller can do.
Time runs in slots of 1 s. Vehicles queue at the stop line without length. A group that moves
discharges vehicles under a token bucket whose envelope contains every discharge with the given
headway per lane; nothing is lost at the start of green, and a change to another group costs only
the seconds in which neither can move. Queues are cut at a cap, and vehicles above it vanish
without cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import BoundError

IDLE = -1
"""Schedule entry of a slot in which no group moves."""

_ENVELOPE_SLOTS = 120
_MAX_LEVELS = 7


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Discharge of one group: a vehicle costs `per_vehicle` tokens.

    Attributes:
        refill: tokens gained per slot.
        depth: most tokens at the start of a slot.
        lanes: most vehicles in one slot.
    """

    per_vehicle: int
    refill: int
    depth: int
    lanes: int

    @classmethod
    def of(cls, lanes: int, headway_s: float) -> TokenBucket:
        """The smallest bucket that admits `lanes` streams of vehicles `headway_s` apart.

        Crossing times are read at whole seconds, so w slots hold at most ceil(w / h) vehicles of
        a lane.

        Args:
            lanes: stop lines of the group.
            headway_s: shortest time between two vehicles of one lane, at least 1 s.
        """
        buckets = [cls._in_units(lanes, max(headway_s, 1.0), units) for units in range(1, 5)]
        small = [bucket for bucket in buckets if len(bucket.levels()) <= _MAX_LEVELS]
        return min(small or buckets[:1], key=lambda b: (b.refill / b.per_vehicle, b.per_vehicle))

    @classmethod
    def _in_units(cls, lanes: int, headway_s: float, units: int) -> TokenBucket:
        refill = math.ceil(lanes * units / headway_s - 1e-9)
        depth = max(
            lanes * units * math.ceil(w / headway_s - 1e-9) - (w - 1) * refill
            for w in range(1, _ENVELOPE_SLOTS)
        )
        return cls(units, refill, depth, lanes)

    def most(self, tokens: int) -> int:
        """Most vehicles that can leave in a slot that starts with `tokens`."""
        return min(tokens // self.per_vehicle, self.lanes)

    def refilled(self, tokens: int, served: int) -> int:
        """Tokens at the start of the next slot."""
        return min(self.depth, tokens - served * self.per_vehicle + self.refill)

    def levels(self) -> tuple[int, ...]:
        """Every token count that can occur at the start of a slot, `depth` first."""
        found = [self.depth]
        for tokens in found:
            following = [self.refilled(tokens, n) for n in range(self.most(tokens) + 1)]
            found += [after for after in dict.fromkeys(following) if after not in found]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ConflictQueue:
    """Mutually exclusive groups at one signal.

    Attributes:
        arrivals: [groups, slots] int64, vehicles that reach the stop line in each slot.
        buckets: discharge of each group.
        lost_s: [groups][groups] slots in which nothing moves when changing from row to column.
        min_run_s: slots a group keeps moving before another may follow; the run that is under way
            when time begins may end at once.
        caps: largest queue of each group that is counted, vehicles.
    """

    arrivals: NDArray[np.int64]
    buckets: tuple[TokenBucket, ...]
    lost_s: tuple[tuple[int, ...], ...]
    min_run_s: int
    caps: tuple[int, ...]

    @property
    def slots(self) -> int:
        """Horizon, slots of 1 s."""
        return int(self.arrivals.shape[1])


def replay(model: ConflictQueue, schedule: Sequence[int]) -> int:
    """Cost of a schedule, in vehicle-seconds waited; the plain statement of the model.

    Args:
        model: the junction.
        schedule: group that moves in each slot, or `IDLE`.

    Raises:
        BoundError: the schedule changes groups faster than the lost times allow.
    """
    _check_changes(model, schedule)
    queues = [0] * len(model.buckets)
    tokens = [bucket.depth for bucket in model.buckets]
    cost = 0
    for slot, moving in enumerate(schedule):
        for group, bucket in enumerate(model.buckets):
            queues[group] += int(model.arrivals[group, slot])
            if group == moving:
                served = min(queues[group], bucket.most(tokens[group]))
                queues[group] -= served
                tokens[group] = bucket.refilled(tokens[group], served)
            else:
                tokens[group] = bucket.depth
            queues[group] = min(queues[group], model.caps[group])
        cost += sum(queues)
    return cost


def _check_changes(model: ConflictQueue, schedule: Sequence[int]) -> None:
    if len(schedule) != model.slots:
        msg = f"schedule has {len(schedule)} slots, the junction {model.slots}: recompute the bound"
        raise BoundError(msg)
    moving = [(slot, group) for slot, group in enumerate(schedule) if group != IDLE]
    began = -model.min_run_s
    for (before, a), (after, b) in pairwise(moving):
        if a == b:
            continue
        ran, idle = before + 1 - began, after - before - 1
        if idle < model.lost_s[a][b] or ran < model.min_run_s:
            msg = (
                f"schedule changes from group {a} to {b} at slot {after} after moving {ran} s and "
                f"idling {idle} s, needs {model.min_run_s} and {model.lost_s[a][b]} s: "
                "recompute the bound"
            )
            raise BoundError(msg)
        began = after
