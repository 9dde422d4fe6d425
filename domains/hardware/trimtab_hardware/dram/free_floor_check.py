"""The bounds of `free_floor` derived step by step in plain integers, for verification."""

from __future__ import annotations

from collections import deque

import numpy as np
from trimtab.contracts.errors import BoundError

from trimtab_hardware.dram.free_maps import (
    activations_of,
    column_choice,
    compressed,
    least_activations,
)
from trimtab_hardware.dram.machine import Machine
from trimtab_hardware.dram.traces import Trace


def slow_free_floor(trace: Trace, machine: Machine) -> tuple[int, float]:
    """Cycles and energy (pJ) that no map goes below under the machine's controller."""
    part, t = machine.part, machine.part.timing
    burst, n = part.burst_ck, len(trace)
    arrivals, writes = trace.arrival.tolist(), trace.is_write.tolist()
    count = checked_activations(trace, machine)
    after_write = t.wl + burst + t.wr
    same, to_write = max(burst, t.ccd_s), max(burst, t.ccd_s, t.rdwr)
    to_read = max(same, t.wl + burst + t.wtr_s)
    delay = after_write + t.rc + 2 * max(t.rp, t.rp_ab) + 16
    around = min(t.rtp, after_write) + t.rp + t.rcd
    alone = not (machine.postponed or machine.pulled_in)
    alone = alone and t.refi - delay >= t.rfc + 2 * around
    terms: list[tuple[int, int, int, int]] = []
    for k in {n * start // 16 for start in range(16)}:
        turning = _turning(writes[k:], machine.window, to_write - same, to_read - same)
        base = arrivals[k] + (n - 1 - k) * same + turning + (t.rcd if k == 0 else 0)
        further = max(0, around - (to_read if turning else same)) if alone else 0
        terms.append((arrivals[k], base, t.rfc, further))
    spread = max((count - 1) * t.rrd_s, (count - 1) // 4 * t.faw)
    each = t.rfc if t.rc >= t.faw else 0
    terms.append((arrivals[0], arrivals[0] + spread + t.rcd, each, 0))

    def refreshes(column: int, arrival: int) -> int:
        if not machine.all_bank_refresh or not t.refi:
            return 0
        due = (column - delay) // t.refi - machine.postponed
        return max(0, due - (arrival // t.refi + machine.pulled_in if arrival else 0))

    column = max(base for _, base, _, _ in terms)
    while any(
        base + refreshes(column, arrival) * each + max(0, refreshes(column, arrival) - 1) * further
        > column
        for arrival, base, each, further in terms
    ):
        column += 1
    cycles = column + min(t.wl if w else t.rl for w in set(writes)) + burst
    done, active = refreshes(column, 0), 0
    if not machine.power_down:
        held = min(same, t.rtp, after_write)
        longer = [max(held, min(to_write, t.rtp)) - held]
        longer.append(max(held, min(to_read, after_write)) - held)
        active = t.rcd + (n - 1) * held + _turning(writes, machine.window, *longer)
        active += min(t.rtp, after_write) - 1 + done * (t.rfc - t.rp)
    return cycles, plain_energy(trace, machine, count, done, cycles, active)


def _turning(writes: list[bool], window: int, to_write: int, to_read: int) -> int:
    """Cost of the fewest turns, by playing a controller that turns when nothing else is left."""
    if len(set(writes)) < 2:
        return 0
    costs = []
    for direction in (False, True):
        coming, held, cost, now = deque(writes), 0, 0, direction
        while coming or held:
            held = 0  # the run begins with all that wait for it
            while coming and held < window:
                held += coming.popleft() != now
            if coming or held:
                now = not now
                cost += to_write if now else to_read
        costs.append(cost)
    return min(costs)


def checked_activations(trace: Trace, machine: Machine, samples: int = 48) -> int:
    """The least activations of free maps; counted anew, by plain sets, for the best set of column
    bits, for every set that differs from it in one bit, and for sets drawn at random.

    Raises:
        BoundError: the best set has another count, or some other set a smaller one.
    """  # noqa: D205
    part = machine.part
    count, best = least_activations(trace, part, machine.window)
    if best < 0:
        return count
    lines = compressed(trace, part)
    bits, columns = column_choice(trace, part)
    rng = np.random.default_rng(len(trace))
    drawn = [rng.choice(bits, columns, replace=False) for _ in range(samples)]
    masks = {sum(1 << int(bit) for bit in chosen) for chosen in drawn}
    inside = [bit for bit in range(bits) if best >> bit & 1]
    outside = [bit for bit in range(bits) if not best >> bit & 1]
    masks |= {best ^ (1 << i) ^ (1 << j) for i in inside for j in outside}
    counts = {mask: activations_of(lines, mask, machine.window, part.banks) for mask in masks}
    if min(counts.values(), default=count) < count:
        mask = min(counts, key=lambda key: counts[key])
        msg = f"free maps: column bits {mask:#x} need {counts[mask]} activations, not {count}"
        raise BoundError(msg)
    if columns < bits and activations_of(lines, best, machine.window, part.banks) != count:
        msg = f"free maps: column bits {best:#x} do not need {count} activations"
        raise BoundError(msg)
    return count


def plain_energy(
    trace: Trace, machine: Machine, activations: int, refreshes: int, cycles: int, active: int
) -> float:
    """Energy (pJ) of what must happen, summed rail by rail."""
    part, t = machine.part, machine.part.timing
    banks = part.banks * machine.ranks * machine.channels
    writes = sum(trace.is_write.tolist())
    total = 0.0
    for rail in part.rails:
        idle = [rail.idd2n, rail.idd3n]
        if machine.power_down:
            idle += [rail.idd2p0, rail.idd2p1, rail.idd3p0, rail.idd3p1]
        charges = [
            activations * t.ras * (rail.idd0 - rail.idd3n),
            max(0, activations - banks) * (t.rc - t.ras) * (rail.idd0 - rail.idd2n),
            (cycles - 1) * machine.ranks * min(idle),
        ]
        if rail.idd3n > rail.idd2n:
            charges.append(active * (rail.idd3n - rail.idd2n))
        if rail.idd4r:
            charges.append((len(trace) - writes) * part.burst_ck * (rail.idd4r - rail.idd3n))
        if rail.idd4w:
            charges.append(writes * part.burst_ck * (rail.idd4w - rail.idd3n))
        if rail.idd5:
            charges.append(refreshes * t.rfc * (rail.idd5 - rail.idd3n))
        total += sum(charges) * rail.volt * part.tck_ns * part.devices
    return total
