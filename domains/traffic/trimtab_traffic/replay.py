"""Turns what the signals of a run showed into fixed programs that show the same again.

A run's signal log (SUMO's own ``SaveTLSSwitchStates`` output) becomes one long program per signal.
Loaded into the raw ``sumo`` binary with the run's other options, it gives the same trips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.contracts.errors import InputFileError

from trimtab_traffic.safexml import elements
from trimtab_traffic.signals import Phase, Program


@dataclass(frozen=True, slots=True)
class Shown:
    """A signal's state from a time on."""

    time_s: float
    state: str


def read_signal_log(path: Path) -> dict[str, list[Shown]]:
    """Signal → what it showed, in order of time, repeated states joined.

    Raises:
        InputFileError: the log is unreadable.
    """
    log: dict[str, list[Shown]] = defaultdict(list)
    for element in elements(path):
        if element.name == "tlsState":
            shown = log[element.text("id")]
            state = element.text("state")
            if not shown or shown[-1].state != state:
                shown.append(Shown(element.number("time"), state))
    return dict(log)


def replay_programs(
    log: Mapping[str, Iterable[Shown]], begin_s: float, end_s: float, program_id: str
) -> dict[str, Program]:
    """Programs that show the log again from `begin_s` to `end_s`.

    Raises:
        InputFileError: a signal's log does not begin at `begin_s`.
    """
    return {
        signal: _replay(signal, list(shown), begin_s, end_s, program_id)
        for signal, shown in log.items()
    }


def _replay(
    signal: str, shown: list[Shown], begin_s: float, end_s: float, program_id: str
) -> Program:
    if not shown or shown[0].time_s != begin_s:
        at = f"begins at {shown[0].time_s:g} s" if shown else "is empty"
        msg = f"signal log of {signal!r} {at}, the run at {begin_s:g} s: log the whole run"
        raise InputFileError(msg)
    ends = [*(later.time_s for later in shown[1:]), end_s]
    phases = [
        Phase(now.state, until - now.time_s)
        for now, until in zip(shown, ends, strict=True)
        if until > now.time_s
    ]
    return Program(program_id, "static", begin_s, tuple(phases), ())
