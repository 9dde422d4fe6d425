"""Refresh management: banks that are activated often get refreshes of their own (JESD79-5, RFM).

Every bank counts its activations. From RAAIMT on it wants management: a same-bank RFM, issued once
its unit (the bank of this number in every group) is idle, takes RAAIMT off the counts of the unit;
a refresh takes RAADEC off those of the banks it refreshes. At RAAMMT a bank may not be activated,
and a closed one holds its unit until the RFM.
"""

from __future__ import annotations

from typing import Any

from trimtab_hardware.dram.engine.banks import hold
from trimtab_hardware.dram.engine.state import FOR_MANAGEMENT, for_wider, index, inner, rare
from trimtab_hardware.dram.result import PRE, RFMSB


@inner
def end_of_rank(c: Any, b: int) -> int:
    """The bank after the last of this one's rank."""
    return int((b // c.banks_per_rank + 1) * c.banks_per_rank)


@for_wider(None)
def count_activation(s: Any, c: Any, b: int) -> None:
    """An ACT of the bank has been issued."""
    s.activations[b] += 1
    s.worn += s.activations[b] == c.raaimt


@for_wider(None)
def manage(s: Any, c: Any, rank: int) -> None:
    """Manage the unit that has been activated most, if one wants it and is idle or must wait."""
    first = rank * c.banks_per_rank
    most, chosen = c.raaimt - 1, -1
    forced = False
    for unit in range(c.banks_per_group):
        count = unit_count(s, c, rank, unit)
        if count > most:
            must = is_exhausted(s, c, first + unit)
            if must or (not forced and is_idle(s, c, first + unit, c.banks_per_group)):
                most, chosen, forced = count, unit, must
    if chosen < 0:
        return
    if forced:
        for b in range(first + chosen, first + c.banks_per_rank, c.banks_per_group):
            s.blocked_bank[b] = FOR_MANAGEMENT
            hold(s, index(b))
    s.refresh_cmd[rank] = RFMSB
    close_unit(s, c, rank, chosen, c.banks_per_group)


@rare
def unit_count(s: Any, c: Any, rank: int, unit: int) -> int:
    """Most activations of a bank of the unit."""
    first, most = rank * c.banks_per_rank, 0
    for b in range(first + unit, first + c.banks_per_rank, c.banks_per_group):
        most = max(most, s.activations[b])
    return int(most)


@rare
def is_exhausted(s: Any, c: Any, first: int) -> bool:
    """Whether a closed bank of the unit that begins with `first` may not be activated."""
    for b in range(first, end_of_rank(c, first), c.banks_per_group):
        if s.activations[b] >= c.raammt and s.row[b] < 0:
            return True
    return False


@rare
def is_idle(s: Any, c: Any, first: int, step: int) -> bool:
    """Whether no bank works for a request: every `step`-th of its rank, from `first` on."""
    for b in range(first, end_of_rank(c, first), step):  # noqa: SIM110 - not in Numba
        if s.current[b] >= 0:
            return False
    return True


@rare
def close_unit(s: Any, c: Any, rank: int, unit: int, step: int) -> None:
    """Name the unit's first bank to the rank's command, or precharge an open one before it."""
    first = rank * c.banks_per_rank
    s.refresh_bank[rank] = first + unit
    for b in range(first + unit, first + c.banks_per_rank, step):
        if s.row[b] >= 0:
            s.refresh_cmd[rank] = PRE
            s.refresh_bank[rank] = b
            return


@for_wider(None)
def relieve(s: Any, c: Any, bank: int, step: Any, amount: int) -> None:
    """A refresh, or its management, has taken so much off the counts from `bank` on in its rank."""
    for b in range(bank, end_of_rank(c, bank), step):
        s.activations[b] = max(0, s.activations[b] - amount)
        if s.blocked_bank[b] == FOR_MANAGEMENT:
            s.blocked_bank[b] = 0
    s.worn = 0
    for b in range(c.banks):
        s.worn += s.activations[b] >= c.raaimt
