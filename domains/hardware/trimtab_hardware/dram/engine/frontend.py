"""The source of requests and the front end (arbiter) between it and the controller."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.events import MAIL_MASK, notify, post, receive_timed
from trimtab_hardware.dram.engine.state import (
    ACCEPT,
    ACCEPTED,
    ARBITER_FIFO,
    BEGIN,
    DONE,
    END,
    FRONT,
    HANDOVER,
    QUEUE,
    RESP,
    RESPONSE,
    RETURN,
    RETURNED,
    SIMPLE,
    inner,
    rare,
)

Array = np.ndarray[Any, Any]
TO_FRONT, TO_SOURCE = 0, 1


@inner
def run_box(s: Any, c: Any, q: Array, h: Array, returns: Array, box: int) -> None:
    """Messages of earlier rounds in order, then timed ones that are due."""
    while s.mail_head[box] < s.mail_tail[box]:
        k = s.mail_head[box] & MAIL_MASK
        if s.mail_round[box, k] >= s.round:
            break
        s.mail_head[box] += 1
        dispatch(s, c, q, h, returns, s.mail_kind[box, k], s.mail_request[box, k])
    while s.timed_size[box] and s.timed_time[box, 0] <= s.now:
        kind, r = s.timed_kind[box, 0], s.timed_request[box, 0]
        receive_timed(s, box)
        dispatch(s, c, q, h, returns, kind, r)
    if s.timed_size[box]:
        notify(s, h, FRONT + box, s.timed_time[box, 0] - s.now)


@inner
def dispatch(s: Any, c: Any, q: Array, h: Array, returns: Array, kind: int, r: int) -> None:
    """Act on one message."""
    if kind == ACCEPT:
        next_request(s, c, q, h)
    elif kind == RESPONSE:
        q[r].end = s.now
        s.completed += 1
        post(s, h, TO_FRONT, DONE, r, 0)
    elif c.arbiter == SIMPLE:
        simple_front(s, q, h, kind, r)
    else:
        queued_front(s, c, q, h, returns, kind, r)


@inner
def next_request(s: Any, c: Any, q: Array, h: Array) -> None:
    """The source issues its next request, at its arrival or in the next cycle."""
    r = s.issued
    if r < c.requests:
        s.issued += 1
        post(s, h, TO_FRONT, BEGIN, r, max(q[r].arrival, s.now + 1) - s.now)


@inner
def simple_front(s: Any, q: Array, h: Array, kind: int, r: int) -> None:
    """A front end that passes everything on."""
    if kind == BEGIN:
        q[r].stamp = s.now
        hand(s, h, r, 0)
    elif kind == ACCEPTED:
        post(s, h, TO_SOURCE, ACCEPT, r, 0)
    elif kind == RESP:
        post(s, h, TO_SOURCE, RESPONSE, r, 0)
    else:
        finish(s, h)


@inner
def hand(s: Any, h: Array, r: int, delay: int) -> None:
    """Put a request into the controller's input register."""
    s.register = r
    s.visible = s.now + delay
    notify(s, h, HANDOVER, delay)


@inner
def finish(s: Any, h: Array) -> None:
    """Tell the controller that its response has been taken."""
    s.end_time = s.now
    notify(s, h, END, 0)


@rare
def queued_front(s: Any, c: Any, q: Array, h: Array, returns: Array, kind: int, r: int) -> None:
    """A front end with queues in both directions."""
    if kind == BEGIN:
        if s.active < c.max_active:
            s.active += 1
            enter(s, q, h, r)
        else:
            s.active_met = 1
            s.stalled = r
    elif kind == QUEUE:
        s.queue_tail += 1
        if not s.channel_busy:
            s.channel_busy = 1
            hand_first(s, h, 1 if s.accepted_at == s.now else 0)
    elif kind == ACCEPTED:
        s.accepted_at = s.now
        if s.queue_head < s.queue_tail:
            hand_first(s, h, 1)
        else:
            s.channel_busy = 0
    elif kind == RESP:
        finish(s, h)
        post(s, h, TO_FRONT, RETURN, r, 0)
    elif kind == RETURN:
        take_back(s, c, q, h, returns, r)
    else:
        leave(s, c, q, h, returns)


@inner
def enter(s: Any, q: Array, h: Array, r: int) -> None:
    """A request becomes active."""
    q[r].stamp = s.now
    post(s, h, TO_SOURCE, ACCEPT, r, 0)
    post(s, h, TO_FRONT, QUEUE, r, 0)


@inner
def hand_first(s: Any, h: Array, delay: int) -> None:
    """Hand over the head of the queue: requests queue in order of the trace."""
    r = s.queue_head
    s.queue_head += 1
    hand(s, h, r, delay)


@inner
def take_back(s: Any, c: Any, q: Array, h: Array, returns: Array, r: int) -> None:
    """A response comes back; pass it on if the source is idle and its turn has come."""
    q[r].phase = RETURNED
    returns[s.returned_tail] = r
    s.returned_tail += 1
    if not s.source_busy and eligible(s, c, q):
        s.source_busy = 1
        give(s, c, h, returns, 1 if s.done_at == s.now else 0)


@inner
def eligible(s: Any, c: Any, q: Array) -> bool:
    """Whether a returned response may go to the source."""
    if c.arbiter == ARBITER_FIFO:
        return bool(s.returned_head < s.returned_tail)
    r = s.returned_head
    return bool(r < c.requests and q[r].phase == RETURNED)


@inner
def give(s: Any, c: Any, h: Array, returns: Array, delay: int) -> None:
    """Send the eligible response to the source."""
    r = s.returned_head
    if c.arbiter == ARBITER_FIFO:
        r = returns[r]
    s.returned_head += 1
    post(s, h, TO_SOURCE, RESPONSE, r, delay)


@inner
def leave(s: Any, c: Any, q: Array, h: Array, returns: Array) -> None:
    """A request is done: a stalled one takes its place, and the next response goes out."""
    s.done_at = s.now
    if s.stalled >= 0:
        enter(s, q, h, s.stalled)
        s.stalled = -1
    else:
        s.active -= 1
    if eligible(s, c, q):
        give(s, c, h, returns, 1)
    else:
        s.source_busy = 0
