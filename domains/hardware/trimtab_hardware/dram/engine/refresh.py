"""When a rank refreshes: regular, postponed and pulled-in refreshes of all its banks."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.banks import hold
from trimtab_hardware.dram.engine.management import close_unit, is_idle, manage, relieve
from trimtab_hardware.dram.engine.state import (
    ALL_BANK,
    FOR_REFRESH,
    NEVER,
    SAME_BANK,
    for_wider,
    index,
    inner,
    rare,
)
from trimtab_hardware.dram.result import NOP, PREAB, REF, REFPB, REFSB


@inner
def may_refresh(s: Any) -> bool:
    """Whether a rank has a refresh command, or may need one."""
    return bool(s.refreshing or s.now >= s.next_due or s.worn)


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
        if s.worn and s.refresh_cmd[rank] == NOP:
            manage(s, c, rank)
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
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        if s.current[b] >= 0:
            return True
    return False


@rare
def has_open(s: Any, c: Any, rank: int) -> bool:
    """Whether a bank of the rank has an open row."""
    end = (rank + 1) * c.banks_per_rank
    for b in range(rank * c.banks_per_rank, end):  # noqa: SIM110 - not in Numba
        if s.row[b] >= 0:
            return True
    return False


@for_wider(None)
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
        if not s.refreshed[rank, unit] and is_idle(s, c, first + unit, c.units):
            return int(unit)
    return -1


@rare
def hold_unit(s: Any, c: Any, rank: int, idle: int) -> int:
    """A refresh cannot wait: hold one unit, the idle one if there is one, else the first."""
    first = rank * c.banks_per_rank
    unit = -1
    for k in range(c.units):
        if s.blocked_bank[first + k] == FOR_REFRESH:
            unit = k
    if unit < 0:
        unit = idle
    if unit < 0:
        unit = 0
        while s.refreshed[rank, unit]:
            unit += 1
    for b in range(first + unit, first + c.banks_per_rank, c.units):
        s.blocked_bank[b] = FOR_REFRESH
        hold(s, index(b))
    return int(unit)


@rare
def command_for_unit(s: Any, c: Any, rank: int, unit: int) -> None:
    """Precharge an open bank of the unit, or refresh it."""
    s.refresh_cmd[rank] = REFSB if c.refresh == SAME_BANK else REFPB
    close_unit(s, c, rank, unit, c.units)


@rare
def after_bank_refresh(s: Any, c: Any, rank: int) -> None:
    """A refresh of one unit has been issued."""
    first = rank * c.banks_per_rank
    unit = s.refresh_bank[rank] - first
    if c.managed:
        relieve(s, c, s.refresh_bank[rank], c.units, c.raadec)
    s.refreshed[rank, unit] = 1
    if not any_left(s, c, rank):
        s.refreshed[rank, :] = 0
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
def any_left(s: Any, c: Any, rank: int) -> bool:
    """Whether this round has a unit left to refresh."""
    for unit in range(c.units):  # noqa: SIM110 - not in Numba
        if not s.refreshed[rank, unit]:
            return True
    return False


@rare
def block(s: Any, c: Any, rank: int) -> None:
    """Hold every bank of the rank until its refresh."""
    s.blocked[rank] = 1
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        hold(s, index(b))


@rare
def after_refresh(s: Any, c: Any, rank: int) -> None:
    """A REF has been issued."""
    if c.managed:
        relieve(s, c, rank * c.banks_per_rank, np.int64(1), c.raadec)
    s.blocked[rank] = 0
    if s.pulled[rank]:
        s.flex[rank] -= 1
    else:
        s.pulled[rank] = 1
    if s.flex[rank] == -c.pulled_in:
        s.pulled_in_met = 1
        s.pulled[rank] = 0
        s.due[rank] += c.refi
