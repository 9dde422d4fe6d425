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
    set_current,
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
from trimtab_hardware.dram.engine.events import notify, post
from trimtab_hardware.dram.engine.frontend import TO_FRONT
from trimtab_hardware.dram.engine.power import evaluate_power, power_time, switch_power
from trimtab_hardware.dram.engine.refresh import (
    after_bank_refresh,
    after_refresh,
    evaluate_refresh,
    first_due,
)
from trimtab_hardware.dram.engine.state import (
    ACCEPTED,
    BANKWISE,
    DATA,
    FR_FCFS_GRP,
    GROUPS,
    GRP_FR_FCFS,
    GRP_FR_FCFS_WM,
    ISSUED,
    NEVER,
    READ_WRITE,
    RESP,
    WAKE,
    inner,
    rare,
)
from trimtab_hardware.dram.result import ACT, NOP, PDX, PRE, PREAB, RDA, REF, WRA

Array = np.ndarray[Any, Any]
KIND = (0, GROUPS, 2 * GROUPS, GROUPS, 2 * GROUPS, 0)
"""Where a command's shared times start, by code: ACT, reads, writes."""


@inner
def control(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """The controller's process."""
    respond(s, c, q, h, responses)
    if s.visible <= s.now:
        admit(s, c, q, h)
    evaluate_refresh(s, c)
    if s.all_dirty or c.starvation_cap:
        reevaluate_all(s, c, q)
    if c.power_down:
        evaluate_power(s, c)
    issue_one(s, c, q, h, responses, log)
    reevaluate(s, c, q)
    if s.stale:
        select(s, c)
    noted = max(s.best_time, s.now)
    evaluate_refresh(s, c)
    for rank in range(c.ranks):
        noted = min(noted, refresh_time(s, c, rank))
    noted = min(noted, first_due(s, c))
    if c.power_down:
        evaluate_power(s, c)
        for rank in range(c.ranks):
            noted = min(noted, power_time(s, c, rank))
    if noted < NEVER:
        notify(s, h, WAKE, noted - s.now)


@inner
def head_response(s: Any, c: Any, q: Array, responses: Array) -> int:
    """The request whose response goes out next; -1 if its column command is not issued."""
    if c.reorder_responses:
        r = s.next_response
        return int(r) if r < c.requests and q[r].phase >= ISSUED else -1
    if s.responses_head < s.responses_tail:
        return int(responses[s.responses_head])
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
    if q[r].ready > s.now:
        notify(s, h, DATA, q[r].ready - s.now)
        return
    s.responses_head += 1
    s.next_response += 1
    s.outstanding = 1
    delay = 1 if s.end_time == s.now else 0
    post(s, h, TO_FRONT, RESP, r, delay)
    s.end_time = NEVER
    q[r].ready = s.now + delay


@inner
def has_room(s: Any, c: Any) -> bool:
    """The admission test, whatever the request that wants in."""
    if c.buffer == BANKWISE:
        return bool(s.length[s.last_stored] < c.size)
    if c.buffer == READ_WRITE:
        return bool(s.reads < c.size and s.writes < c.size)
    return bool(s.reads + s.writes < c.size)


@rare
def admit(s: Any, c: Any, q: Array, h: Array) -> None:
    """Store the request in the input register, which is visible, if there is room."""
    if not has_room(s, c):
        s.size_met = 1
        return
    r = s.register
    s.visible = NEVER
    b = q[r].bank
    append(s, c, q, b, r)
    if q[r].write:
        s.writes += 1
    else:
        s.reads += 1
    s.last_stored = b
    s.stored[c.rank_of[b]] += 1
    if c.scheduler == GRP_FR_FCFS_WM:
        turn_mode(s, c)
    evaluate(s, c, q, b)
    post(s, h, TO_FRONT, ACCEPTED, r, 0)


@inner
def share_times(s: Any, c: Any) -> None:
    """Earliest ACT, read and write by group, as far as group, rank and bus decide."""
    floor = max(s.now, s.bus)
    for group in range(c.groups):
        rank = c.rank_of[group * c.banks_per_group]
        s.shared[group] = max(floor, s.act_group[group], s.act_rank[rank])
        s.shared[GROUPS + group] = max(floor, s.rd_group[group], s.rd_rank[rank])
        s.shared[2 * GROUPS + group] = max(floor, s.wr_group[group], s.wr_rank[rank])


@rare
def is_held(s: Any, c: Any, b: int, command: int) -> bool:
    """Whether the rank sleeps, or a strict multiplexer waits for another request."""
    if s.asleep[c.rank_of[b]]:
        return True
    column = command not in (ACT, PRE)
    return bool(c.strict and column and s.current[b] != s.next_strict)


@inner
def select(s: Any, c: Any) -> None:
    """Find the bank command with the least (earliest issue, id)."""
    share_times(s, c)
    floor = max(s.now, s.bus)
    gated = c.power_down != 0 or c.strict != 0
    best_time, best_id, best_bank = NEVER, NEVER, -1
    for b in range(c.banks):
        command = s.next[b]
        if command == NOP or (gated and is_held(s, c, b, command)):
            continue
        time = max(floor, s.own[b])
        if command != PRE:
            time = max(time, s.shared[KIND[command] + c.group_of[b]])
        request = s.current[b] if s.current[b] >= 0 else NEVER - 1
        if time < best_time or (time == best_time and request < best_id):
            best_time, best_id, best_bank = time, request, b
    s.best_time, s.best_id, s.best_bank = best_time, best_id, best_bank
    s.stale = 0


@inner
def issue_one(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """Issue the command whose time has come, refresh first."""
    s.issued_bank = -1
    for rank in range(c.ranks):
        if refresh_time(s, c, rank) == s.now:
            issue_refresh(s, c, rank, log)
            return
        if c.power_down and s.power_cmd[rank] == PDX and power_time(s, c, rank) == s.now:
            issue_power(s, c, rank, log)
            return
    if s.stale or s.best_time < s.now:
        select(s, c)
    if s.best_time == s.now:
        issue_bank(s, c, q, h, responses, log)
        return
    if c.power_down:
        for rank in range(c.ranks):
            if power_time(s, c, rank) == s.now:
                issue_power(s, c, rank, log)
                return


@rare
def issue_power(s: Any, c: Any, rank: int, log: Array) -> None:
    """Issue the rank's power command."""
    write_log(s, log, s.power_cmd[rank], rank, -1, -1)
    switch_power(s, c, rank)


@inner
def write_log(s: Any, log: Array, code: int, rank: int, bank: int, request: int) -> None:
    """Append a command to the log."""
    k = s.log_size
    log[k].time = s.now
    log[k].code = code
    log[k].rank = rank
    log[k].bank = bank
    log[k].request = request
    s.log_size = k + 1


@rare
def issue_refresh(s: Any, c: Any, rank: int, log: Array) -> None:
    """Issue the rank's PREAB or REF."""
    s.stale = 1
    s.all_dirty = 1
    s.idle_since[rank] = s.now
    command = s.refresh_cmd[rank]
    if command not in (REF, PREAB):
        b = s.refresh_bank[rank]
        write_log(s, log, command, rank, b, -1)
        if command == PRE:
            delay_after_pre(s, c, b, rank)
            precharge(s, b, rank)
        else:
            delay_after_bank_refresh(s, c, rank)
            after_bank_refresh(s, c, rank)
        return
    write_log(s, log, command, rank, -1, -1)
    if command == REF:
        delay_after_ref(s, c, rank)
        after_refresh(s, c, rank)
        return
    delay_after_preab(s, c, rank)
    s.open_banks[rank] = 0
    for b in range(rank * c.banks_per_rank, (rank + 1) * c.banks_per_rank):
        s.row[b] = -1
        s.keep[b] = 0
        forget_hits(s, b)


@inner
def issue_bank(s: Any, c: Any, q: Array, h: Array, responses: Array, log: Array) -> None:
    """Issue the selected bank's next command."""
    b = s.best_bank
    command, r = s.next[b], s.current[b]
    rank = c.rank_of[b]
    s.stale = 1
    s.issued_bank = b
    s.idle_since[rank] = s.now
    s.used[b] = s.now
    write_log(s, log, command, rank, b, r)
    if command == ACT:
        delay_after_act(s, c, b, c.group_of[b], rank)
        s.row[b] = q[r].row
        s.keep[b] = 1
        s.passes[b] = 0
        s.open_banks[rank] += 1
        find_hits(s, c, q, b)
    elif command == PRE:
        delay_after_pre(s, c, b, rank)
        precharge(s, b, rank)
    else:
        delay_after_column(s, c, b, c.group_of[b], rank, command)
        complete(s, c, q, h, responses, command)


@inner
def precharge(s: Any, b: int, rank: int) -> None:
    """The bank has no open row any more."""
    s.row[b] = -1
    s.keep[b] = 0
    s.open_banks[rank] -= 1
    forget_hits(s, b)


@inner
def complete(s: Any, c: Any, q: Array, h: Array, responses: Array, command: int) -> None:
    """A column command has been issued: free its place, admit, and queue its response."""
    b = s.best_bank
    r = s.current[b]
    s.passes[b] += r != s.head[b]
    remove(s, c, q, b, r)
    write = q[r].write
    s.reads -= 1 - write
    s.writes -= write
    s.next_strict += 1
    s.stored[c.rank_of[b]] -= 1
    if c.scheduler == GRP_FR_FCFS_WM:
        turn_mode(s, c)
    if write != s.last_write:
        s.last_write = write
        s.all_dirty |= c.scheduler in (FR_FCFS_GRP, GRP_FR_FCFS)
    set_current(s, c, b, -1)
    s.keep[b] = 0
    if command in (RDA, WRA):
        precharge(s, b, c.rank_of[b])
    if s.visible <= s.now:
        admit(s, c, q, h)
    q[r].ready = s.now + c.burst + (c.wl if write else c.rl)
    q[r].phase = ISSUED
    responses[s.responses_tail] = r
    s.responses_tail += 1
    first = head_response(s, c, q, responses)
    if first >= 0 and q[first].ready > s.now:
        notify(s, h, DATA, q[first].ready - s.now)


@rare
def reevaluate_all(s: Any, c: Any, q: Array) -> None:
    """Evaluate every bank."""
    s.all_dirty = 0
    for b in range(c.banks):
        evaluate(s, c, q, b)


@inner
def reevaluate(s: Any, c: Any, q: Array) -> None:
    """Evaluate the banks whose choice may have changed."""
    if s.all_dirty:
        reevaluate_all(s, c, q)
    elif s.issued_bank >= 0:
        evaluate(s, c, q, s.issued_bank)
