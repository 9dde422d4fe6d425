"""Exhaustive check of one signal's shield against its timing requirements.

Three parts, together covering every history of proposals, calls and guards:

1. *Safety.* The product of the automaton and an observer (colour and age of colour per link, read
   from the shown state strings only) is explored completely, every second of it. Age limits are
   taken out first, so every choice the shield could ever allow is followed. Checked in each
   second: conflicting greens, yellow, all-red, pedestrian clearance, minimum green, walk.
2. *Deadlines.* Ages of red only ever grow or reset, and older reds never allow more (tested as a
   property), so if the oldest ages that allow a choice lead to a state that still has a choice,
   all younger ones do. Every such corner is stepped through the shield: no age passes the maximum
   red, and at the next decision a choice is left, also when the maximum green forbids to stay.
3. *Wishes.* Every proposal is projected in every visited state and must land in the core's mask;
   priorities and guards only ever narrow that mask while something is left of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.automaton import SignalAutomaton, compile_automaton
from trimtab_traffic.recovery import UNLIMITED_S, Deadlines
from trimtab_traffic.rules import RuleProfile, conflicting_greens, signal_timing
from trimtab_traffic.shield import ShieldState, SignalShield
from trimtab_traffic.signals import TrafficNetwork

RED, YELLOW, GREEN = 0, 1, 2
_COLOUR = {"y": YELLOW, "Y": YELLOW, "g": GREEN, "G": GREEN}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Verdict on one signal.

    Attributes:
        states: decision states of the product automaton visited.
        seconds: seconds of the product automaton looked at.
        corners: extreme age vectors stepped through.
        violations: constraint -> how often it was broken; empty if the shield holds.
        trace: a shortest way to the first violation: one line per decision.
        shipped_conflicts: conflicting links of stages that the profile keeps as shipped.
    """

    signal: str
    states: int
    seconds: int
    corners: int
    violations: dict[str, int]
    trace: tuple[str, ...]
    shipped_conflicts: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether no constraint can be broken."""
        return not self.violations


class _Observer:
    """Colour of every link and for how long, judged against the requirements."""

    def __init__(self, automaton: SignalAutomaton) -> None:
        need = automaton.timing.requirements
        signal = automaton.signal
        self.yellow_s = np.array(need.yellow_s) * ~signal.crossing
        self.green_s = np.where(signal.crossing, need.walk_s, need.min_green_s)
        walking = np.array(need.pedestrian_clearance_s)[:, None]
        self.clear_s = np.where(signal.crossing[:, None], walking, np.array(need.all_red_s))
        self.foes = signal.foes
        self.crossing = signal.crossing
        longest = np.stack([self.yellow_s, self.green_s, self.clear_s.max(axis=1, initial=0)])
        self.cap_s = np.ceil(longest.max(axis=0, initial=0)).astype(np.int16) + 1

    def second(
        self, colour: NDArray[np.int16], run: NDArray[np.int16], now: NDArray[np.int16]
    ) -> tuple[NDArray[np.int16], dict[str, NDArray[np.bool_]]]:
        """Judge the step to the colours ``now``; all [rows, links].

        Returns:
            The new ages of colour, and per constraint the rows that break it.
        """
        was_green, was_yellow = colour == GREEN, colour == YELLOW
        left_green, left_yellow = was_green & (now != GREEN), was_yellow & (now != YELLOW)
        short = left_green & (run < self.green_s)
        skipped = left_green & (now == RED) & (self.yellow_s > 0)
        found = {
            "min_green": (short & ~self.crossing).any(axis=1),
            "walk": (short & self.crossing).any(axis=1),
            "yellow": (skipped | (left_yellow & (run < self.yellow_s))).any(axis=1),
        }
        entering = np.flatnonzero(((now == GREEN) & ~was_green).any(axis=1))
        uncleared = np.zeros((2, len(now)), dtype=bool)
        for row in entering.tolist():
            enters = (now[row] == GREEN) & ~was_green[row]
            red_s = np.where(colour[row] == RED, run[row], 0)
            late = (now[row] == YELLOW)[:, None] | (
                (now[row] == RED)[:, None] & (red_s[:, None] < self.clear_s)
            )
            bad = (late & self.foes & enters[None, :]).any(axis=1)
            uncleared[:, row] = (bad & ~self.crossing).any(), (bad & self.crossing).any()
        found["all_red"], found["pedestrian_clearance"] = uncleared
        return np.where(now == colour, np.minimum(run + 1, self.cap_s), 1).astype(np.int16), found


class _Exploration:
    """Breadth-first exploration of the product automaton of one signal."""

    def __init__(self, automaton: SignalAutomaton) -> None:
        self.automaton = automaton
        unlimited = np.full_like(automaton.deadlines.limit_s, UNLIMITED_S)
        self.shield = SignalShield(
            [
                replace(
                    automaton,
                    max_green_s=UNLIMITED_S,
                    deadlines=Deadlines(unlimited, UNLIMITED_S),
                )
            ]
        )
        self.observer = _Observer(automaton)
        self.violations: dict[str, int] = {}
        self.first: tuple[bytes, int, str] | None = None
        self.parents: dict[bytes, tuple[bytes, int]] = {}
        self.seconds = 0
        self._build_colours()

    def _build_colours(self) -> None:
        n = len(self.automaton.timing.stage_states)
        texts = list(self.automaton.timing.stage_states)
        self.base = np.zeros((n, n), dtype=np.int64)
        for i in range(n):
            for j in range(n):
                self.base[i, j] = len(texts)
                texts += self.automaton.shown[i][j]
        self.texts = texts
        self.colours = np.array([[_COLOUR.get(c, RED) for c in t] for t in texts], dtype=np.int16)

    def _text_index(self, state: ShieldState) -> NDArray[np.int64]:
        transition = self.automaton.transition_s[state.previous, state.stage]
        moving = self.base[state.previous, state.stage] + transition + state.elapsed_s
        return np.where(state.elapsed_s < 0, moving, state.stage)

    def conflicts(self) -> tuple[str, ...]:
        """Conflicting greens of all strings that can be shown, one line each."""
        signal = self.automaton.signal
        lines = []
        for text in dict.fromkeys(self.texts):
            pairs = conflicting_greens(text, signal.foes, signal.yields)
            lines += [f"{text}: links {a} and {b}" for a, b in pairs]
        return tuple(lines)

    def run(self) -> None:
        """Visit every reachable decision state."""
        state = self.shield.initial()
        colour = self.colours[state.stage]
        run = np.repeat(self.observer.cap_s[None], 1, axis=0)
        (root,) = self._keys(state, colour, run)
        self.parents[root] = (root, -1)
        keys = [root]
        while keys:
            keys, state, colour, run = self._expand(keys, state, colour, run)

    def _expand(
        self,
        keys: list[bytes],
        state: ShieldState,
        colour: NDArray[np.int16],
        run: NDArray[np.int16],
    ) -> tuple[list[bytes], ShieldState, NDArray[np.int16], NDArray[np.int16]]:
        mask = self.shield.legal(state).mask
        self._try_all_proposals(keys, state, mask)
        rows, choices = np.nonzero(mask)
        state = _take(state, rows)
        colour, run = colour[rows], run[rows]
        origin = [keys[row] for row in rows.tolist()]
        for second in range(self.automaton.decision_s):
            started = self.shield.advance(state, choices, seconds=second)
            now = self.colours[self._text_index(started)]
            run, found = self.observer.second(colour, run, now)
            colour = now
            self.seconds += len(now)
            for name, bad in found.items():
                self._report(name, bad, origin, choices)
        state = self.shield.advance(state, choices)
        state = self._canonical(state)
        fresh = []
        reached = self._keys(state, colour, run)
        for k, key in enumerate(reached):
            if key not in self.parents:
                self.parents[key] = (origin[k], int(choices[k]))
                fresh.append(k)
        index = np.array(fresh, dtype=np.int64)
        return [reached[k] for k in fresh], _take(state, index), colour[index], run[index]

    def _try_all_proposals(
        self, keys: list[bytes], state: ShieldState, mask: NDArray[np.bool_]
    ) -> None:
        rows = np.arange(len(keys))
        for proposal in range(mask.shape[1]):
            proposed = np.full(len(keys), proposal)
            executed, _, _ = self.shield.project(state, proposed)
            self._report("projection", ~mask[rows, executed], keys, proposed)
        self._report("empty_mask", mask.sum(axis=1) == 0, keys, np.zeros_like(rows))

    def _canonical(self, state: ShieldState) -> ShieldState:
        """Merge states that behave alike from here on."""
        enough = self.automaton.min_green_s[state.stage] + self.automaton.decision_s
        previous = np.where(state.elapsed_s >= 0, state.stage, state.previous)
        elapsed = np.minimum(state.elapsed_s, enough)
        return replace(
            state, previous=previous, elapsed_s=elapsed, age_s=np.zeros_like(state.age_s)
        )

    def _keys(
        self, state: ShieldState, colour: NDArray[np.int16], run: NDArray[np.int16]
    ) -> list[bytes]:
        head = np.column_stack([state.previous, state.stage, state.elapsed_s]).astype(np.int16)
        return [row.tobytes() for row in np.hstack([head, colour, run])]

    def _report(
        self,
        name: str,
        bad: NDArray[np.bool_],
        origin: list[bytes],
        choices: NDArray[np.int64],
    ) -> None:
        count = int(bad.sum())
        if count:
            self.violations[name] = self.violations.get(name, 0) + count
            if self.first is None:
                k = int(bad.argmax())
                self.first = (origin[k], int(choices[k]), name)

    def trace(self) -> tuple[str, ...]:
        """Decisions that lead to the first violation."""
        if self.first is None:
            return ()
        key, choice, name = self.first
        lines = [f"{self._describe(key)} choose {choice}: breaks {name}"]
        while self.parents[key][1] >= 0:
            key, choice = self.parents[key]
            lines.append(f"{self._describe(key)} choose {choice}")
        return tuple(reversed(lines))

    def _describe(self, key: bytes) -> str:
        previous, stage, elapsed = np.frombuffer(key, dtype=np.int16)[:3].tolist()
        shown = self.automaton.state_string(previous, stage, elapsed)
        return f"stage {stage} at {elapsed} s ({shown}):"


def _take(state: ShieldState, rows: NDArray[np.int64]) -> ShieldState:
    return ShieldState(
        automaton=state.automaton[rows],
        previous=state.previous[rows],
        stage=state.stage[rows],
        elapsed_s=state.elapsed_s[rows],
        age_s=state.age_s[rows],
        bus_s=state.bus_s[rows],
    )


def _corners(automaton: SignalAutomaton) -> tuple[ShieldState, NDArray[np.int64]]:
    """Oldest ages that allow each choice, plus the begin of the simulation."""
    limit = automaton.deadlines.limit_s
    allowed = automaton.successors.copy()
    leaves_at_once = automaton.min_green_s + automaton.decision_s > automaton.max_green_s
    allowed[np.diag_indices_from(allowed)] &= ~leaves_at_once
    stage, choice, sequence = np.nonzero(
        (limit.min(axis=3, initial=UNLIMITED_S) >= 0) & allowed[:, :, None]
    )
    ages = np.minimum(limit[stage, choice, sequence], automaton.deadlines.max_red_s)
    ages = np.where(automaton.served[stage], 0, ages)
    zero = np.zeros(len(stage) + 1, dtype=np.int64)
    state = ShieldState(
        automaton=zero,
        previous=np.append(stage, 0),
        stage=np.append(stage, 0),
        elapsed_s=np.append(automaton.min_green_s[stage], 0),
        age_s=np.vstack([ages, np.zeros_like(ages[:1]) if len(ages) else zero[:0]]),
        bus_s=zero - 1,
    )
    return state, np.append(choice, 0)


def _check_deadlines(automaton: SignalAutomaton) -> tuple[int, dict[str, int], tuple[str, ...]]:
    """Step every corner to its next free decision."""
    shield = SignalShield([automaton])
    state, choices = _corners(automaton)
    rows = np.arange(len(choices))
    start = state
    broken: dict[str, NDArray[np.bool_]] = {
        "deadline_table": ~shield.legal(state).mask[rows, choices],
        "max_red": np.zeros(len(rows), dtype=bool),
        "dead_end": np.zeros(len(rows), dtype=bool),
    }
    waiting = np.ones(len(rows), dtype=bool)
    limit_s = automaton.deadlines.max_red_s
    while waiting.any():
        for second in range(1, automaton.decision_s + 1):
            aged = shield.advance(state, choices, seconds=second).age_s
            broken["max_red"] |= waiting & (aged.max(axis=1, initial=0) > limit_s)
        state = shield.advance(state, choices)
        free = state.elapsed_s >= automaton.min_green_s[state.stage]
        arrived = waiting & free
        broken["dead_end"] |= arrived & ~_has_exit(automaton, state)
        broken["dead_end"] |= arrived & ~_leaves_at_max_green(shield, automaton, state)
        waiting &= ~free
    counts = {name: int(bad.sum()) for name, bad in broken.items() if bad.any()}
    trace: tuple[str, ...] = ()
    if counts:
        name = next(iter(counts))
        k = int(broken[name].argmax())
        trace = (
            f"stage {start.stage[k]} with red ages {start.age_s[k].tolist()} s choose "
            f"{choices[k]}: breaks {name}",
        )
    return len(rows), counts, trace


def _has_exit(automaton: SignalAutomaton, state: ShieldState) -> NDArray[np.bool_]:
    """Whether some other stage is within every deadline, [rows]."""
    allowed = automaton.successors[state.stage].copy()
    allowed[np.arange(len(allowed)), state.stage] = len(automaton.min_green_s) == 1
    limit = automaton.deadlines.limit_s[state.stage]
    slack = (limit - state.age_s[:, None, None, :]).min(axis=3, initial=UNLIMITED_S)
    best: NDArray[np.int64] = np.where(allowed, slack.max(axis=2), -1).max(axis=1)
    return best >= 0


def _leaves_at_max_green(
    shield: SignalShield, automaton: SignalAutomaton, state: ShieldState
) -> NDArray[np.bool_]:
    """Whether a stage at its maximum green is left, [rows]."""
    rows = np.arange(len(state.stage))
    ripe = replace(state, elapsed_s=np.full_like(state.elapsed_s, automaton.max_green_s))
    stays = shield.legal(ripe).mask[rows, state.stage]
    return ~stays | (automaton.max_green_s >= UNLIMITED_S)


def check_automaton(automaton: SignalAutomaton) -> CheckResult:
    """Check one signal's automaton completely."""
    exploration = _Exploration(automaton)
    exploration.run()
    conflicts = exploration.conflicts()
    violations = dict(exploration.violations)
    trace = exploration.trace()
    as_shipped = automaton.timing.stage_states == automaton.signal.stage_states and any(
        conflicting_greens(s, automaton.signal.foes, automaton.signal.yields)
        for s in automaton.signal.stage_states
    )
    if conflicts and not as_shipped:
        violations["conflict"] = len(conflicts)
        trace = trace or conflicts
    corners = 0
    if automaton.timing.rules.max_red_s is not None:
        corners, broken, corner = _check_deadlines(automaton)
        violations |= broken
        trace = trace or corner
    return CheckResult(
        signal=automaton.signal.id,
        states=len(exploration.parents),
        seconds=exploration.seconds,
        corners=corners,
        violations=violations,
        trace=trace,
        shipped_conflicts=conflicts if as_shipped else (),
    )


def check_network(
    network: TrafficNetwork, profile: RuleProfile, decision_s: int | None = None
) -> list[CheckResult]:
    """Check every controllable signal of a network under a profile.

    Raises:
        InputFileError: a stage gives green to conflicting links.
    """
    return [
        check_automaton(compile_automaton(signal_timing(network, s, profile), decision_s))
        for s in network.controllable
    ]
