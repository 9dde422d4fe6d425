"""Request lists of the banks, the choice among them, and the next command of a bank."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.bus import own_time
from trimtab_hardware.dram.engine.state import (
    CLOSED,
    CLOSED_ADAPTIVE,
    FIFO,
    FR_FCFS_GRP,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    NEVER,
    NO_REQUEST,
    NONE,
    OPEN_ADAPTIVE,
    for_wider,
    index,
    inner,
    rare,
)
from trimtab_hardware.dram.result import ACT, NOP, PRE, RD, RDA, WR, WRA

Array = np.ndarray[Any, Any]


@inner
def append(s: Any, c: Any, q: Array, b: int, r: int) -> None:
    """Store request `r` as the youngest of its bank."""
    last = s.tail[b]
    q[index(r)].older = last
    q[index(r)].younger = -1
    if last < 0:
        s.head[b] = r
    else:
        q[index(last)].younger = r
    s.tail[b] = r
    s.length[b] += 1
    if c.scheduler != FIFO and q[index(r)].row == s.row[b]:
        append_hit(s, q, b, r)


@inner
def append_hit(s: Any, q: Array, b: int, r: int) -> None:
    """Note that `r` goes to the open row, after all that do."""
    last = s.last_hit[b]
    q[index(r)].older_hit = last
    q[index(r)].younger_hit = -1
    if last < 0:
        s.first_hit[b] = r
    else:
        q[index(last)].younger_hit = r
    s.last_hit[b] = r
    s.hits[b] += 1


@inner
def forget_hits(s: Any, b: int) -> None:
    """The bank is precharged: no request goes to an open row."""
    s.hits[b] = 0
    s.first_hit[b] = -1
    s.last_hit[b] = -1


@inner
def find_hits(s: Any, c: Any, q: Array, b: int) -> None:
    """Collect the requests to the row that has just been opened."""
    forget_hits(s, b)
    if c.scheduler == FIFO:
        return
    row = s.row[b]
    r = s.head[b]
    while r >= 0:
        if q[index(r)].row == row:
            append_hit(s, q, b, r)
        r = q[index(r)].younger


@inner
def remove(s: Any, c: Any, q: Array, b: int, r: int) -> None:
    """Take request `r`, which goes to the open row, out of its bank's lists."""
    older, younger = q[index(r)].older, q[index(r)].younger
    if older < 0:
        s.head[b] = younger
    else:
        q[index(older)].younger = younger
    if younger < 0:
        s.tail[b] = older
    else:
        q[index(younger)].older = older
    s.length[b] -= 1
    if c.scheduler == FIFO:
        return
    older, younger = q[index(r)].older_hit, q[index(r)].younger_hit
    if older < 0:
        s.first_hit[b] = younger
    else:
        q[index(older)].younger_hit = younger
    if younger < 0:
        s.last_hit[b] = older
    else:
        q[index(younger)].older_hit = older
    s.hits[b] -= 1


@rare
def grouped_hit(s: Any, q: Array, b: int) -> int:
    """Oldest hit of the last direction that passes no older access to its line; else oldest."""
    r = s.first_hit[b]
    while r >= 0:
        if q[index(r)].write == s.last_write:
            older = q[index(r)].older_hit
            while older >= 0 and q[index(older)].line != q[index(r)].line:
                older = q[index(older)].older_hit
            if older < 0:
                return int(r)
        r = q[index(r)].younger_hit
    return int(s.first_hit[b])


@rare
def oldest_of(s: Any, q: Array, b: int, write: int) -> int:
    """Oldest hit of a direction, else oldest request of it, else -1."""
    r = s.first_hit[b]
    while r >= 0 and q[index(r)].write != write:
        r = q[index(r)].younger_hit
    if r >= 0:
        return int(r)
    r = s.head[b]
    while r >= 0 and q[index(r)].write != write:
        r = q[index(r)].younger
    return int(r)


@for_wider(-1)
def directed_candidate(s: Any, c: Any, q: Array, b: int) -> int:
    """Choice of the schedulers that group by direction; -1 if they want none of the bank."""
    if c.scheduler == GRP_FR_FCFS_WM:
        return int(oldest_of(s, q, b, s.write_mode))
    r = oldest_of(s, q, b, s.last_write)
    return int(r if r >= 0 else oldest_of(s, q, b, 1 - s.last_write))


@for_wider(None)
def turn_mode(s: Any, c: Any) -> None:
    """Let the watermarks decide whether the channel reads or writes."""
    mode = s.write_mode
    if mode == 0 and (s.writes > c.high or s.reads == 0):
        mode = 1
    elif mode == 1 and s.writes <= c.low and s.reads != 0:
        mode = 0
    if mode != s.write_mode:
        s.write_mode = mode
        s.all_dirty = 1


