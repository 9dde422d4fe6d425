"""Earliest issue times: what a command may follow, and what it delays."""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.state import (
    ACTS,
    NEVER,
    READS,
    WRITES,
    for_wider,
    index,
    inner,
    rare,
)
from trimtab_hardware.dram.result import ACT, NOP, PRE, PREAB, RD, RDA, REF, REFPB, WRA


@inner
def own_time(s: Any, b: int, command: int) -> int:
    """Earliest issue of `command` as far as its bank decides."""
    if command == ACT:
        return int(s.act_bank[b])
    if command == PRE:
        return int(s.pre_bank[b])
    if command == RDA:
        return int(max(s.cas_bank[b], s.rda_bank[b]))
    return int(s.cas_bank[b])


@inner
def delay_rank(s: Any, c: Any, lanes: int, rank: int, time: int) -> None:
    """No command of these lanes to the rank before `time`."""
    first = lanes + rank * c.groups_per_rank
    for lane in range(first, first + c.groups_per_rank):
        s.shared[index(lane)] = max(s.shared[index(lane)], time)


@inner
def delay_group(s: Any, lane: int, time: int) -> None:
    """No command of this lane before `time`."""
    s.shared[index(lane)] = max(s.shared[index(lane)], time)


@rare
def refresh_time(s: Any, c: Any, rank: int) -> int:
    """Earliest issue of the rank's refresh command; NEVER if it has none."""
    command = s.refresh_cmd[rank]
    if command == NOP or s.asleep[rank]:
        return int(NEVER)
    if command == REF:
        ready = max(s.ref_rank[rank], s.act_at[rank] + c.rc, s.pre_at[rank] + c.rp)
        ready = max(ready, s.rda_at[rank] + c.rtp + c.rp, s.wra_at[rank] + c.wrpre + c.rp)
    elif command == PREAB:
        ready = max(s.preab_rank[rank], s.act_at[rank] + c.ras)
        ready = max(ready, s.read_at[rank] + c.rtp, s.write_at[rank] + c.wrpre)
    else:
        ready = bank_refresh_time(s, c, rank)
    return int(max(s.now, s.bus, ready))


@for_wider(0)
def bank_refresh_time(s: Any, c: Any, rank: int) -> int:
    """Earliest issue of a refresh of one bank (or one of every group), or of its precharge."""
    b = s.refresh_bank[rank]
    if s.refresh_cmd[rank] == PRE:
        return int(s.pre_bank[b])
    time = max(s.shared[ACTS + rank * c.groups_per_rank], s.bank_refresh_rank[rank])
    time = max(time, s.act_at[rank] + c.rrd_l)
    end = (rank + 1) * c.banks_per_rank if s.refresh_cmd[rank] != REFPB else b + 1
    for other in range(b, end, c.banks_per_group):
        time = max(time, s.act_bank[other])
    return int(time)


@rare
def sleep_time(s: Any, c: Any, rank: int) -> int:
    """Earliest power-down entry of the rank."""
    ready = max(s.pde_rank[rank], s.act_at[rank] + c.actpden, s.pre_at[rank] + c.prpden)
    ready = max(ready, s.read_at[rank] + c.rl + c.burst + 1, s.write_at[rank] + c.wrpre)
    return int(max(ready, s.wra_at[rank] + c.wrpre + 1))


@rare
def delay_after_bank_refresh(s: Any, c: Any, rank: int) -> None:
    """Consequences of a refresh of one bank, or of one bank of every group, now."""
    b = s.refresh_bank[rank]
    s.bus = s.now + c.pre_ck
    end = (rank + 1) * c.banks_per_rank if s.refresh_cmd[rank] != REFPB else b + 1
    for other in range(b, end, c.banks_per_group):
        s.act_bank[other] = max(s.act_bank[other], s.now + c.rfc_pb)
    delay_rank(s, c, ACTS, rank, s.now + c.rrefd)
    done = s.now + c.rfc_pb
    s.bank_refresh_rank[rank] = max(s.bank_refresh_rank[rank], done)
    s.preab_rank[rank] = max(s.preab_rank[rank], done)
    s.ref_rank[rank] = max(s.ref_rank[rank], done)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.refpden)


