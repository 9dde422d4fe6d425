"""The same bounds as `bounds`, derived request by request in plain integers, for verification.

That of free maps is derived anew in `free_floor_check`.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from trimtab_hardware.dram.free_floor_check import plain_energy, slow_free_floor
from trimtab_hardware.dram.machine import Machine
from trimtab_hardware.dram.traces import Trace


def slow_floor(trace: Trace, machine: Machine) -> tuple[int, float]:
    """Cycles and energy (pJ) that no design of the machine goes below."""
    if machine.address_map is None:
        return slow_free_floor(trace, machine)
    t, burst = machine.part.timing, machine.part.burst_ck
    directions = set(trace.is_write.tolist())
    kappa = min(t.wl if write else t.rl for write in directions)
    rank_of, rows = _places(trace, machine)
    first = int(trace.arrival[0])
    per_rank = Counter(rank for rank, _ in rank_of.values())
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
    refreshes = 0
    if machine.all_bank_refresh and t.refi:
        refreshes = max(0, cycles // t.refi - 9) * machine.ranks
    return cycles, plain_energy(trace, machine, sum(per_rank.values()), refreshes, cycles, 0)


def _places(
    trace: Trace, machine: Machine
) -> tuple[dict[tuple[int, int], tuple[int, int]], dict[int, set[int]]]:
    """(bank, row) → (rank, row) of every row opened, and the rows of every bank."""
    rows: dict[int, set[int]] = defaultdict(set)
    opened: dict[tuple[int, int], tuple[int, int]] = {}
    assert machine.address_map is not None  # noqa: S101 - free maps are checked elsewhere
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
