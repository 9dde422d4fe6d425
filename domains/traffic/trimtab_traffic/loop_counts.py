"""E1 loops: vehicles between an advance loop and the stop line, from counts of both.

Two induction loops per approach lane, real ones in SUMO (`inductionLoop`): in minus out, bounded by
what fits between them; corrected upwards while the stop line is occupied, and set to zero after an
interval in which neither loop saw anybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from trimtab.contracts.spec import FloatArray, IntArray

from trimtab_traffic.filewrite import write_xml, xml_lines
from trimtab_traffic.signals import VEHICLE_SPACE_M
from trimtab_traffic.simulation import getter

if TYPE_CHECKING:
    from trimtab_traffic.state import TrafficState

STOP_LINE_M = 2.0
"""Distance of the stop-line loop from the end of its lane, m."""
_IN, _OUT = "trimtab-in-", "trimtab-out-"


class LoopCounts:
    """Counts vehicles between pairs of loops.

    Args:
        state: names the lanes.
        range_m: distance of the advance loops from the stop line, m.

    Attributes:
        standing_s: [lanes] how long the stop-line loop has been occupied without a passage.
    """

    def __init__(self, state: TrafficState, range_m: float) -> None:
        self._state = state
        n = len(state.approach_lanes)
        length = state.lane_length_m[:n]
        self._advance_m = np.maximum(length - range_m, np.minimum(1.0, length / 4.0))
        self._stop_m = np.maximum(length - STOP_LINE_M, length / 2.0)
        self._capacity = np.ceil((length - self._advance_m) / VEHICLE_SPACE_M).astype(np.int64)
        self._count = np.zeros(n, dtype=np.int64)
        self._read_s = 0.0
        self.standing_s: FloatArray = np.zeros(len(state.lanes))

    def write(self, path: Path, period_s: int) -> Path:
        """Write the loops as an additional file; they count per interval of `period_s`."""
        rows = [
            {"id": f"{kind}{lane}", "lane": lane, "pos": float(round(at, 2)), "period": period_s,
             "file": "NUL", "friendlyPos": "true"}
            for kind, places in ((_IN, self._advance_m), (_OUT, self._stop_m))
            for lane, at in zip(self._state.approach_lanes, places.tolist(), strict=True)
        ]  # fmt: skip
        return write_xml(path, "additional", (xml_lines("inductionLoop", row) for row in rows))

    def begin(self) -> None:
        """An empty road at the begin of an episode."""
        self._count[:] = 0
        self.standing_s[:] = 0.0
        self._read_s = self._state.time_s

    def update(self) -> IntArray:
        """Vehicles between the loops of each lane after the last interval, [lanes]."""
        elapsed_s, self._read_s = self._state.time_s - self._read_s, self._state.time_s
        arrived, left = self._counted(_IN), self._counted(_OUT)
        api = self._state.simulation()
        occupied = getter(api, "inductionloop", "getTimeSinceDetection")
        present = self._each(occupied, _OUT) == 0.0
        count = np.clip(self._count + arrived - left, 0, self._capacity)
        count = np.where((arrived == 0) & (left == 0) & ~present, 0, count)
        self._count = np.maximum(count, present.astype(np.int64))
        n = len(self._count)
        waiting = present & (left == 0)
        self.standing_s[:n] = np.where(waiting, self.standing_s[:n] + elapsed_s, 0.0)
        everywhere = np.zeros(len(self._state.lanes), dtype=np.int64)
        everywhere[:n] = self._count
        return everywhere

    def _counted(self, kind: str) -> IntArray:
        count = getter(self._state.simulation(), "inductionloop", "getLastIntervalVehicleNumber")
        return np.maximum(self._each(count, kind), 0.0).astype(np.int64)

    def _each(self, get: object, kind: str) -> FloatArray:
        lanes = self._state.approach_lanes
        return np.fromiter((get(f"{kind}{lane}") for lane in lanes), np.float64, len(lanes))  # type: ignore[operator]
