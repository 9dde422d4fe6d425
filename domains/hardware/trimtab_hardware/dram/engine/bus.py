"""Earliest issue times: what a command may follow, and what it delays."""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.state import NEVER, inner, rare
from trimtab_hardware.dram.result import ACT, NOP, PRE, PREAB, RD, RDA, REF, REFSB, WRA


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
def refresh_time(s: Any, c: Any, rank: int) -> int:
    """Earliest issue of the rank's refresh command; NEVER if it has none."""
    command = s.refresh_cmd[rank]
    if command == NOP or s.asleep[rank]:
        return int(NEVER)
    if command == REF:
        ready = s.ref_rank[rank]
    elif command == PREAB:
        ready = s.preab_rank[rank]
    else:
        ready = bank_refresh_time(s, c, rank)
    return int(max(s.now, s.bus, ready))


@rare
def bank_refresh_time(s: Any, c: Any, rank: int) -> int:
    """Earliest issue of a refresh of one bank (or one of every group), or of its precharge."""
    b = s.refresh_bank[rank]
    if s.refresh_cmd[rank] == PRE:
        return int(s.pre_bank[b])
    time = max(s.act_rank[rank], s.bank_refresh_rank[rank])
    end = (rank + 1) * c.banks_per_rank if s.refresh_cmd[rank] == REFSB else b + 1
    for other in range(b, end, c.banks_per_group):
        time = max(time, s.act_bank[other])
    return int(time)


@rare
def delay_after_bank_refresh(s: Any, c: Any, rank: int) -> None:
    """Consequences of a refresh of one bank, or of one bank of every group, now."""
    b = s.refresh_bank[rank]
    s.bus = s.now + c.pre_ck
    end = (rank + 1) * c.banks_per_rank if s.refresh_cmd[rank] == REFSB else b + 1
    for other in range(b, end, c.banks_per_group):
        s.act_bank[other] = max(s.act_bank[other], s.now + c.rfc_pb)
    s.act_rank[rank] = max(s.act_rank[rank], s.now + c.rrefd)
    s.bank_refresh_rank[rank] = max(s.bank_refresh_rank[rank], s.now + c.rfc_pb)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.refpden)


@inner
def delay_after_act(s: Any, c: Any, b: int, group: int, rank: int) -> None:
    """Consequences of an ACT now."""
    t = s.now
    s.bus = t + c.act_ck
    s.cas_bank[b] = t + c.rcd
    s.rda_bank[b] = 0
    s.act_bank[b] = t + c.rc
    s.pre_bank[b] = t + c.ras
    s.act_group[group] = t + c.rrd_l
    k = s.act_count[rank] & 3
    s.acts[rank, k] = t
    s.act_count[rank] += 1
    window = s.acts[rank, (k + 1) & 3] + c.faw if s.act_count[rank] >= 4 else 0
    s.act_rank[rank] = max(s.act_rank[rank], t + c.rrd_s, window)
    s.preab_rank[rank] = max(s.preab_rank[rank], t + c.ras)
    s.ref_rank[rank] = max(s.ref_rank[rank], t + c.rc)
    s.bank_refresh_rank[rank] = max(s.bank_refresh_rank[rank], t + c.rrd_l)
    s.pde_rank[rank] = max(s.pde_rank[rank], t + c.actpden)


@inner
def delay_after_pre(s: Any, c: Any, b: int, rank: int) -> None:
    """Consequences of a PRE now."""
    s.bus = s.now + c.pre_ck
    s.act_bank[b] = max(s.act_bank[b], s.now + c.rp)
    s.ref_rank[rank] = max(s.ref_rank[rank], s.now + c.rp)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.prpden)


@rare
def delay_after_preab(s: Any, c: Any, rank: int) -> None:
    """Consequences of a PREAB now."""
    s.bus = s.now + c.pre_ck
    s.act_rank[rank] = max(s.act_rank[rank], s.now + c.rp_ab)
    s.ref_rank[rank] = max(s.ref_rank[rank], s.now + c.rp_ab)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.prpden)


@rare
def delay_after_ref(s: Any, c: Any, rank: int) -> None:
    """Consequences of a REF now."""
    s.bus = s.now + c.pre_ck
    s.act_rank[rank] = max(s.act_rank[rank], s.now + c.rfc)
    s.ref_rank[rank] = max(s.ref_rank[rank], s.now + c.rfc)
    s.pde_rank[rank] = max(s.pde_rank[rank], s.now + c.refpden)


@inner
def delay_after_read(s: Any, c: Any, b: int, group: int, rank: int, closes: bool) -> None:
    """Consequences of an RD or RDA now."""
    t = s.now
    s.bus = t + c.cas_ck
    s.rd_group[group] = max(s.rd_group[group], t + c.ccd_l)
    s.rd_rank[rank] = max(s.rd_rank[rank], t + c.ccd_s)
    s.wr_rank[rank] = max(s.wr_rank[rank], t + c.rdwr)
    s.preab_rank[rank] = max(s.preab_rank[rank], t + c.rtp)
    s.pde_rank[rank] = max(s.pde_rank[rank], t + c.rl + c.burst + 1)
    if closes:
        s.act_bank[b] = max(s.act_bank[b], t + c.rtp + c.rp)
        s.ref_rank[rank] = max(s.ref_rank[rank], t + c.rtp + c.rp)
    else:
        s.pre_bank[b] = max(s.pre_bank[b], t + c.rtp)
    if c.ranks > 1:
        other = 1 - rank
        s.rd_rank[other] = max(s.rd_rank[other], t + c.burst + c.rtrs)
        s.wr_rank[other] = max(s.wr_rank[other], t + c.rl + c.burst + c.rtrs - c.wl + c.wpre)


@inner
def delay_after_write(s: Any, c: Any, b: int, group: int, rank: int, closes: bool) -> None:
    """Consequences of a WR or WRA now."""
    t = s.now
    s.bus = t + c.cas_ck
    s.wr_group[group] = max(s.wr_group[group], t + c.ccd_l_wr)
    s.wr_rank[rank] = max(s.wr_rank[rank], t + c.ccd_s)
    s.rd_group[group] = max(s.rd_group[group], t + c.wl + c.burst + c.wtr_l)
    s.rd_rank[rank] = max(s.rd_rank[rank], t + c.wl + c.burst + c.wtr_s)
    s.preab_rank[rank] = max(s.preab_rank[rank], t + c.wrpre)
    s.pde_rank[rank] = max(s.pde_rank[rank], t + c.wrpre + closes)
    if closes:
        s.act_bank[b] = max(s.act_bank[b], t + c.wrpre + c.rp)
        s.ref_rank[rank] = max(s.ref_rank[rank], t + c.wrpre + c.rp)
    else:
        s.pre_bank[b] = max(s.pre_bank[b], t + c.wrpre)
        s.rda_bank[b] = t + c.wrpre - c.rtp
    if c.ranks > 1:
        other = 1 - rank
        s.wr_rank[other] = max(s.wr_rank[other], t + c.burst + c.rtrs)
        s.rd_rank[other] = max(s.rd_rank[other], t + c.wl + c.burst + c.rtrs - c.rl + c.rpre)


@inner
def delay_after_column(s: Any, c: Any, b: int, group: int, rank: int, command: int) -> None:
    """Consequences of a column command now."""
    if command in (RD, RDA):
        delay_after_read(s, c, b, group, rank, command == RDA)
    else:
        delay_after_write(s, c, b, group, rank, command == WRA)
