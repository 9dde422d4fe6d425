"""Published address maps of one channel, by the names under which engineers know them."""

from __future__ import annotations

from dataclasses import replace

from trimtab_hardware.dram.address_map import AddressMap
from trimtab_hardware.dram.part import Part, stacked_map

PUBLISHED_MAPS = ("row-bank-column", "RoBaRaCoCh", "MOP4CLXOR", "bank-row-column")
"""DRAMSys' default; Ramulator's default; minimalist open page with four lines a row chunk and
row-to-bank XOR (Kaseridis, Stuecheli, John, MICRO 2011; as in Ramulator 1, Ramulator 2 takes
column bits for the XOR); DRAMSys' map that keeps neighbouring rows in one bank."""

MOP_LINE_BITS = 2


def published_map(part: Part, name: str) -> AddressMap:
    """A published map of one channel and rank of a part.

    Raises:
        UnknownNameError: no such map.
    """
    if name == "RoBaRaCoCh":
        return stacked_map(part, ("byte", "column", "group", "bank", "row"))
    if name == "MOP4CLXOR":
        return _minimalist_open_page(part)
    return part.address_map(name)


def _minimalist_open_page(part: Part) -> AddressMap:
    """Low column bits of four lines, group and bank, other column bits, row; banks XOR row."""
    counts = {name: len(getattr(part.map, name)) for name in ("byte", "column", "group", "bank")}
    low = part.burst_length.bit_length() - 1 + MOP_LINE_BITS
    starts = {"byte": 0, "near": counts["byte"]}
    starts["group"] = starts["near"] + low
    starts["bank"] = starts["group"] + counts["group"]
    starts["far"] = starts["bank"] + counts["bank"]
    starts["row"] = starts["far"] + counts["column"] - low
    end = starts["row"] + len(part.map.row)
    banks = tuple(range(starts["group"], starts["far"]))
    return replace(
        part.map,
        byte=tuple(range(starts["near"])),
        column=(*range(starts["near"], starts["group"]), *range(starts["far"], starts["row"])),
        group=banks[: counts["group"]],
        bank=banks[counts["group"] :],
        row=tuple(range(starts["row"], end)),
        xor=tuple((bit, starts["row"] + k) for k, bit in enumerate(banks)),
    )
