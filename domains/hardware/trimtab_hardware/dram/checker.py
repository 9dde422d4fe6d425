"""An independent protocol checker: a command trace against a part's tables.

It shares nothing with the engine but the part's figures and the form of the trace. The rules are
a table (source commands, target commands, scope, distance), read off JEDEC's state diagrams and
timing parameters; the walk over a trace keeps, per scope, when each command was last seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.result import COMMANDS, CommandTrace

IntArray = NDArray[np.int64]
_F = TypeVar("_F", bound=Callable[..., Any])
LONG_AGO = -(1 << 60)
SCOPES = ("bank", "group", "rank", "other rank", "bus")
"""Where a distance holds."""
BANK, GROUP, RANK, OTHER_RANK, BUS = range(len(SCOPES))
STATES = (
    "a bank that must be open is closed",
    "a bank that must be closed is open",
    "the row is not the open one",
    "a fifth ACT within tFAW",
    "the rank is powered down",
    "the rank is not powered down",
    "an ACT of a bank at its limit of activations without refresh management (RAAMMT)",
    "a refresh later than tREFI times the intervals allowed (and the time to close all banks)",
)
"""What the state of bank or rank may forbid; codes follow those of the distances."""
NOT_OPEN, NOT_CLOSED, WRONG_ROW, FIFTH_ACT, ASLEEP, AWAKE, WORN, LATE_REFRESH = range(len(STATES))
NOP, RD, WR, RDA, WRA, ACT, PRE, PREAB, REF, REFPB, REFSB, PDE, PDX, RFMSB = range(len(COMMANDS))
KEPT = 100
"""Violations that are described; all are counted."""
COLUMN = "RD RDA WR WRA"
READS, WRITES = "RD RDA", "WR WRA"
BANK_REFRESH = "REFPB REFSB RFMSB"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: the position in the trace, and the rule in words."""

    index: int
    rule: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: commands checked, violations in all, and the first ones."""

    commands: int
    violations: int
    first: tuple[Violation, ...]


def rule_table(part: Part) -> list[tuple[str, str, int, int]]:
    """All distances as (sources, targets, scope, cycles), for any standard."""
    t, burst = part.timing, part.burst_length // 2
    write_to_pre = t.wl + burst + t.wr
    all_closed = t.rp_ab or t.rp
    return [
        ("ACT", COLUMN, BANK, t.rcd),
        ("ACT", "ACT", BANK, t.rc),
        ("ACT", "PRE", BANK, t.ras),
        ("ACT", "PREAB", RANK, t.ras),
        ("ACT", "REF", RANK, t.rc),
        ("ACT", "ACT", GROUP, t.rrd_l),
        ("ACT", "ACT", RANK, t.rrd_s),
        (READS, READS, GROUP, t.ccd_l),
        (READS, READS, RANK, t.ccd_s),
        (WRITES, WRITES, GROUP, t.ccd_l_wr or t.ccd_l),
        (WRITES, WRITES, RANK, t.ccd_s),
        (READS, WRITES, RANK, t.rdwr),
        (WRITES, READS, GROUP, t.wl + burst + t.wtr_l),
        (WRITES, READS, RANK, t.wl + burst + t.wtr_s),
        (READS, READS, OTHER_RANK, burst + t.rtrs),
        (WRITES, WRITES, OTHER_RANK, burst + t.rtrs),
        (READS, WRITES, OTHER_RANK, t.rl + burst + t.rtrs - t.wl + t.wpre),
        (WRITES, READS, OTHER_RANK, t.wl + burst + t.rtrs - t.rl + t.rpre),
        ("RD", "PRE", BANK, t.rtp),
        (READS, "PREAB", RANK, t.rtp),
        ("WR", "PRE", BANK, write_to_pre),
        (WRITES, "PREAB", RANK, write_to_pre),
        ("WR", "RDA", BANK, write_to_pre - t.rtp),
        ("RDA", f"ACT {BANK_REFRESH}", BANK, t.rtp + t.rp),
        ("RDA", "REF", RANK, t.rtp + t.rp),
        ("WRA", f"ACT {BANK_REFRESH}", BANK, write_to_pre + t.rp),
        ("WRA", "REF", RANK, write_to_pre + t.rp),
        ("PRE", f"ACT {BANK_REFRESH}", BANK, t.rp),
        ("PRE", "REF", RANK, t.rp),
        ("PREAB", f"ACT REF {BANK_REFRESH}", RANK, all_closed),
        ("REF", f"ACT REF PREAB {BANK_REFRESH}", RANK, t.rfc),
        (BANK_REFRESH, f"ACT {BANK_REFRESH}", BANK, t.rfc_pb),
        (BANK_REFRESH, "REF PREAB", RANK, t.rfc_pb),
        (BANK_REFRESH, BANK_REFRESH, RANK, t.rfc_pb),
        (BANK_REFRESH, "ACT", RANK, t.rrefd),
        ("ACT", BANK_REFRESH, RANK, t.rrd_l),
        ("ACT", BANK_REFRESH, BANK, t.rc),
        *_power_down_rules(part),
        *_bus_rules(part),
    ]


def _power_down_rules(part: Part) -> list[tuple[str, str, int, int]]:
    t, burst = part.timing, part.burst_length // 2
    return [
        ("ACT", "PDE", RANK, t.actpden),
        ("PRE PREAB", "PDE", RANK, t.prpden),
        (f"REF {BANK_REFRESH}", "PDE", RANK, t.refpden),
        (READS, "PDE", RANK, t.rl + burst + 1),
        ("WR", "PDE", RANK, t.wl + burst + t.wr),
        ("WRA", "PDE", RANK, t.wl + burst + t.wr + 1),
        ("PDE", "PDX", RANK, t.cke),
        ("PDX", "PDE", RANK, t.cke),
        ("PDX", f"ACT PRE PREAB REF {COLUMN} {BANK_REFRESH}", RANK, t.xp),
    ]


def _bus_rules(part: Part) -> list[tuple[str, str, int, int]]:
    t = part.timing
    every = " ".join(COMMANDS[1:])
    return [
        ("ACT", every, BUS, t.act_ck),
        (COLUMN, every, BUS, t.cas_ck),
        (f"PRE PREAB REF PDE PDX {BANK_REFRESH}", every, BUS, t.pre_ck),
    ]


def distances(part: Part) -> IntArray:
    """The rules as least distances, shape [scopes, sources, targets]; LONG_AGO where none."""
    table = np.full((len(SCOPES), len(COMMANDS), len(COMMANDS)), LONG_AGO, dtype=np.int64)
    for sources, targets, scope, distance in rule_table(part):
        for source in sources.split():
            for target in targets.split():
                place = scope, COMMANDS.index(source), COMMANDS.index(target)
                table[place] = max(table[place], distance)
    return table


WATCH = np.dtype(
    [("banks", np.int64), ("groups", np.int64), ("ranks", np.int64), ("faw", np.int64),
     ("gap", np.int64), ("bank_gap", np.int64), ("found", np.int64), ("acts", np.int64, (2, 4)),
     ("asleep", np.int64, 2), ("refreshed", np.int64, 2), ("raaimt", np.int64),
     ("raammt", np.int64), ("raadec", np.int64)]
)  # fmt: skip
"""Sizes of the channel and the state of its ranks; `gap` is 0 if refreshes are not demanded."""


def _within(function: _F) -> _F:
    """Compile what only `_walk` calls: no way in from Python."""
    decorate = cast(Any, njit)(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast("_F", decorate(function))


@_within
def _report(w: Any, found: IntArray, index: int, code: int) -> None:
    if w.found < KEPT:
        found[w.found, 0], found[w.found, 1] = index, code
    w.found += 1


@_within
def _check_distances(
    w: Any, table: IntArray, seen: IntArray, found: IntArray, k: int, t: int, code: int,
    rank: int, bank: int,
) -> None:  # fmt: skip
    """Compare the command with every earlier one that its bank, group, rank and bus saw."""
    first_group = w.banks * w.ranks
    first_rank = first_group + w.groups * w.ranks
    kinds = table.shape[1]
    for scope in range(5):
        if scope == 0:
            key = rank * w.banks + bank
        elif scope == 1:
            key = first_group + rank * w.groups + bank // (w.banks // w.groups)
        elif scope == 2:
            key = first_rank + rank
        elif scope == 3:
            key = first_rank + 1 - rank
        else:
            key = first_rank + 2
        if (scope < 2 and bank < 0) or (scope == 3 and w.ranks == 1):
            continue
        for source in range(1, kinds):
            if t < seen[key, source] + table[scope, source, code]:
                _report(w, found, k, scope * kinds + source)


@_within
def _note(w: Any, seen: IntArray, t: int, code: int, rank: int, bank: int) -> None:
    """Remember the command for its bank, group, rank and bus."""
    first_group = w.banks * w.ranks
    first_rank = first_group + w.groups * w.ranks
    if bank >= 0:
        seen[rank * w.banks + bank, code] = t
        seen[first_group + rank * w.groups + bank // (w.banks // w.groups), code] = t
    seen[first_rank + rank, code] = t
    seen[first_rank + 2, code] = t


@_within
def _check_bank(w: Any, rows: IntArray, code: int, at: int, row: int) -> int:
    """State rule that a command to one bank breaks, or -1; the bank's row is updated."""
    fault = -1
    if code == ACT:
        fault = NOT_CLOSED if rows[at] >= 0 else -1
        rows[at] = row
    elif code in (RD, WR, RDA, WRA):
        if rows[at] < 0:
            fault = NOT_OPEN
        elif row >= 0 and row != rows[at]:
            fault = WRONG_ROW
        if code in (RDA, WRA):
            rows[at] = -1
    elif code == PRE:
        fault = NOT_OPEN if rows[at] < 0 else -1
        rows[at] = -1
    elif code in (REFPB, REFSB, RFMSB) and rows[at] >= 0:
        fault = NOT_CLOSED
    return fault


