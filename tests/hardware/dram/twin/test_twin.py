"""A slow, readable twin of the controller, written from its rules, and held against the kernel."""

from dataclasses import dataclass, field, replace
from math import inf

import numpy as np
import pytest
from trimtab_hardware.dram import COMMANDS, Configuration, Part, Trace
from trimtab_hardware.dram.configuration import SCHEDULERS
from trimtab_hardware.dram.simulation import Engine


@dataclass
class Bank:
    group: int
    row: object = None
    requests: list = field(default_factory=list)
    current: object = None
    keep: bool = False
    next: object = None
    passed: int = 0
    used: int = 0


@dataclass
class Request:
    id: int
    arrival: int
    address: int
    write: bool
    bank: int
    row: int
    stamp: int = -1
    latency: int = -1
    arrival_latency: int = -1


class Twin:
    def __init__(self, machinery, trace: Trace, part: Part, design: Configuration):
        self.part, self.design, self.kernel = part, design, machinery.Kernel()
        address = trace.address // 64 * 64
        place = part.map.decode(address)
        self.requests = [
            Request(k + 1, *map(int, row))
            for k, row in enumerate(
                zip(trace.arrival, address, trace.is_write, place.bank, place.row, strict=True)
            )
        ]
        per_group = part.banks // part.groups
        self.banks = [Bank(k // per_group) for k in range(part.banks)]
        self.bus = machinery.Bus(part)
        self.commands = []
        # controller
        self.blocked, self.last_write, self.draining = False, False, False
        self.last_stored = 0
        self.stored = {False: 0, True: 0}
        self.register, self.visible = None, inf
        self.responses, self.outstanding, self.next_response, self.end_time = [], False, 1, -1
        self.due = part.timing.refi if design.refresh_policy == "AllBank" else inf
        self.pulled, self.flex, self.refresh = False, 0, None
        self.slots = {
            name: machinery.Event(self.control) for name in ("wake", "data", "handover", "end")
        }
        # front end
        self.front = machinery.Mailbox(self.kernel, self.run_front)
        self.active, self.stalled, self.queue, self.busy_channel = 0, None, [], False
        self.returned, self.busy_source, self.next_return = [], False, 1
        self.accepted_at = self.done_at = -1
        # source
        self.source = machinery.Mailbox(self.kernel, self.run_source)
        self.issued = self.complete = 0

    def run(self):
        first = self.requests[0]

        def start():
            self.issued = 1
            self.front.post(("BEGIN", first), first.arrival)

        self.kernel.run_list.extend([self.control, start])
        self.kernel.run(lambda: self.complete == len(self.requests))
        return self

    # ---- source and front end
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

    # ---- controller
    def control(self):
        self.respond()
        self.admit()
        self.evaluate_refresh()
        self.issue_one()
        noted = [inf]
        for k in range(len(self.banks)):
            self.evaluate(k)
            if self.banks[k].next:
                noted.append(self.when(self.banks[k].next, k))
        self.evaluate_refresh()
        noted.append(self.when(self.refresh, None) if self.refresh else self.due)
        wake = min(noted)
        if wake < inf:
            self.kernel.notify(self.slots["wake"], wake - self.kernel.now)

    def when(self, command, k):
        if k is None:
            return self.bus.earliest(command, None, None, self.kernel.now)
        bank = self.banks[k]
        earliest = self.bus.earliest(command, k, bank.group, self.kernel.now)
        idle = not bank.requests
        return max(earliest, bank.used + self.design.page_timeout_ck) if idle else earliest

    def order(self, k):
        """Request ids, then rows that are closed for want of requests, by bank."""
        current = self.banks[k].current
        return current.id if current else 1 << 31 | k

    def head(self):
        if self.design.response_queue == "Fifo":
            return self.responses[0] if self.responses else None
        return next((item for item in self.responses if item[1].id == self.next_response), None)

    def respond(self):
        now = self.kernel.now
        if self.outstanding:
            if self.end_time != now:
                return
            self.outstanding = False
        head = self.head()
        if head and head[0] <= now:
            self.responses.remove(head)
            self.next_response += 1
            self.outstanding = True
            delay = 1 if self.end_time == now else 0
            self.front.post(("RESP", head[1]), delay)
            self.end_time = inf
            head[1].latency = now + delay - head[1].stamp
        elif head:
            self.kernel.notify(self.slots["data"], head[0] - now)

    def has_room(self):
        size, kind = self.design.request_buffer_size, self.design.scheduler_buffer
        if kind == "Bankwise":
            return len(self.banks[self.last_stored].requests) < size
        if kind == "ReadWrite":
            return self.stored[False] < size and self.stored[True] < size
        return self.stored[False] + self.stored[True] < size

    def admit(self):
        if self.register is None or self.visible > self.kernel.now or not self.has_room():
            return
        request, self.register, self.visible = self.register, None, inf
        self.banks[request.bank].requests.append(request)
        self.stored[bool(request.write)] += 1
        self.turn()
        self.last_stored = request.bank
        self.evaluate(request.bank)
        self.front.post(("ACCEPTED", request), 0)

    def turn(self):
        """Watermarks decide which direction the channel serves."""
        reads, writes = self.stored[False], self.stored[True]
        if self.draining:
            self.draining = not (writes <= self.design.low_watermark and reads)
        else:
            self.draining = writes > self.design.high_watermark or not reads

    def directed(self, bank, write):
        """Oldest hit of a direction, else the oldest request of it, else nothing."""
        fitting = [r for r in bank.requests if bool(r.write) == write]
        hits = [r for r in fitting if r.row == bank.row]
        return next(iter(hits or fitting), None)

    def candidate(self, bank):
        design, waits = self.design, self.kernel.now - bank.requests[0].stamp
        if design.row_hit_cap and bank.passed >= design.row_hit_cap:
            return bank.requests[0]
        if design.starvation_cap_ck and waits >= design.starvation_cap_ck:
            return bank.requests[0]
        if self.design.scheduler == "GrpFrFcfsWm":
            return self.directed(bank, self.draining)
        if self.design.scheduler == "GrpFrFcfs":
            last = bool(self.last_write)
            return self.directed(bank, last) or self.directed(bank, not last)
        hits = [r for r in bank.requests if r.row == bank.row]
        if self.design.scheduler == "Fifo" or bank.row is None or not hits:
            return bank.requests[0]
        if self.design.scheduler == "FrFcfsGrp":
            for k, request in enumerate(hits):
                hazard = any(older.address == request.address for older in hits[:k])
                if request.write == self.last_write and not hazard:
                    return request
        return hits[0]

    def further(self, bank):
        """Requests that the page policy counts beside the current one."""
        if self.design.scheduler.startswith("GrpFrFcfs"):
            return [r for r in bank.requests if r.write == bank.current.write]
        return bank.requests

    def further_hit(self, bank):
        if self.design.scheduler == "Fifo":
            return len(bank.requests) >= 2 and bank.requests[1].row == bank.row
        return sum(r.row == bank.row for r in self.further(bank)) >= 2

    def evaluate(self, k):
        bank, policy = self.banks[k], self.design.page_policy
        bank.next = None
        if self.blocked:
            return
        if not bank.requests:
            bank.next = "PRE" if self.design.page_timeout_ck and bank.row is not None else None
            return
        candidate = self.candidate(bank)
        if not bank.keep or (candidate and candidate.row == bank.row):
            bank.current = candidate
        if bank.current is None:
            return
        column = "WR" if bank.current.write else "RD"
        if bank.row is None:
            bank.next = "ACT"
        elif policy == "Closed":
            bank.next = column + "A"
        elif bank.row != bank.current.row:
            bank.next = "PRE"
        else:
            close = policy == "OpenAdaptive" and len(self.further(bank)) >= 2
            close = (close or policy == "ClosedAdaptive") and not self.further_hit(bank)
            bank.next = column + "A" * close

    def evaluate_refresh(self):
        now, refi = self.kernel.now, self.part.timing.refi
        self.refresh = None
        if now < self.due:
            return
        if now >= self.due + refi:
            self.due += refi
            self.pulled = False
        busy = any(bank.current for bank in self.banks)
        if self.pulled:
            if busy:
                self.pulled = False
                self.due += refi
            else:
                self.refresh = "REF"
            return
        if self.flex == self.design.refresh_max_postponed:
            self.blocked = True
            for bank in self.banks:
                bank.next = None
        elif busy:
            self.flex += 1
            self.due += refi
            return
        self.refresh = "REF" if all(bank.row is None for bank in self.banks) else "PREAB"

    def issue_one(self):
        if self.design.starvation_cap_ck:
            for k in range(len(self.banks)):
                self.evaluate(k)
        banks = enumerate(self.banks)
        ready = [(self.when(b.next, k), self.order(k), k) for k, b in banks if b.next]
        if self.refresh:
            ready.append((self.when(self.refresh, None), 0, None))
        if not ready or min(ready)[0] != self.kernel.now:
            return
        k = min(ready)[2]
        if k is None:
            self.issue_refresh()
        else:
            self.issue_bank(self.banks[k], k)

    def issue_refresh(self):
        now = self.kernel.now
        self.bus.issue(self.refresh, None, None, now)
        self.commands.append((now, self.refresh, -1, 0))
        if self.refresh == "PREAB":
            for bank in self.banks:
                bank.row, bank.keep = None, False
            return
        self.blocked = False
        if self.pulled:
            self.flex -= 1
        else:
            self.pulled = True
        if self.flex == -self.design.refresh_max_pulled_in:
            self.pulled = False
            self.due += self.part.timing.refi

    def issue_bank(self, bank, k):
        now, command, request = self.kernel.now, bank.next, bank.current
        bank.used = now
        self.bus.issue(command, k, bank.group, now)
        self.commands.append((now, command, k, request.id if request else 0))
        if command == "ACT":
            bank.row, bank.keep, bank.passed = request.row, True, 0
        elif command == "PRE":
            bank.row, bank.keep = None, False
        else:
            self.complete_column(bank, command, request)

    def complete_column(self, bank, command, request):
        now, timing = self.kernel.now, self.part.timing
        bank.passed += request is not bank.requests[0]
        bank.requests.remove(request)
        self.stored[bool(request.write)] -= 1
        self.turn()
        self.last_write = request.write
        bank.current, bank.keep = None, False
        if command.endswith("A"):
            bank.row = None
        self.admit()
        ready = now + (timing.wl if request.write else timing.rl) + self.part.burst_ck
        self.responses.append((ready, request))
        head = self.head()
        if head and head[0] > now:
            self.kernel.notify(self.slots["data"], head[0] - now)


def with_short_refresh(part, refi):
    """The part with another refresh interval, and RFC below it."""
    return replace(part, timing=replace(part.timing, refi=refi, rfc=min(part.timing.rfc, 300)))


def engine_commands(result):
    """The engine's command trace in the twin's form."""
    log = result.commands
    rows = zip(log.time, log.code, log.bank, log.request, strict=True)
    return [(int(t), COMMANDS[code], int(bank), int(r) + 1) for t, code, bank, r in rows]


def draw_wider(rng, design):
    """The design with rules of the wider controller: schedulers, caps and time-outs."""
    high = int(rng.choice([2, 3, 12]))
    return replace(
        design,
        scheduler=str(rng.choice([*SCHEDULERS, "GrpFrFcfs", "GrpFrFcfsWm", "GrpFrFcfsWm"])),
        high_watermark=high,
        low_watermark=int(rng.integers(1, high)),
        row_hit_cap=int(rng.choice([0, 0, 1, 4])),
        starvation_cap_ck=int(rng.choice([0, 0, 60, 400])),
        page_timeout_ck=int(rng.choice([0, 0, 15, 100])),
    )


def assert_equal(machinery, trace, part, design, what):
    result = Engine(trace, part).run(design, commands=True)
    twin = Twin(machinery, trace, part, design).run()
    assert engine_commands(result) == twin.commands, (what, design)
    assert result.total_ck == twin.kernel.now
    assert result.latency_ck.tolist() == [r.latency for r in twin.requests]
    assert result.arrival_latency_ck.tolist() == [r.arrival_latency for r in twin.requests]


@pytest.mark.parametrize("standard", ["DDR3", "DDR4"])
@pytest.mark.parametrize("block", range(4))
def test_engine_and_twin_agree_in_every_command_and_latency(
    standard, block, parts, random_trace, machinery, draw_design
):
    for seed in range(25 * block, 25 * block + 25):
        rng = np.random.default_rng([seed, len(standard)])
        refi = int(rng.choice([400, 1000, parts[standard].timing.refi]))
        part = with_short_refresh(parts[standard], refi)
        assert_equal(machinery, random_trace(seed), part, draw_design(rng), seed)


@pytest.mark.parametrize("standard", ["DDR3", "DDR4"])
def test_engine_and_twin_agree_on_the_wider_controllers_rules(
    standard, parts, random_trace, machinery, draw_design
):
    for seed in range(60):
        rng = np.random.default_rng([seed, len(standard), 1])
        part = with_short_refresh(parts[standard], int(rng.choice([400, 1000])))
        design = draw_wider(rng, draw_design(rng))
        assert_equal(machinery, random_trace(seed), part, design, seed)
