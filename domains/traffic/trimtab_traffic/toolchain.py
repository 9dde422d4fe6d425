"""Finds and runs SUMO's own binaries and tools from the installed wheels.

`SUMO_HOME` is always set from the ``eclipse-sumo`` wheel, never taken from the user's shell: an
older SUMO on the same machine would silently give other figures.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess  # noqa: S404 - fixed binaries of the wheel, no shell
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trimtab.contracts.errors import (
    InputFileError,
    MissingDependencyError,
    SimulatorError,
    TrimtabError,
)

SUMO_PACKAGES = ("eclipse-sumo", "libsumo", "traci", "sumolib")
MEMORY_BYTES = 4 * 1024**3
"""Address space a tool may use (the binaries map about 1 GB of libraries)."""
TIMEOUT_S = 600.0


@cache
def sumo_home() -> Path:
    """Folder of SUMO inside the installed wheel.

    Raises:
        MissingDependencyError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("sumo")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            package="eclipse-sumo", extra="traffic", purpose="traffic simulation"
        )
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def sumo_version() -> str:
    """The one version of all SUMO packages.

    Raises:
        MissingDependencyError: a package is not installed.
        TrimtabError: the packages have different versions.
    """
    found = {name: _version(name) for name in SUMO_PACKAGES}
    return agreed_version(found)


def agreed_version(found: dict[str, str]) -> str:
    """The version that all packages share.

    Raises:
        TrimtabError: they differ.
    """
    wanted = found["eclipse-sumo"]
    if set(found.values()) != {wanted}:
        listed = ", ".join(f"{name} {number}" for name, number in found.items())
        pins = " ".join(f"{name}=={wanted}" for name in found)
        msg = f"SUMO packages of different versions ({listed}): run pip install {pins}"
        raise TrimtabError(msg)
    return wanted


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise MissingDependencyError(
            package=package, extra="traffic", purpose="traffic simulation"
        ) from None


def sumo_environment() -> dict[str, str]:
    """Environment for SUMO processes: this process's own, with the wheel's ``SUMO_HOME``.

    String hashes are fixed because SUMO's tools draw from sets.
    """
    ours = {"SUMO_HOME": str(sumo_home()), "PYTHONIOENCODING": "utf-8", "PYTHONHASHSEED": "0"}
    return {**os.environ, **ours}


def binary(name: str) -> Path:
    """Path of a SUMO program (``sumo``, ``netconvert``, ``od2trips``, …)."""
    return sumo_home() / "bin" / name


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What a finished tool said.

    Attributes:
        output: standard output.
        warnings: its warnings, without the word, one line each.
    """

    output: str
    warnings: tuple[str, ...]


def run_binary(
    name: str, arguments: Sequence[str], *, source: Path, timeout_s: float = TIMEOUT_S
) -> ToolRun:
    """Run a SUMO program.

    Args:
        name: ``netconvert``, ``od2trips``, …
        arguments: command line.
        source: the user's file that the program works on, named in errors.
        timeout_s: wall-clock limit, s.

    Raises:
        InputFileError: the program refused its input.
        SimulatorError: it ran out of time or memory.
    """
    return _run(name, [str(binary(name)), *arguments], source, timeout_s)


def run_script(
    relative: str,
    arguments: Sequence[str],
    *,
    source: Path,
    work: Path,
    timeout_s: float = TIMEOUT_S,
) -> ToolRun:
    """Run a Python tool below ``SUMO_HOME/tools``; same errors as `run_binary`.

    Args:
        relative: the tool, relative to that folder.
        arguments: command line; paths in it absolute.
        source: the user's file that the tool works on, named in errors.
        work: folder the tool runs in, since some tools leave files where they stand.
        timeout_s: wall-clock limit, s.
    """
    command = [sys.executable, str(sumo_home() / "tools" / relative), *arguments]
    return _run(Path(relative).stem, command, source, timeout_s, work)


def _limit_memory() -> None:
    """Up to `MEMORY_BYTES`, or to what whoever confined this process allows its tools."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def _run(
    name: str, command: list[str], source: Path, timeout_s: float, work: Path | None = None
) -> ToolRun:
    try:
        done = subprocess.run(  # noqa: S603 - list form, fixed program
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=sumo_environment(),
            cwd=work,
            preexec_fn=_limit_memory,  # noqa: PLW1509 - single-threaded caller
            check=False,
        )
    except subprocess.TimeoutExpired:
        msg = f"{source}: {name} did not finish in {timeout_s:g} s; cut the input to a smaller area"
        raise SimulatorError(msg) from None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        msg = f"{source}: {name} died with signal {-done.returncode}; cut the input or report it"
        raise SimulatorError(msg)
    if done.returncode:
        msg = f"{source}: {name} refused it: {_reason(lines)}; mend the file and try again"
        raise InputFileError(msg)
    return ToolRun(done.stdout, tuple(_warnings(lines)))


def _reason(lines: list[str]) -> str:
    errors = [line.removeprefix("Error:").strip() for line in lines if line.startswith("Error:")]
    return (errors or lines[-1:] or ["no reason given"])[0].rstrip(".")


def _warnings(lines: list[str]) -> list[str]:
    return [line.removeprefix("Warning:").strip() for line in lines if line.startswith("Warning:")]
