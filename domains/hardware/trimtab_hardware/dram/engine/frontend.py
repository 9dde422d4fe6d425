"""The source of requests and the front end (arbiter) between it and the controller."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.events import (
    notify_at,
    notify_now,
    post_front,
    post_source,
    posted,
)
from trimtab_hardware.dram.engine.state import (
    ACCEPT,
    ACCEPTED,
    ARBITER_FIFO,
    BEGIN,
    DONE,
    END,
    FRONT,
    HANDOVER,
    IDLE,
    NEVER,
    NEXT_CYCLE,
    QUEUE,
    RESP,
    RESPONSE,
    RETURN,
    RETURNED,
    SIMPLE,
    SOURCE,
    WAITING,
    index,
    inner,
    rare,
    spliced,
)

Array = np.ndarray[Any, Any]


@spliced
def run_front(s: Any, c: Any, q: Array, h: Array, returns: Array) -> None:
    """The front end's process: messages of the last round in order, then timed ones due now."""
    mail = s.front_mail
    s.front_mail = 0
    if min(s.begin_at, s.resp_at) <= s.now:
        mail = with_due(s, mail)
    while mail:
        if c.arbiter == SIMPLE:
            simple_front(s, q, mail & 7)
        else:
            queued_front(s, c, q, h, returns, mail & 7)
        mail >>= 3
    await_timed(s, h)


@inner
def await_timed(s: Any, h: Array) -> None:
    """Run the front end when its first timed message is due."""
    first = min(s.begin_at, s.resp_at)
    if first < NEVER:
        notify_at(s, h, FRONT, first)


@inner
def with_due(s: Any, mail: int) -> int:
    """`mail` and the timed messages to the front end that are due, in the order of posting."""
    first, second = (RESP, BEGIN) if s.resp_first else (BEGIN, RESP)
    begins, responds = s.begin_at <= s.now, s.resp_at <= s.now
    if begins:
        s.begin_at = NEVER
    if responds:
        s.resp_at = NEVER
    if begins and responds:
        return posted(posted(mail, first), second)
    return posted(mail, BEGIN if begins else RESP)


@inner
def may_pass_on(s: Any, c: Any) -> bool:
    """Whether only what the controller has just posted happens next, in a simple front end."""
    if c.arbiter != SIMPLE or s.round_list != FRONT + 1:
        return False
    mail = s.front_posted
    return mail in (RESP, ACCEPTED, RESP | ACCEPTED << 3)


@spliced
def pass_on(s: Any, c: Any, q: Array, h: Array) -> None:
    """What a simple front end and the source do in rounds of their own after a controller's pass.

    The same as those rounds one by one: the front end tells the source of a response and of an
    accepted request, the source takes the one and issues the next, and the front end tells the
    controller that its response has been taken.
    """
    mail = s.front_posted
    s.front_posted = 0
    s.round_list = 0
    s.slot[FRONT] = IDLE
    await_timed(s, h)
    responds = mail & 7 == RESP
    if responds:
        s.given = s.responding
        answered(s, q)
    if mail != RESP:
        next_request(s, c, q, h)
    if responds and s.completed < s.pause_at:
        s.front_posted = 0
        s.round_list = 0
        s.slot[FRONT] = IDLE
        finish(s)
        await_timed(s, h)


@spliced
def run_source(s: Any, c: Any, q: Array, h: Array) -> None:
    """The source's process: the next request where one was accepted, and what is answered."""
    mail = s.source_mail
    s.source_mail = 0
    while mail:
        if mail & 7 == ACCEPT:
            next_request(s, c, q, h)
        else:
            answered(s, q)
        mail >>= 3
    if s.response_at <= s.now:
        s.response_at = NEVER
        answered(s, q)
    elif s.response_at < NEVER:
        notify_at(s, h, SOURCE, s.response_at)


@inner
def answered(s: Any, q: Array) -> None:
    """The source has its response."""
    q[index(s.given)].end = s.now
    s.completed += 1
    post_front(s, DONE)


