"""Energy of a command log, by the accounting of DRAMPower 4.

Per device: command energies above the background of their time, and the background by whether
any bank of the rank is open. Source: K. Chandrasekar et al., DRAMPower, version 4. Not modelled:
dependence on data, I/O and termination.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab_hardware.dram.engine.state import BANKS, NEVER, PARAMETERS, compiled, inner, rare
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.result import (
    ACT,
    PDE,
    PDX,
    PRE,
    PREAB,
    RD,
    RDA,
    REF,
    REFPB,
    REFSB,
    RFMSB,
    WR,
    WRA,
)

Array = np.ndarray[Any, Any]
COLUMNS = (
    "acts", "pres", "reads", "writes", "refs", "bank_refs", "active", "precharged", "active_down",
    "precharged_down", "end",
)  # fmt: skip
"""Columns of `account`'s answer: counts of commands, then cycles."""

WALK = np.dtype(
    [
        *((name, np.int64) for name in COLUMNS),
        *(
            (name, np.int64)
            for name in ["open", "first", "last_pre", "last_time", "last_code", "down"]
        ),
        ("next_close", np.int64),
        ("is_open", np.int64, BANKS),
        ("last_act", np.int64, BANKS),
        ("close", np.int64, BANKS),
    ],
    align=True,
)
"""State of the walk over one rank's commands; the first fields are its answer."""


@inner
def close_bank(w: Any, b: int, t: int) -> None:
    """A precharge of one bank."""
    w.last_time, w.last_code = t, PRE
    if w.is_open[b]:
        w.pres += 1
        w.is_open[b] = 0
        w.open -= 1
        if w.open == 0:
            w.active += max(0, t - w.first)
            w.last_pre = t


@rare
def close_due(w: Any, until: int) -> None:
    """Carry out the auto-precharges up to a time, in order; they come first in ties."""
    while w.next_close <= until:
        following, bank = NEVER, -1
        for b in range(BANKS):
            if w.close[b] == w.next_close and bank < 0:
                bank = b
            else:
                following = min(following, w.close[b])
        close_bank(w, bank, w.next_close)  # pyright: ignore[reportArgumentType]
        w.close[bank] = NEVER
        w.next_close = following


@rare
def refresh_all(w: Any, c: Any, t: int) -> None:
    """A refresh of all banks: their rows are active for all but the final precharge."""
    w.refs += 1
    w.precharged += max(0, t - w.last_pre)
    w.last_pre = t + c.rfc - c.rp
    w.active += c.rfc - c.rp


@rare
def close_all(w: Any, t: int) -> None:
    """A precharge of all banks."""
    if w.open:
        w.pres += w.open
        w.active += t - w.first
        w.last_pre = t
        w.open = 0
        for b in range(BANKS):
            w.is_open[b] = 0


@inner
def open_bank(w: Any, b: int, t: int) -> None:
    """An activation."""
    if w.open == 0:
        w.first = t
        w.precharged += max(0, t - w.last_pre)
    w.acts += 1
    w.open += 1
    w.is_open[b] = 1
    w.last_act[b] = t


@inner
def close_later(w: Any, b: int, t: int) -> None:
    """An auto-precharge that takes effect at `t`."""
    w.close[b] = t
    w.next_close = min(w.next_close, t)


@rare
def power(w: Any, code: int, t: int) -> None:
    """Entry to or exit from power-down; its cycles leave the background they would be in."""
    if code == PDE:
        w.down = t
    elif w.open:
        w.active_down += t - w.down
    else:
        w.precharged_down += t - w.down


@inner
def step(w: Any, c: Any, code: int, b: int, t: int, off_read: int, off_write: int) -> None:
    """Account one command of the log."""
    if w.next_close <= t:
        close_due(w, t)
    if code == ACT:
        open_bank(w, b, t)
    elif code == PRE:
        close_bank(w, b, t)
    elif code == PREAB:
        close_all(w, t)
    elif code == REF:
        refresh_all(w, c, t)
    elif code in (REFPB, REFSB, RFMSB):
        w.bank_refs += 1
    elif code in (PDE, PDX):
        power(w, code, t)
        return
    elif code in (RD, RDA):
        w.reads += 1
        if code == RDA:
            close_later(w, b, max(t + off_read, w.last_act[b] + c.ras))
    else:
        w.writes += 1
        if code == WRA:
            close_later(w, b, max(t + off_write, w.last_act[b] + c.ras))
    w.last_time, w.last_code = t, code


