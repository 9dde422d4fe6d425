"""From the network source of a scenario to the files SUMO runs, whatever way they came."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from trimtab.contracts.errors import UnknownNameError

from trimtab_traffic.disturbances import Disturbed, Period, disturb
from trimtab_traffic.generated import generate
from trimtab_traffic.importers.checks import check_files
from trimtab_traffic.importers.files import TrafficFiles
from trimtab_traffic.importers.sumocfg import read_config
from trimtab_traffic.network import compile_network
from trimtab_traffic.readers import problem_files
from trimtab_traffic.scenario import NetworkSource, SignalsProblem
from trimtab_traffic.signals import TrafficNetwork
from trimtab_traffic.toolchain import sumo_version


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files and period of a scenario.

    Attributes:
        begin_s: b, the begin of the evaluated horizon.
        start_s: begin of the simulation, `begin_s` minus warm-up.
        end_s: e, the end of the horizon.
        options: further SUMO options that shape the physics, as written on a command line.
        notes: one line each: licence, repairs, what a reader should know.
    """

    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...]
    begin_s: float
    start_s: float
    end_s: float
    options: tuple[str, ...]
    notes: tuple[str, ...]


def resolve(problem: SignalsProblem) -> Inputs:
    """`resolve_inputs` in the user's cache folder, done once per process and scenario."""
    return _resolve_once(_Key(repr(problem), problem))


@dataclass(frozen=True, slots=True)
class _Key:
    text: str
    problem: SignalsProblem = field(compare=False)


@cache
def _resolve_once(key: _Key) -> Inputs:
    return resolve_inputs(key.problem, cache_folder() / _digest(key.problem))


DEFAULT_CAR_CLASS = "HBEFA4/PC_petrol_Euro-4"
"""Emission class that SUMO 1.28 gives a car whose type names none."""


@cache
def compiled_network(net: Path, additional: tuple[Path, ...]) -> TrafficNetwork:
    """`compile_network`, done once per process and network."""
    return compile_network(net, additional)


def cache_folder() -> Path:
    """Where generated networks and mended copies are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "trimtab" / "traffic"


def _digest(problem: SignalsProblem) -> str:
    """Name of the source and the present content of the user's own files."""
    network = problem.network
    digest = hashlib.sha256(repr(network).encode())
    for path in (network.sumocfg, network.net, network.osm, *network.routes, *network.additional):
        if path is not None and Path(path).is_file():
            status = Path(path).stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    return "shared" if network.generated else digest.hexdigest()[:16]


def resolve_inputs(problem: SignalsProblem, work: Path) -> Inputs:
    """Find or make the files of a scenario.

    Args:
        problem: the scenario's problem part.
        work: folder for generated and mended files.

    Raises:
        TrimtabError: a file is missing or inconsistent.
    """
    sumo_version()  # mixed packages are said before anything is run with them
    files, notes = _files(problem, work)
    compiled = compiled_network(files.net_file, files.additional_files)
    known = [signal.id for signal in compiled.signals]
    for signal_id in problem.rules.signals:
        if signal_id not in known:
            raise UnknownNameError(signal_id, "signal under rules.signals", known)
    begin_s = problem.begin_s if problem.begin_s is not None else files.begin_s or 0.0
    period = Period(max(0.0, begin_s - problem.warm_up_s), begin_s, begin_s + problem.horizon_s)
    disturbed = disturb(
        problem,
        compiled,
        Disturbed(files.route_files, files.additional_files, ()),
        period,
        work,
    )
    options = dict(files.options)
    if problem.closures:  # who has no way round waits before the closed lane
        options["ignore-route-errors"] = "true"
    return Inputs(
        net=files.net_file,
        routes=disturbed.routes,
        additional=disturbed.additional,
        begin_s=begin_s,
        start_s=period.start_s,
        end_s=period.end_s,
        options=tuple(word for name, value in options.items() for word in (f"--{name}", value)),
        notes=(
            *notes, *files.repairs, *files.notes, *disturbed.notes, *_told(problem, period),
        ),
    )  # fmt: skip


def _told(problem: SignalsProblem, period: Period) -> tuple[str, ...]:
    """What a reader should know about the settings themselves."""
    notes = []
    if period.begin_s - period.start_s < problem.warm_up_s:
        notes.append(
            f"warm_up_s: only {period.begin_s - period.start_s:g} of {problem.warm_up_s} s lie "
            f"before the begin at {period.begin_s:g} s: set begin_s later to warm up in full"
        )
    if problem.sensors.kind != "perfect":
        notes.append(f"sensors: controllers see the traffic through {problem.sensors.kind}")
    if problem.sensors.faults:
        notes.append(f"sensors: {len(problem.sensors.faults)} faults are injected")
    if problem.sensors.kind != "perfect" or problem.sensors.faults:
        notes.append(
            "sensors: programs inside SUMO (actuated, delay_based, nema) keep SUMO's own "
            "detectors, which do not fail: against them the comparison is one-sided"
        )
    if problem.priority.bus:
        notes.append("priority: buses ask signals for green, through the shield")
    if problem.emissions:
        notes.append(
            "emissions: of each vehicle type's own class; cars whose type names none count as "
            f"{DEFAULT_CAR_CLASS}, SUMO's default"
        )
    return tuple(notes)


def _files(problem: SignalsProblem, work: Path) -> tuple[TrafficFiles, tuple[str, ...]]:
    network = problem.network
    if network.generated is not None:
        return generate(network.generated, work), ()
    if network.source is None:
        named = _in_period(problem, _named(network, work))
        return check_files(named, work, problem.horizon_s), ()
    source = network.source
    shipped = TrafficFiles(
        source.net_file,
        source.route_files,
        source.additional_files,
        begin_s=source.begin_s,
        end_s=source.end_s,
    )
    if problem.begin_s is not None:
        check_files(_in_period(problem, shipped), work)
    return shipped, tuple(note for note in (f"data: {source.licence}", source.note) if note)


def _in_period(problem: SignalsProblem, files: TrafficFiles) -> TrafficFiles:
    """The files with the period that the scenario evaluates, as far as it is known."""
    begin_s = files.begin_s if problem.begin_s is None else problem.begin_s
    end_s = None if begin_s is None else begin_s + problem.horizon_s
    return replace(files, begin_s=begin_s, end_s=end_s)


def _named(network: NetworkSource, work: Path) -> TrafficFiles:
    """The user's own files, as the scenario names them."""
    if network.sumocfg is not None:
        return read_config(network.sumocfg)
    if network.net is not None:
        return TrafficFiles(network.net, network.routes, network.additional)
    given = (*network.routes, *network.additional)
    return problem_files([path for path in (network.osm, *given) if path is not None], work)
