"""Reads a SUMO configuration (``.sumocfg``): files, period and the options that shape physics.

Options that write files, open ports or set the random seed are left out: the product owns them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.safexml import XmlElement, parse_seconds, read_tree

ALIASES = {
    "n": "net-file",
    "net": "net-file",
    "r": "route-files",
    "routes": "route-files",
    "a": "additional-files",
    "additional": "additional-files",
    "b": "begin",
    "e": "end",
}
FILE_OPTIONS = ("net-file", "route-files", "additional-files")
PHYSICS = (
    "step-length",
    "step-method.ballistic",
    "extrapolate-departpos",
    "lateral-resolution",
    "ignore-junction-blocker",
    "ignore-route-errors",
    "scale",
    "sloppy-insert",
    "eager-insert",
    "emergency-insert",
    "insertion-checks",
    "random-depart-offset",
    "lanechange.duration",
    "lanechange.overtake-right",
    "tls.actuated.jam-threshold",
    "tls.actuated.detector-length",
    "tls.delay",
    "tls.yellow.min-decel",
    "time-to-impatience",
    "default.departspeed",
    "default.departlane",
    "default.action-step-length",
    "default.carfollowmodel",
    "default.speeddev",
    "default.emergencydecel",
    "pedestrian.model",
    "routing-algorithm",
    "junction-taz",
    "device.rerouting.probability",
    "device.rerouting.period",
    "device.rerouting.pre-period",
    "device.rerouting.adaptation-interval",
    "device.rerouting.adaptation-steps",
    "device.rerouting.with-taz",
)
"""Options kept from a user's configuration."""
_ROUND_OFF = 1e-6


def read_config(path: Path) -> TrafficFiles:
    """Read a configuration; paths in it are relative to its folder.

    Raises:
        InputFileError: it is unreadable, names no network, or names a file that is not there.
    """
    root = read_tree(path, "configuration", "sumoConfiguration")
    options = dict(_options(root))
    repairs: list[str] = []
    found = {
        name: tuple(_resolve(options[name], entry, repairs) for entry in _entries(options, name))
        for name in FILE_OPTIONS
    }
    if not found["net-file"]:
        msg = f"{path}: names no network; add <net-file value='….net.xml'/>"
        raise InputFileError(msg)
    _check_step(options)
    kept = tuple((n, _value(options[n])) for n in PHYSICS if n in options)
    dropped = sorted(set(options) - set(PHYSICS) - set(FILE_OPTIONS) - {"begin", "end"})
    notes = (f"{path.name}: options not used: {', '.join(dropped)}",) if dropped else ()
    return TrafficFiles(
        net_file=found["net-file"][0],
        route_files=found["route-files"],
        additional_files=found["additional-files"],
        begin_s=_time(options, "begin"),
        end_s=_time(options, "end"),
        options=kept,
        repairs=tuple(repairs),
        notes=notes,
    )


def _check_step(options: dict[str, XmlElement]) -> None:
    """Signals are controlled every second, so a step must divide one."""
    if "step-length" not in options:
        return
    option = options["step-length"]
    step_s = parse_seconds(_value(option))
    if step_s is None or not 0 < step_s <= 1 or abs(round(1 / step_s) * step_s - 1) > _ROUND_OFF:
        msg = f"{option.where}: step-length is {_value(option)!r}; write 1 s or a fraction like 0.5"
        raise InputFileError(msg)


def _options(root: XmlElement) -> Iterator[tuple[str, XmlElement]]:
    """Options stand in sections or directly below the root."""
    for element in root.children:
        nested = element.children or [element]
        for option in nested:
            if "value" in option.attributes or "v" in option.attributes:
                yield ALIASES.get(option.name, option.name), option


def _value(option: XmlElement) -> str:
    return option.attributes.get("value", option.attributes.get("v", ""))


def _entries(options: dict[str, XmlElement], name: str) -> list[str]:
    if name not in options:
        return []
    return [entry for part in _value(options[name]).split(",") if (entry := part.strip())]


def _time(options: dict[str, XmlElement], name: str) -> float | None:
    if name not in options:
        return None
    seconds = parse_seconds(_value(options[name]))
    if seconds is None:
        where = options[name].where
        msg = f"{where}: {name} is {_value(options[name])!r}; write seconds or h:m:s"
        raise InputFileError(msg)
    return None if seconds < 0 else seconds


def _resolve(option: XmlElement, entry: str, repairs: list[str]) -> Path:
    """Find a named file; mend backslashes, a lost folder and a changed ``.gz`` ending."""
    folder = option.file.parent
    plain = entry.replace("\\", "/")
    zipped = plain.removesuffix(".gz") if plain.endswith(".gz") else f"{plain}.gz"
    bare = plain.rpartition("/")[2]
    for candidate in (entry, plain, zipped, bare):
        path = folder / candidate
        if path.is_file():
            if candidate != entry:
                repairs.append(f"{option.where}: {option.name} {entry!r} read from {candidate!r}")
            return path
    msg = f"{option.where}: {option.name} {entry!r} is not in {folder}; correct the path"
    raise InputFileError(msg)