@inner
def delay_after_act(s: Any, c: Any, b: int, rank: int) -> None:
    """Consequences of an ACT now."""
    t = s.now
    s.bus = t + c.act_ck
    s.cas_bank[b] = t + c.rcd
    s.rda_bank[b] = 0
    s.act_bank[b] = t + c.rc
    s.pre_bank[b] = t + c.ras
    s.act_at[rank] = t
    k = s.act_count[rank]
    s.acts[rank, index(k & 3)] = t
    s.act_count[rank] = k + 1
    window = s.acts[rank, index((k + 1) & 3)] + c.faw if k >= 3 else 0
    delay_rank(s, c, ACTS, rank, max(t + c.rrd_s, window))
    delay_group(s, ACTS + c.group_of[b], t + c.rrd_l)


@inner
def delay_after_pre(s: Any, c: Any, b: int, rank: int) -> None:
    """Consequences of a PRE now."""
    s.bus = s.now + c.pre_ck
    s.act_bank[b] = max(s.act_bank[b], s.now + c.rp)
    s.pre_at[rank] = s.now


@rare
def delay_after_preab(s: Any, c: Any, rank: int) -> None:
    """Consequences of a PREAB now."""
    s.bus = s.now + c.pre_ck
    delay_rank(s, c, ACTS, rank, s.now + c.rp_ab)
    s.ref_rank[rank] = max(s.ref_rank[rank], s.now + c.rp_ab)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.prpden)


@rare
def delay_after_ref(s: Any, c: Any, rank: int) -> None:
    """Consequences of a REF now."""
    s.bus = s.now + c.pre_ck
    delay_rank(s, c, ACTS, rank, s.now + c.rfc)
    s.ref_rank[rank] = max(s.ref_rank[rank], s.now + c.rfc)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.refpden)


@inner
def delay_after_read(s: Any, c: Any, b: int, rank: int, closes: bool) -> None:
    """Consequences of an RD or RDA now."""
    t = s.now
    s.bus = t + c.cas_ck
    delay_rank(s, c, READS, rank, t + c.ccd_s)
    delay_rank(s, c, WRITES, rank, t + c.rdwr)
    delay_group(s, READS + c.group_of[b], t + c.ccd_l)
    s.read_at[rank] = t
    if closes:
        s.act_bank[b] = max(s.act_bank[b], t + c.rtp + c.rp)
        s.rda_at[rank] = t
    else:
        s.pre_bank[b] = max(s.pre_bank[b], t + c.rtp)
    if c.ranks > 1:
        delay_rank(s, c, READS, 1 - rank, t + c.burst + c.rtrs)
        delay_rank(s, c, WRITES, 1 - rank, t + c.rl + c.burst + c.rtrs - c.wl + c.wpre)


@inner
def delay_after_write(s: Any, c: Any, b: int, rank: int, closes: bool) -> None:
    """Consequences of a WR or WRA now."""
    t = s.now
    s.bus = t + c.cas_ck
    end = t + c.wl + c.burst
    delay_rank(s, c, WRITES, rank, t + c.ccd_s)
    delay_rank(s, c, READS, rank, end + c.wtr_s)
    delay_group(s, WRITES + c.group_of[b], t + c.ccd_l_wr)
    delay_group(s, READS + c.group_of[b], end + c.wtr_l)
    s.write_at[rank] = t
    if closes:
        s.act_bank[b] = max(s.act_bank[b], t + c.wrpre + c.rp)
        s.wra_at[rank] = t
    else:
        s.pre_bank[b] = max(s.pre_bank[b], t + c.wrpre)
        s.rda_bank[b] = t + c.wrpre - c.rtp
    if c.ranks > 1:
        delay_rank(s, c, WRITES, 1 - rank, t + c.burst + c.rtrs)
        delay_rank(s, c, READS, 1 - rank, end + c.rtrs - c.rl + c.rpre)


@inner
def delay_after_column(s: Any, c: Any, b: int, rank: int, command: int) -> None:
    """Consequences of a column command now."""
    if command in (RD, RDA):
        delay_after_read(s, c, b, rank, command == RDA)
    else:
        delay_after_write(s, c, b, rank, command == WRA)
