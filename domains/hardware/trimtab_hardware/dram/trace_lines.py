"""One line of a text trace → its requests, for every format that engineers have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

LineRequests = list[tuple[int, int, bool, int]]
"""Requests of one line: time, byte address, whether it writes, bytes."""
ParseLine = Callable[[str], LineRequests]


@dataclass(frozen=True, slots=True)
class Pace:
    """What times mean, and when requests come where a file does not say it.

    Attributes:
        clock_mhz: clock of the time stamps; None if they are memory-clock cycles already.
        cycles_per_request: time between requests of formats without time stamps.
        cycles_per_instruction: time of one instruction in formats that count instructions.
        cache_bytes: capacity of the 8-way write-back cache in front of processor references.
    """

    clock_mhz: float | None = None
    cycles_per_request: float = 1.0
    cycles_per_instruction: float = 1.0
    cache_bytes: int = 256 * 1024


def _hex_address(text: str) -> int:
    if not text.lower().startswith("0x"):
        msg = f"address {text!r} does not start with 0x"
        raise ValueError(msg)
    try:
        return int(text, 16)
    except ValueError:
        msg = f"address {text!r} is not hexadecimal"
        raise ValueError(msg) from None


def _any_address(text: str) -> int:
    return _hex_address(text) if text.lower().startswith("0x") else _count(text, "address")


def _count(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        msg = f"{what} {text!r} is not a non-negative integer"
        raise ValueError(msg)
    return int(text)


def _writes(text: str, names: tuple[str, str]) -> bool:
    lowered = text.lower()
    if lowered not in names:
        msg = f"unknown command {text!r}: expected {names[0]} or {names[1]}"
        raise ValueError(msg)
    return lowered == names[1]


def _columns(words: list[str], least: int, layout: str) -> None:
    if len(words) < least:
        msg = f"missing column: expected {layout}, got {len(words)} of {least}"
        raise ValueError(msg)


def stl_parser(pace: Pace, *, relative: bool) -> ParseLine:
    """DRAMSys: ``time: [(bytes)] read|write 0xaddress [payload]``; times add up if relative."""
    clock = 0

    def parse(line: str) -> LineRequests:
        nonlocal clock
        stamp, colon, rest = line.partition(":")
        if not colon:
            msg = "missing column: expected 'time: read|write 0xaddress'"
            raise ValueError(msg)
        time = _count(stamp.strip(), "time")
        words = rest.split()
        size = 64
        if words and words[0].startswith("("):
            size = _count(words[0].strip("()"), "length")
            words = words[1:]
        _columns(words, 2, "'time: [(bytes)] read|write 0xaddress'")
        clock = clock + time if relative else time
        return [(clock, _hex_address(words[1]), _writes(words[0], ("read", "write")), size)]

    return parse


def dramsim3_parser(pace: Pace) -> ParseLine:
    """DRAMsim3: ``0xaddress READ|WRITE cycle``."""

    def parse(line: str) -> LineRequests:
        words = line.split()
        _columns(words, 3, "'0xaddress READ|WRITE cycle'")
        write = _writes(words[1], ("read", "write"))
        return [(_count(words[2], "cycle"), _hex_address(words[0]), write, 64)]

    return parse


def load_store_parser(pace: Pace) -> ParseLine:
    """Ramulator: ``LD|ST 0xaddress``, evenly spaced."""
    number = 0

    def parse(line: str) -> LineRequests:
        nonlocal number
        words = line.split()
        _columns(words, 2, "'LD|ST 0xaddress'")
        time = int(number * pace.cycles_per_request)
        number += 1
        return [(time, _any_address(words[1]), _writes(words[0], ("ld", "st")), 64)]

    return parse


def bubbles_parser(pace: Pace) -> ParseLine:
    """Ramulator: ``bubbles load-address [write-back-address]``; a bubble is an instruction."""
    instructions = 0

    def parse(line: str) -> LineRequests:
        nonlocal instructions
        words = line.split()
        _columns(words, 2, "'bubbles address [write-back address]'")
        instructions += _count(words[0], "bubbles")
        time = int(instructions * pace.cycles_per_instruction)
        instructions += 1
        requests = [(time, _any_address(words[1]), False, 64)]
        if len(words) > 2:
            requests.append((time, _any_address(words[2]), True, 64))
        return requests

    return parse


def gem5_parser(pace: Pace) -> ParseLine:
    """Decoded gem5 packets: ``[id,]r|w|u,address,size[,flags],tick[,pc]``, ticks of 1 ps.

    Packets that neither read nor write are left out.
    """

    def parse(line: str) -> LineRequests:
        words = [word.strip() for word in line.split(",")]
        if words[0] not in ("r", "w", "u"):
            words = words[1:]
        _columns(words, 4, "'r|w,address,size,[flags,]tick'")
        if words[0] == "u":
            return []
        write = _writes(words[0], ("r", "w"))
        address, size = _any_address(words[1]), _count(words[2], "size")
        return [(_count(words[4 if len(words) > 4 else 3], "tick"), address, write, max(size, 1))]

    return parse


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A format, what its first line looks like, and the clock of its times if it fixes one."""

    name: str
    first_line: re.Pattern[str]
    parser: Callable[[Pace], ParseLine]
    clock_mhz: float | None = None
    timed: bool = True


TEXT_FORMATS = (
    TextFormat("stl", re.compile(r"\s*\S+\s*:"), lambda pace: stl_parser(pace, relative=False)),
    TextFormat("rstl", re.compile(r"(?!)"), lambda pace: stl_parser(pace, relative=True)),
    TextFormat("dramsim3", re.compile(r"\s*0x\S+\s+[A-Za-z]"), dramsim3_parser),
    TextFormat("load-store", re.compile(r"\s*(LD|ST)\s"), load_store_parser, timed=False),
    TextFormat(
        "gem5", re.compile(r"\s*(\d+\s*,\s*)?[rwu]\s*,"), gem5_parser, clock_mhz=1_000_000.0
    ),
    TextFormat("bubbles", re.compile(r"\s*\d+\s+(0x)?[0-9a-fA-F]+"), bubbles_parser, timed=False),
)
LACKEY = "lackey"
LACKEY_FIRST_LINE = re.compile(r"==\d+==|I  [0-9a-f]+,\d+| [SLM] [0-9a-f]+,\d+")
NPZ = "npz"
FORMATS = (*(form.name for form in TEXT_FORMATS), LACKEY, NPZ)
"""Names of the trace formats that can be read."""
