"""From a user's files to a scenario: traces, an address map, told apart by their content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Imported
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.address_map import read_address_map
from trimtab_hardware.dram.part import Part, load_part, part_ids
from trimtab_hardware.dram.trace_files import read_trace
from trimtab_hardware.dram.trace_lines import Pace
from trimtab_hardware.dram.traces import Trace


def problem_from_files(files: Sequence[Path], folder: Path) -> Imported:
    """A scenario's problem part of traces and, if there is one, an address map.

    A map chooses the shipped part that it fits.

    Raises:
        InputFileError: a file is of no known kind or wrong, two maps are given, or no trace.
    """
    maps = [path for path in files if _is_address_map(path)]
    traces = [path for path in files if path not in maps]
    if len(maps) > 1:
        msg = f"{maps[1]}: a second address map after {maps[0]}: give one"
        raise InputFileError(msg)
    if not traces:
        msg = f"{files[0]}: no trace among the files: give at least one"
        raise InputFileError(msg)
    notes: list[str] = []
    problem: dict[str, Any] = {}
    part = load_part("ddr3-1600-1gb-x8")
    if maps:
        part = _fitting_part(maps[0])
        problem["address_map_file"] = _written(maps[0], folder)
        notes.append(f"{maps[0].name} fits {part.id}: change `part` to another of its size")
    problem["part"] = part.id
    workload: dict[str, Any] = {"traces": [_written(path, folder) for path in traces]}
    read = [read_trace(path, part.clock_mhz, pace=Pace()) for path in traces]
    if any(int(trace.address.max()) >= part.capacity_bytes for trace in read):
        workload["wrap"] = True
        notes.append(f"addresses go beyond {part.id}: they wrap, or choose a larger part")
    workload["requests"] = sum(len(trace) for trace in read)
    notes += [_note(path, trace) for path, trace in zip(traces, read, strict=True)]
    return Imported({**problem, "workloads": [workload]}, tuple(notes))


def _is_address_map(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    try:
        return "addressmapping" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as broken:
        msg = f"{path}: cannot be read as JSON: {broken}"
        raise InputFileError(msg) from broken


def _fitting_part(path: Path) -> Part:
    chosen = read_address_map(path)
    for part_id in part_ids():
        part = load_part(part_id)
        try:
            part.check_map(chosen)
        except InputFileError:
            continue
        return part
    msg = f"{path}: fits none of the shipped parts: {', '.join(part_ids())}"
    raise InputFileError(msg)


def _written(path: Path, folder: Path) -> str:
    """As the scenario file names it: relative to its folder if it lies below, else whole."""
    full, base = path.resolve(), folder.resolve()
    return str(full.relative_to(base) if full.is_relative_to(base) else full)


def _note(path: Path, trace: Trace) -> str:
    span = int(trace.arrival[-1] - trace.arrival[0]) + 1
    return (
        f"{path.name}: {len(trace)} requests, {trace.is_write.mean():.0%} writes in {span} cycles "
        "(times are taken as memory-clock cycles: set clock_mhz if they are of another clock)"
    )
