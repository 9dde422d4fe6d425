"""Converts road networks of other tools to SUMO's format with netconvert.

Signals found in OpenStreetMap are joined into one controller per junction and given static plans
by netconvert: a starting point for a user who knows the real ones. Every warning of netconvert is
counted in the notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.filewrite import copy_without_comments, write_lines
from trimtab_traffic.safexml import elements, open_bytes
from trimtab_traffic.toolchain import ToolRun, run_binary

OSM_FLAGS = (
    "--tls.guess-signals",
    "--tls.discard-simple",
    "--tls.join",
    "--tls.default-type",
    "static",
    "--junctions.join",
    "--geometry.remove",
    "--ramps.guess",
    "--roundabouts.guess",
    "--keep-edges.by-vclass",
    "passenger",
    "--remove-edges.isolated",
    "--output.street-names",
)
_MAX_HEAD = 64 * 1024
_PLAIN_DOCTYPE = re.compile(r"<!DOCTYPE\s+\w+\s+SYSTEM\s+\"[^\"\[\]]*\"\s*>")


@dataclass(frozen=True, slots=True)
class Format:
    """A network format netconvert reads: its option, further flags, root tag if it is XML."""

    title: str
    option: str
    flags: tuple[str, ...] = ()
    root: str | None = None


OSM = Format("OpenStreetMap", "--osm-files", OSM_FLAGS, "osm")
OPENDRIVE = Format("OpenDRIVE", "--opendrive-files", (), "OpenDRIVE")
MATSIM = Format("MATSim", "--matsim-files", ("--tls.guess",), "network")
VISSIM_XML = Format("VISSIM", "--vissim-file", (), "network")
VISSIM = Format("VISSIM", "--vissim-file")
VISUM = Format("Visum", "--visum-file")
_BY_ENDING = {".xodr": OPENDRIVE, ".inpx": VISSIM_XML, ".inp": VISSIM, ".net": VISUM}


@dataclass(frozen=True, slots=True)
class ConvertedNet:
    """A SUMO network made of another format."""

    net_file: Path
    repairs: tuple[str, ...]
    notes: tuple[str, ...]


def network_format(path: Path) -> Format | None:
    """Format of a foreign network, by its ending and, for XML, its root; None if it is none.

    Raises:
        InputFileError: the file is unreadable or unsafe.
    """
    if path.suffix.lower() in _BY_ENDING:
        return _BY_ENDING[path.suffix.lower()]
    if not path.name.lower().endswith((".osm", ".osm.gz", ".xml", ".xml.gz")):
        return None
    if _has_plain_doctype(path):
        return MATSIM
    root = next(elements(path)).name
    return next((f for f in (OSM, MATSIM) if f.root == root), None)


def convert_network(path: Path, work: Path) -> ConvertedNet:
    """Convert a network of another tool; SUMO's own networks need no conversion.

    Raises:
        InputFileError: the format is not known, the file is unsafe, netconvert refuses it, or the
            result has no road.
    """
    found = network_format(path)
    if found is None:
        known = "OpenStreetMap, OpenDRIVE, MATSim, Visum .net, VISSIM .inp/.inpx"
        msg = f"{path}: no network format that can be converted; give one of {known}"
        raise InputFileError(msg)
    work.mkdir(parents=True, exist_ok=True)
    repairs: list[str] = []
    source = path
    if found is MATSIM and _has_plain_doctype(path):
        source = _without_doctype(path, work)
        repairs.append(f"{path.name}: <!DOCTYPE …> removed; it names a file on another host")
    if found.root is not None:
        _read_through(source, found)
    raw = work / "raw.net.xml"
    arguments = [found.option, str(source), *found.flags, "-o", str(raw)]
    run = run_binary("netconvert", arguments, source=path)
    net_file = copy_without_comments(raw, work / f"{path.name.partition('.')[0]}.net.xml")
    raw.unlink()
    return ConvertedNet(net_file, tuple(repairs), _notes(path, found, run, net_file))


def _read_through(path: Path, found: Format) -> None:
    """Refuse what is unsafe or no such file, to the last byte, before netconvert sees it."""
    stream = elements(path)
    root = next(stream)
    if root.name != found.root:
        msg = f"{root.where}: the root is <{root.name}>; a {found.title} file has <{found.root}>"
        raise InputFileError(msg)
    if not any(True for _ in stream):
        msg = f"{path}: holds nothing; export the area again"
        raise InputFileError(msg)


def _head(path: Path) -> str:
    with open_bytes(path) as stream:
        return (stream.read(_MAX_HEAD) or b"").decode("utf-8", errors="replace")


def _has_plain_doctype(path: Path) -> bool:
    """Whether the file has MATSim's document type, which declares nothing of its own."""
    head = _head(path)
    return "<network" in head and bool(_PLAIN_DOCTYPE.search(head.partition("<network")[0]))


def _without_doctype(path: Path, work: Path) -> Path:
    with open_bytes(path) as stream:
        text = b"".join(iter(lambda: stream.read(1 << 20) or b"", b"")).decode("utf-8", "replace")
    head, tag, body = text.partition("<network")
    return write_lines(work / "no-doctype.xml", [_PLAIN_DOCTYPE.sub("", head) + tag + body])


def _notes(path: Path, found: Format, run: ToolRun, net_file: Path) -> tuple[str, ...]:
    signals, edges = count_signals(net_file)
    if not edges:
        msg = f"{path}: no road for cars in it; export a larger area"
        raise InputFileError(msg)
    notes = [f"{path.name}: {found.title} converted: {edges} edges, {signals} signals"]
    if signals:
        notes.append("signal plans were made by netconvert; replace them by the real ones")
    if run.warnings:
        notes.append(f"netconvert: {len(run.warnings)} warnings, the first: {run.warnings[0]}")
    return tuple(notes)


def count_signals(net_file: Path) -> tuple[int, int]:
    """Signals and road edges of a SUMO network."""
    signals: set[str] = set()
    edges = 0
    for element in elements(net_file):
        if element.name == "tlLogic":
            signals.add(element.text("id"))
        edges += element.name == "edge" and "function" not in element.attributes
    return len(signals), edges
