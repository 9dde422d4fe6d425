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
    found = [e for path in paths for e in elements(path) if e.name in {*_DAY_PLAN, "tlLogic"}]
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
    copies = {path: _copy(path, held, folder / str(k)) for k, path in enumerate(paths)}
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


def _copy(path: Path, held: dict[str, _Held], work: Path) -> Path:
    """The file less its day plans and the other programs of their signals; itself if it has none.

    It keeps its name, which SUMO's messages tell.
    A network keeps its programs where the one in force is another file's, which SUMO puts over it.
    """
    stream = elements(path)
    root = next(stream)
    kept, dropped = [], False
    in_force = _programs_in_force(path, held)
    for element in stream:
        signal = element.attributes.get("id", "")
        superfluous = (
            element.name == "tlLogic"
            and signal in held
            and element.attributes.get("programID", "") != held[signal].program
            and (root.name != "net" or signal in in_force)
        )
        if superfluous or element.name in _DAY_PLAN:
            dropped = True
        else:
            kept.append(element)
    if not dropped:
        return path
    target = work / path.name.removesuffix(".gz")
    lines = xml_lines(root.name, root.attributes, [element_lines(e) for e in kept])
    return write_lines(target, chain([XML_HEAD], lines))


def _programs_in_force(path: Path, held: dict[str, _Held]) -> set[str]:
    """Signals whose program in force is in this file."""
    return {
        signal
        for e in elements(path)
        if e.name == "tlLogic"
        and (signal := e.text("id")) in held
        and e.attributes.get("programID", "") == held[signal].program
    }
