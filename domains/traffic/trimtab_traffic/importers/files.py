"""What every importer yields: the files SUMO will run, the period, and what was mended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrafficFiles:
    """Resolved input of a simulation.

    Attributes:
        net_file: the SUMO network.
        route_files: demand, in the order SUMO loads it.
        additional_files: types, detectors, signal programs, stops.
        begin_s, end_s: simulated period, s; None where the source does not say.
        options: SUMO options of the source that shape its physics, as (name, value).
        repairs: one line per thing that was mended on the way in.
        notes: one line per thing that a reader should know.
    """

    net_file: Path
    route_files: tuple[Path, ...] = ()
    additional_files: tuple[Path, ...] = ()
    begin_s: float | None = None
    end_s: float | None = None
    options: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def with_repairs(self, *lines: str) -> TrafficFiles:
        """The same files with further repairs listed."""
        return replace(self, repairs=(*self.repairs, *lines))

    def with_notes(self, *lines: str) -> TrafficFiles:
        """The same files with further notes listed."""
        return replace(self, notes=(*self.notes, *lines))
