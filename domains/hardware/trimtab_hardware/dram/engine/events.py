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
    NEXT_ROUND,
    SOURCE,
    index,
    inner,
    spliced,
)

Array = np.ndarray[Any, Any]


@inner
def notify_now(s: Any, slot: int) -> None:
    """Ask for `slot` to be triggered in the next round."""
    if s.slot[slot] != NEXT_ROUND:
        s.slot[slot] = NEXT_ROUND
        s.round_list = s.round_list << 3 | slot + 1


@inner
def notify_at(s: Any, h: Array, slot: int, time: int) -> None:
    """Ask for `slot` to be triggered at a later time; an earlier notification wins."""
    pending = s.slot[slot]
    if pending == NEXT_ROUND or (pending != IDLE and s.slot_time[slot] <= time):
        return
    s.serial += 8
    s.slot[slot] = s.serial + slot
    s.slot_time[slot] = time
    heap_push(s, h, time, s.serial + slot)


@inner
def heap_push(s: Any, h: Array, time: int, entry: int) -> None:
    """Insert an entry; it rises above strictly later parents."""
    k = s.heap_size + 1
    s.heap_size = k
    while k > 1 and h[index(k >> 1)].time > time:
        h[index(k)].time = h[index(k >> 1)].time
        h[index(k)].entry = h[index(k >> 1)].entry
        k >>= 1
    h[index(k)].time = time
    h[index(k)].entry = entry


@inner
def heap_pop(s: Any, h: Array) -> None:
    """Remove the top: the last entry replaces it and sinks below strictly earlier children."""
    size = s.heap_size
    s.heap_size = size - 1
    time, entry = h[index(size)].time, h[index(size)].entry
    k = 1
    while 2 * k < size:
        pick, least = k, time
        if h[index(2 * k)].time < least:
            pick, least = 2 * k, h[index(2 * k)].time
        if 2 * k + 1 < size and h[index(2 * k + 1)].time < least:
            pick = 2 * k + 1
        if pick == k:
            break
        h[index(k)].time = h[index(pick)].time
        h[index(k)].entry = h[index(pick)].entry
        k = pick
    h[index(k)].time = time
    h[index(k)].entry = entry


@inner
def trigger(s: Any, runs: int, slot: int) -> int:
    """Empty the slot and append its process to the run list `runs` unless it is there.

    Bits of `runs`: two a process, oldest lowest; from bit 8 which are there; from bit 16 the
    number of bits taken.
    """
    s.slot[index(slot)] = IDLE
    process = process_of(slot)
    if runs >> 7 + process & 1:
        return runs
    return runs + (1 << 7 + process) + (process << (runs >> 16)) + (2 << 16)


@inner
def process_of(slot: int) -> int:
    """The process that a slot runs."""
    return CONTROL_PROCESS if slot <= END else slot - FRONT + FRONT_PROCESS


@spliced
def next_round(s: Any, h: Array) -> int:
    """The run list of the next round, or of the next time; 0 if nothing is left."""
    slots = s.round_list
    if slots == 0:
        return advance(s, h)
    s.round_list = 0
    if slots <= END + 1:
        s.slot[index(slots - 1)] = IDLE
        return CONTROL_PROCESS
    s.front_mail = s.front_posted
    s.source_mail = s.source_posted
    s.front_posted = 0
    s.source_posted = 0
    runs = 0
    while slots:
        runs = trigger(s, runs, (slots & 7) - 1)
        slots >>= 3
    return runs & 63


@inner
def advance(s: Any, h: Array) -> int:
    """Move to the time of the earliest entry that is not void and trigger all of that time."""
    runs = 0
    while s.heap_size > 0 and (runs == 0 or h[1].time == s.now):
        time, entry = h[1].time, h[1].entry
        slot = entry & 7
        if s.slot[index(slot)] == entry:
            s.now = time
            runs = trigger(s, runs, slot)
        heap_pop(s, h)
    return runs & 63


@inner
def posted(mail: int, message: int) -> int:
    """A packed queue of messages, three bits each and oldest lowest, with one more at its end."""
    if mail < 1 << 3:
        return mail | message << 3 * (mail > 0)
    return mail | message << (6 if mail < 1 << 6 else 9)


@inner
def post_front(s: Any, message: int) -> None:
    """Send a message to the front end, to be read in the next round."""
    s.front_posted = posted(s.front_posted, message)
    notify_now(s, FRONT)


@inner
def post_source(s: Any, message: int) -> None:
    """Send a message to the source, to be read in the next round."""
    s.source_posted = posted(s.source_posted, message)
    notify_now(s, SOURCE)
