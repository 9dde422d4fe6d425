"""Reads a SUMO network file (``.net.xml`` or ``.net.xml.gz``) into plain records, safely.

Each element is dropped as soon as it has been read, so a large network costs little memory; what
is refused and when is `safexml`'s business.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.safexml import XmlElement, elements, expect_root, open_bytes

ADDITIONAL_ROOTS = ("additional", "additionals", "add", "tlLogics", "routes")
"""Root tags of additional files; SUMO itself looks at none of them."""

MAX_LINKS = 10_000
"""Links of one signal; the largest known controllers have a few hundred."""


@dataclass(slots=True)
class RawJunction:
    """A junction element: type, position, order of its incoming lanes and its right of way."""

    id: str
    type: str
    x_m: float
    y_m: float
    in_lanes: tuple[str, ...]
    response: dict[int, str] = field(default_factory=dict)
    foes: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class RawNet:
    """Elements of a network file as attribute maps, in file order.

    Attributes:
        programs: ``tlLogic`` elements of the network and of additional files.
        switched_by_clock: one of them holds a ``WAUT``, which switches programs by the clock.
    """

    version: str = ""
    edges: list[dict[str, str]] = field(default_factory=list)
    lanes: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    junctions: dict[str, RawJunction] = field(default_factory=dict)
    connections: list[dict[str, str]] = field(default_factory=list)
    connection_lines: list[int] = field(default_factory=list)
    programs: list[XmlElement] = field(default_factory=list)
    switched_by_clock: bool = False


def _read_junction(element: XmlElement) -> RawJunction:
    junction = RawJunction(
        id=element.text("id"),
        type=element.attributes.get("type", ""),
        x_m=element.number("x", 0.0),
        y_m=element.number("y", 0.0),
        in_lanes=tuple(element.attributes.get("incLanes", "").split()),
    )
    requests = list(element.find_all("request"))
    for request in requests:
        index = _index(request, "index", len(requests))
        if index in junction.foes:
            msg = f"{request.where}: {request.label}: index {index} stands twice; export again"
            raise InputFileError(msg)
        junction.response[index] = request.text("response")
        junction.foes[index] = request.text("foes")
    return junction


def _index(element: XmlElement, key: str, count: int) -> int:
    text = element.text(key)
    if not text.isdecimal() or int(text) >= count:
        msg = f"{element.where}: {element.label}: {key} is {text!r}; write 0 to {count - 1}"
        raise InputFileError(msg)
    return int(text)


def _collect(element: XmlElement, net: RawNet) -> None:
    if element.name == "connection":
        for key in ("from", "to", "fromLane", "toLane"):
            element.text(key)
        if "tl" in element.attributes:
            _index(element, "linkIndex", MAX_LINKS)
        net.connections.append(element.attributes)
        net.connection_lines.append(element.line)
    elif element.name == "edge":
        lanes = list(element.find_all("lane"))
        for lane in lanes:
            for key in ("length", "speed"):
                lane.number(key)
            for key in ("id", "shape"):
                lane.text(key)
        if element.attributes.get("function", "normal") in {"normal", "connector"}:
            element.text("from")
            element.text("to")
        net.edges.append(element.attributes)
        net.lanes[element.text("id")] = [lane.attributes for lane in lanes]
    elif element.name == "junction":
        net.junctions[element.text("id")] = _read_junction(element)
    elif element.name == "tlLogic":
        element.text("id")
        net.programs.append(element)
    elif element.name == "WAUT":
        net.switched_by_clock = True


def read_net(path: Path, additional_files: tuple[Path, ...] = ()) -> tuple[RawNet, str]:
    """Read a network and the signal programs of additional files.

    Args:
        path: ``.net.xml`` or ``.net.xml.gz``.
        additional_files: SUMO additional files; only ``tlLogic`` and ``WAUT`` are looked at.

    Returns:
        The records and the SHA-256 digest over all files read.

    Raises:
        InputFileError: a file is missing, malformed, unsafe, or not what it should be.
    """
    net = RawNet()
    stream = elements(path)
    root = next(stream)
    expect_root(root, "net")
    net.version = root.attributes.get("version", "")
    for element in stream:
        _collect(element, net)
    _check_connections(path, net)
    for extra in additional_files:
        stream = elements(extra)
        expect_root(next(stream), *ADDITIONAL_ROOTS)
        for element in stream:
            if element.name in {"tlLogic", "WAUT"}:
                _collect(element, net)
    return net, _digest((path, *additional_files))


def _check_connections(path: Path, net: RawNet) -> None:
    lanes = {lane["id"] for rows in net.lanes.values() for lane in rows}
    for connection, line in zip(net.connections, net.connection_lines, strict=True):
        for edge, number in (("from", "fromLane"), ("to", "toLane")):
            lane = f"{connection[edge]}_{connection[number]}"
            if lane not in lanes:
                msg = f"{path}:{line}: <connection> names lane {lane!r}, which does not exist"
                raise InputFileError(msg)


def _digest(files: tuple[Path, ...]) -> str:
    """Of the content, so that a packed file and its plain twin are the same network."""
    digest = hashlib.sha256()
    for path in files:
        with open_bytes(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
