"""Independent monitor: counts rule violations in SUMO's own signal log.

It shares no code with the shield: it parses the network by itself, finds right-of-way rows by the
junctions' internal lanes (the compiler counts incoming lanes), and takes the required times as
plain numbers. Shielded runs, native programs and plans as shipped are all looked at alike.
"""

from __future__ import annotations

import gzip
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import defusedxml.ElementTree as SafeET  # noqa: N817
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.shield import Monitor, Violations

CONSTRAINTS = (
    "conflict",
    "yellow",
    "all_red",
    "min_green",
    "max_red",
    "pedestrian_clearance",
    "walk",
)

_RED, _YELLOW, _GREEN = range(3)
_COLOURS = {"G": _GREEN, "g": _GREEN, "y": _YELLOW, "Y": _YELLOW}
_EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Conflicting links of one signal: pairs, and pairs (a, b) where a must yield to b."""

    foes: frozenset[tuple[int, int]]
    yields: frozenset[tuple[int, int]]
    crossings: frozenset[int]


def read_conflicts(net_file: Path) -> dict[str, Conflicts]:
    """Conflicting links of every signal, straight from the network file."""
    opener = gzip.open if net_file.read_bytes()[:2] == b"\x1f\x8b" else open
    with opener(net_file, "rb") as stream:
        root = SafeET.fromstring(stream.read(), forbid_dtd=True)
    function = {edge.get("id"): edge.get("function", "") for edge in root.iter("edge")}
    continuing = {
        f"{c.get('from')}_{c.get('fromLane')}": c.get("via")
        for c in root.iter("connection")
        if c.get("from", "").startswith(":")
    }
    row_of: dict[str, tuple[str, int]] = {}
    tables: dict[str, dict[int, tuple[str, str]]] = {}
    for junction in root.iter("junction"):
        requests = {
            int(r.get("index", "")): (r.get("foes", ""), r.get("response", ""))
            for r in junction.iter("request")
        }
        if requests:
            name = junction.get("id", "")
            tables[name] = requests
            lanes = junction.get("intLanes", "").split()
            row_of |= {lane: (name, row) for row, lane in enumerate(lanes)}
    links: dict[str, list[tuple[str, int, int, bool]]] = defaultdict(list)
    for c in root.iter("connection"):
        if c.get("tl") is None or c.get("from", "").startswith(":") != (
            function.get(c.get("to"), "") == "crossing"
        ):
            continue
        crossing = function.get(c.get("to"), "") == "crossing"
        lane = f"{c.get('to')}_{c.get('toLane')}" if crossing else c.get("via")
        while lane is not None and continuing.get(lane):
            lane = continuing[lane]
        if lane in row_of:
            for key in ("linkIndex", "linkIndex2") if crossing else ("linkIndex",):
                index = int(c.get(key, "-1"))
                if index >= 0:
                    links[c.get("tl", "")].append((*row_of[lane], index, crossing))
    return {tls: _conflicts(rows, tables) for tls, rows in links.items()}


def _conflicts(
    rows: Sequence[tuple[str, int, int, bool]], tables: Mapping[str, Mapping[int, tuple[str, str]]]
) -> Conflicts:
    foes, unyielding = set(), set()
    for junction, row, link, _ in rows:
        for other_junction, other_row, other, _ in rows:
            if junction != other_junction or link == other:
                continue
            mine, theirs = tables[junction][row], tables[junction][other_row]
            if mine[0][-1 - other_row] == "1" or theirs[0][-1 - row] == "1":
                foes.add((link, other))
                if mine[1][-1 - other_row] != "1":
                    unyielding.add((link, other))
    crossings = frozenset(link for _, _, link, crossing in rows if crossing)
    return Conflicts(frozenset(foes), frozenset(foes - unyielding), crossings)


def read_signal_log(path: Path) -> list[tuple[float, str, str]]:
    """Read SUMO's ``SaveTLSStates`` or ``SaveTLSSwitchStates`` output.

    Raises:
        InputFileError: the file is missing or not such a log.
    """
    try:
        return [
            (float(e.attrib["time"]), e.attrib["id"], e.attrib["state"])
            for _, e in SafeET.iterparse(path, forbid_dtd=True)
            if e.tag == "tlsState"
        ]
    except (OSError, SafeET.ParseError, KeyError, ValueError) as error:
        msg = f"{path}: not a complete signal state log of SUMO ({error}); run the simulation again"
        raise InputFileError(msg) from None


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens between two consecutive states: per link, and who enters against whom."""

    links: tuple[tuple[int, int, int], ...]
    entering: tuple[tuple[int, int], ...]
    overlapping: tuple[tuple[int, int], ...]
    conflict: bool


