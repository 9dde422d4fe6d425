"""Exact deficit and surplus tubes under the two fallbacks, tabulated per unit-state combination.

The need below, R+, is the worst energy that F+ (start all that may be started, stop none) draws
from the battery over all scenarios "unit j is absent from step m + 1 on"; the need above, R-, the
worst that F- stores. Both obey a recursion along the fallback's own path, which covers all (j, m)
at once because the tail of a tube is a tube:

    R(q, L) = max over {no trip} and each single trip t of  step energy_t + R(q'_t, L')

with L' the worst load of the next step, and no further trip once there was one. Every value is
rounded up to `QUANTUM_KWH`, stage by stage, so that the rounded table obeys the recursion too and
is exact in floating point: runtime and proof read one table. A state whose tube asks for more
power than the battery has, or loses the last grid-forming source, has an infinite need.

States are reduced first: what F+ does not depend on how long a unit has run, nor what F- does on
how long it has been off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from trimtab_grid import shield_rules as rules
from trimtab_grid.arrays import HOLD, OFF, RUN, START, STOP, TRIPPED
from trimtab_grid.automaton import (
    commanded,
    commands_legal,
    fallback_down,
    fallback_up,
    returned,
    ticked,
    tripped,
)
from trimtab_grid.exact import LoadGrid, Number

QUANTUM_KWH = Fraction(1, 2**20)
MODES = 5

Units = tuple[tuple[int, int], ...]
"""(mode, timer) of every unit, observed."""
State = tuple[Units, int]
"""Reduced unit states and the load cell."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a tube asks of the battery: energy in quanta, and its highest power, kW."""

    quanta: float
    peak_kw: Number

    def after(self, energy_kwh: Fraction, power_kw: Number) -> Need:
        """The need of a tube that has one more step in front."""
        quanta = math.ceil(energy_kwh / QUANTUM_KWH)
        return Need(quanta + self.quanta, max(power_kw, self.peak_kw))

    def worst(self, other: Need) -> Need:
        """The need of whichever tube happens."""
        return Need(max(self.quanta, other.quanta), max(self.peak_kw, other.peak_kw))


NOTHING = Need(0, Fraction(0))


@dataclass(frozen=True, slots=True)
class Reduction:
    """Which unit states a fallback need not tell apart.

    Attributes:
        span: [units][modes] timer from which on states do not differ.
        off_like: modes that count as off.
        min_run_steps: [units]; where run time does not matter it counts as over.
        repair_steps: [units], to count a tripped unit's steps since its trip.
    """

    span: tuple[tuple[int, ...], ...]
    off_like: tuple[tuple[bool, ...], ...]
    min_run_steps: tuple[int, ...]
    repair_steps: tuple[int, ...]

    def unit(self, i: int, mode: int, timer: int) -> tuple[int, int]:
        """The state that stands for a unit's state."""
        if self.off_like[i][mode]:
            return OFF, 0
        if mode == TRIPPED:
            age = min(self.repair_steps[i] - timer, self.span[i][mode])
            return mode, self.repair_steps[i] - age
        if mode == RUN and self.span[i][RUN] == 0:
            return mode, self.min_run_steps[i]
        return mode, min(timer, self.span[i][mode])

    def layout(self, i: int) -> tuple[list[int], list[int]]:
        """First class and span of every mode of unit i; classes are numbered from 0."""
        first, span, count = [], [], 0
        for steps, off in zip(self.span[i], self.off_like[i], strict=True):
            first.append(0 if off else count)
            span.append(0 if off else steps)
            count += 0 if off else steps + 1
        return first, span

    def classes(self, i: int) -> int:
        """How many states of unit i are told apart."""
        return sum(s + 1 for s, off in zip(self.span[i], self.off_like[i], strict=True) if not off)

    @property
    def keys(self) -> int:
        """Number of keys of a table."""
        return math.prod(self.classes(i) for i in range(len(self.span)))

    def write(self, record: Any, side: int) -> None:
        """Fill in the record of `shield_rules.SHIELD` that look-ups use."""
        weight = 1
        for i in range(len(self.span)):
            first, span = self.layout(i)
            record.first[side, i] = [weight * f for f in first]
            record.span[side, i] = span
            record.stride[side, i] = weight
            weight *= self.classes(i)


