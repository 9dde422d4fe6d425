"""The signal shield: legal stages and the projection of proposed ones, vectorised over signals.

Limits that keep people safe (transition, minimum green, successor graph, maximum red, maximum
green) form the core. Watchdog, preemption, bus priority and spillback guard then narrow the choice
in this order, each only as far as a choice is left, so the mask is never empty and no wish can
break the core. Everything is a pure function of `ShieldState` and `ShieldInputs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError, InputFileError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.shield import Placement, Projection, Shield
from trimtab.contracts.spec import Action

from trimtab_traffic.automaton import SignalAutomaton, compile_automaton
from trimtab_traffic.recovery import UNLIMITED_S
from trimtab_traffic.rules import RuleProfile, signal_timing
from trimtab_traffic.shield_tables import StageTables, padded
from trimtab_traffic.signals import TrafficNetwork

REASONS = (
    "unchanged",
    "transition running",
    "minimum green",
    "successor graph",
    "maximum red",
    "maximum green",
    "sensor watchdog",
    "emergency preemption",
    "bus priority",
    "spillback guard",
)
"""Text of the reason codes."""

(
    UNCHANGED,
    TRANSITION,
    MIN_GREEN,
    SUCCESSOR,
    MAX_RED,
    MAX_GREEN,
    WATCHDOG,
    PREEMPTION,
    BUS_PRIORITY,
    SPILLBACK,
) = range(len(REASONS))

_READY = -1


@dataclass(frozen=True, slots=True)
class ShieldState:
    """Mirrored signal state; rows are signals, of one or more copies of a network.

    Attributes:
        automaton: [rows] index of the row's automaton.
        previous, stage: [rows] stage left last, and stage shown or being entered.
        elapsed_s: [rows] seconds of green of ``stage``, negative while its transition runs.
        age_s: [rows, classes] seconds since each link class was last green; all 0 where no signal
            has a maximum red.
        bus_s: [rows] seconds since the last bus request was granted; -1: ready for one.
    """

    automaton: NDArray[np.int64]
    previous: NDArray[np.int64]
    stage: NDArray[np.int64]
    elapsed_s: NDArray[np.int64]
    age_s: NDArray[np.int64]
    bus_s: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ShieldInputs:
    """What the shield may be told besides the signal state; None: nothing is known.

    Attributes:
        exit_space_m: [rows, links] free length of the roomiest exit lane of a link, m.
        preemption: [rows, links] bool, an emergency vehicle needs the link.
        bus: [rows, links] bool, a bus asks for the link.
        pedestrian_call: [rows, links] bool, somebody pressed the button of a crossing.
        stale_s: [rows] seconds since the sensors were last heard.
        time_s: simulation time, s; needed with ``stale_s``.
    """

    exit_space_m: NDArray[np.float64] | None = None
    preemption: NDArray[np.bool_] | None = None
    bus: NDArray[np.bool_] | None = None
    pedestrian_call: NDArray[np.bool_] | None = None
    stale_s: NDArray[np.float64] | None = None
    time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LegalStages:
    """Legal stages, [rows, stages] bool, and why the others are not, [rows, stages] int16."""

    mask: NDArray[np.bool_]
    reason: NDArray[np.int16]


def restrict(mask: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Narrow legal stages to the wanted ones in the rows where any is left, [rows, stages]."""
    both = mask & wanted
    return np.where(both.any(axis=1, keepdims=True), both, mask)


