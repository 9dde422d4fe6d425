"""The same bounds as `bounds`, derived request by request in plain integers, for verification."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from trimtab.contracts.errors import BoundError

from trimtab_hardware.dram.bounds import Machine
from trimtab_hardware.dram.free_maps import (
    activations_of,
    column_choice,
    compressed,
    least_activations,
)
from trimtab_hardware.dram.traces import Trace


def slow_floor(trace: Trace, machine: Machine) -> tuple[int, float]:
    """Cycles and energy (pJ) that no design of the machine goes below."""
    t, burst = machine.part.timing, machine.part.burst_ck
    directions = set(trace.is_write.tolist())
    kappa = min(t.wl if write else t.rl for write in directions)
    rank_of, rows = _places(trace, machine)
    first = int(trace.arrival[0])
    per_rank = Counter(rank for rank, _ in rank_of.values())
    if machine.address_map is None:
        per_rank = Counter({0: checked_activations(trace, machine)})
    lead = first + t.rcd + kappa + burst
    bank = lead + max((len(r) - 1 for r in rows.values()), default=0) * t.rc
    activate = max(
        lead + max((count - 1) * t.rrd_s, (count - 1) // 4 * t.faw) for count in per_rank.values()
    )
    terms = [(first, bank), *_bus(trace, machine, kappa, max(burst, t.ccd_s))]
    cycles = max(activate, *(term for _, term in terms))
    if t.rc >= t.faw:
        terms.append((first, activate))
    if machine.all_bank_refresh and t.refi:
        cycles = _consistent(cycles, terms, t.refi, t.rfc)
    return cycles, _energy(trace, machine, sum(per_rank.values()), cycles)


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


def _places(
    trace: Trace, machine: Machine
) -> tuple[dict[tuple[int, int], tuple[int, int]], dict[int, set[int]]]:
    """(bank, row) → (rank, row) of every row opened, and the rows of every bank."""
    rows: dict[int, set[int]] = defaultdict(set)
    opened: dict[tuple[int, int], tuple[int, int]] = {}
    if machine.address_map is None:
        return opened, rows
    at = machine.address_map.decode(trace.address)
    columns = (at.channel.tolist(), at.rank.tolist(), at.bank.tolist(), at.row.tolist())
    for channel, rank, bank, row in zip(*columns, strict=True):
        unit = channel * machine.ranks + rank
        place = unit * machine.part.banks + bank
        rows[place].add(row)
        opened[place, row] = (unit, row)
    return opened, rows


def _bus(trace: Trace, machine: Machine, kappa: int, step: int) -> list[tuple[int, int]]:
    """(arrival, last datum at the earliest) seen from every request of every channel."""
    channels = [0] * len(trace)
    if machine.address_map is not None:
        channels = machine.address_map.decode(trace.address).channel.tolist()
    later: Counter[int] = Counter()
    terms = []
    for arrival, channel in zip(trace.arrival.tolist()[::-1], channels[::-1], strict=True):
        terms.append((arrival, arrival + kappa + later[channel] * step + machine.part.burst_ck))
        later[channel] += 1
    return terms


def _consistent(cycles: int, terms: list[tuple[int, int]], refi: int, rfc: int) -> int:
    """Least T that no term with its refreshes exceeds."""
    while True:
        needed = cycles
        for arrival, term in terms:
            due = cycles // refi - 9 - (0 if arrival == 0 else arrival // refi + 8)
            needed = max(needed, term + max(0, due) * rfc)
        if needed == cycles:
            return cycles
        cycles = needed


def _energy(trace: Trace, machine: Machine, activations: int, cycles: int) -> float:
    part, t = machine.part, machine.part.timing
    banks = part.banks * machine.ranks * machine.channels
    writes = sum(trace.is_write.tolist())
    last = machine.ranks  # of the channel that lasts longest
    refreshes = max(0, cycles // t.refi - 9) * last if machine.all_bank_refresh and t.refi else 0
    total = 0.0
    for rail in part.rails:
        idle = [rail.idd2n, rail.idd3n]
        if machine.power_down:
            idle += [rail.idd2p0, rail.idd2p1, rail.idd3p0, rail.idd3p1]
        charges = [
            activations * t.ras * (rail.idd0 - rail.idd3n),
            max(0, activations - banks) * (t.rc - t.ras) * (rail.idd0 - rail.idd2n),
            (cycles - 1) * last * min(idle),
        ]
        if rail.idd4r:
            charges.append((len(trace) - writes) * part.burst_ck * (rail.idd4r - rail.idd3n))
        if rail.idd4w:
            charges.append(writes * part.burst_ck * (rail.idd4w - rail.idd3n))
        if rail.idd5:
            charges.append(refreshes * t.rfc * (rail.idd5 - rail.idd3n))
        total += sum(charges) * rail.volt * part.tck_ns * part.devices
    return total