def _reduction(plant: Any, span: Callable[[int], Sequence[int]], off: Any = None) -> Reduction:
    units = range(plant.n)
    return Reduction(
        tuple(tuple(span(i)) for i in units),
        tuple(tuple(off(i) if off else (False,) * MODES) for i in units),
        tuple(plant.min_run_steps),
        tuple(plant.repair_steps),
    )


def _shed_steps(plant: Any, unit: int) -> int:
    """Steps since a trip from which on nothing changes for the load that may be shed."""
    return int(min(plant.shed_delay_steps, plant.repair_steps[unit]))


def reduction_up(plant: Any) -> Reduction:
    """F+ heeds min-down, warm-up and cool-down timers, and when load may be shed after a trip."""
    p = plant
    return _reduction(
        p,
        lambda i: (p.min_down_steps[i], p.warm_steps[i], 0, p.cool_steps[i], _shed_steps(p, i)),
    )


def reduction_down(plant: Any) -> Reduction:
    """F- heeds warm-up and run timers, and cool-down timers of units that give power meanwhile."""
    p = plant
    return _reduction(
        p,
        lambda i: (0, p.warm_steps[i], p.min_run_steps[i], p.cool_steps[i], 0),
        lambda i: (False, False, False, p.cool_kw[i] == 0, False),
    )