class _Watch:
    """Follows one signal through a log."""

    def __init__(self, conflicts: Conflicts, numbers: Mapping[str, Any]) -> None:
        self.conflicts = conflicts
        self.numbers = numbers
        self.count: dict[str, int] = dict.fromkeys(CONSTRAINTS, 0)
        self.exposure: dict[str, int] = dict.fromkeys(CONSTRAINTS, 0)
        self.state = ""
        self.since: list[float] = []
        self.begun: list[bool] = []
        self.green_end: list[float] = []
        self.cleared: list[float] = []
        self.changes: dict[tuple[str, str], _Change] = {}

    def feed(self, time_s: float, state: str) -> None:
        """Take the state shown from a time on."""
        if state == self.state:
            return
        if not self.state:
            n = len(state)
            self.since, self.begun = [time_s] * n, [False] * n
            self.green_end, self.cleared = [-math.inf] * n, [-math.inf] * n
            self._look("conflict", broken=self._conflicting(state))
            self.state = state
            return
        change = self.changes.get((self.state, state))
        if change is None:
            change = self.changes[self.state, state] = self._compare(self.state, state)
        self._look("conflict", broken=change.conflict)
        for link, was, now in change.links:
            self._end_of_colour(link, was, now, time_s)
        for leaving, _ in change.overlapping:
            self._look(self._clearing(leaving), broken=True)
        for leaving, entering in change.entering:
            self._entry(leaving, entering, time_s)
        self.state = state

    def finish(self, end_s: float) -> None:
        """Judge what still runs at the end of the log."""
        for link, char in enumerate(self.state):
            if _COLOURS.get(char, _RED) == _RED:
                self._red(link, end_s)

    def _look(self, constraint: str, *, broken: bool) -> None:
        self.exposure[constraint] += 1
        self.count[constraint] += broken

    def _clearing(self, leaving: int) -> str:
        return "pedestrian_clearance" if leaving in self.conflicts.crossings else "all_red"

    def _end_of_colour(self, link: int, was: int, now: int, time_s: float) -> None:
        lasted = time_s - self.since[link] + _EPSILON_S
        crossing = link in self.conflicts.crossings
        yellow_s = 0.0 if crossing else self.numbers["yellow_s"][link]
        if was == _GREEN:
            self.green_end[link] = time_s
            if self.begun[link]:
                kind, need = ("walk", "walk_s") if crossing else ("min_green", "min_green_s")
                self._look(kind, broken=lasted < self.numbers[need])
            if now == _RED and yellow_s:
                self._look("yellow", broken=True)
        elif was == _YELLOW and self.begun[link] and yellow_s:
            self._look("yellow", broken=lasted < yellow_s)
        elif was == _RED:
            self._red(link, time_s)
        if was == _YELLOW or (was == _GREEN and now == _RED):
            self.cleared[link] = time_s
        self.since[link] = time_s
        self.begun[link] = True

    def _red(self, link: int, time_s: float) -> None:
        limit = self.numbers["max_red_s"]
        if limit is not None and self.numbers["served"][link]:
            self._look("max_red", broken=time_s - self.since[link] > limit + _EPSILON_S)

    def _entry(self, leaving: int, entering: int, time_s: float) -> None:
        if leaving in self.conflicts.crossings:
            left, need = self.green_end[leaving], self.numbers["pedestrian_clearance_s"][leaving]
        else:
            left, need = self.cleared[leaving], self.numbers["all_red_s"][leaving][entering]
        if left > -math.inf:
            self._look(self._clearing(leaving), broken=time_s - left + _EPSILON_S < need)

    def _conflicting(self, state: str) -> bool:
        green = {k: c for k, c in enumerate(state) if c in "gG"}
        yields = self.conflicts.yields
        return any(
            a < b
            and a in green
            and b in green
            and not (green[a] == "g" and (a, b) in yields)
            and not (green[b] == "g" and (b, a) in yields)
            for a, b in self.conflicts.foes
        )

    def _compare(self, before: str, after: str) -> _Change:
        was = [_COLOURS.get(c, _RED) for c in before]
        now = [_COLOURS.get(c, _RED) for c in after]
        enters = {k for k in range(len(now)) if now[k] == _GREEN and was[k] != _GREEN}
        against = sorted((a, b) for a, b in self.conflicts.foes if b in enters and now[a] != _GREEN)
        return _Change(
            links=tuple((k, was[k], now[k]) for k in range(len(now)) if was[k] != now[k]),
            entering=tuple((a, b) for a, b in against if now[a] == _RED),
            overlapping=tuple((a, b) for a, b in against if now[a] == _YELLOW),
            conflict=self._conflicting(after),
        )


