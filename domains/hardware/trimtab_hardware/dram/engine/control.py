"""One pass of the controller: respond, admit, refresh, issue, look ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.banks import (
    append,
    evaluate,
    find_hits,
    forget_hits,
    remove,
    turn_mode,
)
from trimtab_hardware.dram.engine.bus import (
    delay_after_act,
    delay_after_bank_refresh,
    delay_after_column,
    delay_after_pre,
    delay_after_preab,
    delay_after_ref,
    refresh_time,
)
from trimtab_hardware.dram.engine.events import notify_at, notify_now, post_front
from trimtab_hardware.dram.engine.management import count_activation, relieve
from trimtab_hardware.dram.engine.power import evaluate_power, power_time, switch_power
from trimtab_hardware.dram.engine.refresh import (
    after_bank_refresh,
    after_refresh,
    decide_refresh,
    may_refresh,
)
from trimtab_hardware.dram.engine.state import (
    ACCEPTED,
    BANKWISE,
    DATA,
    FR_FCFS_GRP,
    FRONT,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    ISSUED,
    NEAR,
    NEVER,
    NO_REQUEST,
    NONE,
    READ_WRITE,
    RESP,
    WAKE,
    for_wider,
    index,
    inner,
    rare,
    spliced,
)
from trimtab_hardware.dram.result import ACT, NOP, PDX, PRE, PREAB, RDA, REF, RFMSB, WRA

Array = np.ndarray[Any, Any]


@spliced
def control(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """The controller's process."""
    respond(s, c, q, h, responses)
    if s.visible <= s.now:
        admit(s, c, q)
    if must_act(s, c):
        act(s, c, q, h, responses, log)
    noted = min(s.best_time, s.next_due)
    if s.refreshing or c.power_down:
        noted = min(noted, first_rank_time(s, c))
    if noted == s.now:
        notify_now(s, WAKE)
    elif noted < NEVER:
        notify_at(s, h, WAKE, noted)


@inner
def must_act(s: Any, c: Any) -> bool:
    """Whether more than waiting is to be done now."""
    waits = s.best_time > s.now and s.next_due > s.now
    return bool(not waits or s.stale or s.all_dirty or s.refreshing or c.timed)


@rare
def first_rank_time(s: Any, c: Any) -> int:
    """Earliest refresh or power command of a rank."""
    time = int(NEVER)
    for rank in range(c.ranks):
        time = min(time, refresh_time(s, c, rank))
        if c.power_down:
            time = min(time, power_time(s, c, rank))
    return time


