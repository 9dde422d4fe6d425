"""When a rank refreshes: regular, postponed and pulled-in refreshes of all its banks."""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.state import NEVER, inner, rare
from trimtab_hardware.dram.result import NOP, PREAB, REF


@inner
def evaluate_refresh(s: Any, c: Any) -> None:
    """Decide each rank's refresh command."""
    for rank in range(c.ranks):
        s.refresh_cmd[rank] = NOP
        if s.now >= s.due[rank]:
            due_refresh(s, c, rank)


@rare
def due_refresh(s: Any, c: Any, rank: int) -> None:
    """A refresh of the rank is due, or may be pulled in."""
    if s.now >= s.due[rank] + c.refi:
        s.due[rank] += c.refi
        s.pulled[rank] = 0
    busy = s.busy_banks[rank] > 0
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
    s.refresh_cmd[rank] = PREAB if s.open_banks[rank] else REF


@rare
def block(s: Any, c: Any, rank: int) -> None:
    """Hold every bank of the rank until its refresh."""
    s.blocked[rank] = 1
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        if s.next[b]:
            s.next[b] = NOP
            s.stale = 1


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


@inner
def first_due(s: Any, c: Any) -> int:
    """Earliest time at which a rank without a refresh command needs one."""
    time = NEVER
    for rank in range(c.ranks):
        if s.refresh_cmd[rank] == NOP:
            time = min(time, s.due[rank])
    return int(time)
