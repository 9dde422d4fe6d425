"""A slow, readable twin of the controller, written from its rules, and held against the kernel."""

from dataclasses import dataclass, field, replace
from math import inf

import numpy as np
import pytest
from trimtab_hardware.dram import COMMANDS, Configuration, Part, Trace, load_part
from trimtab_hardware.dram.configuration import SCHEDULERS
from trimtab_hardware.dram.simulation import Engine


@dataclass
class Bank:
    id: int
    rank: int
    row: object = None
    requests: list = field(default_factory=list)
    current: object = None
    keep: bool = False
    next: object = None
    blocked: object = None
    activations: int = 0
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
        address = trace.address // part.burst_bytes * part.burst_bytes
        place = part.address_map(ranks=design.ranks).decode(address)
        bank = place.rank * part.banks + place.bank
        rows = zip(trace.arrival, address, trace.is_write, bank, place.row, strict=True)
        self.requests = [Request(k + 1, *map(int, row)) for k, row in enumerate(rows)]
        numbers = range(part.banks * design.ranks)
        self.banks = [Bank(k, k // part.banks) for k in numbers]
        self.bus = machinery.Bus(part)
        self.ranks = [
            machinery.Rank([b for b in self.banks if b.rank == k], part, design, k)
            for k in range(design.ranks)
        ]
        self.commands = []
        strict = design.command_mux == "Strict"
        self.scheduler = "Fifo" if strict else design.scheduler
        self.last_write, self.draining, self.columns = False, False, 0
        self.last_stored = 0
        self.stored = {False: 0, True: 0}
        self.responses, self.outstanding, self.next_response = [], False, 1
        self.slots = {
            name: machinery.Event(self.control) for name in ("wake", "data", "handover", "end")
        }
        self.ends = machinery.FrontEnd(self.kernel, design, self.requests, self.slots)

    def run(self):
        self.kernel.run_list.extend([self.control, self.ends.start])
        self.kernel.run(lambda: self.ends.complete == len(self.requests))
        return self

    def control(self):
        self.respond()
        self.admit()
        self.evaluate_ranks()
        self.issue_one()
        noted = [inf]
        for bank in self.banks:
            self.evaluate(bank)
            noted.append(self.when(bank))
        self.evaluate_ranks()
        for rank in self.ranks:
            noted += [self.when_refreshed(rank), self.when_powered(rank)]
            noted.append(inf if rank.command else rank.due)
        wake = min(noted)
        if wake < inf:
            self.kernel.notify(self.slots["wake"], wake - self.kernel.now)

    def evaluate_ranks(self):
        for rank in self.ranks:
            rank.evaluate(self.kernel.now)
        for rank in self.ranks:
            rank.evaluate_power()

    def when(self, bank):
        """When the bank's next command may issue."""
        now, rank = self.kernel.now, self.ranks[bank.rank]
        if bank.next is None or rank.asleep:
            return inf
        strict = self.design.command_mux == "Strict" and bank.next not in ("ACT", "PRE")
        if strict and bank.current.id != self.columns + 1:
            return inf
        earliest = self.bus.earliest(bank.next, [bank.id], bank.rank, now)
        if not bank.requests:
            return max(earliest, bank.used + self.design.page_timeout_ck)
        return earliest

    def when_refreshed(self, rank):
        if rank.command is None or rank.asleep:
            return inf
        name, banks = rank.command
        return self.bus.earliest(name, [b.id for b in banks], rank.number, self.kernel.now)

    def when_powered(self, rank):
        if rank.power is None:
            return inf
        earliest = self.bus.earliest(rank.power, [], rank.number, self.kernel.now)
        if rank.power == "PDX" or self.design.power_down == "Staggered":
            return max(earliest, 0 if rank.power == "PDX" else rank.idle_since)
        return max(earliest, rank.idle_since + self.design.power_down_timeout_ck)

    def order(self, bank):
        """Request ids, then rows that are closed for want of requests, by bank."""
        return bank.current.id if bank.current else 1 << 31 | bank.id

    def head(self):
        if self.design.response_queue == "Fifo":
            return self.responses[0] if self.responses else None
        return next((item for item in self.responses if item[1].id == self.next_response), None)

    def respond(self):
        now = self.kernel.now
        if self.outstanding:
            if self.ends.end_time != now:
                return
            self.outstanding = False
        head = self.head()
        if head and head[0] <= now:
            self.responses.remove(head)
            self.next_response += 1
            self.outstanding = True
            delay = 1 if self.ends.end_time == now else 0
            self.ends.front.post(("RESP", head[1]), delay)
            self.ends.end_time = inf
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
        ends = self.ends
        if ends.register is None or ends.visible > self.kernel.now or not self.has_room():
            return
        request, ends.register, ends.visible = ends.register, None, inf
        self.banks[request.bank].requests.append(request)
        self.stored[bool(request.write)] += 1
        self.turn()
        self.last_stored = request.bank
        self.evaluate(self.banks[request.bank])
        self.ends.front.post(("ACCEPTED", request), 0)

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
        if self.scheduler == "GrpFrFcfsWm":
            return self.directed(bank, self.draining)
        if self.scheduler == "GrpFrFcfs":
            last = bool(self.last_write)
            return self.directed(bank, last) or self.directed(bank, not last)
        hits = [r for r in bank.requests if r.row == bank.row]
        if self.scheduler == "Fifo" or bank.row is None or not hits:
            return bank.requests[0]
        if self.scheduler == "FrFcfsGrp":
            for k, request in enumerate(hits):
                hazard = any(older.address == request.address for older in hits[:k])
                if request.write == self.last_write and not hazard:
                    return request
        return hits[0]

    def further(self, bank):
        """Requests that the page policy counts beside the current one."""
        if not self.scheduler.startswith("GrpFrFcfs"):
            return bank.requests
        write = self.draining if self.scheduler == "GrpFrFcfsWm" else bank.current.write
        return [r for r in bank.requests if r.write == write]

    def further_hit(self, bank):
        if self.scheduler == "Fifo":
            return len(bank.requests) >= 2 and bank.requests[1].row == bank.row
        return sum(r.row == bank.row for r in self.further(bank)) >= 2

    def evaluate(self, bank):
        policy = self.design.page_policy
        bank.next = None
        if bank.blocked:
            return
        if not bank.requests:
            bank.next = "PRE" if self.design.page_timeout_ck and bank.row is not None else None
            return
        candidate = self.candidate(bank)
        if candidate is None:
            return
        if not bank.keep or candidate.row == bank.row:
            bank.current = candidate
        column = "WR" if bank.current.write else "RD"
        if bank.row is None:
            worn = bank.activations >= self.part.timing.raammt
            bank.next = None if self.design.refresh_management and worn else "ACT"
        elif policy == "Closed":
            bank.next = column + "A"
        elif bank.row != bank.current.row:
            bank.next = "PRE"
        else:
            close = policy == "OpenAdaptive" and len(self.further(bank)) >= 2
            close = (close or policy == "ClosedAdaptive") and not self.further_hit(bank)
            bank.next = column + "A" * close

    def issue_one(self):
        """Refreshes and power-down exits first, then banks, then power-down entries."""
        if self.design.starvation_cap_ck:
            for bank in self.banks:
                self.evaluate(bank)
        ready = [
            ((self.when(bank), 1, self.order(bank)), self.issue_bank, bank) for bank in self.banks
        ]
        for k, rank in enumerate(self.ranks):
            ready.append(((self.when_refreshed(rank), 0, 2 * k), self.issue_refresh, rank))
            place = (0, 2 * k + 1) if rank.power == "PDX" else (2, k)
            ready.append(((self.when_powered(rank), *place), self.issue_power, rank))
        first, issue, of = min(ready, key=lambda item: item[0])
        if first[0] == self.kernel.now:
            issue(of)

    def log(self, command, banks, rank, bank=-1, request=0):
        self.bus.issue(command, banks, rank, self.kernel.now)
        self.commands.append((self.kernel.now, command, rank, bank, request))

    def issue_refresh(self, rank):
        rank.idle_since = self.kernel.now
        name, banks = rank.command
        bank = -1 if name in ("REF", "PREAB") else banks[0].id % self.part.banks
        self.log(name, [b.id for b in banks], rank.number, bank)
        rank.issued()

    def issue_power(self, rank):
        self.log(rank.power, [], rank.number)
        rank.powered(self.kernel.now)

    def issue_bank(self, bank):
        command, request = bank.next, bank.current
        bank.used = self.ranks[bank.rank].idle_since = self.kernel.now
        number = bank.id % self.part.banks
        self.log(command, [bank.id], bank.rank, number, request.id if request else 0)
        if command == "ACT":
            bank.row, bank.keep, bank.passed = request.row, True, 0
            bank.activations += 1
        elif command == "PRE":
            bank.row, bank.keep = None, False
        else:
            self.complete_column(bank, command, request)

    def complete_column(self, bank, command, request):
        now, timing = self.kernel.now, self.part.timing
        self.columns += 1
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
    """The part with another refresh interval, and the length of a refresh below it."""
    t = part.timing
    units = part.banks // part.groups if part.standard == "DDR5" else part.banks
    by_bank = {}
    if t.rfc_pb:
        by_bank = {"refi_pb": refi // units, "rfc_pb": min(t.rfc_pb, refi // units * 2 // 3)}
    return replace(part, timing=replace(t, refi=refi, rfc=min(t.rfc, 300), **by_bank))


def engine_commands(result):
    """The engine's command trace in the twin's form."""
    log = result.commands
    rows = zip(log.time, log.code, log.rank, log.bank, log.request, strict=True)
    return [(int(t), COMMANDS[code], int(k), int(b), int(r) + 1) for t, code, k, b, r in rows]


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


def draw_managed(rng, part, design):
    """Part and design with refreshes by bank or managed, power-down, and one or two ranks."""
    t = part.timing
    policies = ["AllBank", "NoRefresh"] + ["SameBank" if part.standard == "DDR5" else "PerBank"] * 3
    managed = bool(t.raaimt) and bool(rng.random() < 0.6)
    if managed:
        least = int(rng.integers(2, 7))
        limits = {"raammt": int(rng.integers(least, 3 * least)), "raadec": int(rng.integers(0, 4))}
        part = replace(part, timing=replace(t, raaimt=least, **limits))
    return part, replace(
        design,
        refresh_policy=str(rng.choice(policies if t.rfc_pb else policies[:2])),
        refresh_management=managed,
        power_down=str(rng.choice(["NoPowerDown", "Staggered", "Timeout"])),
        power_down_timeout_ck=int(rng.choice([1, 20, 300])),
        command_mux=str(rng.choice(["Oldest", "Oldest", "Strict"])),
        ranks=int(rng.integers(1, 3)),
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
    for seed in range(15 * block, 15 * block + 15):
        rng = np.random.default_rng([seed, len(standard)])
        refi = int(rng.choice([400, 1000, parts[standard].timing.refi]))
        part = with_short_refresh(parts[standard], refi)
        assert_equal(machinery, random_trace(seed), part, draw_design(rng), seed)


@pytest.mark.parametrize("standard", ["DDR3", "DDR4"])
def test_engine_and_twin_agree_on_the_wider_controllers_rules(
    standard, parts, random_trace, machinery, draw_design
):
    for seed in range(30):
        rng = np.random.default_rng([seed, len(standard), 1])
        part = with_short_refresh(parts[standard], int(rng.choice([400, 1000])))
        design = draw_wider(rng, draw_design(rng))
        assert_equal(machinery, random_trace(seed), part, design, seed)


@pytest.mark.parametrize(
    "part_id",
    ["ddr3-1600-1gb-x8", "ddr4-2400-4gb-x8", "lpddr4-3200-8gb-x16", "hbm2-2000-4gb-x128",
     "ddr5-4800-16gb-x8"],
)  # fmt: skip
def test_engine_and_twin_agree_on_refresh_by_bank_management_power_and_ranks(
    part_id, random_trace, machinery, draw_design
):
    for seed in range(16):
        rng = np.random.default_rng([seed, len(part_id), 2])
        part = with_short_refresh(load_part(part_id), int(rng.choice([1600, 4000])))
        design = draw_wider(rng, draw_design(rng))
        part, design = draw_managed(rng, part, design)
        assert_equal(machinery, random_trace(seed), part, design, seed)