@inner
def next_request(s: Any, c: Any, q: Array, h: Array) -> None:
    """The source issues its next request, at its arrival or in the next cycle."""
    r = s.issued
    if r >= c.requests:
        return
    s.issued += 1
    q[index(r)].phase = WAITING
    time = max(q[index(r)].arrival, s.now + (r > 0))
    if time == s.now:
        post_front(s, BEGIN)
        return
    s.begin_at = time
    s.resp_first = 1
    notify_at(s, h, FRONT, time)


@inner
def simple_front(s: Any, q: Array, message: int) -> None:
    """A front end that passes everything on."""
    if message == BEGIN:
        r = s.issued - 1
        q[index(r)].stamp = s.now
        s.register = r
        s.visible = s.now
        notify_now(s, HANDOVER)
    elif message == ACCEPTED:
        post_source(s, ACCEPT)
    elif message == RESP:
        s.given = s.responding
        post_source(s, RESPONSE)
    else:
        finish(s)


@inner
def finish(s: Any) -> None:
    """Tell the controller that its response has been taken."""
    s.end_time = s.now
    notify_now(s, END)


@rare
def queued_front(s: Any, c: Any, q: Array, h: Array, returns: Array, message: int) -> None:
    """A front end with queues in both directions."""
    if message == BEGIN:
        if s.active < c.max_active:
            s.active += 1
            enter(s, q, s.issued - 1)
        else:
            s.active_met = 1
            s.stalled = s.issued - 1
    elif message == QUEUE:
        s.queue_tail += 1
        if not s.channel_busy:
            s.channel_busy = 1
            hand_first(s, h, np.int64(s.accepted_at == s.now))
    elif message == ACCEPTED:
        s.accepted_at = s.now
        if s.queue_head < s.queue_tail:
            hand_first(s, h, NEXT_CYCLE)
        else:
            s.channel_busy = 0
    elif message == RESP:
        finish(s)
        s.returning = s.responding
        post_front(s, RETURN)
    elif message == RETURN:
        take_back(s, c, q, h, returns)
    else:
        leave(s, c, q, h, returns)


@inner
def enter(s: Any, q: Array, r: int) -> None:
    """A request becomes active."""
    q[index(r)].stamp = s.now
    post_source(s, ACCEPT)
    post_front(s, QUEUE)


@inner
def hand_first(s: Any, h: Array, later: Any) -> None:
    """Hand over the head of the queue, now or in the next cycle: the queue is in trace order."""
    s.register = s.queue_head
    s.queue_head += 1
    s.visible = s.now + later
    if later:
        notify_at(s, h, HANDOVER, s.visible)
    else:
        notify_now(s, HANDOVER)


@inner
def take_back(s: Any, c: Any, q: Array, h: Array, returns: Array) -> None:
    """A response comes back; pass it on if the source is idle and its turn has come."""
    q[index(s.returning)].phase = RETURNED
    returns[index(s.returned_tail)] = s.returning
    s.returned_tail += 1
    if not s.source_busy and eligible(s, c, q):
        s.source_busy = 1
        give(s, c, h, returns, np.int64(s.done_at == s.now))


@inner
def eligible(s: Any, c: Any, q: Array) -> bool:
    """Whether a returned response may go to the source."""
    if c.arbiter == ARBITER_FIFO:
        return bool(s.returned_head < s.returned_tail)
    r = s.returned_head
    return bool(r < s.issued and q[index(r)].phase == RETURNED)


@rare
def give(s: Any, c: Any, h: Array, returns: Array, later: Any) -> None:
    """Send the eligible response to the source, now or in the next cycle."""
    r = s.returned_head
    if c.arbiter == ARBITER_FIFO:
        r = returns[index(r)]
    s.given = r
    s.returned_head += 1
    if later:
        s.response_at = s.now + 1
        notify_at(s, h, SOURCE, s.now + 1)
    else:
        post_source(s, RESPONSE)


@inner
def leave(s: Any, c: Any, q: Array, h: Array, returns: Array) -> None:
    """A request is done: a stalled one takes its place, and the next response goes out."""
    s.done_at = s.now
    if s.stalled >= 0:
        enter(s, q, s.stalled)
        s.stalled = -1
    else:
        s.active -= 1
    if eligible(s, c, q):
        give(s, c, h, returns, NEXT_CYCLE)
    else:
        s.source_busy = 0
