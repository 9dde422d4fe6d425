"""From a user's files to a scenario: traces, part, map, controller, told apart by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Imported
from trimtab.contracts.errors import InputFileError

from trimtab_hardware.dram.address_map import read_address_map
from trimtab_hardware.dram.configuration_files import read_configuration
from trimtab_hardware.dram.part import Part, load_part, part_ids
from trimtab_hardware.dram.part_files import read_part
from trimtab_hardware.dram.scenario import Controller
from trimtab_hardware.dram.trace_files import read_trace
from trimtab_hardware.dram.trace_lines import Pace
from trimtab_hardware.dram.traces import Trace
from trimtab_hardware.dram.user_files import naming, parse_json, read_text

PART, ADDRESS_MAP, CONTROLLER = "part_file", "address_map_file", "controller_file"
KINDS = {"memspec": PART, "addressmapping": ADDRESS_MAP, "mcconfig": CONTROLLER}
"""Keys on top of DRAMSys files, and the key of the scenario that names such a file."""


def problem_from_files(files: Sequence[Path], folder: Path) -> Imported:
    """A scenario's problem part of traces and at most one part, address map and controller.

    Without a part file the address map chooses the shipped part that it fits.

    Raises:
        InputFileError: a file is of no known kind or wrong, one kind comes twice, or no trace.
    """
    kinds: dict[str, Path] = {}
    traces: list[Path] = []
    for path in files:
        kind = _kind(path)
        if kind is None:
            traces.append(path)
        elif kind in kinds:
            msg = f"{path}: a second {kind} after {kinds[kind]}: give one"
            raise InputFileError(msg)
        else:
            kinds[kind] = path
    if not traces:
        msg = f"{files[0]}: no trace among the files: give at least one"
        raise InputFileError(msg)
    part, notes = _part(kinds)
    problem: dict[str, Any] = {kind: _written(path, folder) for kind, path in kinds.items()}
    if PART not in kinds:
        problem["part"] = part.id
    if CONTROLLER in kinds:
        read_configuration(kinds[CONTROLLER], part)
    elif PART in kinds:
        with naming(kinds[PART]):
            part.check_refresh(Controller().refresh_policy, managed=False)
    workload, more = _workload(traces, part, folder)
    return Imported({**problem, "workloads": [workload]}, (*notes, *more))


def _kind(path: Path) -> str | None:
    """Key of the scenario that a file is for; None for a trace."""
    if path.suffix.lower() == ".ini":
        return PART
    if path.suffix.lower() != ".json":
        return None
    document = parse_json(read_text(path), path)
    for key, kind in KINDS.items():
        if isinstance(document, dict) and key in document:
            return kind
    msg = f"{path}: has none of {', '.join(KINDS)}: give a DRAMSys file"
    raise InputFileError(msg)


def _part(kinds: Mapping[str, Path]) -> tuple[Part, list[str]]:
    """The part of the files, and notes."""
    if PART in kinds:
        part = read_part(kinds[PART])
        if ADDRESS_MAP in kinds:
            chosen = read_address_map(kinds[ADDRESS_MAP])
            with naming(kinds[ADDRESS_MAP]):
                part.check_map(chosen)
        return part, list(part.timing.warnings)
    if ADDRESS_MAP in kinds:
        part = _fitting_part(kinds[ADDRESS_MAP])
        name = kinds[ADDRESS_MAP].name
        return part, [f"{name} fits {part.id}: change `part` to another of its size"]
    return load_part("ddr3-1600-1gb-x8"), []


def _workload(traces: Sequence[Path], part: Part, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The workload of the traces, and notes."""
    workload: dict[str, Any] = {"traces": [_written(path, folder) for path in traces]}
    read = [read_trace(path, part.clock_mhz, pace=Pace()) for path in traces]
    notes = []
    if any(int(trace.address.max()) >= part.capacity_bytes for trace in read):
        workload["wrap"] = True
        notes.append(f"addresses go beyond {part.id}: they wrap, or choose a larger part")
    workload["requests"] = sum(len(trace) for trace in read)
    return workload, notes + [_note(p, t) for p, t in zip(traces, read, strict=True)]


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
