"""Point-queue model of a whole signalled network under fixed programs, with platoon dispersion.

Fluid queues at the stop line of every movement, in steps of 1 s. What leaves a stop line reaches
the next ones after the unhindered travel time, spread by Robertson's dispersion (D. I. Robertson,
"TRANSYT: a traffic network study tool", RRL LR 253, 1969). An approach holds no more vehicles than
its road has room for; what would enter a full one waits upstream. Permissive greens discharge in
the gaps of the movements they yield to. Randomness enters as the HCM's incremental delay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.discharge import START_LOSS_S, TAU_S, saturation_flow_veh_s
from trimtab_traffic.floor import Passages, Turn
from trimtab_traffic.queue_kernel import simulate_queues
from trimtab_traffic.signals import VEHICLE_SPACE_M, Program, TrafficNetwork
from trimtab_traffic.webster import incremental_delay_s

RED, PROTECTED, PERMISSIVE, SNEAKING = 0, 1, 2, 3
"""What a movement may do in a second; after a permissive green those in the junction clear."""
_STREETS_SPEED_MPS = 13.9
_BALANCING_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class QueueNetwork:
    """Movements of a network with their traffic; movements without traffic are left out.

    Attributes:
        turns: the movements.
        signals: ids of the signals that `Turn.signal` indexes.
        flow_veh_s: [movements] mean arrivals.
        entering_veh_s: [movements, bins] arrivals from outside, equal time bins of the horizon.
        saturation_veh_s: [movements] discharge under a protected green.
        approach: [movements] approach (signal and road) that holds its vehicles.
        storage_veh: [approaches] room.
        feed_from, feed_to: [feeds] movements; sorted by `feed_to`.
        feed_share: [feeds] share of the first movement's vehicles that come to the second.
        feed_travel_s: [feeds] unhindered travel time.
        yields_to: per movement, the movements it gives way to under a permissive green.
        slots: horizon, s.
    """

    turns: tuple[Turn, ...]
    signals: tuple[str, ...]
    flow_veh_s: FloatArray
    entering_veh_s: FloatArray
    saturation_veh_s: FloatArray
    approach: IntArray
    storage_veh: FloatArray
    feed_from: IntArray
    feed_to: IntArray
    feed_share: FloatArray
    feed_travel_s: FloatArray
    yields_to: tuple[tuple[int, ...], ...]
    slots: int

    @property
    def signal_of(self) -> IntArray:
        """[movements] index of the signal."""
        return np.array([turn.signal for turn in self.turns], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What every movement may do in each second of its signal's cycle.

    Attributes:
        code: [movements, longest cycle] int8 of `RED`, `PROTECTED`, `PERMISSIVE`, `SNEAKING`.
        cycle_s: [movements].
        offset_s: [movements] absolute time at which the cycle begins, modulo the cycle.
    """

    code: NDArray[np.int8]
    cycle_s: IntArray
    offset_s: IntArray


@dataclass(frozen=True, slots=True)
class ModelDelay:
    """Delay of a horizon in the model, veh·s per movement.

    Attributes:
        queued_veh_s: time waited at stop lines and outside.
        random_veh_s: HCM incremental delay of random arrivals.
    """

    queued_veh_s: FloatArray
    random_veh_s: FloatArray

    @property
    def total_veh_s(self) -> float:
        """All of it."""
        return float(self.queued_veh_s.sum() + self.random_veh_s.sum())


def build_queue_network(
    network: TrafficNetwork,
    passages: Passages,
    slots: int,
    tau_s: float = TAU_S,
    space_m: float = VEHICLE_SPACE_M,
    bins: int = 12,
) -> QueueNetwork:
    """Movements, flows, turning shares and travel times from unhindered passages.

    Args:
        network: the signals and roads.
        passages: crossing times of the whole demand.
        slots: horizon, s.
        tau_s: time gap of the vehicles.
        space_m: their standing space, length plus gap.
        bins: time bins of the arrivals from outside.
    """
    volumes = np.bincount(passages.turn, minlength=len(passages.turns))
    kept = np.flatnonzero(volumes)
    number = np.full(len(volumes), -1)
    number[kept] = np.arange(len(kept))
    turns = tuple(passages.turns[k] for k in kept)
    flow = volumes[kept] / slots
    feeds, entering = _links_between(passages, number, slots, bins)
    approach, storage = _approaches(network, turns, feeds)
    return QueueNetwork(
        turns=turns,
        signals=tuple(signal.id for signal in network.controllable),
        flow_veh_s=flow,
        entering_veh_s=entering,
        saturation_veh_s=_saturation(network, turns, flow, tau_s, space_m),
        approach=approach,
        storage_veh=storage,
        feed_from=feeds[:, 0].astype(np.int64),
        feed_to=feeds[:, 1].astype(np.int64),
        feed_share=feeds[:, 2] / volumes[kept][feeds[:, 0].astype(np.int64)],
        feed_travel_s=feeds[:, 3],
        yields_to=_priorities(network, turns),
        slots=slots,
    )


