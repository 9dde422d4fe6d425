"""What the twin of the controller stands on: events, mailboxes and the bus, readable and slow."""

from collections import deque
from dataclasses import dataclass
from math import inf
from types import SimpleNamespace

import pytest
from trimtab_hardware.dram import Configuration, Part
from trimtab_hardware.dram.configuration import (
    ARBITERS,
    BUFFERS,
    PAGE_POLICIES,
    RESPONSE_QUEUES,
    SCHEDULERS,
)


@dataclass
class Event:
    """One slot: pending as 'next', or as the heap entry [time, slot], or not at all."""

    process: object
    pending: object = None


class Kernel:
    """Discrete events with the order that the reference's kernel gives to ties."""

    def __init__(self):
        self.now, self.heap, self.run_list, self.round = 0, [None], deque(), []
        self.round_number = 0

    def notify(self, slot, delay):
        if slot.pending == "next":
            return
        if delay == 0:
            slot.pending = "next"
            self.round.append(slot)
            return
        if slot.pending is not None and slot.pending[0] <= self.now + delay:
            return
        slot.pending = [self.now + delay, slot]
        self.push(slot.pending)

    def push(self, entry):
        heap, k = self.heap, len(self.heap)
        heap.append(entry)
        while k > 1 and heap[k // 2][0] > entry[0]:
            heap[k] = heap[k // 2]
            k //= 2
        heap[k] = entry

    def pop(self):
        heap = self.heap
        top, last = heap[1], heap.pop()
        if len(heap) == 1:
            return top
        heap[1], k = last, 1
        while True:
            pick = k
            if 2 * k < len(heap) and heap[2 * k][0] < heap[pick][0]:
                pick = 2 * k
            if 2 * k + 1 < len(heap) and heap[2 * k + 1][0] < heap[pick][0]:
                pick = 2 * k + 1
            if pick == k:
                return top
            heap[k], heap[pick] = heap[pick], heap[k]
            k = pick

    def trigger(self, slot):
        slot.pending = None
        if slot.process not in self.run_list:
            self.run_list.append(slot.process)

    def advance(self):
        while len(self.heap) > 1 and self.heap[1][1].pending is not self.heap[1]:
            self.pop()
        self.now = self.heap[1][0]
        while len(self.heap) > 1 and self.heap[1][0] == self.now:
            entry = self.pop()
            if entry[1].pending is entry:
                self.trigger(entry[1])

    def run(self, finished):
        while True:
            self.round_number += 1
            while self.run_list:
                self.run_list.popleft()()
            if finished():
                return
            started, self.round = self.round, []
            for slot in reversed(started):
                self.trigger(slot)
            if not self.run_list:
                self.advance()


class Mailbox:
    """Messages to a process: of earlier rounds in order, then timed ones that are due."""

    def __init__(self, kernel, process):
        self.kernel, self.slot = kernel, Event(process)
        self.soon, self.timed = [], []

    def post(self, message, delay):
        if delay == 0:
            self.soon.append((self.kernel.round_number, message))
        else:
            self.timed.append((self.kernel.now + delay, message))
            self.timed.sort(key=lambda item: item[0])
        self.kernel.notify(self.slot, delay)

    def receive(self):
        number, now = self.kernel.round_number, self.kernel.now
        due = [m for posted, m in self.soon if posted < number]
        self.soon = [(posted, m) for posted, m in self.soon if posted >= number]
        due += [m for time, m in self.timed if time <= now]
        self.timed = [(time, m) for time, m in self.timed if time > now]
        if self.timed:
            self.kernel.notify(self.slot, self.timed[0][0] - now)
        return due


class Bus:
    """Earliest issue times from the history of commands."""

    def __init__(self, part: Part):
        t = part.timing
        b, wrpre = part.burst_ck, t.wl + part.burst_ck + t.wr
        self.last = {}
        self.acts = []
        self.bus = -1
        self.faw = t.faw
        rules = []

        def rule(sources, targets, scope, distance):
            rules.extend((s, d, scope, distance) for s in sources.split() for d in targets.split())

        rule("ACT", "RD RDA WR WRA", "b", t.rcd)
        rule("ACT", "ACT", "b", t.rc)
        rule("ACT", "ACT", "g", t.rrd_l)
        rule("ACT", "ACT", "r", t.rrd_s)
        rule("ACT", "PRE", "b", t.ras)
        rule("ACT", "PREAB", "r", t.ras)
        rule("ACT", "REF", "r", t.rc)
        for kind in ("RD RDA", "WR WRA"):
            rule(kind, kind, "g", t.ccd_l)
            rule(kind, kind, "r", t.ccd_s)
        rule("RD RDA", "WR WRA", "r", t.rdwr)
        rule("WR WRA", "RD RDA", "g", t.wl + b + t.wtr_l)
        rule("WR WRA", "RD RDA", "r", t.wl + b + t.wtr_s)
        rule("WR", "RDA", "b", wrpre - t.rtp)
        rule("RD", "PRE", "b", t.rtp)
        rule("RD RDA", "PREAB", "r", t.rtp)
        rule("WR", "PRE", "b", wrpre)
        rule("WR WRA", "PREAB", "r", wrpre)
        rule("RDA", "ACT", "b", t.rtp + t.rp)
        rule("RDA", "REF", "r", t.rtp + t.rp)
        rule("WRA", "ACT", "b", wrpre + t.rp)
        rule("WRA", "REF", "r", wrpre + t.rp)
        rule("PRE", "ACT", "b", t.rp)
        rule("PRE", "REF", "r", t.rp)
        rule("PREAB", "ACT REF", "r", t.rp)
        rule("REF", "ACT REF", "r", t.rfc)
        self.rules = {}
        for source, target, scope, distance in rules:
            self.rules.setdefault(target, []).append((source, scope, distance))

    def earliest(self, command, bank, group, now):
        time = max(now, self.bus + 1)
        where = {"b": bank, "g": group, "r": 0}
        for source, scope, distance in self.rules[command]:
            time = max(time, self.last.get((source, scope, where[scope]), -inf) + distance)
        if command == "ACT" and len(self.acts) >= 4:
            time = max(time, self.acts[-4] + self.faw)
        return time

    def issue(self, command, bank, group, now):
        self.bus = now
        for scope, where in (("b", bank), ("g", group), ("r", 0)):
            self.last[command, scope, where] = now
        if command == "ACT":
            self.acts.append(now)


def draw_configuration(rng):
    """A configuration of the reference's ten parameters."""
    refresh = bool(rng.random() < 0.9)
    return Configuration(
        page_policy=str(rng.choice(PAGE_POLICIES)),
        scheduler=str(rng.choice(SCHEDULERS[:3])),
        scheduler_buffer=str(rng.choice(BUFFERS)),
        request_buffer_size=int(2 ** rng.integers(0, 8)),
        response_queue=str(rng.choice(RESPONSE_QUEUES)),
        refresh_policy="AllBank" if refresh else "NoRefresh",
        refresh_max_postponed=int(rng.choice([0, 1, 2, 4, 8])),
        refresh_max_pulled_in=int(rng.choice([0, 1, 2, 4, 8])),
        arbiter=str(rng.choice(ARBITERS)),
        max_active_transactions=int(2 ** rng.integers(0, 8)),
    )


@pytest.fixture(scope="session")
def machinery():
    return SimpleNamespace(Event=Event, Kernel=Kernel, Mailbox=Mailbox, Bus=Bus)


@pytest.fixture(scope="session")
def draw_design():
    return draw_configuration
