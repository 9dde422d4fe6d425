"""When a rank refreshes: regular, postponed and pulled-in refreshes of all its banks."""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.banks import hold
from trimtab_hardware.dram.engine.state import ALL_BANK, NEVER, SAME_BANK, index, inner, rare
from trimtab_hardware.dram.result import NOP, PRE, PREAB, REF, REFPB, REFSB


@inner
def evaluate_refresh(s: Any, c: Any) -> None:
    """Decide each rank's refresh command if any has one, or needs one."""
    if s.refreshing or s.now >= s.next_due:
        decide_refresh(s, c)


@rare
def decide_refresh(s: Any, c: Any) -> None:
    """Decide each rank's refresh command."""
    for rank in range(c.ranks):
        s.refresh_cmd[rank] = NOP
        if s.now >= s.due[rank]:
            if c.refresh == ALL_BANK:
                due_refresh(s, c, rank)
            else:
                due_bank_refresh(s, c, rank)
    s.refreshing = 0
    s.next_due = NEVER
    for rank in range(c.ranks):
        if s.refresh_cmd[rank] == NOP:
            s.next_due = min(s.next_due, s.due[rank])
        else:
            s.refreshing = 1


@rare
def due_refresh(s: Any, c: Any, rank: int) -> None:
    """A refresh of the rank is due, or may be pulled in."""
    if s.now >= s.due[rank] + c.refi:
        s.due[rank] += c.refi
        s.pulled[rank] = 0
    busy = is_busy(s, c, rank)
    if s.pulled[rank]:
        if busy:
            s.pulled[rank] = 0
            s.due[rank] += c.refi
        else:
            s.refresh_cmd[rank] = REF
        return
    if s.flex[rank] == c.postponed:
        s.postponed_met = 1
        block(s, c, rank)
    elif busy:
        s.flex[rank] += 1
        s.due[rank] += c.refi
        return
    s.refresh_cmd[rank] = PREAB if has_open(s, c, rank) else REF


@rare
def is_busy(s: Any, c: Any, rank: int) -> bool:
    """Whether a bank of the rank works for a request."""
    busy = False
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        busy |= s.current[b] >= 0
    return bool(busy)


@rare
def has_open(s: Any, c: Any, rank: int) -> bool:
    """Whether a bank of the rank has an open row."""
    found = False
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        found |= s.row[b] >= 0
    return bool(found)


@rare
def due_bank_refresh(s: Any, c: Any, rank: int) -> None:
    """A refresh of one bank (same-bank: of one bank in every group) is due, or pulled in."""
    if s.now >= s.due[rank] + c.refi_pb:
        s.due[rank] += c.refi_pb
        s.pulled[rank] = 0
    unit = idle_unit(s, c, rank)
    if s.pulled[rank]:
        if unit < 0:
            s.pulled[rank] = 0
            s.due[rank] += c.refi_pb
            return
    elif s.flex[rank] == c.postponed * c.units:
        s.postponed_met = 1
        unit = hold_unit(s, c, rank, unit)
    elif unit < 0:
        s.flex[rank] += 1
        s.due[rank] += c.refi_pb
        return
    command_for_unit(s, c, rank, unit)


@rare
def idle_unit(s: Any, c: Any, rank: int) -> int:
    """First unit without a request at work that this round has not refreshed; -1 if none."""
    first = rank * c.banks_per_rank
    for unit in range(c.units):
        if not s.refreshed[rank, unit]:
            idle = True
            for b in range(first + unit, first + c.banks_per_rank, c.units):
                idle = idle and s.current[b] < 0
            if idle:
                return int(unit)
    return -1


@rare
def hold_unit(s: Any, c: Any, rank: int, idle: int) -> int:
    """A refresh cannot wait: hold one unit, the idle one if there is one, else the first."""
    first = rank * c.banks_per_rank
    unit = -1
    for k in range(c.units):
        if s.blocked_bank[first + k]:
            unit = k
    if unit < 0:
        unit = idle
    if unit < 0:
        unit = 0
        while s.refreshed[rank, unit]:
            unit += 1
    for b in range(first + unit, first + c.banks_per_rank, c.units):
        s.blocked_bank[b] = 1
        hold(s, index(b))
    return int(unit)


@rare
def command_for_unit(s: Any, c: Any, rank: int, unit: int) -> None:
    """Precharge an open bank of the unit, or refresh it."""
    first = rank * c.banks_per_rank
    s.refresh_cmd[rank] = REFSB if c.refresh == SAME_BANK else REFPB
    s.refresh_bank[rank] = first + unit
    for b in range(first + unit, first + c.banks_per_rank, c.units):
        if s.row[b] >= 0:
            s.refresh_cmd[rank] = PRE
            s.refresh_bank[rank] = b
            return


@rare
def after_bank_refresh(s: Any, c: Any, rank: int) -> None:
    """A refresh of one unit has been issued."""
    first = rank * c.banks_per_rank
    unit = s.refresh_bank[rank] - first
    s.refreshed[rank, unit] = 1
    done = 0
    for k in range(c.units):
        done += s.refreshed[rank, k]
    for k in range(c.units):
        s.refreshed[rank, k] *= done < c.units
    for b in range(first + unit, first + c.banks_per_rank, c.units):
        s.blocked_bank[b] = 0
    if s.pulled[rank]:
        s.flex[rank] -= 1
    else:
        s.pulled[rank] = 1
    if s.flex[rank] == -c.pulled_in * c.units:
        s.pulled_in_met = 1
        s.pulled[rank] = 0
        s.due[rank] += c.refi_pb


@rare
def block(s: Any, c: Any, rank: int) -> None:
    """Hold every bank of the rank until its refresh."""
    s.blocked[rank] = 1
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        hold(s, index(b))


@rare
def after_refresh(s: Any, c: Any, rank: int) -> None:
    """A REF has been issued."""
    s.blocked[rank] = 0
    if s.pulled[rank]:
        s.flex[rank] -= 1
    else:
        s.pulled[rank] = 1
    if s.flex[rank] == -c.pulled_in:
        s.pulled_in_met = 1
        s.pulled[rank] = 0
        s.due[rank] += c.refi
