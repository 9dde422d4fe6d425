"""Certified lower bounds on time and energy under any address map, the controller being known.

Where the map alone is searched, the controller's memory W and its refresh limits are those of all
designs, which says more than `bounds` may assume. Column commands (one rank, N requests):

- the requests from the k-th on are N − k column commands, `max(B, CCD_S)` apart and further where
  the bus turns, at least as often as `turnarounds` counts;
- activations are RRD_S and FAW apart, and a column command follows the last one by RCD;
- a refresh that is due at a multiple of REFI waits for at most p others and is then forced within
  D = WRPRE + RC + 2·RP + 16 cycles. So floor((C − D)/REFI) − p of them precede a column command
  at C, less those that may precede the term's own start, floor(arrival/REFI) + q. Each takes RFC;
  if p = q = 0 each lies in a gap of its own and also closes and opens a row there:
  min(RTP, WRPRE) + RP + RFC + RCD between two column commands.

Time is the least consistent C plus the least latency. Energy is that of the activations of
`free_maps`, the columns, the refreshes, and of the background, active for as long as column
commands hold a row open (RTP after a read, WRPRE after a write, or until the next one) and REF
does.
"""

from __future__ import annotations

from dataclasses import dataclass

from trimtab_hardware.dram.free_maps import least_activations
from trimtab_hardware.dram.machine import Floor, Machine, charge_pj
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.turnarounds import column_distances, least_turning_cycles

STARTS = 16
"""Places of the trace from which its rest is bounded on its own."""
_SLACK = 16


@dataclass(frozen=True, slots=True)
class Term:
    """A bound on the last column command: `base` plus refreshes after `arrival`.

    Attributes:
        arrival: of the first request of the term.
        base: cycles without refresh.
        each: cycles that a refresh adds.
        further: what each but the first adds beyond that.
    """

    arrival: int
    base: int
    each: int
    further: int = 0


def free_floor(trace: Trace, machine: Machine) -> Floor:
    """Lower bounds on total cycles and energy of `trace` under any map of space C."""
    part, t = machine.part, machine.part.timing
    count, _ = least_activations(trace, part, machine.window)
    columns = _column_terms(trace, machine)
    first = int(trace.arrival[0])
    spread = max((count - 1) * t.rrd_s, (count - 1) // 4 * t.faw)
    activate = Term(first, first + spread + t.rcd, t.rfc if t.rc >= t.faw else 0)
    last = last_column([*columns, activate], machine)
    lead = min([t.rl] * bool(~trace.is_write.all()) + [t.wl] * bool(trace.is_write.any()))
    cycles = last + lead + part.burst_ck
    refreshes = refreshes_before(last, 0, machine)
    active = _active_cycles(trace, machine)
    active += refreshes * (t.rfc - t.rp) if active else 0
    energy = charge_pj(trace, machine, count, refreshes, cycles, active)
    bus, act = max(term.base for term in columns), activate.base
    tail = lead + part.burst_ck
    return Floor(cycles, energy, bus + tail, 0, act + tail, count)


def forced_within(machine: Machine) -> int:
    """Cycles after which a refresh that may not be postponed has surely been issued."""
    part, t = machine.part, machine.part.timing
    return t.wl + part.burst_ck + t.wr + t.rc + 2 * max(t.rp, t.rp_ab) + _SLACK


def refreshes_before(column: int, arrival: int, machine: Machine) -> int:
    """Refreshes that surely lie between `arrival` and a column command at cycle `column`."""
    refi = machine.part.timing.refi
    if not machine.all_bank_refresh or not refi:
        return 0
    before = 0 if arrival == 0 else arrival // refi + machine.pulled_in
    return max(0, (column - forced_within(machine)) // refi - machine.postponed - before)


def last_column(terms: list[Term], machine: Machine) -> int:
    """Least cycle of the last column command that is consistent with every term."""
    column = max(term.base for term in terms)
    while True:
        needed = column
        for term in terms:
            n = refreshes_before(column, term.arrival, machine)
            needed = max(needed, term.base + n * term.each + max(0, n - 1) * term.further)
        if needed == column:
            return column
        column = needed


def _column_terms(trace: Trace, machine: Machine) -> list[Term]:
    part, t, n = machine.part, machine.part.timing, len(trace)
    distances = column_distances(t, part.burst_ck)
    found = []
    for k in sorted({n * start // STARTS for start in range(STARTS)}):
        arrival = int(trace.arrival[k])
        turning = least_turning_cycles(trace.is_write[k:], machine.window, distances)
        base = arrival + (n - 1 - k) * distances[0] + turning + (t.rcd if k == 0 else 0)
        widest = distances[2] if turning else distances[0]
        found.append(Term(arrival, base, t.rfc, _gap_of_its_own(machine, widest)))
    return found


def _gap_of_its_own(machine: Machine, widest: int) -> int:
    """What closing and opening a row adds to a refresh beyond the widest gap counted already."""
    part, t = machine.part, machine.part.timing
    around = min(t.rtp, t.wl + part.burst_ck + t.wr) + t.rp + t.rcd
    apart = t.refi - forced_within(machine)
    if machine.postponed or machine.pulled_in or apart < t.rfc + 2 * around:
        return 0
    return max(0, around - widest)


def _active_cycles(trace: Trace, machine: Machine) -> int:
    """Cycles for which some row is open: after each column command, and before the first."""
    part, t = machine.part, machine.part.timing
    if machine.power_down:
        return 0
    after_write = t.wl + part.burst_ck + t.wr
    same, to_write, to_read = column_distances(t, part.burst_ck)
    held = min(same, t.rtp, after_write)
    distances = (held, max(held, min(to_write, t.rtp)), max(held, min(to_read, after_write)))
    turning = least_turning_cycles(trace.is_write, machine.window, distances)
    return t.rcd + (len(trace) - 1) * held + turning + min(t.rtp, after_write) - 1
