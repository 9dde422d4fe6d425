"""What the twin of the controller stands on: events, front end, bus, and the work of ranks."""

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

UNIT = "REFPB REFSB RFMSB"
"""Refreshes of one unit of banks: one bank, or one of every group."""


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


class FrontEnd:
    """The source of requests, the arbiter, and the register between arbiter and controller."""

    def __init__(self, kernel, design, requests, slots):
        self.kernel, self.design, self.requests, self.slots = kernel, design, requests, slots
        self.front = Mailbox(kernel, self.run_front)
        self.source = Mailbox(kernel, self.run_source)
        self.register, self.visible, self.end_time = None, inf, -1
        self.active, self.stalled, self.queue, self.busy_channel = 0, None, [], False
        self.returned, self.busy_source, self.next_return = [], False, 1
        self.accepted_at = self.done_at = -1
        self.issued = self.complete = 0

    def start(self):
        self.issued = 1
        self.front.post(("BEGIN", self.requests[0]), self.requests[0].arrival)

    def run_source(self):
        now = self.kernel.now
        for message, request in self.source.receive():
            if message == "ACCEPT" and self.issued < len(self.requests):
                following = self.requests[self.issued]
                self.issued += 1
                self.front.post(("BEGIN", following), max(following.arrival, now + 1) - now)
            elif message == "RESPONSE":
                request.arrival_latency = now - request.arrival
                self.complete += 1
                self.front.post(("DONE", request), 0)

    def run_front(self):
        simple = self.design.arbiter == "Simple"
        for message, request in self.front.receive():
            handler = getattr(self, message.lower() + ("_simple" if simple else "_queued"))
            handler(request)

    def hand(self, request, delay):
        self.register, self.visible = request, self.kernel.now + delay
        self.kernel.notify(self.slots["handover"], delay)

    def finish(self):
        self.end_time = self.kernel.now
        self.kernel.notify(self.slots["end"], 0)

    def begin_simple(self, request):
        request.stamp = self.kernel.now
        self.hand(request, 0)

    def accepted_simple(self, request):
        self.source.post(("ACCEPT", request), 0)

    def resp_simple(self, request):
        self.source.post(("RESPONSE", request), 0)

    def done_simple(self, _):
        self.finish()

    def enter(self, request):
        request.stamp = self.kernel.now
        self.source.post(("ACCEPT", request), 0)
        self.front.post(("QUEUE", request), 0)

    def begin_queued(self, request):
        if self.active < self.design.max_active_transactions:
            self.active += 1
            self.enter(request)
        else:
            self.stalled = request

    def queue_queued(self, request):
        self.queue.append(request)
        if not self.busy_channel:
            self.busy_channel = True
            self.hand(self.queue.pop(0), 1 if self.accepted_at == self.kernel.now else 0)

    def accepted_queued(self, _):
        self.accepted_at = self.kernel.now
        if self.queue:
            self.hand(self.queue.pop(0), 1)
        else:
            self.busy_channel = False

    def resp_queued(self, request):
        self.finish()
        self.front.post(("RETURN", request), 0)

    def eligible(self):
        if self.design.arbiter == "Fifo":
            return self.returned[0] if self.returned else None
        return next((r for r in self.returned if r.id == self.next_return), None)

    def give_back(self, delay):
        request = self.eligible()
        self.returned.remove(request)
        self.next_return += 1
        self.source.post(("RESPONSE", request), delay)

    def return_queued(self, request):
        self.returned.append(request)
        if not self.busy_source and self.eligible():
            self.busy_source = True
            self.give_back(1 if self.done_at == self.kernel.now else 0)

    def done_queued(self, _):
        self.done_at = self.kernel.now
        if self.stalled:
            self.enter(self.stalled)
            self.stalled = None
        else:
            self.active -= 1
        if self.eligible():
            self.give_back(1)
        else:
            self.busy_source = False


