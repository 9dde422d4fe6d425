"""The whole error tree. Every message says what is wrong, where, and how to mend it.

TrimtabError (ValueError)
├── ScenarioError            a scenario file is wrong; carries one Fault per finding
├── InputFileError           a user's data file is unreadable or inconsistent
├── ContractError            a problem, action or observation breaks its contract
│   ├── ActionError          wrong shape, dtype, illegal or non-finite action
│   ├── ObservationError     non-finite or ill-shaped observation, reward or cost
│   ├── EmptyMaskError       a live agent has no legal action
│   └── SpecMismatchError    a checkpoint or controller belongs to another spec
├── NeedNotGrantedError      a controller asked for something it did not declare
├── SnapshotUnsupportedError the problem cannot be snapshot (external simulator)
├── UnknownNameError         no such controller, scenario, metric, domain, ...
├── MissingDependencyError   an optional dependency is not installed (exit code 3)
├── CheckpointError          a checkpoint is truncated, corrupt or of unsafe format
├── SimulatorError           an external simulator crashed, hung or refused its input
├── RunFailedError           no job of a run, or the only one asked for, came to its end
├── EvidenceError            a statistic was asked of data that cannot carry it
├── BoundError               a proven bound was beaten or its certificate does not verify
└── PluginError              a domain plug-in is broken; carries its name and reason
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class TrimtabError(ValueError):
    """Root of everything Trimtab raises on purpose."""

    exit_code = 2


class ContractError(TrimtabError):
    """A problem, action or observation breaks its contract."""


class ActionError(ContractError):
    """An action has a wrong shape or dtype, is illegal, or is not finite."""


class ObservationError(ContractError):
    """An observation, reward or cost has a wrong shape or is not finite."""


class EmptyMaskError(ContractError):
    """A live agent has no legal action."""


class SpecMismatchError(ContractError):
    """A checkpoint or controller belongs to another spec."""


class InputFileError(TrimtabError):
    """A user's data file is unreadable or inconsistent."""


class NeedNotGrantedError(TrimtabError):
    """A controller asked for a resource that it did not declare among its needs."""


class SnapshotUnsupportedError(TrimtabError):
    """The problem cannot be snapshot, because its simulator cannot."""


class CheckpointError(TrimtabError):
    """A checkpoint is truncated, corrupt, or of a format that could run code."""


class SimulatorError(TrimtabError):
    """An external simulator crashed, hung, or refused its input."""

    exit_code = 1


class RunFailedError(TrimtabError):
    """Nothing of a run came to its end; carries the exit code of what stopped it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class EvidenceError(TrimtabError):
    """A statistic was asked of data that cannot carry it."""


class BoundError(TrimtabError):
    """A proven bound was beaten, or a certificate does not verify."""

    exit_code = 1


class MissingDependencyError(TrimtabError):
    """An optional dependency is not installed."""

    exit_code = 3

    def __init__(self, *, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}: install it with "
            f'pip install "trimtab[{extra}]"'
        )
        self.package = package
        self.extra = extra


class PluginError(TrimtabError):
    """A domain plug-in is broken."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"plug-in {name!r} is broken: {reason}")
        self.name = name
        self.reason = reason


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


class UnknownNameError(TrimtabError):
    """A name is not among the known ones."""

    def __init__(self, name: str, kind: str, known: Iterable[str]) -> None:
        names = sorted(known)
        listed = ", ".join(names) if names else "none"
        super().__init__(f"unknown {kind} {name!r}; known: {listed}.{suggestion(name, names)}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding in a scenario file; line and column count from 1."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class ScenarioError(TrimtabError):
    """A scenario file is wrong; every fault found is listed, one a line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