@_within
def _check_rank(w: Any, rows: IntArray, code: int, rank: int) -> int:
    """State rule that a command to a whole rank breaks, or -1."""
    fault = -1
    for at in range(rank * w.banks, (rank + 1) * w.banks):
        if code == PREAB:
            rows[at] = -1
        elif code == REF and rows[at] >= 0:
            fault = NOT_CLOSED
    return fault


@_within
def _check_power(w: Any, code: int, rank: int) -> int:
    """Whether the rank is awake for this command; -1 or a state rule."""
    asleep = w.asleep[rank]
    if code == PDE:
        w.asleep[rank] = 1
    elif code == PDX:
        w.asleep[rank] = 0
        return -1 if asleep else AWAKE
    return ASLEEP if asleep else -1


@_within
def _check_window(w: Any, t: int, rank: int) -> int:
    """At most four ACT of a rank within tFAW; -1 or the rule."""
    oldest = w.acts[rank, 0]
    for k in range(3):
        w.acts[rank, k] = w.acts[rank, k + 1]
    w.acts[rank, 3] = t
    return FIFTH_ACT if t < oldest + w.faw else -1


@_within
def _check_gap(w: Any, refreshed: IntArray, t: int, code: int, rank: int, at: int) -> int:
    """Refreshes come in time; -1 or the rule."""
    late = False
    if code == REF:
        late = w.gap > 0 and t > w.refreshed[rank] + w.gap
        w.refreshed[rank] = t
    elif code in (REFPB, REFSB):
        late = w.bank_gap > 0 and t > refreshed[at] + w.bank_gap
        refreshed[at] = t
    return LATE_REFRESH if late else -1


