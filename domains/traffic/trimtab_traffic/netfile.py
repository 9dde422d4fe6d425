"""Reads a SUMO network file (``.net.xml`` or ``.net.xml.gz``) into plain records, safely.

Document types and entities are refused, decompressed size is capped, and each element is dropped
as soon as it has been read, so a large network costs little memory.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import defusedxml.ElementTree as SafeET  # noqa: N817
from defusedxml.common import DefusedXmlException
from trimtab.contracts.errors import InputFileError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # noqa: S405 - type only, nothing is parsed with it

MAX_NET_BYTES = 512 * 1024 * 1024
"""Decompressed size above which a file is refused, bytes."""


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
    """Elements of a network file as attribute maps, in file order."""

    version: str = ""
    edges: list[dict[str, str]] = field(default_factory=list)
    lanes: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    junctions: dict[str, RawJunction] = field(default_factory=dict)
    connections: list[dict[str, str]] = field(default_factory=list)
    programs: list[tuple[dict[str, str], list[dict[str, str]], dict[str, str]]] = field(
        default_factory=list
    )


def read_bytes(path: Path, max_bytes: int = MAX_NET_BYTES) -> bytes:
    """Return the content of ``path``, decompressed when it is gzip.

    Raises:
        InputFileError: the file is missing, unreadable, no valid gzip, or too large.
    """
    try:
        with path.open("rb") as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except FileNotFoundError:
        msg = f"{path}: no such file; check the path of the network or additional file"
        raise InputFileError(msg) from None
    except (OSError, EOFError) as error:
        msg = f"{path}: cannot be read ({error}); check that it is a complete .xml or .xml.gz file"
        raise InputFileError(msg) from error
    if len(content) > max_bytes:
        msg = f"{path}: larger than {max_bytes} bytes unpacked; cut the network to the area needed"
        raise InputFileError(msg)
    return content


def _elements(path: Path, content: bytes) -> Iterator[Element]:
    """Yield the completed children of the document's root, then the root itself."""
    depth = 0
    try:
        for event, element in SafeET.iterparse(
            io.BytesIO(content), events=("start", "end"), forbid_dtd=True
        ):
            depth += 1 if event == "start" else -1
            if event == "end" and depth <= 1:
                yield element
                element.clear()
    except DefusedXmlException:
        msg = f"{path}: contains a DTD or entity declaration; remove it, SUMO files need none"
        raise InputFileError(msg) from None
    except SafeET.ParseError as error:
        line, column = error.position
        msg = f"{path}:{line}:{column + 1}: not well-formed XML; save the file again with SUMO"
        raise InputFileError(msg) from None


def _params(element: Element) -> dict[str, str]:
    return {p.attrib["key"]: p.attrib.get("value", "") for p in element.findall("param")}


def _read_junction(element: Element) -> RawJunction:
    get = element.attrib.get
    junction = RawJunction(
        id=element.attrib["id"],
        type=get("type", ""),
        x_m=float(get("x", "0")),
        y_m=float(get("y", "0")),
        in_lanes=tuple(get("incLanes", "").split()),
    )
    for request in element.findall("request"):
        index = int(request.attrib["index"])
        junction.response[index] = request.attrib["response"]
        junction.foes[index] = request.attrib["foes"]
    return junction


def _collect(element: Element, net: RawNet) -> None:
    if element.tag == "connection":
        net.connections.append(dict(element.attrib))
    elif element.tag == "edge":
        net.edges.append(dict(element.attrib))
        net.lanes[element.attrib["id"]] = [dict(x.attrib) for x in element.findall("lane")]
    elif element.tag == "junction":
        net.junctions[element.attrib["id"]] = _read_junction(element)
    elif element.tag == "tlLogic":
        phases = [dict(x.attrib) for x in element.findall("phase")]
        net.programs.append((dict(element.attrib), phases, _params(element)))


def _read_into(path: Path, content: bytes, net: RawNet, root_tags: Mapping[str, str]) -> None:
    last: Element | None = None
    try:
        for last in _elements(path, content):  # noqa: B007 - the last one is the root
            if last.tag == "net":
                net.version = last.attrib.get("version", "")
            _collect(last, net)
            tag = last.tag
    except (KeyError, ValueError) as error:
        if isinstance(error, InputFileError):
            raise
        where = (
            f"<{last.tag} id={last.attrib.get('id', '?')!r}>" if last is not None else "the root"
        )
        msg = f"{path}: {where} lacks or garbles {error}; rebuild the file with netconvert"
        raise InputFileError(msg) from None
    if tag not in root_tags:
        expected = " or ".join(f"<{t}> ({what})" for t, what in root_tags.items())
        msg = f"{path}: root element is <{tag}>, expected {expected}"
        raise InputFileError(msg)


def read_net(path: Path, additional_files: tuple[Path, ...] = ()) -> tuple[RawNet, str]:
    """Read a network and the signal programs of additional files.

    Args:
        path: ``.net.xml`` or ``.net.xml.gz``.
        additional_files: SUMO additional files; only their ``tlLogic`` elements are used.

    Returns:
        The records and the SHA-256 digest over all files read.

    Raises:
        InputFileError: a file is missing, malformed, unsafe, or not what it should be.
    """
    net = RawNet()
    digest = hashlib.sha256()
    content = read_bytes(path)
    digest.update(content)
    _read_into(path, content, net, {"net": "a SUMO network"})
    for extra in additional_files:
        content = read_bytes(extra)
        digest.update(content)
        _read_into(
            extra,
            content,
            net,
            {"additional": "additional file", "tlLogics": "signal programs", "add": "additional"},
        )
    return net, digest.hexdigest()