def timetable(
    queues: QueueNetwork, programs: Mapping[str, Program], changed: Timetable | None = None
) -> Timetable:
    """Translate fixed programs to whole seconds.

    Args:
        queues: the network.
        programs: by signal id; all signals, or those that differ from `changed`.
        changed: a timetable whose other rows are kept.
    """
    movements = len(queues.turns)
    shown = {queues.signals.index(name): program for name, program in programs.items()}
    rows = {k: t for k, t in enumerate(queues.turns) if t.signal in shown}
    codes = {k: _codes(shown[turn.signal], turn.links) for k, turn in rows.items()}
    width = max((len(row) for row in codes.values()), default=1)
    code = np.zeros((movements, width), dtype=np.int8)
    cycle, offset = np.ones(movements, dtype=np.int64), np.zeros(movements, dtype=np.int64)
    if changed is not None:
        width = max(width, changed.code.shape[1])
        code = np.zeros((movements, width), dtype=np.int8)
        code[:, : changed.code.shape[1]] = changed.code
        cycle, offset = changed.cycle_s.copy(), changed.offset_s.copy()
    for k, row in codes.items():
        code[k, : len(row)] = row
        cycle[k] = len(row)
        offset[k] = round(shown[queues.turns[k].signal].offset_s) % len(row)
    return Timetable(code, cycle, offset)


def model_delay(
    queues: QueueNetwork, plan: Timetable, *, begin_s: int = 0, steady_s: tuple[int, int] = (0, 0)
) -> ModelDelay:
    """Delay under a timetable.

    Args:
        queues: the network.
        plan: what signals show.
        begin_s: absolute time at which the horizon begins.
        steady_s: (warm-up, evaluated) seconds of a short run with mean flows, scaled to the
            horizon; (0, 0) simulates the whole horizon with its profile of arrivals.
    """
    warm, length = steady_s
    entering = queues.entering_veh_s
    if length:
        entering = entering.mean(axis=1, keepdims=True)
    total = warm + length if length else queues.slots
    starts, foes = _ragged(queues.yields_to)
    first = np.searchsorted(queues.feed_to, np.arange(len(queues.turns) + 1))
    waited = simulate_queues(
        total,
        warm,
        begin_s,
        entering,
        queues.saturation_veh_s,
        queues.approach,
        queues.storage_veh,
        first,
        queues.feed_from,
        queues.feed_share,
        queues.feed_travel_s,
        starts,
        foes,
        plan.code,
        plan.cycle_s,
        plan.offset_s,
    )
    scale = queues.slots / length if length else 1.0
    return ModelDelay(waited * scale, _random_delay(queues, plan))


def _random_delay(queues: QueueNetwork, plan: Timetable) -> FloatArray:
    """HCM d2 without its deterministic part for oversaturation, which the queues hold already."""
    hours = queues.slots / 3600.0
    usable = (plan.code == PROTECTED).sum(axis=1) + 0.5 * (plan.code == PERMISSIVE).sum(axis=1)
    capacity = np.maximum(usable / plan.cycle_s * queues.saturation_veh_s, 1e-3)
    delays = [
        incremental_delay_s(x, c * 3600.0, hours) - max(0.0, 1800.0 * hours * (x - 1.0))
        for x, c in zip(queues.flow_veh_s / capacity, capacity, strict=True)
    ]
    return np.array(delays) * queues.flow_veh_s * queues.slots


def _codes(program: Program, links: tuple[int, ...]) -> NDArray[np.int8]:
    """Code per second of the cycle; green begins to count `START_LOSS_S` late."""
    ends = np.rint(np.cumsum([phase.duration_s for phase in program.phases])).astype(np.int64)
    phases = []
    for phase in program.phases:
        shown = {phase.state[k] for k in links}
        phases.append(PROTECTED if "G" in shown else PERMISSIVE if shown & set("gs") else RED)
    raw = np.repeat(np.array(phases, dtype=np.int8), np.diff(ends, prepend=0))
    codes = raw.copy()
    for lag in range(1, START_LOSS_S + 1):
        codes[np.roll(raw, lag) == RED] = RED
    codes[(raw == RED) & (np.roll(raw, 1) == PERMISSIVE)] = SNEAKING
    return codes


