"""Certified lower bounds on time and energy of any controller on a trace.

With B = BL/2, κ the lesser of RL and WL over the directions that occur, N requests in order of
arrival, D_b distinct rows of bank b, A_r = Σ D_b over a rank, ℓ = first arrival + RCD + κ + B:

- bus: the requests from the k-th on need the data bus one after another, so the last datum leaves
  no earlier than arrival_k + κ + (N − k)·max(B, CCD_S) + B;
- bank: D_b activations of one bank are RC apart: (D_b − 1)·RC + ℓ;
- activations of one rank: max((A_r − 1)·RRD_S, ⌊(A_r − 1)/4⌋·FAW) + ℓ.

All-bank refresh, of which at most eight are postponed and eight pulled in, adds n·RFC to each term
(to the last one only if RC ≥ FAW), where n = ⌊T/REFI⌋ − 9 less those that may lie before the
term's own start, ⌊arrival/REFI⌋ + 8; the least consistent T is taken. Energy is that of the
activations and columns that must happen, the refreshes that must, and the least background
current for T − 1 cycles. The product of both bounds is a bound on energy × time.

If the map is free, A is the least over all maps of space C, see `free_maps`, and the bank term is
dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.traces import Trace

IntArray = NDArray[np.int64]
POSTPONED_OR_PULLED = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """What is common to all designs that a bound covers.

    Attributes:
        part: memory of a channel.
        address_map: the map of all designs, or None if it is free (one channel, one rank).
        channels: independent channels.
        ranks: ranks per channel.
        all_bank_refresh: every design refreshes all banks at once.
        power_down: some design powers down.
        window: requests that the controller of a free map holds at most.
    """

    part: Part
    address_map: AddressMap | None
    channels: int = 1
    ranks: int = 1
    all_bank_refresh: bool = True
    power_down: bool = False
    window: int = 1 << 40


@dataclass(frozen=True, slots=True)
class Floor:
    """Lower bounds of one machine; `bus`, `bank`, `activate` before refresh, cycles."""

    cycles: int
    energy_pj: float
    bus: int
    bank: int
    activate: int
    activations: int

    @property
    def energy_delay(self) -> float:
        """Bound on energy × time, pJ·cycles."""
        return self.energy_pj * self.cycles


def floor(trace: Trace, machine: Machine) -> Floor:
    """Lower bounds on total cycles and energy of `trace` on `machine`."""
    part, t = machine.part, machine.part.timing
    writes = bool(trace.is_write.any())
    reads = not bool(trace.is_write.all())
    kappa = min([t.rl] * reads + [t.wl] * writes)
    lead = t.rcd + kappa + part.burst_ck
    distinct, rows_of_bank = _activations(trace, machine)
    bus = _bus_terms(trace, machine, kappa)
    first = int(trace.arrival[0])
    bank = first + lead + max(0, int(rows_of_bank.max(initial=0)) - 1) * t.rc
    most = int(distinct.max()) - 1
    activate = first + lead + max(most * t.rrd_s, most // 4 * t.faw)
    terms = [(int(start), int(term)) for start, term in bus] + [(first, bank)]
    fixed = [activate]
    if t.rc >= t.faw:
        terms.append((first, activate))
    cycles = _with_refresh(terms, fixed, machine)
    total = int(distinct.sum())
    energy = _energy_pj(trace, machine, total, cycles)
    return Floor(cycles, energy, max(int(b) for _, b in bus), bank, activate, total)


def _activations(trace: Trace, machine: Machine) -> tuple[IntArray, IntArray]:
    """Activations that each rank needs, and distinct rows of each bank (none if map is free)."""
    part = machine.part
    if machine.address_map is None:
        from trimtab_hardware.dram.free_maps import least_activations

        count, _ = least_activations(trace, part, machine.window)
        return np.array([count]), np.empty(0, dtype=np.int64)
    at = machine.address_map.decode(trace.address)
    rank = at.channel * machine.ranks + at.rank
    pages = np.unique((rank * part.banks + at.bank) * part.rows + at.row)
    rows_of_bank = np.bincount(pages // part.rows)
    return np.bincount(pages // (part.rows * part.banks)), rows_of_bank


def _bus_terms(trace: Trace, machine: Machine, kappa: int) -> IntArray:
    """[k, 2] (arrival, term) that can be the greatest for some number of refreshes."""
    part = machine.part
    step = max(part.burst_ck, part.timing.ccd_s)
    if machine.address_map is None or machine.channels == 1:
        shares: Sequence[IntArray] = [trace.arrival]
    else:
        channel = machine.address_map.decode(trace.address).channel
        shares = [trace.arrival[channel == c] for c in range(machine.channels)]
    found = [
        np.stack([a, a + kappa + np.arange(len(a) - 1, -1, -1) * step + part.burst_ck], axis=1)
        for a in shares
        if len(a)
    ]
    return _best_of_interval(np.concatenate(found), part.timing.refi)


def _best_of_interval(terms: IntArray, refi: int) -> IntArray:
    """The greatest term of each refresh interval of arrivals, and the greatest that starts at 0."""
    late = terms[:, 0] > 0
    if not late.any() or not refi:
        return terms[[int(terms[:, 1].argmax())]]
    interval = np.where(late, terms[:, 0] // refi, -1)
    order = np.lexsort((terms[:, 1], interval))
    last = np.append(np.diff(interval[order]) != 0, [True])
    return np.asarray(terms[order][last])


def _refreshes(cycles: int, arrival: int, refi: int) -> int:
    """Refreshes that must lie between `arrival` and `cycles`."""
    before = 0 if arrival == 0 else arrival // refi + POSTPONED_OR_PULLED
    return max(0, cycles // refi - POSTPONED_OR_PULLED - 1 - before)


def _with_refresh(terms: list[tuple[int, int]], fixed: list[int], machine: Machine) -> int:
    """Least T with T ≥ every fixed term and every term with its refreshes."""
    t = machine.part.timing
    cycles = max(*fixed, *(term for _, term in terms))
    if not machine.all_bank_refresh or not t.refi:
        return cycles
    while True:
        needed = max(term + _refreshes(cycles, start, t.refi) * t.rfc for start, term in terms)
        if needed <= cycles:
            return cycles
        cycles = needed


def _energy_pj(trace: Trace, machine: Machine, activations: int, cycles: int) -> float:
    part, t = machine.part, machine.part.timing
    ranks = machine.ranks  # of the channel that lasts longest; the others may end at once
    writes = int(trace.is_write.sum())
    reads = len(trace) - writes
    closed = max(0, activations - part.banks * ranks * machine.channels)
    counted = machine.all_bank_refresh and t.refi
    refreshes = _refreshes(cycles, 0, t.refi) * ranks if counted else 0
    total = 0.0
    for rail in part.rails:
        background = min(rail.idd2n, rail.idd3n)
        if machine.power_down:
            background = min(background, rail.idd2p0, rail.idd2p1, rail.idd3p0, rail.idd3p1)
        charge = (
            activations * t.ras * (rail.idd0 - rail.idd3n)
            + closed * (t.rc - t.ras) * (rail.idd0 - rail.idd2n)
            + reads * part.burst_ck * (rail.idd4r - rail.idd3n if rail.idd4r else 0.0)
            + writes * part.burst_ck * (rail.idd4w - rail.idd3n if rail.idd4w else 0.0)
            + refreshes * t.rfc * (rail.idd5 - rail.idd3n if rail.idd5 else 0.0)
            + (cycles - 1) * ranks * background
        )
        total += charge * rail.volt * part.tck_ns * part.devices
    return total
