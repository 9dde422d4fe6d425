"""A microgrid's units again: dictionaries, one step at a time, and whether an automaton agrees."""

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM
from trimtab_grid.tubes import Units

Scenario = int | None
"""The unit that trips, or none."""


class Sim:
    """A plant again: dictionaries, one step at a time."""

    def __init__(self, plant: Any, units: Any) -> None:
        self.p, self.units = plant, [list(u) for u in units]

    def may_start(self) -> list[int]:
        """Units that may start now."""
        off = [i for i, unit in enumerate(self.units) if unit == [OFF, 0]]
        if not self.p.order:
            return off
        return [] if any(m == COOL for m, _ in self.units) else off[:1]

    def may_stop(self) -> list[int]:
        """Units that may stop now."""
        running = [i for i, (m, _) in enumerate(self.units) if m == RUN]
        if self.p.order:
            running = [] if any(m == WARM for m, _ in self.units) else running[-1:]
        return [i for i in running if self.units[i][1] >= self.p.min_run_steps[i]]

    def start_all(self) -> None:
        """F+."""
        self.command([1 if i in self.may_start() else 0 for i in range(self.p.n)])

    def stop_all(self, keep: int) -> None:
        """F-, the last unit first."""
        spare = sum(m == RUN for m, _ in self.units) - keep
        chosen = self.may_stop()[::-1][: max(0, spare)]
        self.command([-1 if i in chosen else 0 for i in range(self.p.n)])

    def legal(self) -> Iterator[tuple[int, ...]]:
        """Commands the plant accepts."""
        starts, stops = self.may_start(), self.may_stop()
        for commands in itertools.product((0, -1, 1), repeat=self.p.n):
            changes = sum(c != 0 for c in commands)
            known = all(i in (starts if c > 0 else stops) for i, c in enumerate(commands) if c)
            if known and (changes < 2 or not self.p.order):  # noqa: PLR2004
                yield commands

    def command(self, commands: Sequence[int]) -> None:
        """Apply commands."""
        p = self.p
        for i, c in enumerate(commands):
            if c == 1:
                self.units[i] = [WARM, p.warm_steps[i]] if p.warm_steps[i] else [RUN, 0]
            if c == -1:
                cools = p.cool_steps[i] > 0
                self.units[i] = [COOL, p.cool_steps[i]] if cools else [OFF, p.min_down_steps[i]]

    def trip(self, i: int) -> None:
        """Lose a unit."""
        self.units[i] = [TRIPPED, self.p.repair_steps[i]]

    def kw(self, *, low: bool) -> Fraction:
        """Least or most power."""
        p, total = self.p, Fraction(0)
        for i, (m, _) in enumerate(self.units):
            run = p.min_kw[i] if low else min(p.prime_kw[i], p.min_kw[i] + p.ramp_kw[i])
            total += {RUN: run, WARM: p.warm_kw[i], COOL: p.cool_kw[i]}.get(m, 0)
        return total

    def shed(self) -> Fraction:
        """Load that may be shed."""
        p = self.p
        ready = [
            m == TRIPPED and p.repair_steps[i] - t >= p.shed_delay_steps
            for i, (m, t) in enumerate(self.units)
        ]
        return Fraction(p.shed_kw) if any(ready) else Fraction(0)

    def tick(self) -> None:
        """End the step."""
        p = self.p
        for i, (m, t) in enumerate(self.units):
            self.units[i] = {
                OFF: [OFF, max(0, t - 1)],
                WARM: [WARM, t - 1] if t > 1 else [RUN, 0],
                RUN: [RUN, min(t + 1, p.min_run_steps[i])],
                COOL: [COOL, t - 1] if t > 1 else [OFF, p.min_down_steps[i]],
                TRIPPED: [TRIPPED, max(0, t - 1)],
            }[m]

    def scenarios(self) -> list[Scenario]:
        """No trip, and the single trips that must be reckoned with."""
        healthy = all(m != TRIPPED for m, _ in self.units)
        return [None, *range(self.p.n)] if healthy and self.p.unit_trips else [None]


def state_differs(automaton: Any, p: Any, units: Units) -> bool:
    """Whether commands or units of a plant differ in one state."""
    sim, absences = Sim(p, units), (None, *range(p.n))
    mode, timer, legal = [m for m, _ in units], [t for _, t in units], set(sim.legal())
    accepted = {
        c
        for c in itertools.product((0, -1, 1), repeat=p.n)
        if automaton.commands_legal(p.order, c, mode, timer, p.n, p.min_run_steps)
    }
    if accepted != legal:
        return True
    choices = {-1: sim.may_stop()[-1:], 0: [], 1: sim.may_start()[:1]}
    for choice, expected in choices.items() if p.order else ():
        out = [9] * p.n
        told = automaton.order_commands(choice, mode, timer, p.n, p.min_run_steps, out)
        wanted = [choice if i in expected else 0 for i in range(p.n)]
        if out != wanted or bool(told) != (choice == 0 or bool(expected)):
            return True
    if _fallbacks_differ(automaton, p, units):
        return True
    return any(_step_differs(automaton, p, units, c, j) for c in legal for j in absences)


def _fallbacks_differ(automaton: Any, p: Any, units: Units) -> bool:
    """Whether F+ or F- gives other commands, whatever number of units is kept."""
    mode, timer = [m for m, _ in units], [t for _, t in units]
    sim, out = Sim(p, units), [9] * p.n
    starts = sim.may_start()
    automaton.fallback_up(p.order, mode, timer, p.n, p.min_run_steps, out)
    if out != [1 if i in starts else 0 for i in range(p.n)]:
        return True
    for keep in range(3):
        out, spare = [9] * p.n, max(0, sum(m == RUN for m in mode) - keep)
        automaton.fallback_down(p.order, mode, timer, p.n, p.min_run_steps, keep, out)
        stops = sim.may_stop()[::-1][:spare]
        if out != [-1 if i in stops else 0 for i in range(p.n)]:
            return True
    return False


def _step_differs(
    automaton: Any, p: Any, units: Units, commands: Sequence[int], absent: Scenario
) -> bool:
    """Whether a step holds or ends in other modes or timers."""
    sim, held, after = Sim(p, units), [], []
    sim.command(commands)
    if absent is not None:
        sim.trip(absent)
    for i, unit in enumerate(units):
        steps = p.warm_steps[i], p.cool_steps[i], p.min_down_steps[i]
        state = automaton.commanded(*unit, commands[i], *steps)
        if i == absent:
            state = automaton.tripped(p.repair_steps[i])
        held.append(list(state))
        after.append(list(automaton.ticked(*state, p.min_run_steps[i], p.min_down_steps[i])))
    if held != sim.units:
        return True
    sim.tick()
    return after != sim.units
