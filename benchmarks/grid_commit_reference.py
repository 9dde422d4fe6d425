"""The run-time shield again: what it must choose, why, and what the battery may then do.

`grid_reference` says which commands are safe. Here follows what the kernel makes of that: the
nearest safe command, the reason of a change, the least bad command where none is safe, the return
of repaired units, and the battery's power in and beyond the safe set.
"""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from grid_reference import MARGIN, RENEWABLES_KW, Reference
from grid_units import Sim
from trimtab_grid.arrays import OFF, RUN, TRIPPED
from trimtab_grid.shield_tables import BuiltTables

CHOICES, INTERVALS, RETURNS, GAPS = 700, 400, 60, 150
PARTS = slice(0, 40), slice(40, None)
"""Samples of all plants that are tried first, and the others."""
NEVER_KWH = 1_000_000
"""What degraded mode reckons for an energy that no battery has."""
UNCHANGED, ILLEGAL, DEFICIT, TRIP, SURPLUS, FORMING, DEGRADED = range(7)
Command = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """An observed plant, what it is told of the coming step, and what is proposed.

    Attributes:
        units: observed states.
        load: the present load.
        above: energy above the window's lower end.
        below: energy below its upper end.
        told: load and renewables of the coming step where they are known, else None.
    """

    units: Any
    load: Any
    above: Any
    below: Any
    told: tuple[Any, Any] | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A proposal and what must become of it.

    Attributes:
        proposed: commands.
        wish_kw: of the battery.
        reason: code.
        best: commands of which one must be chosen.
    """

    at: Situation
    proposed: Command
    wish_kw: Any
    reason: int
    best: frozenset[Command]


@dataclass(frozen=True, slots=True)
class Interval:
    """Battery powers of a step; `held` are the units' states in it."""

    at: Situation
    held: Any
    overload_kw: Any
    low: Any
    high: Any