def _links_between(
    passages: Passages, number: IntArray, slots: int, bins: int
) -> tuple[FloatArray, FloatArray]:
    """Feeds [feeds, (from, to, vehicles, travel s)] and arrivals from outside [movements, bins]."""
    turn, vehicle, time_s = number[passages.turn], passages.vehicle, passages.time_s
    entering = np.zeros((int(number.max(initial=-1)) + 1, bins))
    first = np.flatnonzero(np.diff(vehicle, prepend=-1))
    width = slots / bins
    at = np.clip((time_s[first] / width).astype(np.int64), 0, bins - 1)
    np.add.at(entering, (turn[first], at), 1.0 / width)
    follows = np.flatnonzero(vehicle[1:] == vehicle[:-1]) + 1
    times: dict[tuple[int, int], list[float]] = defaultdict(list)
    for k in follows:
        times[int(turn[k]), int(turn[k - 1])].append(float(time_s[k] - time_s[k - 1]))
    rows = [(a, b, len(t), max(1.0, float(np.mean(t)))) for (b, a), t in sorted(times.items())]
    return np.array(rows, dtype=np.float64).reshape(-1, 4), entering


def _approaches(
    network: TrafficNetwork, turns: tuple[Turn, ...], feeds: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Approach of each movement, and the room between it and the signals that feed it."""
    names = list(dict.fromkeys((t.signal, t.in_edge) for t in turns))
    approach = np.array([names.index((t.signal, t.in_edge)) for t in turns], dtype=np.int64)
    storage = np.full(len(names), np.inf)
    for source, target, _, travel in feeds:
        edge = network.edges[turns[int(target)].in_edge]
        speed = network.lanes[edge.lanes[0]].speed_mps
        row = approach[int(target)]
        lanes = sum(network.lanes[lane].carries_cars for lane in edge.lanes)
        room = travel * speed * max(1, lanes) / VEHICLE_SPACE_M
        if turns[int(source)].signal != turns[int(target)].signal:
            storage[row] = min(storage[row], room)
    return approach, storage


def _saturation(
    network: TrafficNetwork,
    turns: tuple[Turn, ...],
    flow: FloatArray,
    tau_s: float,
    space_m: float,
) -> FloatArray:
    """Discharge of each movement: its share of the lanes it uses, at the speed of its turn."""
    shares = _lane_shares(turns, flow)
    rates = []
    for turn, share in zip(turns, shares, strict=True):
        speed = _turning_speed_mps(network, turn)
        rates.append(sum(share.values()) * saturation_flow_veh_s(speed, space_m, tau_s))
    return np.array(rates)


def _lane_shares(turns: tuple[Turn, ...], flow: FloatArray) -> list[dict[str, float]]:
    """Part of each lane that a movement uses when drivers balance the lanes they may take."""
    used = [{lane: f / len(t.lanes) for lane in t.lanes} for t, f in zip(turns, flow, strict=True)]
    load: dict[str, float] = defaultdict(float)
    for own in used:
        for lane, part in own.items():
            load[lane] += part
    for _ in range(_BALANCING_ROUNDS):
        for own, total in zip(used, flow, strict=True):
            others = {lane: load[lane] - part for lane, part in own.items()}
            filled = _filled(others, float(total))
            for lane in own:
                load[lane] = others[lane] + filled[lane]
            own.update(filled)
    return [{lane: part / load[lane] for lane, part in own.items() if part > 0} for own in used]


def _filled(others: Mapping[str, float], total: float) -> dict[str, float]:
    """Pour `total` on top of the loads so that the lanes that get some are level."""
    order = sorted(others, key=lambda lane: others[lane])
    level = 0.0
    for count in range(1, len(order) + 1):
        level = (total + sum(others[lane] for lane in order[:count])) / count
        if count == len(order) or level <= others[order[count]]:
            break
    return {lane: max(0.0, level - others[lane]) for lane in others}


def _turning_speed_mps(network: TrafficNetwork, turn: Turn) -> float:
    signal = network.controllable[turn.signal]
    lanes = {
        lane for c in signal.connections if c.link in turn.links for lane in (c.in_lane, *c.via)
    }
    return min((network.lanes[x].speed_mps for x in lanes), default=_STREETS_SPEED_MPS)


def _priorities(network: TrafficNetwork, turns: tuple[Turn, ...]) -> tuple[tuple[int, ...], ...]:
    rows = []
    for turn in turns:
        yields = network.controllable[turn.signal].yields
        rows.append(
            tuple(
                k
                for k, other in enumerate(turns)
                if other.signal == turn.signal and yields[np.ix_(turn.links, other.links)].any()
            )
        )
    return tuple(rows)


def _ragged(rows: tuple[tuple[int, ...], ...]) -> tuple[IntArray, IntArray]:
    starts = np.cumsum([0, *(len(row) for row in rows)])
    flat = [x for row in rows for x in row]
    return starts.astype(np.int64), np.array(flat, dtype=np.int64)