@spliced
def act(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """Refresh, issue a command, and look ahead."""
    if may_refresh(s):
        decide_refresh(s, c)
    if c.starvation_cap:
        reevaluate_all(s, c, q)
    if c.power_down:
        evaluate_power(s, c)
    issue_one(s, c, q, h, responses, log)
    if s.all_dirty:
        reevaluate_all(s, c, q)
    elif s.issued_bank >= 0:
        evaluate(s, c, q, index(s.issued_bank))
    if s.stale or s.best_time < s.now:
        select(s, c, q)
    if may_refresh(s):
        decide_refresh(s, c)
    if c.power_down:
        evaluate_power(s, c)


@inner
def head_response(s: Any, c: Any, q: Array, responses: Array) -> int:
    """The request whose response goes out next; -1 if its column command is not issued."""
    if c.reorder_responses:
        r = s.next_response
        return int(r) if r < s.issued and q[index(r)].phase >= ISSUED else -1
    if s.responses_head < s.responses_tail:
        return int(responses[index(s.responses_head)])
    return -1


@inner
def respond(s: Any, c: Any, q: Array, h: Array, responses: Array) -> None:
    """Send the next response to the front end once the last one has been taken."""
    if s.outstanding:
        if s.end_time != s.now:
            return
        s.outstanding = 0
    r = head_response(s, c, q, responses)
    if r < 0:
        return
    ready = q[index(r)].ready
    if ready > s.now:
        notify_at(s, h, DATA, ready)
        return
    s.responses_head += 1
    s.next_response += 1
    s.outstanding = 1
    s.responding = r
    q[index(r)].ready = s.now
    if s.end_time == s.now:
        q[index(r)].ready += 1
        s.resp_at = s.now + 1
        s.resp_first = 0
        notify_at(s, h, FRONT, s.now + 1)
    else:
        post_front(s, RESP)
    s.end_time = NEVER


@inner
def has_room(s: Any, c: Any) -> bool:
    """The admission test, whatever the request that wants in."""
    if c.buffer == BANKWISE:
        return bool(s.length[index(s.last_stored)] < c.size)
    if c.buffer == READ_WRITE:
        return bool(s.reads < c.size and s.writes < c.size)
    return bool(s.reads + s.writes < c.size)


@rare
def admit(s: Any, c: Any, q: Array) -> None:
    """Store the request in the input register, which is visible, if there is room."""
    if not has_room(s, c):
        s.size_met = 1
        return
    r = s.register
    s.visible = NEVER
    b = index(q[index(r)].bank)
    append(s, c, q, b, r)
    if q[index(r)].write:
        s.writes += 1
    else:
        s.reads += 1
    s.last_stored = b
    if c.scheduler == GRP_FR_FCFS_WM:
        turn_mode(s, c)
    evaluate(s, c, q, b)
    post_front(s, ACCEPTED)


@rare
def is_held(s: Any, c: Any, b: int, command: int) -> bool:
    """Whether the rank sleeps, or a strict multiplexer waits for another request."""
    if s.asleep[c.rank_of[b]]:
        return True
    column = command not in (ACT, PRE)
    return bool(c.strict and column and s.current[b] != s.next_strict)


@inner
def select(s: Any, c: Any, q: Array) -> None:
    """Find the bank command with the least (earliest issue, order)."""
    now = s.now
    floor = max(now, s.bus)
    best = NEAR << 32
    if c.gated:
        best = first_ungated(s, c)
    else:
        for k in range(c.banks):
            b = index(k)
            wait = min(max(floor, s.own[b], s.shared[index(s.lane[b])]) - now, NEAR)
            best = min(best, wait << 32 | s.order[b])
    order = best & 0xFFFFFFFF
    s.stale = 0
    s.best_time = NEVER
    if best >> 32 < NEAR:
        s.best_time = now + (best >> 32)
        s.best_bank = order - NO_REQUEST if order >= NO_REQUEST else q[index(order)].bank


@for_wider(0)
def first_ungated(s: Any, c: Any) -> int:
    """The same choice among the commands that neither sleep nor the multiplexer holds back."""
    best = NEAR << 32
    for k in range(c.banks):
        b = index(k)
        if s.next[b] != NOP and not is_held(s, c, b, s.next[b]):
            time = max(s.now, s.bus, s.own[b], s.shared[index(s.lane[b])])
            best = min(best, min(time - s.now, NEAR) << 32 | s.order[b])
    return int(best)


@spliced
def issue_one(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """Issue the command whose time has come, refresh first."""
    s.issued_bank = -1
    if (s.refreshing or c.power_down) and issue_for_rank(s, c, log):
        return
    if s.stale or s.best_time < s.now:
        select(s, c, q)
    if s.best_time == s.now:
        issue_bank(s, c, q, h, responses, log)
    elif c.power_down:
        issue_last(s, c, log)


@rare
def issue_for_rank(s: Any, c: Any, log: Array) -> bool:
    """Issue a refresh or a power-down exit whose time has come."""
    for rank in range(c.ranks):
        if refresh_time(s, c, rank) == s.now:
            issue_refresh(s, c, rank, log)
            return True
        wakes = c.power_down and s.power_cmd[rank] == PDX
        if wakes and power_time(s, c, rank) == s.now:
            issue_power(s, c, rank, log)
            return True
    return False


@for_wider(None)
def issue_last(s: Any, c: Any, log: Array) -> None:
    """Issue a power command whose time has come, where no bank has a command."""
    for rank in range(c.ranks):
        if power_time(s, c, rank) == s.now:
            issue_power(s, c, rank, log)
            return


@for_wider(None)
def issue_power(s: Any, c: Any, rank: int, log: Array) -> None:
    """Issue the rank's power command."""
    write_log(s, log, s.power_cmd[rank], rank, NONE, NONE)
    switch_power(s, c, rank)


@inner
def write_log(s: Any, log: Array, code: int, rank: int, bank: int, request: int) -> None:
    """Append a command to the log."""
    k = index(s.log_size)
    log[k].time = s.now
    log[k].code = code
    log[k].rank = rank
    log[k].bank = bank
    log[k].request = request
    s.log_size += 1


@rare
def issue_refresh(s: Any, c: Any, rank: int, log: Array) -> None:
    """Issue the rank's PREAB or REF."""
    s.stale = 1
    s.all_dirty = 1
    s.idle_since[rank] = s.now
    command = s.refresh_cmd[rank]
    if command not in (REF, PREAB):
        issue_bank_refresh(s, c, rank, log)
        return
    write_log(s, log, command, rank, NONE, NONE)
    if command == REF:
        delay_after_ref(s, c, rank)
        after_refresh(s, c, rank)
        return
    delay_after_preab(s, c, rank)
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        precharge(s, index(b))


@for_wider(None)
def issue_bank_refresh(s: Any, c: Any, rank: int, log: Array) -> None:
    """Issue a refresh of some banks of the rank, its management, or a precharge before either."""
    b, command = s.refresh_bank[rank], s.refresh_cmd[rank]
    write_log(s, log, command, rank, b, NONE)
    if command == PRE:
        delay_after_pre(s, c, index(b), index(rank))
        precharge(s, index(b))
        return
    delay_after_bank_refresh(s, c, rank)
    if command == RFMSB:
        relieve(s, c, b, c.banks_per_group, c.raaimt)
    else:
        after_bank_refresh(s, c, rank)


@spliced
def issue_bank(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """Issue the selected bank's next command."""
    b = index(s.best_bank)
    command, r = s.next[b], s.current[b]
    rank = c.rank_of[b]
    s.stale = 1
    s.issued_bank = s.best_bank
    s.idle_since[index(rank)] = s.now
    s.used[b] = s.now
    write_log(s, log, command, rank, s.best_bank, r)
    if command == ACT:
        delay_after_act(s, c, b, index(rank))
        s.row[b] = q[index(r)].row
        s.keep[b] = 1
        s.passes[b] = 0
        if c.managed:
            count_activation(s, c, index(b))
        find_hits(s, c, q, b)
    elif command == PRE:
        delay_after_pre(s, c, b, index(rank))
        precharge(s, b)
    else:
        delay_after_column(s, c, b, index(rank), command)
        complete(s, c, q, h, responses, command)


@inner
def precharge(s: Any, b: int) -> None:
    """The bank has no open row any more."""
    s.row[b] = -1
    s.keep[b] = 0
    forget_hits(s, b)


@spliced
def complete(s: Any, c: Any, q: Array, h: Array, responses: Array, command: int) -> None:
    """A column command has been issued: free its place, admit, and queue its response."""
    b = index(s.best_bank)
    r = s.current[b]
    s.passes[b] += r != s.head[b]
    remove(s, c, q, b, r)
    write = q[index(r)].write
    s.reads -= 1 - write
    s.writes -= write
    s.next_strict += 1
    if c.scheduler == GRP_FR_FCFS_WM:
        turn_mode(s, c)
    if write != s.last_write:
        s.last_write = write
        s.all_dirty |= c.scheduler in (FR_FCFS_GRP, GRP_FR_FCFS)
    s.current[b] = -1
    s.keep[b] = 0
    if command in (RDA, WRA):
        precharge(s, b)
    if s.visible <= s.now:
        admit(s, c, q)
    q[index(r)].ready = s.now + c.burst + (c.wl if write else c.rl)
    q[index(r)].phase = ISSUED
    responses[index(s.responses_tail)] = r
    s.responses_tail += 1
    first = head_response(s, c, q, responses)
    if first >= 0 and q[index(first)].ready > s.now:
        notify_at(s, h, DATA, q[index(first)].ready)


@rare
def reevaluate_all(s: Any, c: Any, q: Array) -> None:
    """Evaluate every bank."""
    s.all_dirty = 0
    for b in range(c.banks):
        evaluate(s, c, q, index(b))


@rare
def take_over(s: Any, c: Any, q: Array) -> None:
    """Page policy or scheduler have been changed: go on from the same banks and requests."""
    s.switched = 0
    for b in range(c.banks):
        find_hits(s, c, q, index(b))
        evaluate(s, c, q, index(b))