@rare
def tail(c: Any, code: int, dqsck: int) -> int:
    """Cycles for which the last command keeps the rank accounted."""
    if code in (RD, RDA):
        return int(c.rl + dqsck + 1 + c.burst)
    if code in (WR, WRA):
        return int(c.wrpre)
    if code == ACT:
        return int(c.rcd)
    if code in (PRE, PREAB):
        return int(c.rp)
    return 0


@compiled(cache=True, nogil=True)
def walk(walks: Array, log: Array, c: Any, off_read: int, off_write: int, dqsck: int) -> None:
    """Fill one `WALK` per rank, shape [ranks], from the log."""
    for rank in range(c.ranks):
        walks[rank].next_close = NEVER
        for b in range(BANKS):
            walks[rank].close[b] = NEVER
        walks[rank].last_code = REF
    for k in range(len(log)):
        w = walks[log[k].rank]
        step(w, c, log[k].code, log[k].bank, log[k].time, off_read, off_write)
    end = 0
    for rank in range(c.ranks):
        w = walks[rank]
        close_due(w, int(NEVER) - 1)
        w.end = w.last_time + tail(c, w.last_code, dqsck) - 1
        end = max(end, w.end)
    for rank in range(c.ranks):
        w = walks[rank]
        if w.open:
            w.active += max(0, end - w.first)
        else:
            w.precharged += max(0, end - w.last_pre)
        w.active -= w.active_down
        w.precharged -= w.precharged_down


def energies(part: Part, log: Array, parameters: Array) -> tuple[dict[str, float], int]:
    """Energy of all devices of all ranks by cause, pJ, and the cycles accounted for."""
    timing = part.timing
    ranks = int(parameters["ranks"][0])
    walks = np.zeros(ranks, dtype=WALK)
    off_write = timing.wl + part.burst_ck + timing.wr
    off_read = max(timing.rtp, 4) if part.standard == "DDR3" else timing.rtp
    walk(walks, log, parameters.view(PARAMETERS)[0], off_read, off_write, timing.dqsck)
    total = {name: walks[name].astype(np.int64) for name in COLUMNS}
    cycles = total["active"] + total["precharged"]
    cycles = cycles + total["active_down"] + total["precharged_down"]
    sums = {name: int(column.sum()) for name, column in total.items()}
    return _by_cause(part, sums), int(cycles.max())


def _by_cause(part: Part, n: dict[str, int]) -> dict[str, float]:
    t, burst = part.timing, part.burst_ck
    parts: dict[str, float] = dict.fromkeys(
        (
            "activate", "precharge", "read", "write", "refresh", "active_background",
            "precharged_background", "power_down",
        ),
        0.0,
    )  # fmt: skip
    for rail in part.rails:
        scale = rail.volt * part.tck_ns * part.devices
        refresh = n["refs"] * t.rfc * (rail.idd5 - rail.idd3n) if rail.idd5 else 0.0
        burst_refresh = t.rfc_pb * max(0.0, rail.idd5pb - rail.idd3n)
        share = t.rfc * max(0.0, rail.idd5 - rail.idd3n) / part.banks
        refresh += n["bank_refs"] * (burst_refresh if rail.idd5pb else share)
        column = {
            "activate": n["acts"] * t.ras * (rail.idd0 - rail.idd3n),
            "precharge": n["pres"] * (t.rc - t.ras) * (rail.idd0 - rail.idd2n),
            "read": n["reads"] * burst * (rail.idd4r - rail.idd3n) if rail.idd4r else 0.0,
            "write": n["writes"] * burst * (rail.idd4w - rail.idd3n) if rail.idd4w else 0.0,
            "refresh": refresh,
            "active_background": n["active"] * rail.idd3n,
            "precharged_background": n["precharged"] * rail.idd2n,
            "power_down": n["active_down"] * rail.idd3p0 + n["precharged_down"] * rail.idd2p0,
        }
        for cause, charge in column.items():
            parts[cause] += charge * scale
    return parts