class KernelReference:
    """What the kernel must say of one plant, remembered over mutants.

    Args:
        reference: of the plant's tables and decisions.
        seed: of the samples.
    """

    def __init__(self, reference: Reference, seed: int = 11) -> None:
        self.r, self.p = reference, reference.p
        self.plain = SimpleNamespace(**{k: _plain(v) for k, v in vars(reference.p).items()})
        rng = random.Random(seed)  # noqa: S311
        drawn = (self._choice(rng) for _ in range(CHOICES))
        self.choices = [c for c in drawn if c is not None]
        tried = (self._interval(rng) for _ in range(INTERVALS))
        self.intervals = [i for i in tried if i is not None]
        self.returns = list(self._returns(rng))
        self.gaps = [self._gap(rng) for _ in range(GAPS)]

    def _situation(self, rng: random.Random, states: Sequence[Any] | None = None) -> Situation:
        share = [Fraction(rng.randrange(-20, 1001), 1000) for _ in range(2)]
        window = self.r.window
        above = share[0] * abs(share[0]) * window
        below = window - above if rng.random() < 0.5 else share[1] * abs(share[1]) * window
        loads = self.r.loads
        told = (rng.choice(loads), rng.choice((0, RENEWABLES_KW))) if rng.random() < 0.3 else None
        return Situation(rng.choice(states or self.r.states), rng.choice(loads), above, below, told)

    def coming(self, at: Situation) -> tuple[Any, Any, Any]:
        """Least and most load and least renewables of the coming step."""
        if at.told is not None:
            return at.told[0], at.told[0], at.told[1]
        return self.r.falling(at.load), self.r.rising(at.load), 0

    def _choice(self, rng: random.Random) -> Choice | None:
        """A drawn proposal; None where a slack is too small to tell."""
        at = self._situation(rng)
        low, high, free = self.coming(at)
        slack = {
            c: self.r.slack(at.units, c, (low, high), free, at.above, at.below)
            for c in self.r.legal[at.units]
        }
        legal = rng.random() < 0.7
        proposed = rng.choice(list(slack)) if legal else self._any(rng)
        wish = Fraction(rng.randrange(-1000, 1001), 1000) * self.p.discharge_kw
        if any(abs(s) <= MARGIN for s in slack.values()):
            return None
        safe = [c for c, s in slack.items() if s > 0]
        if proposed in safe:
            return Choice(at, proposed, wish, UNCHANGED, frozenset({proposed}))
        reason = self._reason(at, proposed) if safe else DEGRADED
        if reason is None:
            return None
        keys = {c: self._nearness(at, c, proposed, wish) for c in safe}
        if not safe:
            keys = {c: (0, self._missing(at, c)) for c in slack}
        return Choice(at, proposed, wish, reason, frozenset(_least(keys)))

    def _any(self, rng: random.Random) -> Command:
        return tuple(rng.choice((-1, 0, 1)) for _ in range(self.p.n))

    def _nearness(self, at: Situation, c: Command, proposed: Command, wish: Any) -> Any:
        """Discrete distance, then how far the battery's setpoint would be moved."""
        _, high, free = self.coming(at)
        low_kw, high_kw = self.r.interval(
            self.r.held(at.units, c, None), high, at.above, at.below, free
        )
        if self.p.order:
            return abs(_sign(sum(c)) - _sign(sum(proposed))), max(low_kw - wish, wish - high_kw, 0)
        apart = sum(abs(a - b) for a, b in zip(c, proposed, strict=True))
        return apart, max(low_kw - wish, wish - high_kw, 0)

    def _step(self, at: Situation, c: Command) -> tuple[Sim, Any, Any, Any, Any]:
        """Calm step of a command: units in it, deficit, surplus, and both needs after it."""
        low, high, free = self.coming(at)
        sim = self.r.held(at.units, c, None)
        deficit, surplus = self.r.deficit(sim, high, free), self.r.surplus(sim, low)
        after = Sim(self.p, sim.units)
        after.tick()
        low, high = (min(load, self.p.load_max_kw) for load in (low, high))  # tables end there
        needs = self.r.needs(after.units, high)[0], self.r.needs(after.units, low)[1]
        return sim, deficit, surplus, *needs

    def _reason(self, at: Situation, c: Command) -> int | None:
        """The first rule a proposal breaks; None where it is too near to tell which."""
        p = self.p
        if c not in self.r.legal[at.units]:
            return ILLEGAL
        sim, deficit, surplus, low_need, high_need = self._step(at, c)
        if sum(m == RUN for m, _ in sim.units) < min(1, self.r.forming):
            return FORMING
        slacks = (
            (SURPLUS, p.charge_kw - surplus),
            (SURPLUS, at.below - self._stored(surplus) - high_need),
            (DEFICIT, p.discharge_kw - deficit),
            (DEFICIT, at.above - self._drawn(deficit) - low_need),
        )
        if any(abs(slack) <= MARGIN for _, slack in slacks):
            return None
        return next((reason for reason, slack in slacks if slack < 0), TRIP)

    def _drawn(self, power: Any) -> Any:
        return power * self.p.step_h / self.p.discharge_efficiency

    def _stored(self, power: Any) -> Any:
        return power * self.p.step_h * self.p.charge_efficiency

    def _missing(self, at: Situation, c: Command) -> Any:
        """Energy and power that a calm step misses."""
        p = self.p
        sim, deficit, surplus, low_need, high_need = self._step(at, c)
        gaps = [
            min(low_need, NEVER_KWH) - (at.above - self._drawn(deficit)),
            min(high_need, NEVER_KWH) - (at.below - self._stored(surplus)),
            deficit - p.discharge_kw,
            surplus - p.charge_kw,
        ]
        alone = sum(m == RUN for m, _ in sim.units) < min(1, self.r.forming)
        return sum(max(0, gap) for gap in gaps) + (NEVER_KWH if alone else 0)

    def _interval(self, rng: random.Random) -> Interval | None:
        """The battery's powers in a drawn step; None where it is too near to tell."""
        at = self._situation(rng)
        free = at.told[1] if at.told else 0
        commands = rng.choice(self.r.legal[at.units])
        sim = self.r.held(at.units, commands, rng.choice(Sim(self.p, at.units).scenarios()))
        overload = rng.choice((0, 12))
        low, high = self.r.interval(sim, at.load, at.above, at.below, free)
        held = tuple((m, t) for m, t in sim.units)
        if abs(low - high) <= MARGIN:
            return None
        if low > high:
            low = high = self._relaxed(sim, at, free, overload)
        return Interval(at, held, overload, low, high)

    def _relaxed(self, sim: Sim, at: Situation, free: Any, overload: Any) -> Any:
        """Least power that keeps balance, as far as the reserve window lets it."""
        p = self.p
        lack = at.load - free - sim.kw(low=False) - overload - sim.shed()
        power = min(max(0, lack), at.load - sim.kw(low=True) + p.dump_kw)
        most = max(0, min(p.discharge_kw, at.above * p.discharge_efficiency / p.step_h))
        least = max(0, min(p.charge_kw, at.below / p.charge_efficiency / p.step_h))
        return max(min(power, most), -least)

    def _returns(self, rng: random.Random) -> Iterator[tuple[Situation, Any]]:
        """Situations with a repaired unit, and the unit states that must follow."""
        lost = [u for u in self.r.states if any(mode == TRIPPED for mode, _ in u)]
        repaired = [tuple((m, 0 if m == TRIPPED else t) for m, t in u) for u in lost]
        for _ in range(RETURNS if repaired else 0):
            at = self._situation(rng, repaired)
            back = tuple((OFF, 0) if u == (TRIPPED, 0) else u for u in at.units)
            low, high = self.r.needs(back, at.load)
            slack = min(at.above - low, at.below - high)
            if abs(slack) > MARGIN:
                yield at, back if slack > 0 else at.units

    def _gap(self, rng: random.Random) -> tuple[Situation, Command, Any]:
        """A situation, also with a load far outside its limits, a command, and what it misses."""
        at = self._situation(rng)
        load = rng.choice((0, at.load, 2 * self.p.load_max_kw))
        at = replace(at, told=(load, rng.choice((0, RENEWABLES_KW))))
        command = rng.choice(self.r.legal[at.units])
        return at, command, self._missing(at, command)

    def differs(self, kernel: Any, built: BuiltTables, part: slice) -> bool:
        """Whether the kernel decides otherwise in any of these samples."""
        return (
            any(self._commit_differs(kernel, built, c) for c in self.choices[part])
            or any(self._interval_differs(kernel, built, i) for i in self.intervals[part])
            or any(self._return_differs(kernel, built, *r) for r in self.returns[part])
            or any(self._gap_differs(kernel, built, *g) for g in self.gaps[part])
            or self._counting_differs(kernel)
        )

    def _gap_differs(
        self, kernel: Any, built: BuiltTables, at: Situation, command: Command, missing: Any
    ) -> bool:
        told = [float(v) for v in at.told or ()]
        units = [m for m, _ in at.units], [t for _, t in at.units]
        o = kernel.look_ahead(self.plain, built.tables, units, self._soc(at), float(at.load), *told)
        got = kernel.shortfall_kwh(self.plain, built.tables, o, list(command))
        return abs(got - missing) > MARGIN

    def _counting_differs(self, kernel: Any) -> bool:
        """Whether indices mean other commands, or commands are otherwise far from each other."""
        p, n = self.plain, self.p.n
        if kernel.candidates(p) != (3 if p.order else 2**n):
            return True
        vectors = list(itertools.product((-1, 0, 1), repeat=n))
        for one, other in itertools.product(vectors, vectors):
            apart = sum(abs(a - b) for a, b in zip(one, other, strict=True))
            if p.order:
                apart = abs(_sign(sum(one)) - _sign(sum(other)))
            if kernel.distance(p, list(one), list(other)) != apart:
                return True
        return any(self._indices_differ(kernel, units) for units in self.r.states)

    def _indices_differ(self, kernel: Any, units: Any) -> bool:
        """Whether another command than `candidate` says has an index, in one state."""
        p, sim = self.plain, Sim(self.p, units)
        mode, timer = [m for m, _ in units], [t for _, t in units]
        o = kernel.Outlook(mode, timer, 0.5, 0.5, 0.0, 0.0, 0.0)
        stops, starts = sim.may_stop(), sim.may_start()
        changes = [0, -1, 1] if p.order else range(2**p.n)
        for index, change in enumerate(changes):
            out = [9] * p.n
            legal = kernel.candidate(p, index, o, out)
            if p.order:
                chosen = {0: [], -1: stops[-1:], 1: starts[:1]}[change]
                expected = [change if i in chosen else 0 for i in range(p.n)]
                known = bool(chosen) or not change
            else:
                moved = [i for i in range(p.n) if index >> i & 1]
                expected = [(i in starts) - (i in stops) if i in moved else 0 for i in range(p.n)]
                known = all(i in starts or i in stops for i in moved)
            if bool(legal) != known or (known and out != expected):
                return True
        return False

    def _soc(self, at: Situation) -> tuple[float, float]:
        p = self.p
        lower = p.reserve_soc_min + at.above / p.energy_kwh
        return float(lower), float(p.reserve_soc_max - at.below / p.energy_kwh)

    def _commit_differs(self, kernel: Any, built: BuiltTables, c: Choice) -> bool:
        p, at, tables, load = self.plain, c.at, built.tables, float(c.at.load)
        told = [float(v) for v in at.told or (math.nan, math.nan)]
        units = [m for m, _ in at.units], [t for _, t in at.units]
        o = kernel.look_ahead(p, tables, units, self._soc(at), load, *told)
        out: list[int] = [9] * p.n
        reason = kernel.commit(p, tables, o, list(c.proposed), float(c.wish_kw), out)
        stands = bool(kernel.is_admissible(p, tables, o, list(c.proposed)))
        if stands != (c.reason == UNCHANGED):
            return True
        if reason != c.reason or tuple(out) not in c.best:
            return True
        needs = self.r.needs(at.units, at.load)
        slack = min(at.above - needs[0], at.below - needs[1])
        safe = kernel.is_safe(p, tables, *units, *self._soc(at), load)
        return abs(slack) > MARGIN and bool(safe) != (slack > 0)

    def _interval_differs(self, kernel: Any, built: BuiltTables, i: Interval) -> bool:
        at, load, free = i.at, float(i.at.load), float(i.at.told[1] if i.at.told else 0)
        units = [m for m, _ in i.held], [t for _, t in i.held]
        o = kernel.Outlook(*units, *self._soc(at), load, load, free)
        got = kernel.battery_interval(self.plain, built.tables, o, i.overload_kw)
        pairs = zip(got, (i.low, i.high), strict=True)
        return any(abs(is_kw - should_kw) > 10 * MARGIN for is_kw, should_kw in pairs)

    def _return_differs(
        self, kernel: Any, built: BuiltTables, at: Situation, expected: Any
    ) -> bool:
        mode, timer = [m for m, _ in at.units], [t for _, t in at.units]
        count = kernel.return_repaired(
            self.plain, built.tables, mode, timer, *self._soc(at), float(at.load)
        )
        returned = sum(a != b for a, b in zip(at.units, expected, strict=True))
        return tuple(zip(mode, timer, strict=True)) != tuple(expected) or count != returned


def _plain(value: Any) -> Any:
    """The number, or numbers, as the run-time shield has them."""
    if isinstance(value, Fraction):
        return float(value)
    return [_plain(v) for v in value] if isinstance(value, Sequence) else value


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _least(keys: dict[Command, tuple[Any, Any]]) -> Iterator[Command]:
    """Commands whose key is least, within a small margin in its second part."""
    first = min(key[0] for key in keys.values())
    rest = {c: key[1] for c, key in keys.items() if key[0] == first}
    least = min(rest.values())
    return (c for c, value in rest.items() if value <= least + MARGIN)
