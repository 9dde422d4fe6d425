"""The automaton of one signal: stages, transitions, limits and what is shown in every second.

Its state is (previous stage, stage, elapsed): `elapsed` counts the seconds of green of the stage
and is negative, by the seconds left, while the transition to it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab_traffic.profiles import Successors
from trimtab_traffic.recovery import UNLIMITED_S, Cycle, Deadlines, deadlines
from trimtab_traffic.rules import SignalTiming, intergreen_plan
from trimtab_traffic.signals import Signal


@dataclass(frozen=True, slots=True)
class SignalAutomaton:
    """Compiled automaton; times whole s.

    Attributes:
        shown: [previous][stage] -> state string of every second of the transition.
        transition_s: [stages, stages]; diagonal 0.
        min_green_s: [stages].
        max_green_s: `UNLIMITED_S` where there is none.
        successors: [stages, stages] bool, diagonal true.
        served: [stages, classes] bool: link classes are links green in the same stages.
        class_links: links of each class.
        pedestrian_class: [classes] bool: the class consists of crossings.
        deadlines: ages of red that keep each choice safe.
        plan_stage: stage the shipped plan shows or is about to show, per second of its cycle.
        plan_offset_s: time at which that cycle starts.
        notes: what was relaxed or cannot be reached, one line each.
    """

    timing: SignalTiming
    decision_s: int
    shown: tuple[tuple[tuple[str, ...], ...], ...]
    transition_s: NDArray[np.int64]
    min_green_s: NDArray[np.int64]
    max_green_s: int
    successors: NDArray[np.bool_]
    served: NDArray[np.bool_]
    class_links: tuple[tuple[int, ...], ...]
    pedestrian_class: NDArray[np.bool_]
    deadlines: Deadlines
    plan_stage: NDArray[np.int64]
    plan_offset_s: int
    notes: tuple[str, ...]

    @property
    def signal(self) -> Signal:
        """The signal this automaton drives."""
        return self.timing.signal

    def state_string(self, previous: int, stage: int, elapsed_s: int) -> str:
        """State string shown in the second that starts at ``elapsed_s``."""
        if elapsed_s < 0:
            return self.shown[previous][stage][elapsed_s]
        return self.timing.stage_states[stage]

    def shown_before(self, previous: int, stage: int, elapsed_s: int) -> str:
        """State string shown in the second that ended at ``elapsed_s``."""
        if elapsed_s == -int(self.transition_s[previous, stage]):
            return self.timing.stage_states[previous]
        return self.state_string(previous, stage, elapsed_s - 1)


def _link_classes(signal: Signal) -> tuple[NDArray[np.bool_], tuple[tuple[int, ...], ...]]:
    """Group links that are green in the same stages; links always or never green need no class."""
    groups: dict[tuple[bytes, bool], list[int]] = {}
    green = signal.stage_green
    for link in range(signal.n_links):
        column = green[:, link]
        if column.any() and not column.all():
            groups.setdefault((column.tobytes(), bool(signal.crossing[link])), []).append(link)
    served = np.array([green[:, links[0]] for links in groups.values()], dtype=bool)
    return served.reshape(len(groups), len(green)).T, tuple(tuple(g) for g in groups.values())


def barrier_groups(signal: Signal) -> tuple[int, ...]:
    """Side of the barrier of every stage: stages that serve a common approach edge, transitively.

    Links green in more than half of the stages (right turns) do not join stages.
    """
    green = signal.stage_green
    edges = sorted({m.in_edge for m in signal.movements})
    approach = np.zeros((signal.n_links, len(edges)), dtype=np.int64)
    for movement in signal.movements:
        approach[list(movement.links), edges.index(movement.in_edge)] = 1
    telling = green & (green.sum(axis=0) * 2 <= len(green))
    serves = telling.astype(np.int64) @ approach > 0
    joined = (serves.astype(np.int64) @ serves.T.astype(np.int64) > 0) | np.eye(
        len(green), dtype=bool
    )
    for _ in range(len(green)):
        joined = joined @ joined
    first_of = joined.argmax(axis=1).tolist()
    order = {first: k for k, first in enumerate(dict.fromkeys(first_of))}
    return tuple(order[first] for first in first_of)


def successor_graph(signal: Signal, kind: Successors) -> NDArray[np.bool_]:
    """Which stage may follow which, [stages, stages]; keeping a stage is always allowed.

    ``fixed``: only the next stage in shipped order. ``ring_barrier``: forward in shipped order
    within a barrier group, then to any stage of the next group, as in a NEMA dual ring.
    """
    n = len(signal.stage_states)
    allowed = np.eye(n, dtype=bool)
    if kind == "free":
        allowed[:] = True
    elif kind == "fixed":
        allowed[np.arange(n), (np.arange(n) + 1) % n] = True
    else:
        groups = barrier_groups(signal)
        count = max(groups) + 1
        for i in range(n):
            for j in range(n):
                forward = groups[i] == groups[j] and (j > i or count == 1)
                allowed[i, j] |= forward or (count > 1 and groups[j] == (groups[i] + 1) % count)
    return allowed


def _plan_stages(signal: Signal) -> NDArray[np.int64]:
    """Stage index per second of the shipped cycle; transitions belong to the stage they lead to."""
    index = {state: k for k, state in enumerate(signal.stage_states)}
    phases = signal.program.phases
    at = [k for k, phase in enumerate(phases) if phase.state in index]
    seconds = []
    for k, phase in enumerate(phases):
        ahead = next((m for m in at if m >= k), at[0])
        seconds += [index[phases[ahead].state]] * max(1, round(phase.duration_s))
    return np.array(seconds, dtype=np.int64)


def compile_automaton(timing: SignalTiming, decision_s: int | None = None) -> SignalAutomaton:
    """Compile the automaton of one controllable signal.

    Args:
        timing: its stages and times under a profile.
        decision_s: time between decisions, whole s; None: the profile's decision interval.
    """
    signal, rules = timing.signal, timing.rules
    step = rules.decision_interval_s if decision_s is None else decision_s
    n = len(timing.stage_states)
    shown = tuple(
        tuple(
            ()
            if i == j
            else tuple(x.state for x in intergreen_plan(timing, i, j) for _ in range(x.duration_s))
            for j in range(n)
        )
        for i in range(n)
    )
    transition = np.array([[len(states) for states in row] for row in shown], dtype=np.int64)
    served, class_links = _link_classes(signal)
    successors = successor_graph(signal, rules.successors)
    slots = -(-(transition + timing.min_green_s[None, :]) // step) * step
    table = deadlines(Cycle(served, successors, transition, slots, step), rules.max_red_s)
    return SignalAutomaton(
        timing=timing,
        decision_s=step,
        shown=shown,
        transition_s=transition,
        min_green_s=timing.min_green_s,
        max_green_s=UNLIMITED_S if rules.max_green_s is None else rules.max_green_s,
        successors=successors,
        served=served,
        class_links=class_links,
        pedestrian_class=np.array([signal.crossing[c[0]] for c in class_links], dtype=bool),
        deadlines=table,
        plan_stage=_plan_stages(signal),
        plan_offset_s=round(signal.program.offset_s),
        notes=(*timing.notes, *_deadline_notes(timing, successors, table)),
    )


def _deadline_notes(
    timing: SignalTiming, successors: NDArray[np.bool_], table: Deadlines
) -> list[str]:
    asked, name = timing.rules.max_red_s, timing.signal.id
    notes = []
    if asked is not None and table.max_red_s > asked:
        notes.append(
            f"signal {name!r}: max red {asked} s cannot be met with minimum greens and intergreens "
            f"of its stages; relaxed to {table.max_red_s} s; lower min_green_s or drop a stage"
        )
    safe = (table.limit_s.min(axis=3, initial=UNLIMITED_S) >= 0).any(axis=2) & successors
    np.fill_diagonal(safe, val=False)
    closed = [k for k in np.flatnonzero(~safe.any(axis=0)).tolist() if k != 0]
    if closed:
        notes.append(f"signal {name!r}: stages {closed} are never entered, max red forbids them")
    return notes
