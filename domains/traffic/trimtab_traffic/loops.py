"""Stop-line loops: induction loops that count who leaves each approach lane."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trimtab_traffic.filewrite import write_xml, xml_lines

STOP_LINE_GAP_M = 0.5
"""Distance of the loop before the stop line, m."""


def stop_line_loop(lane: str) -> str:
    """Id of a lane's stop-line loop."""
    return f"stop-line-{lane}"


def write_stop_line_loops(path: Path, lanes: Iterable[str], until_s: float) -> Path:
    """Write an additional file with one loop per lane that counts from begin to `until_s`."""
    loops = (
        {
            "id": stop_line_loop(lane),
            "lane": lane,
            "pos": -STOP_LINE_GAP_M,
            "friendlyPos": "true",
            "period": until_s,
            "file": "NUL",
        }
        for lane in lanes
    )
    return write_xml(path, "additional", [xml_lines("inductionLoop", loop) for loop in loops])