def reduction_full(plant: Any) -> Reduction:
    """Everything kept that any rule depends on."""
    p = plant
    return _reduction(
        p,
        lambda i: (
            p.min_down_steps[i],
            p.warm_steps[i],
            p.min_run_steps[i],
            p.cool_steps[i],
            _shed_steps(p, i),
        ),
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What the units hold in a step, and what is observed after it."""

    cap_kw: Any
    floor_kw: Any
    shed_kw: Any
    running: int
    after: Units


def held(plant: Any, tables: Any, units: Units, commands: Sequence[int], absent: int) -> Held:
    """The step of units under legal commands, unit `absent` (-1: none) tripping in it."""
    cap, floor, shed, running = Fraction(0), Fraction(0), Fraction(0), 0
    after = []
    for i, (mode, timer) in enumerate(units):
        m, t = commanded(
            mode,
            timer,
            commands[i],
            plant.warm_steps[i],
            plant.cool_steps[i],
            plant.min_down_steps[i],
        )
        if i == absent:
            m, t = tripped(plant.repair_steps[i])
        cap += rules.unit_cap_kw(plant, tables, i, m)
        floor += rules.unit_floor_kw(plant, i, m)
        shed = max(shed, Fraction(rules.shed_kw(plant, i, m, t)))
        running += m == RUN
        after.append(ticked(m, t, plant.min_run_steps[i], plant.min_down_steps[i]))
    return Held(cap, floor, shed, running, tuple(after))


def split(units: Units) -> tuple[list[int], list[int]]:
    """Modes and timers of units."""
    return [m for m, _ in units], [t for _, t in units]


def trips(plant: Any, units: Units) -> Iterator[int]:
    """Units whose trip must be reckoned with next."""
    if rules.may_trip(plant, split(units)[0]):
        yield from range(plant.n)


def legal_commands(plant: Any, units: Units) -> Iterator[tuple[int, ...]]:
    """All command vectors the plant accepts."""
    mode, timer = split(units)
    for commands in itertools.product((HOLD, STOP, START), repeat=plant.n):
        if commands_legal(plant.order, commands, mode, timer, plant.n, plant.min_run_steps):
            yield commands


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tubes: how its units move, and what a step costs.

    Attributes:
        commands: the fallback's commands.
        cost: what a held state asks of the battery at a load cell: (kWh, kW).
        next_cell: the load cell after a step, the worst one.
        worst_cell: the load cell that costs most.
    """

    reduction: Reduction
    grid: LoadGrid
    commands: Callable[[Units], tuple[int, ...]]
    cost: Callable[[Held, int], tuple[Fraction, Number]]
    next_cell: Callable[[int], int]
    worst_cell: int


def side_up(plant: Any, tables: Any, grid: LoadGrid) -> Side:
    """Deficits under F+, the load rising as fast as it may, renewables gone."""
    reduction = reduction_up(plant)
    last = grid.count - 1

    def commands(units: Units) -> tuple[int, ...]:
        out = [HOLD] * plant.n
        fallback_up(plant.order, *split(units), plant.n, plant.min_run_steps, out)
        return tuple(out)

    def next_cell(cell: int) -> int:
        return min(cell + grid.change_cells, last)

    def cost(step: Held, cell: int) -> tuple[Fraction, Number]:
        power = rules.deficit_kw(plant, grid.load_kw(next_cell(cell)), 0, step.cap_kw, step.shed_kw)
        lost = step.running < min(1, tables.key.forming_units)
        return rules.drawn_kwh(plant, power), math.inf if lost else power

    return Side(reduction, grid, commands, cost, next_cell, last)


def side_down(plant: Any, tables: Any, grid: LoadGrid) -> Side:
    """Surplus under F-, the load falling as fast as it may."""
    reduction = reduction_down(plant)

    def commands(units: Units) -> tuple[int, ...]:
        out = [HOLD] * plant.n
        keep = tables.key.forming_units
        fallback_down(plant.order, *split(units), plant.n, plant.min_run_steps, keep, out)
        return tuple(out)

    def next_cell(cell: int) -> int:
        return max(cell - grid.change_cells, 0)

    def cost(step: Held, cell: int) -> tuple[Fraction, Number]:
        power = rules.surplus_kw(plant, grid.load_kw(next_cell(cell)), step.floor_kw)
        return rules.stored_kwh(plant, power), power

    return Side(reduction, grid, commands, cost, next_cell, 0)


@dataclass(slots=True)
class Tube:
    """Needs of reduced states under one fallback, computed on demand and remembered."""

    plant: Any
    tables: Any
    side: Side
    needs: dict[State, Need] = field(default_factory=dict)

    def need(self, units: Units, cell: int) -> Need:
        """The need of a state; the path of the fallback is followed until it is known."""
        state = (self._reduced(units), cell)
        path: list[tuple[State, Fraction, Number, Need]] = []
        place: dict[State, int] = {}
        while state not in self.needs and state not in place:
            place[state] = len(path)
            energy, power, following, trip = self._step(state)
            path.append((state, energy, power, trip))
            state = following
        if state not in self.needs:
            self._close(path[place[state] :])
            del path[place[state] :]
        value = self.needs[state]
        for earlier, energy, power, trip in reversed(path):
            value = value.after(energy, power).worst(trip)
            self.needs[earlier] = value
        return self.needs[path[0][0]] if path else value

    def _close(self, cycle: list[tuple[State, Fraction, Number, Need]]) -> None:
        """The states a fallback ends in: nothing may be drawn there for ever."""
        value = NOTHING
        for _, energy, power, trip in cycle:
            lasting = Need(math.inf if energy > 0 else 0, power)
            value = value.worst(lasting).worst(trip)
        for state, *_ in cycle:
            self.needs[state] = value

    def _reduced(self, units: Units) -> Units:
        reduce = self.side.reduction.unit
        return tuple(reduce(i, m, t) for i, (m, t) in enumerate(units))

    def _step(self, state: State) -> tuple[Fraction, Number, State, Need]:
        units, cell = state
        commands = self.side.commands(units)
        following = self.side.next_cell(cell)
        step = held(self.plant, self.tables, units, commands, -1)
        energy, power = self.side.cost(step, cell)
        worst_trip = NOTHING
        for j in trips(self.plant, units):
            after_trip = held(self.plant, self.tables, units, commands, j)
            cost = self.side.cost(after_trip, cell)
            need = self.need(after_trip.after, following)
            worst_trip = worst_trip.worst(need.after(*cost))
        return energy, power, (self._reduced(step.after), following), worst_trip


def reachable(plant: Any, tables: Any, reduction: Reduction) -> set[Units]:
    """Reduced states that any legal commands and single trips lead to from all units off."""
    start: Units = tuple(reduction.unit(i, OFF, 0) for i in range(plant.n))
    found, frontier = {start}, [start]
    while frontier:
        for after in _successors(plant, tables, frontier.pop()):
            state = tuple(reduction.unit(i, m, t) for i, (m, t) in enumerate(after))
            if state not in found:
                found.add(state)
                frontier.append(state)
    return found


def _successors(plant: Any, tables: Any, units: Units) -> Iterator[Units]:
    back = tuple(returned() if mode == TRIPPED else (mode, timer) for mode, timer in units)
    if back != units:
        yield back
    for commands in legal_commands(plant, units):
        for absent in (-1, *trips(plant, units)):
            yield held(plant, tables, units, commands, absent).after