class SignalMonitor(Monitor):
    """Counts violations of every rule in a signal log.

    Args:
        net_file: network the log belongs to.
        numbers: signal id -> required times as plain numbers: ``yellow_s`` and
            ``pedestrian_clearance_s`` per link, ``all_red_s`` [clearing][entering],
            ``min_green_s``, ``walk_s``, ``max_red_s`` (None: no limit), ``served`` per link.
            Signals that are not named are not looked at.
    """

    def __init__(self, net_file: Path, numbers: Mapping[str, Mapping[str, Any]]) -> None:
        self._numbers = numbers
        self._conflicts = read_conflicts(net_file)

    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """Count violations over all signals.

        Args:
            log: ``signal_log``: path of SUMO's log, or (time s, signal id, state) in order of
                time; ``end_s``: end of the observation, s (default: time of the last entry).

        Returns:
            Constraint -> violations. Exposure counts states shown for ``conflict``, ends of green
            for ``yellow``, greens for ``min_green`` and ``walk``, reds for ``max_red``, pairs of a
            clearing and an entering link for ``all_red`` and ``pedestrian_clearance``.
        """
        return {
            name: sum(rows, start=Violations(0, 0))
            for name, rows in _by_constraint(self.check_signals(log)).items()
        }

    def check_signals(self, log: Mapping[str, Any]) -> dict[str, dict[str, Violations]]:
        """Count violations signal by signal; arguments as for `check`."""
        source = log["signal_log"]
        states = read_signal_log(source) if isinstance(source, Path) else source
        nothing = Conflicts(frozenset(), frozenset(), frozenset())
        watches = {
            name: _Watch(self._conflicts.get(name, nothing), numbers)
            for name, numbers in self._numbers.items()
        }
        time_s = -math.inf
        for time_s, name, state in states:
            if name in watches:
                watches[name].feed(time_s, state)
        end_s = log.get("end_s", time_s)
        for watch in watches.values():
            watch.finish(end_s)
        return {
            name: {c: Violations(watch.count[c], watch.exposure[c]) for c in CONSTRAINTS}
            for name, watch in watches.items()
        }


def _by_constraint(
    signals: Mapping[str, Mapping[str, Violations]],
) -> dict[str, list[Violations]]:
    return {c: [found[c] for found in signals.values()] for c in CONSTRAINTS}