class Bus:
    """Earliest issue times from the history of commands.

    A rule holds within a bank (b), a group (g), a rank (r), or from a rank to the other one (o).
    """

    def __init__(self, part: Part):
        t = part.timing
        b, wrpre = part.burst_ck, t.wl + part.burst_ck + t.wr
        self.part, self.faw, self.free = part, t.faw, 0
        self.last, self.acts, self.rules = {}, {}, {}
        everything = f"ACT PRE PREAB REF RD RDA WR WRA {UNIT}"

        def rule(sources, targets, scope, distance):
            for target in targets.split():
                rows = [(source, scope, distance) for source in sources.split()]
                self.rules.setdefault(target, []).extend(rows)

        rule("ACT", "RD RDA WR WRA", "b", t.rcd)
        rule("ACT", f"ACT {UNIT}", "b", t.rc)
        rule("ACT", "ACT", "g", t.rrd_l)
        rule("ACT", "ACT", "r", t.rrd_s)
        rule("ACT", UNIT, "r", t.rrd_l)
        rule("ACT", "PRE", "b", t.ras)
        rule("ACT", "PREAB", "r", t.ras)
        rule("ACT", "REF", "r", t.rc)
        rule("RD RDA", "RD RDA", "g", t.ccd_l)
        rule("WR WRA", "WR WRA", "g", t.ccd_l_wr or t.ccd_l)
        for kind in ("RD RDA", "WR WRA"):
            rule(kind, kind, "r", t.ccd_s)
            rule(kind, kind, "o", b + t.rtrs)
        rule("RD RDA", "WR WRA", "r", t.rdwr)
        rule("RD RDA", "WR WRA", "o", t.rl + b + t.rtrs - t.wl + t.wpre)
        rule("WR WRA", "RD RDA", "g", t.wl + b + t.wtr_l)
        rule("WR WRA", "RD RDA", "r", t.wl + b + t.wtr_s)
        rule("WR WRA", "RD RDA", "o", t.wl + b + t.rtrs - t.rl + t.rpre)
        rule("WR", "RDA", "b", wrpre - t.rtp)
        rule("RD", "PRE", "b", t.rtp)
        rule("RD RDA", "PREAB", "r", t.rtp)
        rule("WR", "PRE", "b", wrpre)
        rule("WR WRA", "PREAB", "r", wrpre)
        rule("RDA", f"ACT {UNIT}", "b", t.rtp + t.rp)
        rule("RDA", "REF", "r", t.rtp + t.rp)
        rule("WRA", f"ACT {UNIT}", "b", wrpre + t.rp)
        rule("WRA", "REF", "r", wrpre + t.rp)
        rule("PRE", f"ACT {UNIT}", "b", t.rp)
        rule("PRE", "REF", "r", t.rp)
        rule("PREAB", f"ACT REF {UNIT}", "r", t.rp_ab or t.rp)
        rule("REF", f"ACT REF {UNIT}", "r", t.rfc)
        rule(UNIT, "ACT", "b", t.rfc_pb)
        rule(UNIT, "ACT", "r", t.rrefd)
        rule(UNIT, f"REF PREAB {UNIT}", "r", t.rfc_pb)
        rule("ACT", "PDE", "r", t.actpden)
        rule("PRE PREAB", "PDE", "r", t.prpden)
        rule(f"REF {UNIT}", "PDE", "r", t.refpden)
        rule("RD RDA", "PDE", "r", t.rl + b + 1)
        rule("WR", "PDE", "r", wrpre)
        rule("WRA", "PDE", "r", wrpre + 1)
        rule("PDE", "PDX", "r", t.cke)
        rule("PDX", "PDE", "r", t.cke)
        rule("PDX", everything, "r", t.xp)

    def places(self, banks, rank):
        """Where a command to these banks (none: the whole rank) is noted, by scope."""
        per_group = self.part.banks // self.part.groups
        return {"b": banks, "g": {k // per_group for k in banks}, "r": [rank], "o": [1 - rank]}

    def earliest(self, command, banks, rank, now):
        time, where = max(now, self.free), self.places(banks, rank)
        for source, scope, distance in self.rules[command]:
            for place in where[scope]:
                kept = "r" if scope == "o" else scope
                time = max(time, self.last.get((source, kept, place), -inf) + distance)
        acts = self.acts.get(rank, [])
        if command in f"ACT {UNIT}".split() and len(acts) >= 4:
            time = max(time, acts[-4] + self.faw)
        return time

    def issue(self, command, banks, rank, now):
        t = self.part.timing
        lengths = {"ACT": t.act_ck} | dict.fromkeys(("RD", "RDA", "WR", "WRA"), t.cas_ck)
        self.free = now + lengths.get(command, t.pre_ck)
        where = self.places(banks, rank)
        for scope in "bgr":
            for place in where[scope]:
                self.last[command, scope, place] = now
        if command == "ACT":
            self.acts.setdefault(rank, []).append(now)


class Rank:
    """Refresh, refresh management and power of one rank.

    `command` and `power` are what it wants next: a name and the banks that it is about.
    """

    def __init__(self, banks, part, design, number):
        t, policy = part.timing, design.refresh_policy
        self.banks, self.design, self.number, self.t = banks, design, number, t
        per_group = part.banks // part.groups
        self.same = [banks[k::per_group] for k in range(per_group)]
        self.units, self.name = [banks], "REF"
        if policy != "AllBank":
            by_bank = [[bank] for bank in banks]
            self.units, self.name = (
                (by_bank, "REFPB") if policy == "PerBank" else (self.same, "REFSB")
            )
        self.interval = t.refi if policy == "AllBank" else t.refi_pb
        first = self.interval - number * self.interval // design.ranks
        self.due = inf if policy == "NoRefresh" else first
        self.left = list(self.units)
        self.flex, self.pulled, self.command = 0, False, None
        self.asleep, self.power, self.idle_since = False, None, 0

    # ---- refresh
    def evaluate(self, now):
        self.command = None
        if now >= self.due:
            self.decide(now)
        if self.command is None and self.design.refresh_management:
            self.manage()

    def decide(self, now):
        if now >= self.due + self.interval:
            self.due += self.interval
            self.pulled = False
        idle = next((unit for unit in self.left if is_idle(unit)), None)
        if self.pulled or self.flex < self.design.refresh_max_postponed * len(self.units):
            if idle is None:
                self.flex += not self.pulled
                self.pulled = False
                self.due += self.interval
                return
            self.want(self.name, idle)
            return
        held = next((u for u in self.units if u[0].blocked == "refresh"), None)
        unit = held or idle or self.left[0]
        block(unit, "refresh")
        self.want(self.name, unit)

    def want(self, name, unit):
        """The command, or the precharge that it needs first."""
        opened = [bank for bank in unit if bank.row is not None]
        self.unit, self.command = unit, (name, unit)
        if opened:
            self.command = ("PREAB", unit) if name == "REF" else ("PRE", opened[:1])

    def manage(self):
        """Refresh the unit that was activated most, if it is idle or has to wait for it."""
        worn = []
        for k, unit in enumerate(self.same):
            most = max(bank.activations for bank in unit)
            spent = any(b.activations >= self.t.raammt and b.row is None for b in unit)
            if most >= self.t.raaimt and (spent or is_idle(unit)):
                worn.append((-most, k, spent))
        if worn:
            _, k, spent = min(worn)
            if spent:
                block(self.same[k], "management")
            self.want("RFMSB", self.same[k])

    def issued(self):
        """The command has been issued."""
        name, banks = self.command
        if name in ("PRE", "PREAB"):
            for bank in banks:
                bank.row, bank.keep = None, False
            return
        for bank in banks:
            taken = self.t.raaimt if name == "RFMSB" else self.t.raadec
            bank.activations = max(0, bank.activations - taken)
            bank.blocked = None
        if name != "RFMSB":
            self.count()

    def count(self):
        self.left.remove(self.unit)
        self.left = self.left or list(self.units)
        self.flex -= self.pulled
        self.pulled = True
        if self.flex == -self.design.refresh_max_pulled_in * len(self.units):
            self.pulled = False
            self.due += self.interval

    # ---- power
    def evaluate_power(self):
        work = self.command is not None or any(bank.requests for bank in self.banks)
        self.power = None
        if self.design.power_down != "NoPowerDown" and self.asleep == work:
            self.power = "PDX" if self.asleep else "PDE"

    def powered(self, now):
        """The power command has been issued."""
        self.asleep = self.power == "PDE"
        if not self.asleep:
            self.idle_since = now


def is_idle(unit):
    return all(bank.current is None for bank in unit)


def block(unit, reason):
    for bank in unit:
        bank.blocked, bank.next = reason, None


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
    return SimpleNamespace(Event=Event, Kernel=Kernel, FrontEnd=FrontEnd, Bus=Bus, Rank=Rank)


@pytest.fixture(scope="session")
def draw_design():
    return draw_configuration