@inner
def candidate(s: Any, c: Any, q: Array, b: int) -> int:
    """The request that the scheduler wants from a bank with requests; -1 if none."""
    if c.capped and must_take_oldest(s, c, q, b):
        return int(s.head[b])
    if c.scheduler >= GRP_FR_FCFS:
        return int(directed_candidate(s, c, q, b))
    if c.scheduler == FIFO or s.row[b] < 0 or s.hits[b] == 0:
        return int(s.head[b])
    if c.scheduler == FR_FCFS_GRP:
        return int(grouped_hit(s, q, b))
    return int(s.first_hit[b])


@for_wider(False)
def must_take_oldest(s: Any, c: Any, q: Array, b: int) -> bool:
    """Whether row hits have passed the oldest request often enough, or it has starved."""
    if c.row_hit_cap and s.passes[b] >= c.row_hit_cap:
        return True
    return bool(c.starvation_cap and s.now - q[index(s.head[b])].stamp >= c.starvation_cap)


@for_wider(0)
def of_direction(s: Any, c: Any, q: Array, b: int, row: int) -> int:
    """Requests of the bank to a row (-1: any) in the channel's or the current one's direction."""
    write = q[index(s.current[b])].write
    if c.scheduler == GRP_FR_FCFS_WM:
        write = s.write_mode
    found = 0
    r = s.head[b]
    while r >= 0:
        if q[index(r)].write == write and (row < 0 or q[index(r)].row == row):
            found += 1
        r = q[index(r)].younger
    return found


@inner
def further_hit(s: Any, c: Any, q: Array, b: int) -> bool:
    """Whether another request than the current one goes to the open row."""
    if c.scheduler == FIFO:
        return bool(s.length[b] >= 2 and q[index(q[index(s.head[b])].younger)].row == s.row[b])
    if c.scheduler >= GRP_FR_FCFS:
        return bool(of_direction(s, c, q, b, s.row[b]) >= 2)
    return bool(s.hits[b] >= 2)


@inner
def closes(s: Any, c: Any, q: Array, b: int) -> bool:
    """Whether a column command of the bank carries an auto-precharge."""
    if c.page == OPEN_ADAPTIVE:
        if c.scheduler >= GRP_FR_FCFS and of_direction(s, c, q, b, NONE) < 2:
            return False
        return bool(s.length[b] >= 2 and not further_hit(s, c, q, b))
    return bool(c.page == CLOSED_ADAPTIVE and not further_hit(s, c, q, b))


@inner
def next_command(s: Any, c: Any, q: Array, b: int) -> int:
    """What the bank needs for its current request."""
    r = index(s.current[b])
    if s.row[b] < 0:
        return ACT
    if q[r].row != s.row[b]:
        return PRE
    if c.page == CLOSED or closes(s, c, q, b):
        return WRA if q[r].write else RDA
    return WR if q[r].write else RD


@inner
def hold(s: Any, b: int) -> None:
    """Take the bank's next command away."""
    if s.next[b]:
        s.next[b] = NOP
        s.own[b] = NEVER
        s.stale = 1


@rare
def evaluate(s: Any, c: Any, q: Array, b: int) -> None:
    """Choose the bank's current request and next command."""
    if s.blocked[c.rank_of[b]] or s.blocked_bank[b]:
        hold(s, b)
    elif s.length[b]:
        r = candidate(s, c, q, b)
        if r < 0:  # none of its requests has the channel's direction: it waits as it is
            hold(s, b)
            return
        if not s.keep[b] or q[index(r)].row == s.row[b]:
            s.current[b] = r
        command = next_command(s, c, q, b)
        if command == ACT and c.managed and s.activations[b] >= c.raammt:
            hold(s, b)
        else:
            plan(s, c, b, command, own_time(s, b, command), s.current[b])
    elif c.page_timeout and s.row[b] >= 0:
        last = max(s.pre_bank[b], s.used[b] + c.page_timeout)
        plan(s, c, b, int(np.int64(PRE)), last, NO_REQUEST | int(np.int64(b)))
    else:
        hold(s, b)


@inner
def plan(s: Any, c: Any, b: int, command: int, own: int, order: int) -> None:
    """Set the bank's next command; the choice among banks is stale if that changes it."""
    if s.next[b] == command and s.own[b] == own and s.order[b] == order:
        return
    s.next[b] = command
    s.own[b] = own
    s.order[b] = order
    s.lane[b] = c.lane_of[index(command)] + c.group_of[b]
    s.stale = 1
