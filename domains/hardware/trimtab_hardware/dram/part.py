"""Memory parts as data: organisation, timing, currents, default address map."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from trimtab.contracts.errors import InputFileError, UnknownNameError

from trimtab_hardware.dram.address_map import FIELDS, AddressMap, address_map_from
from trimtab_hardware.dram.timing import Rail, Timing

STANDARDS = ("DDR3", "DDR4", "DDR5", "LPDDR4", "HBM2")
MAPS = ("row-bank-column", "bank-row-column")
"""Names of the shipped address maps; the first is the default."""
MOST_BITS = 60
"""Of an address in the engine's integers."""


@dataclass(frozen=True, slots=True)
class Part:
    """One channel of memory: devices side by side on a data bus.

    Attributes:
        id: Name, unique among the shipped parts.
        standard: One of `STANDARDS`.
        clock_mhz: Command clock, MHz; tCK = 1000 / clock_mhz ns.
        groups: Bank groups of a rank.
        banks: Banks of a rank, in all groups; bank = group · banks/groups + bank of the group.
        rows: Rows of a bank.
        columns: Columns of a row, each as wide as the data bus.
        devices: Devices that share the bus.
        width_bits: Data bits of one device.
        burst_length: Beats of a burst, two a cycle.
        timing: Distances between commands.
        rails: Supplies of one device.
        map: Default address map of one channel with one rank.
        source: Where the figures come from.
    """

    id: str
    standard: str
    clock_mhz: float
    groups: int
    banks: int
    rows: int
    columns: int
    devices: int
    width_bits: int
    burst_length: int
    timing: Timing
    rails: tuple[Rail, ...]
    map: AddressMap
    source: str = ""

    def __post_init__(self) -> None:
        if self.standard not in STANDARDS:
            raise UnknownNameError(self.standard, "DRAM standard", STANDARDS)
        sizes = ("groups", "banks", "rows", "columns", "burst_length")
        for name in (*sizes, "devices", "width_bits"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1 or (name in sizes and value & (value - 1)):
                msg = f"part {self.id}: {name} = {value!r} is not a positive power of two"
                raise InputFileError(msg)
        if self.burst_length < 2:  # noqa: PLR2004 - two beats a cycle
            msg = f"part {self.id}: burst_length = {self.burst_length}: give at least 2"
            raise InputFileError(msg)
        wide = self.devices * self.width_bits
        if wide % 8 or wide & (wide - 1):
            msg = (
                f"part {self.id}: a data bus of {wide} bits: give devices and width_bits that make "
                "a power of two of bytes (without those of error correction)"
            )
            raise InputFileError(msg)
        if self.map.bits > MOST_BITS:
            msg = f"part {self.id}: {self.map.bits} address bits: at most {MOST_BITS} are held"
            raise InputFileError(msg)
        if not self.clock_mhz > 0:
            msg = f"part {self.id}: clock_mhz = {self.clock_mhz!r} is not a positive frequency"
            raise InputFileError(msg)
        self.check_map(self.map)

    @property
    def tck_ns(self) -> float:
        """Clock period, ns."""
        return 1000.0 / self.clock_mhz

    @property
    def burst_ck(self) -> int:
        """Cycles that a burst holds the data bus (B)."""
        return self.burst_length // 2

    @property
    def burst_bytes(self) -> int:
        """Bytes of one burst: the size of a request."""
        return self.devices * self.width_bits * self.burst_length // 8

    @property
    def capacity_bytes(self) -> int:
        """Bytes of one rank of one channel."""
        return self.banks * self.rows * self.columns * self.devices * self.width_bits // 8

    def check_map(self, chosen: AddressMap, channels: int = 1, ranks: int = 1) -> None:
        """Raise unless `chosen` addresses exactly this part in that many channels and ranks.

        Raises:
            InputFileError: A field has too few or too many bits, named in the message.
        """
        sizes = {
            "byte": self.devices * self.width_bits // 8,
            "column": self.columns,
            "group": self.groups,
            "bank": self.banks // self.groups,
            "row": self.rows,
            "rank": ranks,
            "channel": channels,
        }
        for name in FIELDS:
            bits, needed = getattr(chosen, name), sizes[name].bit_length() - 1
            if len(bits) != needed:
                msg = (
                    f"address map and part {self.id} disagree: field {name} has bits "
                    f"{list(bits)}, the part needs {needed} for {sizes[name]}"
                )
                raise InputFileError(msg)
        chosen.check_burst(self.burst_length)

    def check_refresh(self, policy: str, *, managed: bool) -> None:
        """Raise unless the part knows a refresh policy, and refresh management if it is asked for.

        Raises:
            InputFileError: The standard lacks it, or its figures are not given.
        """
        allowed = {"PerBank": ("LPDDR4", "HBM2"), "SameBank": ("DDR5",)}.get(policy)
        if allowed and (self.standard not in allowed or not self.timing.rfc_pb):
            known = ", ".join(allowed)
            msg = f"part {self.id} has no {policy} refresh (standards: {known}; rfc_pb > 0)"
            raise InputFileError(msg)
        if policy != "NoRefresh" and not self.timing.refi:
            msg = f"part {self.id}: refi = 0: give the interval of refreshes, or ask for NoRefresh"
            raise InputFileError(msg)
        if managed and not (self.timing.raaimt and self.timing.rfc_pb):
            msg = (
                f"part {self.id} has no refresh management: raaimt, raammt and rfc_pb must be given"
            )
            raise InputFileError(msg)

    def address_map(
        self, name: str = "row-bank-column", *, channels: int = 1, ranks: int = 1
    ) -> AddressMap:
        """A shipped map by name; channel bits follow the burst, rank bits lie on top.

        Raises:
            UnknownNameError: No such map.
            InputFileError: Channels or ranks are not a power of two.
        """
        if name not in MAPS:
            raise UnknownNameError(name, "address map", MAPS)
        chosen = self.map if name == MAPS[0] else self._bank_row_column()
        for kind, count in (("channels", channels), ("ranks", ranks)):
            if count < 1 or count & (count - 1):
                msg = f"{kind} = {count} is not a power of two"
                raise InputFileError(msg)
        top = chosen.bits
        ranked = replace(chosen, rank=tuple(range(top, top + ranks.bit_length() - 1)))
        return _with_channels(ranked, self.burst_bytes.bit_length() - 1, channels)

    def _bank_row_column(self) -> AddressMap:
        """Column, row, group, bank from low to high: neighbouring rows stay in one bank."""
        return stacked_map(self, ("byte", "column", "row", "group", "bank"))


def stacked_map(part: Part, order: tuple[str, ...]) -> AddressMap:
    """A map whose fields lie in `order`, each contiguous, least significant first."""
    counts = {name: len(getattr(part.map, name)) for name in FIELDS}
    start = 0
    placed: dict[str, Any] = {}
    for name in order:
        placed[name] = tuple(range(start, start + counts[name]))
        start += counts[name]
    return replace(part.map, **placed, xor=())


def _with_channels(chosen: AddressMap, low: int, channels: int) -> AddressMap:
    """Insert channel bits at bit `low`, moving what lies above them up."""
    shift = channels.bit_length() - 1

    def moved(bit: int) -> int:
        return bit + shift if bit >= low else bit

    fields = {name: tuple(moved(bit) for bit in getattr(chosen, name)) for name in FIELDS}
    fields["channel"] = tuple(range(low, low + shift))
    return AddressMap(**fields, xor=tuple((moved(i), moved(j)) for i, j in chosen.xor))


def part_from(entry: dict[str, Any], source: str) -> Part:
    """Build a part from an entry of our own part files."""
    body = {k: v for k, v in entry.items() if k not in ("timing", "rails", "map")}
    return Part(
        **body,
        timing=Timing(**entry["timing"]),
        rails=tuple(Rail(**rail) for rail in entry["rails"]),
        map=address_map_from(entry["map"]),
        source=source,
    )


@cache
def _shipped() -> dict[str, Part]:
    """All shipped parts by id; a cache of immutable data."""
    parts = {}
    folder = resources.files("trimtab_hardware.dram") / "parts"
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".json"):
            document = json.loads(file.read_text(encoding="utf-8"))
            for entry in document["parts"]:
                parts[entry["id"]] = part_from(entry, document["source"])
    return parts


def part_ids() -> tuple[str, ...]:
    """Ids of the shipped parts, sorted."""
    return tuple(sorted(_shipped()))


def load_part(part_id: str) -> Part:
    """A shipped part.

    Raises:
        UnknownNameError: No such part; the message lists the known ones.
    """
    try:
        return _shipped()[part_id]
    except KeyError:
        raise UnknownNameError(part_id, "DRAM part", _shipped()) from None
