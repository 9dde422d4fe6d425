"""The same bounds as `bounds`, derived request by request in plain integers, for verification."""

from __future__ import annotations

from collections import Counter, defaultdict

from trimtab_hardware.dram.bounds import Machine
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
        lines = len({address // machine.part.burst_bytes for address in trace.address.tolist()})
        per_row = machine.part.columns // machine.part.burst_length
        per_rank = Counter({0: (lines + per_row - 1) // per_row})
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
    ranks = machine.channels * machine.ranks
    writes = sum(trace.is_write.tolist())
    refreshes = max(0, cycles // t.refi - 9) * ranks if machine.all_bank_refresh and t.refi else 0
    total = 0.0
    for rail in part.rails:
        idle = [rail.idd2n, rail.idd3n]
        if machine.power_down:
            idle += [rail.idd2p0, rail.idd2p1, rail.idd3p0, rail.idd3p1]
        charges = [
            activations * t.ras * (rail.idd0 - rail.idd3n),
            max(0, activations - part.banks * ranks) * (t.rc - t.ras) * (rail.idd0 - rail.idd2n),
            (cycles - 1) * ranks * min(idle),
        ]
        if rail.idd4r:
            charges.append((len(trace) - writes) * part.burst_ck * (rail.idd4r - rail.idd3n))
        if rail.idd4w:
            charges.append(writes * part.burst_ck * (rail.idd4w - rail.idd3n))
        if rail.idd5:
            charges.append(refreshes * t.rfc * (rail.idd5 - rail.idd3n))
        total += sum(charges) * rail.volt * part.tck_ns * part.devices
    return total
