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

If the map is free, see `free_floor`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab_hardware.dram.machine import POSTPONED_OR_PULLED, Floor, Machine, charge_pj
from trimtab_hardware.dram.traces import Trace

IntArray = NDArray[np.int64]


def floor(trace: Trace, machine: Machine) -> Floor:
    """Lower bounds on total cycles and energy of `trace` on `machine`."""
    if machine.address_map is None:
        from trimtab_hardware.dram.free_floor import free_floor

        return free_floor(trace, machine)
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
    counted = machine.all_bank_refresh and t.refi
    refreshes = _refreshes(cycles, 0, t.refi) * machine.ranks if counted else 0
    energy = charge_pj(trace, machine, total, refreshes, cycles)
    return Floor(cycles, energy, max(int(b) for _, b in bus), bank, activate, total)


def _activations(trace: Trace, machine: Machine) -> tuple[IntArray, IntArray]:
    """Activations that each rank needs, and distinct rows of each bank."""
    part = machine.part
    assert machine.address_map is not None  # noqa: S101 - free maps have a floor of their own
    at = machine.address_map.decode(trace.address)
    rank = at.channel * machine.ranks + at.rank
    pages = np.unique((rank * part.banks + at.bank) * part.rows + at.row)
    rows_of_bank = np.bincount(pages // part.rows)
    return np.bincount(pages // (part.rows * part.banks)), rows_of_bank


def _bus_terms(trace: Trace, machine: Machine, kappa: int) -> IntArray:
    """[k, 2] (arrival, term) that can be the greatest for some number of refreshes."""
    part = machine.part
    step = max(part.burst_ck, part.timing.ccd_s)
    if machine.channels == 1:
        shares: Sequence[IntArray] = [trace.arrival]
    else:
        assert machine.address_map is not None  # noqa: S101 - see `_activations`
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
