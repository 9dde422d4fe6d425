"""Corridors of a network: roads along which two-way traffic passes from signal to signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from trimtab.contracts.spec import IntArray

from trimtab_traffic.maxband import BandSignal, widest_bands
from trimtab_traffic.plan_design import Programs
from trimtab_traffic.queue_model import RED, QueueNetwork, Timetable, timetable
from trimtab_traffic.signals import Program

LONGEST_CORRIDOR = 8
"""Signals of one corridor; longer roads are cut, the mixed-integer program grows fast."""

Flows = Mapping[tuple[int, int], float]


def band_offsets(queues: QueueNetwork, programs: Mapping[str, Program]) -> Programs:
    """The programs, of one common cycle, with offsets that maximise two-way bands per corridor.

    Args:
        queues: the network with its traffic.
        programs: by signal id.

    Raises:
        MissingDependencyError: Pyomo or HiGHS is not installed.
    """
    plan = timetable(queues, programs)
    cycle = round(max(program.cycle_s for program in programs.values()))
    found: Programs = dict(programs)
    flows = _flows(queues)
    for corridor in corridors(flows):
        offsets = _corridor_offsets(queues, plan, corridor, flows, cycle)
        for signal, offset in zip(corridor, offsets, strict=True):
            name = queues.signals[signal]
            found[name] = replace(found[name], offset_s=float(offset))
    return found


def corridors(flows: Flows) -> list[list[int]]:
    """Chains of signals, heaviest first; every signal is in at most one.

    Args:
        flows: (signal, signal) → vehicles that pass from the first to the second.
    """
    both = {(a, b): flows.get((a, b), 0.0) + flows.get((b, a), 0.0) for a, b in flows}
    ranked = sorted(both, key=lambda pair: (-both[pair], pair))
    used: set[int] = set()
    chains = []
    for pair in ranked:
        if used & set(pair):
            continue
        chain = list(pair)
        used |= set(pair)
        while len(chain) < LONGEST_CORRIDOR:
            ends = [p for p in ranked if p[0] in {chain[0], chain[-1]} and p[1] not in used]
            if not ends:
                break
            end, further = ends[0]
            chain.insert(0 if end == chain[0] else len(chain), further)
            used.add(further)
        chains.append(chain)
    return chains


def _flows(queues: QueueNetwork) -> dict[tuple[int, int], float]:
    """Vehicles per second between different signals, both directions present."""
    signal = queues.signal_of
    flows: dict[tuple[int, int], float] = defaultdict(float)
    for f in range(len(queues.feed_from)):
        source, target = queues.feed_from[f], queues.feed_to[f]
        a, b = int(signal[source]), int(signal[target])
        if a != b:
            flows[a, b] += float(queues.flow_veh_s[source] * queues.feed_share[f])
            flows.setdefault((b, a), 0.0)
    return dict(flows)


def _corridor_offsets(
    queues: QueueNetwork, plan: Timetable, corridor: list[int], flows: Flows, cycle: int
) -> list[int]:
    out = [_main_movement(queues, corridor, k, +1) for k in range(len(corridor))]
    back = [_main_movement(queues, corridor, k, -1) for k in range(len(corridor))]
    signals = [
        BandSignal(*_green(plan, m), *_green(plan, n)) for m, n in zip(out, back, strict=True)
    ]
    pairs = list(zip(corridor[:-1], corridor[1:], strict=True))
    out_flow = sum(flows.get(pair, 0.0) for pair in pairs)
    in_flow = sum(flows.get((b, a), 0.0) for a, b in pairs)
    bands = widest_bands(
        signals,
        [_travel_s(queues, a, b) for a, b in pairs],
        [_travel_s(queues, b, a) for a, b in pairs],
        cycle,
        in_flow / out_flow if out_flow else 1.0,
    )
    return [round(offset) % cycle for offset in bands.offsets_s]


def _main_movement(queues: QueueNetwork, corridor: list[int], k: int, direction: int) -> int:
    """Movement at signal k that carries most traffic along the corridor, -1 if there is none."""
    signal = queues.signal_of
    carried = np.zeros(len(queues.turns))
    for f in range(len(queues.feed_from)):
        source, target = queues.feed_from[f], queues.feed_to[f]
        volume = queues.flow_veh_s[source] * queues.feed_share[f]
        before, after = k - direction, k + direction
        if 0 <= after < len(corridor) and signal[target] == corridor[after]:
            carried[source] += volume * (signal[source] == corridor[k])
        if 0 <= before < len(corridor) and signal[source] == corridor[before]:
            carried[target] += volume * (signal[target] == corridor[k])
    return int(carried.argmax()) if carried.any() else -1


def _green(plan: Timetable, movement: int) -> tuple[float, float]:
    """Start and length of the longest green of a movement; the whole cycle without traffic."""
    if movement < 0:
        return 0.0, float(plan.cycle_s.max())
    cycle = int(plan.cycle_s[movement])
    green: IntArray = plan.code[movement, :cycle] != RED
    if green.all():
        return 0.0, float(cycle)
    best = (0, 0)
    for start in range(cycle):
        if green[start] and not green[start - 1]:
            length = next(n for n in range(1, cycle + 1) if not green[(start + n) % cycle])
            best = max(best, (length, -start))
    return float(-best[1]), float(best[0])


def _travel_s(queues: QueueNetwork, a: int, b: int) -> float:
    """Mean unhindered time from signal a to b; of the other direction where nobody drives."""
    signal = queues.signal_of
    for x, y in ((a, b), (b, a)):
        times = [
            float(queues.feed_travel_s[f])
            for f in range(len(queues.feed_from))
            if signal[queues.feed_from[f]] == x and signal[queues.feed_to[f]] == y
        ]
        if times:
            return float(np.mean(times))
    return 0.0
