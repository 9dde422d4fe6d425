"""Signal programs as files: SUMO additional files, time-of-day plans, stage and intergreen tables.

What is written here is read back to the same program: stage sequence, intergreens, durations and
offset. Tables list a program as stages (no yellow, some green) and what is shown between them, so
that a signal engineer can check them by eye.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.filewrite import shortest, write_csv, write_xml, xml_lines
from trimtab_traffic.importers.tables import Row, read_table
from trimtab_traffic.netfile import ADDITIONAL_ROOTS
from trimtab_traffic.network import read_program
from trimtab_traffic.safexml import elements, expect_root
from trimtab_traffic.signals import GREEN_CHARS, YELLOW_CHARS, Phase, Program

Programs = Mapping[str, Program]
"""Signal id → program."""

STAGE_COLUMNS = (
    "signal", "program", "type", "offset_s", "stage", "state", "duration_s", "min_s", "max_s",
    "name",
)  # fmt: skip
INTERGREEN_COLUMNS = ("signal", "from_stage", "to_stage", "step", "state", "duration_s")


@dataclass(frozen=True, slots=True)
class DayPlan:
    """Programs that hold from a time of day on."""

    from_s: float
    programs: Programs


def write_programs(path: Path, programs: Programs) -> Path:
    """Write an additional file; SUMO makes the last program loaded of a signal the active one."""
    return write_xml(path, "additional", _all_lines(programs))


def read_programs(path: Path) -> dict[str, tuple[Program, ...]]:
    """All programs of an additional or network file, in file order.

    Raises:
        InputFileError: the file is unreadable or a program is inconsistent.
    """
    stream = elements(path)
    expect_root(next(stream), *ADDITIONAL_ROOTS, "net")
    found: dict[str, list[Program]] = defaultdict(list)
    for element in stream:
        if element.name == "tlLogic":
            found[element.text("id")].append(read_program(element))
    return {name: tuple(programs) for name, programs in found.items()}


def write_day_plans(path: Path, plans: Sequence[DayPlan]) -> Path:
    """Write time-of-day plans: every program, and per signal a WAUT that switches between them.

    Program ids get the plan's number, since a signal's programs must differ in id.

    Raises:
        InputFileError: no plan, plans out of order, or plans of different signals.
    """
    _check_day(plans)
    numbered = [_numbered(plan.programs, k) for k, plan in enumerate(plans)]
    children = [lines for programs in numbered for lines in _all_lines(programs)]
    for signal, first in numbered[0].items():
        switches = [
            xml_lines("wautSwitch", {"time": plan.from_s, "to": programs[signal].id})
            for plan, programs in zip(plans[1:], numbered[1:], strict=True)
        ]
        waut = {"id": f"day-{signal}", "refTime": 0, "startProg": first.id}
        children.append(xml_lines("WAUT", waut, switches))
        children.append(xml_lines("wautJunction", {"wautID": waut["id"], "junctionID": signal}))
    return write_xml(path, "additional", children)


def _check_day(plans: Sequence[DayPlan]) -> None:
    starts = [plan.from_s for plan in plans]
    if not plans or starts != sorted(set(starts)):
        msg = f"day plans begin at {starts} s: give at least one, in rising order of time"
        raise InputFileError(msg)
    if any(plan.programs.keys() != plans[0].programs.keys() for plan in plans):
        msg = "day plans must cover the same signals: add the missing programs"
        raise InputFileError(msg)


def _numbered(programs: Programs, number: int) -> dict[str, Program]:
    return {name: replace(p, id=f"{p.id}-{number}") for name, p in programs.items()}


def _all_lines(programs: Programs) -> list[Iterable[str]]:
    return [program_lines(signal, program) for signal, program in programs.items()]


def program_lines(signal: str, program: Program) -> Iterator[str]:
    """One ``tlLogic`` element."""
    attributes = {
        "id": signal,
        "type": program.type,
        "programID": program.id,
        "offset": float(program.offset_s),
    }
    parameters = [xml_lines("param", {"key": k, "value": v}) for k, v in program.parameters]
    phases = [xml_lines("phase", _phase_attributes(phase)) for phase in program.phases]
    return xml_lines("tlLogic", attributes, [*parameters, *phases])


def _phase_attributes(phase: Phase) -> dict[str, object]:
    attributes: dict[str, object] = {"duration": float(phase.duration_s), "state": phase.state}
    if not isnan(phase.min_duration_s):
        attributes["minDur"] = float(phase.min_duration_s)
    if not isnan(phase.max_duration_s):
        attributes["maxDur"] = float(phase.max_duration_s)
    if phase.name:
        attributes["name"] = phase.name
    if phase.next:
        attributes["next"] = " ".join(map(str, phase.next))
    return attributes | dict(phase.extra)


def is_stage(phase: Phase) -> bool:
    """Whether a phase is a stage: no yellow and at least one green."""
    shown = set(phase.state)
    return not shown & set(YELLOW_CHARS) and bool(shown & set(GREEN_CHARS))


def write_plan_tables(folder: Path, programs: Programs) -> tuple[Path, Path]:
    """Write ``stages.csv`` and ``intergreens.csv`` of cyclic programs.

    Stages are numbered by their place in the cycle. A cycle that begins inside an intergreen is
    turned to begin with a stage, and its offset moved by as much.

    Raises:
        InputFileError: a program has no stage, or branches (``next``).
    """
    stages: list[Sequence[object]] = []
    intergreens: list[Sequence[object]] = []
    for signal, program in programs.items():
        turned = _from_first_stage(signal, program)
        places = [k for k, phase in enumerate(turned.phases) if is_stage(phase)]
        for number, place in enumerate(places):
            stages.append(_stage_row(signal, turned, number, turned.phases[place]))
            end = places[number + 1] if number + 1 < len(places) else len(turned.phases)
            following = (number + 1) % len(places)
            intergreens += [
                (signal, number, following, step, phase.state, phase.duration_s)
                for step, phase in enumerate(turned.phases[place + 1 : end])
            ]
    return (
        write_csv(folder / "stages.csv", STAGE_COLUMNS, stages),
        write_csv(folder / "intergreens.csv", INTERGREEN_COLUMNS, intergreens),
    )


def _from_first_stage(signal: str, program: Program) -> Program:
    first = next((k for k, phase in enumerate(program.phases) if is_stage(phase)), None)
    if first is None or any(phase.next for phase in program.phases):
        why = "has no stage" if first is None else "branches (phase attribute 'next')"
        msg = f"signal {signal!r}: program {program.id!r} {why}: write it as an additional file"
        raise InputFileError(msg)
    lead_s = sum(phase.duration_s for phase in program.phases[:first])
    turned = (*program.phases[first:], *program.phases[:first])
    return replace(program, phases=turned, offset_s=program.offset_s + lead_s)


def _stage_row(signal: str, program: Program, number: int, phase: Phase) -> tuple[object, ...]:
    limits = (
        "" if isnan(limit) else shortest(limit)
        for limit in (phase.min_duration_s, phase.max_duration_s)
    )
    return (
        signal, program.id, program.type, float(program.offset_s), number, phase.state,
        float(phase.duration_s), *limits, phase.name,
    )  # fmt: skip


def read_plan_tables(stages: Path, intergreens: Path) -> dict[str, Program]:
    """Read programs from a stage table and an intergreen table.

    Raises:
        InputFileError: a table is unreadable, a stage number is missing or doubled, or states
            differ in length.
    """
    between: dict[tuple[str, int, int], list[Phase]] = defaultdict(list)
    for row in _rows(intergreens, INTERGREEN_COLUMNS, ()):
        key = (row.text("signal"), int(row.number("from_stage")), int(row.number("to_stage")))
        between[key].append(Phase(row.text("state"), row.number("duration_s")))
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(stages, STAGE_COLUMNS, ("program", "type", "min_s", "max_s", "name")):
        expected = len(rows[row.text("signal")])
        if int(row.number("stage")) != expected:
            msg = f"{row.where}: stage {row.text('stage')} where {expected} follows; number from 0"
            raise InputFileError(msg)
        rows[row.text("signal")].append(row)
    return {signal: _joined(signal, listed, between) for signal, listed in rows.items()}


def _rows(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    required = [column for column in columns if column not in optional]
    return read_table(path, dict.fromkeys(columns, ()), required)


def _joined(
    signal: str, rows: list[Row], between: Mapping[tuple[str, int, int], list[Phase]]
) -> Program:
    phases: list[Phase] = []
    for number, row in enumerate(rows):
        stage = Phase(
            row.text("state"),
            row.number("duration_s"),
            row.number("min_s", nan),
            row.number("max_s", nan),
            name=row.cells.get("name", ""),
        )
        phases += [stage, *between.get((signal, number, (number + 1) % len(rows)), ())]
    wrong = next((p.state for p in phases if len(p.state) != len(phases[0].state)), None)
    if wrong is not None:
        msg = (
            f"{rows[0].where}: signal {signal!r}: state {wrong!r} differs in length from the first"
        )
        raise InputFileError(msg)
    return Program(
        id=rows[0].cells.get("program", "") or "0",
        type=rows[0].cells.get("type", "") or "static",
        offset_s=rows[0].number("offset_s", low=-inf),
        phases=tuple(phases),
        parameters=(),
    )
