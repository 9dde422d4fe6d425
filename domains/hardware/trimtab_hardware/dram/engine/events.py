"""The event kernel: slots, heap, rounds and mailboxes, with the reference's order of ties."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.state import (
    CONTROL_PROCESS,
    END,
    FRONT,
    FRONT_PROCESS,
    IDLE,
    MAIL,
    NEXT_ROUND,
    SOURCE_PROCESS,
    inner,
)

Array = np.ndarray[Any, Any]
MAIL_MASK = MAIL - 1


@inner
def notify(s: Any, h: Array, slot: int, delay: int) -> None:
    """Ask for `slot` to be triggered after `delay` cycles; an earlier notification wins."""
    pending = s.slot[slot]
    if pending == NEXT_ROUND:
        return
    if delay == 0:
        s.slot[slot] = NEXT_ROUND
        s.round_list[s.round_size] = slot
        s.round_size += 1
        return
    time = s.now + delay
    if pending != IDLE and s.slot_time[slot] <= time:
        return
    s.serial += 1
    s.slot[slot] = s.serial
    s.slot_time[slot] = time
    heap_push(s, h, time, s.serial * 8 + slot)


@inner
def heap_push(s: Any, h: Array, time: int, entry: int) -> None:
    """Insert an entry; it rises above strictly later parents."""
    s.heap_size += 1
    k = s.heap_size
    while k > 1 and h[k >> 1, 0] > time:
        h[k, 0] = h[k >> 1, 0]
        h[k, 1] = h[k >> 1, 1]
        k >>= 1
    h[k, 0] = time
    h[k, 1] = entry


@inner
def heap_pop(s: Any, h: Array) -> int:
    """Remove the top: the last entry replaces it and sinks below strictly earlier children."""
    top = h[1, 1]
    size = s.heap_size - 1
    s.heap_size = size
    time, entry = h[size + 1, 0], h[size + 1, 1]
    k = 1
    while 2 * k <= size:
        pick, least = k, time
        if h[2 * k, 0] < least:
            pick, least = 2 * k, h[2 * k, 0]
        if 2 * k + 1 <= size and h[2 * k + 1, 0] < least:
            pick = 2 * k + 1
        if pick == k:
            break
        h[k, 0] = h[pick, 0]
        h[k, 1] = h[pick, 1]
        k = pick
    h[k, 0] = time
    h[k, 1] = entry
    return int(top)


@inner
def trigger(s: Any, slot: int) -> None:
    """Empty the slot and append its process to the run list unless it is there."""
    s.slot[slot] = IDLE
    process = SOURCE_PROCESS
    if slot <= END:
        process = CONTROL_PROCESS
    elif slot == FRONT:
        process = FRONT_PROCESS
    if not s.run_mask & (1 << process):
        s.run_mask |= 1 << process
        s.run_list[s.run_size] = process
        s.run_size += 1


@inner
def next_round(s: Any, h: Array) -> bool:
    """Fill the run list for the next round, or for the next time; False if nothing is left."""
    s.run_size = 0
    s.run_mask = 0
    s.round += 1
    size = s.round_size
    s.round_size = 0
    for k in range(size - 1, -1, -1):
        trigger(s, s.round_list[k])
    return bool(s.run_size > 0 or advance(s, h))


@inner
def advance(s: Any, h: Array) -> bool:
    """Move to the time of the earliest entry that is not void and trigger all of that time."""
    while s.heap_size > 0 and s.slot[h[1, 1] & 7] != h[1, 1] >> 3:
        heap_pop(s, h)
    if s.heap_size == 0:
        return False
    s.now = h[1, 0]
    while s.heap_size > 0 and h[1, 0] == s.now:
        entry = heap_pop(s, h)
        if s.slot[entry & 7] == entry >> 3:
            trigger(s, entry & 7)
    return True


@inner
def post(s: Any, h: Array, box: int, kind: int, request: int, delay: int) -> None:
    """Send a message to the front end (box 0) or the source (box 1)."""
    if delay == 0:
        k = s.mail_tail[box] & MAIL_MASK
        s.mail_round[box, k] = s.round
        s.mail_kind[box, k] = kind
        s.mail_request[box, k] = request
        s.mail_tail[box] += 1
    else:
        time = s.now + delay
        k = s.timed_size[box]
        while k > 0 and s.timed_time[box, k - 1] > time:
            s.timed_time[box, k] = s.timed_time[box, k - 1]
            s.timed_kind[box, k] = s.timed_kind[box, k - 1]
            s.timed_request[box, k] = s.timed_request[box, k - 1]
            k -= 1
        s.timed_time[box, k] = time
        s.timed_kind[box, k] = kind
        s.timed_request[box, k] = request
        s.timed_size[box] += 1
    notify(s, h, FRONT + box, delay)


@inner
def receive_timed(s: Any, box: int) -> None:
    """Remove the first timed message."""
    s.timed_size[box] -= 1
    for k in range(s.timed_size[box]):
        s.timed_time[box, k] = s.timed_time[box, k + 1]
        s.timed_kind[box, k] = s.timed_kind[box, k + 1]
        s.timed_request[box, k] = s.timed_request[box, k + 1]