@_within
def _check_activations(w: Any, worn: IntArray, code: int, rank: int, bank: int) -> int:
    """Activations of a bank since it was refreshed stay below the limit (MR58); -1 or the rule."""
    first = rank * w.banks
    if code == ACT:
        worn[first + bank] += 1
        return WORN if worn[first + bank] > w.raammt else -1
    step = w.banks // w.groups if code in (REFSB, RFMSB) else w.banks
    if code == REF:
        bank, step = 0, 1
    if code in (REF, REFPB, REFSB, RFMSB):
        taken = w.raaimt if code == RFMSB else w.raadec
        for at in range(first + bank, first + w.banks, step):
            worn[at] = max(0, worn[at] - taken)
    return -1


@njit(cache=True, nogil=True)
def _walk(w: Any, table: IntArray, commands: Any, found: IntArray) -> None:
    """Check one channel's commands, an array of records, in order."""
    kinds = table.shape[1]
    states = 5 * kinds
    seen = np.full((w.banks * w.ranks + w.groups * w.ranks + 3, kinds), LONG_AGO)
    rows = np.full(w.banks * w.ranks, np.int64(-1))
    refreshed = np.zeros(w.banks * w.ranks, np.int64)
    worn = np.zeros(w.banks * w.ranks, np.int64)
    w.acts[:] = LONG_AGO
    for k in range(len(commands)):
        t, code = commands[k].time, commands[k].code
        rank, bank = commands[k].rank, commands[k].bank
        step = w.banks // w.groups if code in (REFSB, RFMSB) else w.banks
        _check_distances(w, table, seen, found, k, t, code, rank, bank)
        faults = (
            _check_power(w, code, rank),
            _check_window(w, t, rank) if code == ACT else -1,
            _check_rank(w, rows, code, rank) if bank < 0 else -1,
            _check_gap(w, refreshed, t, code, rank, 0) if code == REF else -1,
            _check_activations(w, worn, code, rank, bank) if w.raammt > 0 else -1,
        )
        for fault in faults:
            if fault >= 0:
                _report(w, found, k, states + fault)
        _note(w, seen, t, code, rank, bank)
        while 0 <= bank < w.banks:
            at = rank * w.banks + bank
            fault = _check_bank(w, rows, code, at, commands[k].row)
            if fault >= 0:
                _report(w, found, k, states + fault)
            fault = _check_gap(w, refreshed, t, code, rank, at)
            if fault >= 0 and code != REF:
                _report(w, found, k, states + fault)
            seen[at, code] = t
            bank += step


