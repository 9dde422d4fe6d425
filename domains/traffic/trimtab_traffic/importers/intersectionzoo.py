"""Reads one intersection of an IntersectionZoo data set: ``net.net.xml`` and ``inflows.txt``.

Jayawardana et al., IntersectionZoo, ICLR 2025. ``inflows.txt`` holds the annual average daily
traffic per lane of each approach, one a line in the order of the approaches A, B, C, …; 8.4 % of it
is the peak hour's. Approach X is edge ``X2TL``, fed by ``XA2X`` (10 %) and ``XB2X`` (90 %); exits
are ``TL2X``. The data set names no turns: 10 % turn right and 10 % left where both are possible.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.filewrite import write_xml, xml_lines
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.netfile import RawNet, read_net

PEAK_HOUR_SHARE = 0.084
"""Of the annual average daily traffic (the data set's own default)."""
MAX_INFLOW_VEH_H = 900.0
"""Per lane (the data set's own cap)."""
TURN_SHARES = {"r": 0.1, "l": 0.1}
FEEDER_SHARES = {"A": 0.1, "B": 0.9}
_APPROACH = re.compile(r"^([A-Z])2TL$")
_MAX_INFLOW_BYTES = 4096


def import_intersection(folder: Path, work: Path, horizon_s: float = 3600.0) -> TrafficFiles:
    """Network and peak-hour flows of one intersection.

    Raises:
        InputFileError: a file is missing, is no intersection of the set, or has a wrong number.
    """
    net_file, inflow_file = folder / "net.net.xml", folder / "inflows.txt"
    net, _ = read_net(net_file)
    approaches = _approaches(net_file, net)
    inflows = _inflows(inflow_file)
    if len(inflows) < len(approaches):
        msg = (
            f"{inflow_file}: {len(inflows)} inflows for {len(approaches)} approaches "
            f"({', '.join(approaches)}); add the missing lines"
        )
        raise InputFileError(msg)
    flows = [
        xml_lines("flow", attributes)
        for approach, per_day in zip(approaches, inflows, strict=False)
        for attributes in _flows(net, approach, per_day, horizon_s)
    ]
    if not flows:
        msg = f"{net_file}: no way leads from an approach to an exit TL2…; wrong folder?"
        raise InputFileError(msg)
    demand = write_xml(work / "intersection.rou.xml", "routes", flows)
    note = (
        f"{folder.name}: peak hour is {PEAK_HOUR_SHARE:.1%} of daily traffic; turning shares are "
        "assumed (10 % right, 10 % left)"
    )
    return TrafficFiles(net_file, (demand,), begin_s=0.0, end_s=horizon_s, notes=(note,))


def _approaches(net_file: Path, net: RawNet) -> list[str]:
    found = sorted(m[1] for edge in net.edges if (m := _APPROACH.match(edge["id"])))
    if not found:
        msg = f"{net_file}: no edge A2TL, B2TL, …; this is no intersection of IntersectionZoo"
        raise InputFileError(msg)
    return found


def _inflows(path: Path) -> list[float]:
    try:
        with path.open("rb") as stream:
            lines = stream.read(_MAX_INFLOW_BYTES).decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error}); give one number per approach and line"
        raise InputFileError(msg) from None
    numbers = []
    for line, text in enumerate(lines, 1):
        if text.strip():
            numbers.append(_daily_traffic(path, line, text.strip()))
    return numbers


def _daily_traffic(path: Path, line: int, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        msg = f"{path}:{line}: {text[:40]!r} is no daily traffic; write a number of 0 or more"
        raise InputFileError(msg)
    return number


def _flows(
    net: RawNet, approach: str, per_day: float, horizon_s: float
) -> Iterator[dict[str, object]]:
    """One flow per feeder and exit of an approach."""
    edges = {edge["id"] for edge in net.edges}
    stop_line = f"{approach}2TL_intern" if f"{approach}2TL_intern" in edges else f"{approach}2TL"
    lanes = len(net.lanes[f"{approach}2TL"])
    total = min(per_day * PEAK_HOUR_SHARE, MAX_INFLOW_VEH_H) * lanes
    feeders = {f: s for f, s in FEEDER_SHARES.items() if f"{approach}{f}2{approach}" in edges}
    for exit_edge, turn_share in _turns(net, stop_line).items():
        for feeder, share in (feeders or {"": 1.0}).items():
            start = f"{approach}{feeder}2{approach}" if feeder else f"{approach}2TL"
            volume = total * turn_share * share / sum((feeders or {"": 1.0}).values())
            if volume > 0:
                yield {
                    "id": f"{start}-{exit_edge}",
                    "begin": 0,
                    "end": horizon_s,
                    "vehsPerHour": volume,
                    "from": start,
                    "to": exit_edge,
                    "departLane": "best",
                    "departSpeed": "max",
                }


def _turns(net: RawNet, stop_line: str) -> dict[str, float]:
    """Exit edge → share; straight takes what right and left leave."""
    lanes: dict[str, set[str]] = defaultdict(set)
    direction: dict[str, str] = {}
    for c in net.connections:
        if c["from"] == stop_line and c["to"].startswith("TL2"):
            lanes[c["to"]].add(c["fromLane"])
            direction[c["to"]] = c.get("dir", "s").lower()
    turning = {edge: TURN_SHARES.get(direction[edge], 0.0) for edge in lanes}
    straight = [edge for edge, share in turning.items() if not share]
    rest = 1.0 - sum(turning.values())
    if straight:
        weight = sum(len(lanes[edge]) for edge in straight)
        return turning | {edge: rest * len(lanes[edge]) / weight for edge in straight}
    total = sum(turning.values())
    return {edge: share / total for edge, share in turning.items()}
