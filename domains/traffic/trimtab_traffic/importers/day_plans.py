"""Day plans (``WAUT``): the program in force at the begin is the shipped plan of the whole period.

Left in, SUMO's clock would put its programs over those that a controller installs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.filewrite import XML_HEAD, element_lines, write_lines, xml_lines
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.safexml import XmlElement, elements

_DAY_PLAN = frozenset({"WAUT", "wautJunction"})


@dataclass(frozen=True, slots=True)
class _Held:
    """What a day plan does to one signal: its program at the begin, and later switches (s, id)."""

    plan: str
    program: str
    left_out: tuple[tuple[float, str], ...]

    def note(self, signal: str) -> str:
        line = f"day plan {self.plan!r}: signal {signal!r} keeps program {self.program!r}"
        if not self.left_out:
            return line
        time_s, program = self.left_out[0]
        more = f" and {len(self.left_out) - 1} later" if len(self.left_out) > 1 else ""
        return (
            f"{line} for the whole period: its switch to {program!r} at {time_s:g} s{more} is left "
            "out; evaluate that part of the day with a begin_s of its own"
        )


def hold_day_plans(files: TrafficFiles, work: Path) -> TrafficFiles:
    """Copies of the files in which no clock switches programs.

    Args:
        files: network and additional files, with their period.
        work: folder for the copies.

    Raises:
        InputFileError: a day plan names a program that its signal does not have.
    """
    paths = (files.net_file, *files.additional_files)
    begin_s, end_s = files.begin_s or 0.0, files.end_s or math.inf
    told = {path: _programs_and_plans(path) for path in paths}
    found = [e for own in told.values() for e in own]
    plans = {e.text("id"): e for e in found if e.name == "WAUT"}
    held: dict[str, _Held] = {}
    for junction in (e for e in found if e.name == "wautJunction"):
        signal, plan = junction.text("junctionID"), junction.text("wautID")
        if plan not in plans:
            msg = f"{junction.where}: day plan (WAUT) {plan!r} is not defined; define it"
            raise InputFileError(msg)
        held[signal] = _held(plans[plan], begin_s, end_s)
        _check_program(found, junction, signal, held[signal].program)
    folder = work / f"held-from-{begin_s:g}-s"
    copies = {
        path: _copy(path, own, held, folder / str(k)) for k, (path, own) in enumerate(told.items())
    }
    return replace(
        files,
        net_file=copies[files.net_file],
        additional_files=tuple(copies[path] for path in files.additional_files),
    ).with_notes(*(plan.note(signal) for signal, plan in held.items()))


def _held(plan: XmlElement, begin_s: float, end_s: float) -> _Held:
    """SUMO: switches count from ``refTime`` and come again every ``period``."""
    period_s = plan.seconds("period", math.inf)
    program, since_s = plan.text("startProg"), -math.inf
    later = []
    for switch in plan.find_all("wautSwitch"):
        first_s = plan.seconds("refTime", 0.0) + switch.seconds("time")
        at_s = first_s
        if begin_s >= first_s and math.isfinite(period_s) and period_s > 0:
            at_s += period_s * ((begin_s - first_s) // period_s)
        if since_s <= at_s <= begin_s:
            program, since_s = switch.text("to"), at_s
        following_s = at_s if at_s > begin_s else at_s + period_s
        if following_s < end_s:
            later.append((following_s, switch.text("to")))
    return _Held(plan.text("id"), program, tuple(sorted(later)))


def _check_program(
    found: list[XmlElement], junction: XmlElement, signal: str, program: str
) -> None:
    known = [
        e.attributes.get("programID", "")
        for e in found
        if e.name == "tlLogic" and e.text("id") == signal
    ]
    if program not in known:
        msg = (
            f"{junction.where}: day plan {junction.text('wautID')!r} has signal {signal!r} on "
            f"program {program!r} at the begin, which is not among its programs "
            f"({', '.join(map(repr, known)) or 'none'}); add it or begin at another time"
        )
        raise InputFileError(msg)


def _programs_and_plans(path: Path) -> list[XmlElement]:
    return [e for e in elements(path) if e.name in {*_DAY_PLAN, "tlLogic"}]


def _copy(path: Path, own: list[XmlElement], held: dict[str, _Held], work: Path) -> Path:
    """The file less its day plans and the other programs of their signals; itself if it has none.

    It keeps its name, which SUMO's messages tell.
    A network keeps its programs where the one in force is another file's, which SUMO puts over it.
    """
    here = {e.text("id") for e in own if _is_in_force(e, held)}
    stream = elements(path)
    root = next(stream)

    def superfluous(e: XmlElement) -> bool:
        switched = e.name == "tlLogic" and e.text("id") in held and not _is_in_force(e, held)
        return e.name in _DAY_PLAN or (switched and (root.name != "net" or e.text("id") in here))

    if not any(superfluous(e) for e in own):
        return path
    kept = [element_lines(e) for e in stream if not superfluous(e)]
    lines = xml_lines(root.name, root.attributes, kept)
    return write_lines(work / path.name.removesuffix(".gz"), chain([XML_HEAD], lines))


def _is_in_force(element: XmlElement, held: dict[str, _Held]) -> bool:
    """Whether it is the program that its signal keeps."""
    plan = held.get(element.text("id")) if element.name == "tlLogic" else None
    return plan is not None and element.attributes.get("programID", "") == plan.program