class SignalShield:
    """Shield of the controllable signals of a network.

    Args:
        automata: one per signal, in the order of `TrafficNetwork.controllable`.

    Attributes:
        n_stages: most stages of any signal; masks are padded to it.
        n_links: most links of any signal; inputs are padded to it.
    """

    def __init__(self, automata: Sequence[SignalAutomaton]) -> None:
        self.automata = tuple(automata)
        self.decision_s = self.automata[0].decision_s
        rules = [a.timing.rules for a in self.automata]
        self._green = padded([a.signal.stage_green for a in self.automata], 0, np.float32)
        self.n_stages, self.n_links = self._green.shape[1:]
        self._tables = StageTables.of(self.automata, self.n_stages)
        self._similarity = np.einsum("asl,atl->ast", self._green, self._green)
        self._max_green = np.array([a.max_green_s for a in self.automata])
        self._plan = padded([a.plan_stage for a in self.automata], 0, np.int64)
        self._plan_cycle = np.array([len(a.plan_stage) for a in self.automata])
        self._plan_offset = np.array([a.plan_offset_s for a in self.automata])
        self._stale_after = np.array([r.stale_after_s for r in rules])
        self._bus_window = np.array([r.bus_window_s for r in rules])
        self._bus_lockout = np.array([r.bus_lockout_s for r in rules])
        self._space_m = np.array(
            [[r.spillback_space_m if r.spillback_guard else -np.inf] for r in rules]
        )
        pedestrian = padded([a.pedestrian_class for a in self.automata], 0, np.bool_)
        on_call = pedestrian & ~np.array([[r.pedestrian_recall] for r in rules])
        self._class_links = self._link_classes(pedestrian.shape[1])
        self._ages = self._class_links.any(axis=1) & ~on_call
        self._all_age = not on_call.any()
        self._stage_row = np.eye(self.n_stages, dtype=bool)

    def _link_classes(self, classes: int) -> NDArray[np.bool_]:
        table = np.zeros((len(self.automata), self.n_links, classes), dtype=bool)
        for k, automaton in enumerate(self.automata):
            for c, links in enumerate(automaton.class_links):
                table[k, list(links), c] = True
        return table

    def initial(self, copies: int = 1) -> ShieldState:
        """State at the begin: stage 0 of every signal, copy by copy; all ages 0."""
        rows = len(self.automata) * copies
        zero = np.zeros(rows, dtype=np.int64)
        return ShieldState(
            automaton=np.tile(np.arange(len(self.automata)), copies),
            previous=zero,
            stage=zero,
            elapsed_s=zero,
            age_s=np.zeros((rows, self._ages.shape[1]), dtype=np.int64),
            bus_s=np.full(rows, _READY),
        )

    def legal(self, state: ShieldState, inputs: ShieldInputs | None = None) -> LegalStages:
        """Legal stages at a decision, and the first rule that excludes each of the others."""
        key = state.automaton * self.n_stages + state.stage
        mask = self._tables.successors[key]
        reason = np.where(mask, UNCHANGED, SUCCESSOR).astype(np.int16)
        for code, narrowed in self._narrowed(state, inputs, key, mask):
            reason[mask & ~narrowed] = code
            mask = narrowed
        reason[(state.elapsed_s < 0)[:, None] & ~mask] = TRANSITION
        return LegalStages(mask, reason)

    def mask(self, state: ShieldState, inputs: ShieldInputs | None = None) -> NDArray[np.bool_]:
        """`legal` without reasons, faster: [rows, stages] bool."""
        key = state.automaton * self.n_stages + state.stage
        mask: NDArray[np.bool_] = self._tables.successors[key]
        for _, narrowed in self._narrowed(state, inputs, key, mask):
            mask = narrowed
        return mask

    def _narrowed(
        self,
        state: ShieldState,
        inputs: ShieldInputs | None,
        key: NDArray[np.int64],
        mask: NDArray[np.bool_],
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """The mask after each rule that narrows it, with the rule's code."""
        a, stage, elapsed = state.automaton, state.stage, state.elapsed_s
        tables = self._tables
        free = elapsed >= tables.min_green[key]
        if not free.all():
            mask = np.where(free[:, None], mask, self._stage_row[stage])
            yield MIN_GREEN, mask
        if state.age_s.max(initial=0) > tables.least_carefree:
            due = np.flatnonzero(free & (state.age_s.max(axis=1) > tables.carefree[key]))
            mask = mask.copy()
            mask[due] = self._safe(key[due], state.age_s[due], mask[due])
            yield MAX_RED, mask
        over = free & (elapsed + self.decision_s > self._max_green[a])
        if over.any():
            mask = np.where(over[:, None], restrict(mask, ~self._stage_row[stage]), mask)
            yield MAX_GREEN, mask
        if inputs is not None:
            for code, wanted in self._wishes(state, inputs):
                mask = restrict(mask, wanted)
                yield code, mask
            if inputs.exit_space_m is not None:
                yield SPILLBACK, self._unblocked(a, inputs.exit_space_m, mask)

    def _unblocked(
        self, automaton: NDArray[np.int64], space_m: NDArray[np.float64], mask: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Legal stages with the fewest links whose exits are full."""
        blocked = space_m < self._space_m[automaton]
        if not blocked.any():
            return mask
        count = np.where(mask, self._serving(automaton, blocked), np.inf)
        fewest: NDArray[np.bool_] = mask & (count <= count.min(axis=1, keepdims=True))
        return fewest

    def _safe(
        self, key: NDArray[np.int64], age_s: NDArray[np.int64], mask: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Choices that keep every deadline; where a deadline is lost, those that lose least."""
        slack = (self._tables.limit[key] - age_s[:, None, None, :]).min(axis=3, initial=UNLIMITED_S)
        best = np.where(mask, slack.max(axis=2), -UNLIMITED_S)
        threshold = np.minimum(best.max(axis=1, keepdims=True), 0)
        safe: NDArray[np.bool_] = mask & (best >= threshold)
        return safe

    def _wishes(
        self, state: ShieldState, inputs: ShieldInputs
    ) -> list[tuple[int, NDArray[np.bool_]]]:
        """Stages each wish would like, [rows, stages], strongest first."""
        a = state.automaton
        stages = np.arange(self.n_stages)
        wishes: list[tuple[int, NDArray[np.bool_]]] = []
        if inputs.stale_s is not None:
            trusted = (inputs.stale_s <= self._stale_after[a])[:, None]
            second = (int(inputs.time_s) - self._plan_offset[a]) % self._plan_cycle[a]
            planned = (stages == self._plan[a, second][:, None]) | trusted
            wishes.append((WATCHDOG, planned | (stages == state.stage[:, None])))
            wishes.append((WATCHDOG, planned))
        if inputs.preemption is not None:
            wishes.append((PREEMPTION, self._serving(a, inputs.preemption) > 0))
        if inputs.bus is not None:
            granted = (state.bus_s < self._bus_window[a])[:, None]
            wishes.append((BUS_PRIORITY, granted & (self._serving(a, inputs.bus) > 0)))
        return wishes

    def _serving(
        self, automaton: NDArray[np.int64], links: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """How many of the marked links each stage serves, [rows, stages]."""
        served = self._green[automaton] @ links[:, :, None].astype(np.float32)
        return served[:, :, 0]

    def project(
        self, state: ShieldState, proposed: NDArray[np.int64], inputs: ShieldInputs | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int16]]:
        """Nearest legal stage: the proposed one, else the present one, else the most alike one.

        Args:
            state: signal state at a decision.
            proposed: [rows] stage indices.
            inputs: what else is known.

        Returns:
            Executed stages, whether they differ from the proposed ones, and why; each [rows].

        Raises:
            ActionError: a stage index is outside 0 .. n_stages - 1.
        """
        if proposed.min(initial=0) < 0 or proposed.max(initial=0) >= self.n_stages:
            msg = (
                f"stage indices must lie in 0..{self.n_stages - 1}, "
                f"got {int(proposed.min())}..{int(proposed.max())}"
            )
            raise ActionError(msg)
        rows = np.arange(len(proposed))
        keeps = self.mask(state, inputs)[rows, proposed]
        if keeps.all():
            return proposed, ~keeps, np.zeros(len(proposed), dtype=np.int16)
        legal = self.legal(state, inputs)
        alike = self._similarity[state.automaton, proposed]
        alike[rows, state.stage] = np.inf
        nearest = np.where(legal.mask, alike, -1.0).argmax(axis=1)
        executed = np.where(keeps, proposed, nearest)
        return executed, ~keeps, legal.reason[rows, proposed]

    def advance(
        self,
        state: ShieldState,
        executed: NDArray[np.int64],
        inputs: ShieldInputs | None = None,
        seconds: int | None = None,
    ) -> ShieldState:
        """Start the executed stages and let time pass.

        Args:
            state: signal state at a decision.
            executed: [rows] legal stage indices.
            inputs: as given to `project`; bus grants and pedestrian calls are remembered.
            seconds: whole s; None: one decision interval.
        """
        inputs = inputs or ShieldInputs()
        duration = self.decision_s if seconds is None else seconds
        a = state.automaton
        changed = executed != state.stage
        previous = np.where(changed, state.stage, state.previous)
        arrival = self._tables.transition[a * self.n_stages + state.stage, executed]
        started = np.where(changed, -arrival, state.elapsed_s)
        return ShieldState(
            automaton=a,
            previous=previous,
            stage=executed,
            elapsed_s=started + duration,
            age_s=self._aged(state, previous, executed, started, duration, inputs),
            bus_s=self._bus_clock(state, inputs, duration),
        )

    def _aged(
        self,
        state: ShieldState,
        previous: NDArray[np.int64],
        stage: NDArray[np.int64],
        started: NDArray[np.int64],
        duration: int,
        inputs: ShieldInputs,
    ) -> NDArray[np.int64]:
        """Ages after ``duration`` s, when ``elapsed_s`` is ``started`` at their beginning."""
        if self._tables.least_carefree >= UNLIMITED_S:
            return state.age_s
        base = state.automaton * self.n_stages
        served = self._tables.served[base + stage]
        waiting = np.minimum(np.maximum(-started, 0), duration)[:, None]
        stays = served & (self._tables.served[base + previous] | (waiting < duration))
        older = state.age_s + np.where(served, waiting, duration)
        counts = self._ages[state.automaton]
        if not self._all_age:
            counts = counts | (state.age_s > 0)
            if inputs.pedestrian_call is not None:
                called = inputs.pedestrian_call[:, :, None] & self._class_links[state.automaton]
                counts |= called.any(axis=1)
        return np.where(counts & ~stays, older, 0)

    def _bus_clock(
        self, state: ShieldState, inputs: ShieldInputs, duration: int
    ) -> NDArray[np.int64]:
        """Seconds since the running or last grant; a request that ends starts the lockout."""
        if inputs.bus is None and state.bus_s.max() == _READY:
            return state.bus_s
        a = state.automaton
        asks = np.zeros(len(a), dtype=bool) if inputs.bus is None else inputs.bus.any(axis=1)
        running = (state.bus_s >= 0) & (state.bus_s < self._bus_window[a])
        clock = np.where(running & ~asks, self._bus_window[a], state.bus_s)
        clock = np.where((state.bus_s == _READY) & asks, 0, clock)
        clock = np.where(clock >= 0, clock + duration, clock)
        return np.where(clock >= self._bus_window[a] + self._bus_lockout[a], _READY, clock)

    def state_strings(self, state: ShieldState) -> list[str]:
        """State string every row shows in the coming second."""
        columns = (state.automaton, state.previous, state.stage, state.elapsed_s)
        return [
            self.automata[a].state_string(p, s, e)
            for a, p, s, e in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def schedule(
        self, state: ShieldState, executed: NDArray[np.int64], seconds: int | None = None
    ) -> list[tuple[int, int, str]]:
        """Changes of shown states during the coming interval, for whoever drives the simulator.

        Args:
            state: signal state at a decision, before `advance`.
            executed: [rows] legal stage indices.
            seconds: whole s; None: one decision interval.

        Returns:
            (second from now, row, state string) in order of time.
        """
        duration = self.decision_s if seconds is None else seconds
        events = []
        moving = np.flatnonzero((executed != state.stage) | (state.elapsed_s <= 0))
        for row in moving.tolist():
            automaton = self.automata[state.automaton[row]]
            previous, stage, start = (
                int(x[row]) for x in (state.previous, state.stage, state.elapsed_s)
            )
            shown = automaton.shown_before(previous, stage, start)
            if executed[row] != stage:
                previous, stage = stage, int(executed[row])
                start = -int(automaton.transition_s[previous, stage])
            for second in range(duration):
                now = automaton.state_string(previous, stage, start + second)
                if now != shown:
                    events.append((second, row, now))
                    shown = now
        return sorted(events)


def compile_shield(
    network: TrafficNetwork, profile: RuleProfile, decision_s: int | None = None
) -> SignalShield:
    """Compile the shield of every controllable signal of a network.

    Args:
        network: compiled network.
        profile: rule profile.
        decision_s: time between decisions, whole s; None: the profile's decision interval.

    Raises:
        InputFileError: no signal has two stages, or a stage gives green to conflicting links.
    """
    if not network.controllable:
        msg = f"{network.path}: no signal has two stages, so there is nothing to decide"
        raise InputFileError(msg)
    return SignalShield(
        [
            compile_automaton(signal_timing(network, signal, profile), decision_s)
            for signal in network.controllable
        ]
    )


class ShieldedSignals(Protocol):
    """What a control problem offers to be shielded; rows run over copies, then signals."""

    signal_shield: SignalShield
    shield_state: ShieldState
    shield_inputs: ShieldInputs | None


class TrafficShield(Shield):
    """`SignalShield` behind the core contract; its state is mirrored by the problem."""

    placement: Placement = "in_step"
    reasons = REASONS

    def project(self, problem: ControlProblem, action: Action) -> Projection:
        """Nearest legal stages in the problem's present state; action is [N, A, 1] stages."""
        signals = cast("ShieldedSignals", problem)
        if action.discrete is None:
            msg = "signal actions are stage indices; give Action.discrete of shape [N, A, 1]"
            raise ActionError(msg)
        executed, changed, reason = signals.signal_shield.project(
            signals.shield_state, action.discrete.reshape(-1), signals.shield_inputs
        )
        shape = action.discrete.shape[:2]
        return Projection(
            action=Action(discrete=executed.reshape(action.discrete.shape)),
            changed=changed.reshape(shape),
            reason=reason.reshape(shape),
        )
