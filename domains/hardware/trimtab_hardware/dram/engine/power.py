"""Power-down of idle ranks: when the clock-enable pin falls, and when it rises again."""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.bus import delay_rank, sleep_time
from trimtab_hardware.dram.engine.state import ACTS, NEVER, READS, TIMEOUT, WRITES, for_wider, rare
from trimtab_hardware.dram.result import NOP, PDE, PDX


@rare
def has_work(s: Any, c: Any, rank: int) -> bool:
    """Whether a request is stored for the rank, or it must refresh."""
    if s.refresh_cmd[rank] != NOP:
        return True
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        if s.length[b] > 0:
            return True
    return False


@for_wider(None)
def evaluate_power(s: Any, c: Any) -> None:
    """Decide each rank's power command: down when nothing is stored, up when there is work."""
    for rank in range(c.ranks):
        work = has_work(s, c, rank)
        s.power_cmd[rank] = NOP
        if s.asleep[rank]:
            if work:
                s.power_cmd[rank] = PDX
        elif not work:
            s.power_cmd[rank] = PDE


@for_wider(NEVER)
def power_time(s: Any, c: Any, rank: int) -> int:
    """Earliest issue of the rank's power command; NEVER if it has none."""
    command = s.power_cmd[rank]
    if command == NOP:
        return int(NEVER)
    if command == PDX:
        return int(max(s.now, s.bus, s.pdx_rank[rank]))
    wait = c.power_down_timeout if c.power_down == TIMEOUT else 0
    return int(max(s.now, s.bus, sleep_time(s, c, rank), s.idle_since[rank] + wait))


@rare
def switch_power(s: Any, c: Any, rank: int) -> None:
    """Consequences of the rank's power command now."""
    s.bus = s.now + c.pre_ck
    s.stale = 1
    if s.power_cmd[rank] == PDE:
        s.asleep[rank] = 1
        s.pdx_rank[rank] = s.now + c.cke
        return
    s.asleep[rank] = 0
    awake = s.now + c.xp
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.cke)
    s.idle_since[rank] = s.now
    for lanes in (ACTS, READS, WRITES):
        delay_rank(s, c, lanes, rank, awake)
    s.preab_rank[rank] = max(s.preab_rank[rank], awake)
    s.ref_rank[rank] = max(s.ref_rank[rank], awake)
    s.bank_refresh_rank[rank] = max(s.bank_refresh_rank[rank], awake)
    s.all_dirty = 1
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        s.pre_bank[b] = max(s.pre_bank[b], awake)
