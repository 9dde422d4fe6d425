"""Which bits of an address choose byte, column, bank, row, rank and channel."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.user_files import read_document

IntArray = NDArray[np.int64]

FIELDS = ("byte", "column", "group", "bank", "row", "rank", "channel")
"""The fields of a map; `bank` counts within its group."""
KEYS = {
    "BYTE_BIT": "byte",
    "COLUMN_BIT": "column",
    "BANKGROUP_BIT": "group",
    "BANK_BIT": "bank",
    "ROW_BIT": "row",
    "RANK_BIT": "rank",
    "CHANNEL_BIT": "channel",
}
"""DRAMSys' keys of an address-mapping file."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where each request goes, arrays of shape [requests]; `bank` = group · banks/group + bank."""

    channel: IntArray
    rank: IntArray
    bank: IntArray
    row: IntArray
    column: IntArray


@dataclass(frozen=True, slots=True)
class AddressMap:
    """Bits of the address per field, least significant first.

    Attributes:
        byte: Bits within the data bus' width; contiguous from 0.
        column: Column bits; the lowest log2(burst length) follow `byte`.
        group: Bank-group bits.
        bank: Bank bits within the group.
        row: Row bits.
        rank: Rank bits.
        channel: Channel bits.
        xor: Pairs (i, j), applied in order before slicing: bit i becomes bit i ⊕ bit j.
    """

    byte: tuple[int, ...]
    column: tuple[int, ...]
    group: tuple[int, ...]
    bank: tuple[int, ...]
    row: tuple[int, ...]
    rank: tuple[int, ...] = ()
    channel: tuple[int, ...] = ()
    xor: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        used = Counter(bit for name in FIELDS for bit in getattr(self, name))
        for bit in range(max(used, default=-1) + 1):
            if used[bit] != 1:
                fault = "is missing" if not used[bit] else f"is used {used[bit]} times"
                msg = f"address bit {bit} {fault}: every bit belongs to exactly one field"
                raise InputFileError(msg)
        if self.byte != tuple(range(len(self.byte))):
            msg = f"byte bits {list(self.byte)} are not contiguous from 0: start with bit 0"
            raise InputFileError(msg)
        for i, j in self.xor:
            if i == j or not (0 <= i < self.bits and 0 <= j < self.bits):
                msg = f"XOR pair ({i}, {j}) does not name two different bits below {self.bits}"
                raise InputFileError(msg)

    @property
    def bits(self) -> int:
        """Bits of the address; the capacity is 2**bits bytes."""
        return sum(len(getattr(self, name)) for name in FIELDS)

    def check_burst(self, burst_length: int) -> None:
        """Raise unless the bits that count within a burst are the lowest column bits."""
        low = burst_length.bit_length() - 1
        for k in range(low):
            if k >= len(self.column) or self.column[k] != len(self.byte) + k:
                msg = (
                    f"address bit {len(self.byte) + k} must be column bit {k}: it counts "
                    f"within a burst of {burst_length}"
                )
                raise InputFileError(msg)

    def decode(self, address: IntArray) -> Coordinates:
        """Slice byte addresses, shape [requests]; bits above the capacity are dropped."""
        mixed = np.asarray(address, dtype=np.int64)
        for i, j in self.xor:
            mixed = mixed ^ (((mixed >> j) & 1) << i)
        bank = _gather(mixed, self.bank) | (_gather(mixed, self.group) << len(self.bank))
        return Coordinates(
            channel=_gather(mixed, self.channel),
            rank=_gather(mixed, self.rank),
            bank=bank,
            row=_gather(mixed, self.row),
            column=_gather(mixed, self.column),
        )

    def to_json(self) -> str:
        """The map in DRAMSys' address-mapping format."""
        body: dict[str, Any] = {
            key: list(getattr(self, name)) for key, name in KEYS.items() if getattr(self, name)
        }
        if self.xor:
            body["XOR"] = [{"FIRST": i, "SECOND": j} for i, j in self.xor]
        return json.dumps({"addressmapping": body}, indent=2) + "\n"


def _gather(address: IntArray, bits: tuple[int, ...]) -> IntArray:
    """Pack the named bits of each address, first bit least significant; runs move together."""
    packed = np.zeros_like(address)
    start = 0
    while start < len(bits):
        end = start + 1
        while end < len(bits) and bits[end] == bits[end - 1] + 1:
            end += 1
        mask = (1 << (end - start)) - 1
        packed |= ((address >> bits[start]) & mask) << start
        start = end
    return packed


def read_address_map(path: Path | str) -> AddressMap:
    """Read a DRAMSys address-mapping JSON file.

    Raises:
        InputFileError: The file is not such a map, or a bit is missing or used twice.
    """
    return read_document(Path(path), address_map_from)


def address_map_from(document: Any) -> AddressMap:
    """The map in a parsed DRAMSys address-mapping document.

    Raises:
        InputFileError: A key has the wrong type, or the bits are no map.
    """
    body = document.get("addressmapping", document) if isinstance(document, dict) else None
    if not isinstance(body, dict):
        msg = "no object 'addressmapping': give DRAMSys' address-mapping format"
        raise InputFileError(msg)
    for key in body:
        if key.endswith("_BIT") and key not in KEYS:
            msg = f"{key}: no such field is modelled; known: {', '.join(KEYS)}"
            raise InputFileError(msg)
    named = {name: _bits(body, key) for key, name in KEYS.items()}
    return AddressMap(**named, xor=_pairs(body.get("XOR", [])))


def _bits(body: dict[str, Any], key: str) -> tuple[int, ...]:
    bits = body.get(key, [])
    if type(bits) is int:
        bits = [bits]
    if not isinstance(bits, list) or not all(type(bit) is int and bit >= 0 for bit in bits):
        msg = f"{key} is not a list of bit numbers"
        raise InputFileError(msg)
    return tuple(bits)


def _pairs(entries: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(entries, list):
        msg = "XOR is not a list of {FIRST, SECOND} pairs"
        raise InputFileError(msg)
    pairs = []
    for entry in entries:
        named = entry if isinstance(entry, dict) else {}
        first, second = named.get("FIRST"), named.get("SECOND")
        if type(first) is not int or type(second) is not int:
            msg = f"XOR entry {entry!r} is not a pair {{FIRST, SECOND}} of bit numbers"
            raise InputFileError(msg)
        pairs.append((first, second))
    return tuple(pairs)