def check(
    commands: CommandTrace,
    part: Part,
    *,
    ranks: int = 1,
    refreshes: bool = True,
    intervals: int = 9,
    management: bool = False,
) -> Report:
    """Hold a command trace against the timing table and the state rules of a part.

    Args:
        commands: The trace; channels are checked one by one.
        part: The part it claims to obey.
        ranks: Ranks of a channel.
        refreshes: Whether a rank (a bank) must be refreshed in time.
        intervals: tREFI that may lie between two refreshes: JEDEC's nine. A controller that pulls
            in p and then postpones q of them leaves up to 1 + p + q.
        management: Whether banks that are activated often must be managed in time (RFM).

    Returns:
        How many commands were checked, how many rules were broken, and the first of them.
    """
    table = distances(part)
    violations: list[Violation] = []
    total = 0
    for channel in np.unique(commands.channel):
        index = np.flatnonzero(commands.channel == channel)
        records = _records(commands, index)
        watch = _watch(part, ranks, intervals if refreshes else 0)
        if management:
            t = part.timing
            watch["raaimt"], watch["raammt"], watch["raadec"] = t.raaimt, t.raammt, t.raadec
        found = np.zeros((KEPT, 2), dtype=np.int64)
        _walk(watch[0], table, records, found)
        count = int(watch["found"][0])
        total += count
        violations += [
            _described(commands, int(index[k]), int(code), table)
            for k, code in found[: min(count, KEPT)]
        ]
    return Report(len(commands), total, tuple(violations[:KEPT]))


def _watch(part: Part, ranks: int, intervals: int) -> Any:
    t = part.timing
    watch = np.zeros(1, dtype=WATCH)
    watch["banks"], watch["groups"], watch["ranks"] = part.banks, part.groups, ranks
    watch["faw"] = t.faw
    if intervals:
        closing = t.rc + t.wl + part.burst_length // 2 + t.wr + t.rfc
        watch["gap"] = intervals * t.refi + closing
        watch["bank_gap"] = (intervals + 1) * t.refi + closing + part.banks * t.rfc_pb
    return watch


def _records(commands: CommandTrace, index: IntArray) -> Any:
    form = [("time", "i8"), ("row", "i4"), ("bank", "i2"), ("rank", "i1"), ("code", "i1")]
    records = np.zeros(len(index), dtype=np.dtype(form, align=True))
    for name, _ in form:
        records[name] = getattr(commands, name)[index]
    return records


def _described(commands: CommandTrace, index: int, code: int, table: IntArray) -> Violation:
    kinds = len(COMMANDS)
    name = COMMANDS[commands.code[index]]
    if code >= len(SCOPES) * kinds:
        return Violation(index, f"{name}: {STATES[code - len(SCOPES) * kinds]}")
    scope, source = divmod(code, kinds)
    least = int(table[scope, source, commands.code[index]])
    return Violation(index, f"{COMMANDS[source]} to {name} ({SCOPES[scope]}): below {least} cycles")
