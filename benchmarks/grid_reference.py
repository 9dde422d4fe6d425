"""A plant again, step by step: what tables and decisions of the shield must be.

Nothing here is taken from the shield but the plant's numbers, the states that can be reached and
how tables are indexed.
"""

import copy
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

from grid_units import Scenario, Sim, state_differs
from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, PlantArrays
from trimtab_grid.proof import unit_states
from trimtab_grid.shield_tables import BuiltTables, build_tables, table_key
from trimtab_grid.tubes import Units

CELLS = 3
"""Load cells of the small plants' tables."""
QUANTA = Fraction(1, 10_000)
"""Rounding up of a tube, kWh: its steps times the quantum of tables."""
MARGIN = Fraction(1, 1000)
"""Decisions nearer to a boundary than this are not compared, kWh or kW."""
SAMPLES = 600
RENEWABLES_KW = 25
HORIZON = 14
LAST_TRIP = 9


@dataclass(frozen=True, slots=True)
class Sample:
    """A state, a command, and what the definition says of them.

    Attributes:
        slack: of the command; negative: to be refused.
        known: the same where load and renewables of the step are known.
        safe: of the state; negative: outside S.
        clear: the quick test says yes.
        held: unit states of a step after an admissible command; None where it is not.
        interval: of the battery in that step.
    """

    units: Any
    commands: tuple[int, ...]
    load: Any
    soc: tuple[Any, Any]
    slack: Any
    known: Any
    safe: Any
    clear: bool
    held: tuple[tuple[int, int], ...] | None
    interval: tuple[Any, Any] | None


class Reference:
    """What tables and decisions of a plant must be, remembered over mutants.

    Args:
        record: the plant.
        seed: of the sampled decisions.
    """

    def __init__(self, record: PlantArrays, seed: int = 5) -> None:
        built = self.built = build_tables(record, CELLS)
        self.record, self.p, self.states = record, built.plant, unit_states(built)
        self.grids, self.key = built.grids, built.exact.key
        p = self.p
        self.forming = 0 if p.grid_forming else (2 if p.unit_trips else 1)
        self.window = (p.reserve_soc_max - p.reserve_soc_min) * p.energy_kwh
        self.known: dict[Any, tuple[Any, Any]] = {}
        self.legal = {units: list(Sim(p, units).legal()) for units in self.states}
        self.loads = self._exact_loads()
        rng = random.Random(seed)  # noqa: S311
        self.free = self._free_kwh()
        self.samples = [self._sample(rng) for _ in range(SAMPLES)]
        self.worst = tuple(
            max(
                self.needs(u, grid.load_kw(c))[side] for u in self.states for c in range(grid.count)
            )
            for side, grid in enumerate(self.grids)
        )

    def _exact_loads(self) -> list[Fraction]:
        """Loads at which no table rounds."""
        if self.grids[0].count == 1:
            return [self.p.load_min_kw, self.p.load_max_kw]
        cells = [[grid.load_kw(c) for c in range(grid.count)] for grid in self.grids]
        inner = [load for load in cells[0] if load > self.p.load_min_kw]
        return [load for load in inner if load in cells[1]]

    def deficit(self, sim: Sim, load: Any, renewables: Any = 0) -> Any:
        """Power the battery must give."""
        standby = self.p.standby_kw / self.p.charge_efficiency
        return max(0, load + standby - renewables - sim.kw(low=False) - sim.shed())

    def surplus(self, sim: Sim, load: Any) -> Any:
        """Power the battery must take."""
        return max(0, sim.kw(low=True) - load - self.p.dump_kw)

    def drawn(self, sim: Sim, load: Any, renewables: Any = 0) -> Any:
        """Energy a step takes from the battery; infinite where it has not the power."""
        power = self.deficit(sim, load, renewables)
        running = sum(m == RUN for m, _ in sim.units)
        if power > self.p.discharge_kw or running < min(1, self.forming):
            return math.inf
        return power * self.p.step_h / self.p.discharge_efficiency

    def stored(self, sim: Sim, load: Any) -> Any:
        """Energy a step brings to the battery; infinite where it has not the power."""
        power = self.surplus(sim, load)
        if power > self.p.charge_kw:
            return math.inf
        return power * self.p.step_h * self.p.charge_efficiency

    def rising(self, load: Any) -> Any:
        """Most load of the next step."""
        return min(load + self.p.load_rise_kw, self.p.load_max_kw)

    def falling(self, load: Any) -> Any:
        """Least load of the next step."""
        return max(load - self.p.load_fall_kw, self.p.load_min_kw)

    def needs(self, units: Any, load: Any) -> tuple[Any, Any]:
        """Both needs of a state: the worst over no trip and every (unit, step)."""
        key = (tuple(map(tuple, units)), load)
        if key not in self.known:
            cases = [(None, 0), *self._trips(units)]
            tubes = [self._tube(units, load, *case) for case in cases]
            self.known[key] = max(low for low, _ in tubes), max(high for _, high in tubes)
        return self.known[key]

    def _trips(self, units: Any) -> list[tuple[Scenario, int]]:
        singles = Sim(self.p, units).scenarios()[1:]
        return [(j, m) for j in singles for m in range(LAST_TRIP)]

    def _tube(self, units: Any, load: Any, unit: Scenario, when: int) -> tuple[Any, Any]:
        up, down = Sim(self.p, units), Sim(self.p, units)
        low, high, most, least = Fraction(0), Fraction(0), load, load
        for k in range(HORIZON):
            up.start_all()
            down.stop_all(self.forming)
            if unit is not None and k == when:
                up.trip(unit)
                down.trip(unit)
            most, least = self.rising(most), self.falling(least)
            drawn, stored = self.drawn(up, most), self.stored(down, least)
            low, high = low + drawn, high + stored
            up.tick()
            down.tick()
        return low if drawn == 0 else math.inf, high if stored == 0 else math.inf

    def _free_kwh(self) -> tuple[Any, Any]:
        """The most that one step of any legal command and the tubes after it ask for."""
        low, high, p = Fraction(0), Fraction(0), self.p
        for units in self.states:
            for commands in self.legal[units]:
                for absent in Sim(p, units).scenarios():
                    sim = self.held(units, commands, absent)
                    drawn, stored = self.drawn(sim, p.load_max_kw), self.stored(sim, p.load_min_kw)
                    sim.tick()
                    low = max(low, drawn + self.needs(sim.units, p.load_max_kw)[0])
                    high = max(high, stored + self.needs(sim.units, p.load_min_kw)[1])
        return low, high

    def held(self, units: Any, commands: Sequence[int], absent: Scenario) -> Sim:
        """The plant in the coming step."""
        sim = Sim(self.p, units)
        sim.command(commands)
        if absent is not None:
            sim.trip(absent)
        return sim

    def _sample(self, rng: random.Random) -> Sample:
        """A drawn decision and what the definition says of it."""
        p, units, load = self.p, rng.choice(self.states), rng.choice(self.loads)
        share = [Fraction(rng.randrange(1001), 1000) ** 2 for _ in range(2)]
        above = share[0] * self.window
        below = self.window - above if rng.random() < 0.5 else share[1] * self.window
        commands = rng.choice(self.legal[units])
        absent = rng.choice(Sim(p, units).scenarios())
        needs = self.needs(units, load)
        ends = self.falling(load), self.rising(load)
        slack = self.slack(units, commands, ends, 0, above, below)
        sim = self.held(units, commands, absent)
        return Sample(
            units=units,
            commands=commands,
            load=load,
            soc=(
                p.reserve_soc_min + above / p.energy_kwh,
                p.reserve_soc_max - below / p.energy_kwh,
            ),
            slack=slack,
            known=self.slack(units, commands, (load, load), RENEWABLES_KW, above, below),
            safe=min(above - needs[0], below - needs[1]),
            clear=above >= self.free[0] + QUANTA and below >= self.free[1] + QUANTA,
            held=tuple((m, t) for m, t in sim.units) if slack > MARGIN else None,
            interval=self.interval(sim, load, above, below) if slack > MARGIN else None,
        )

    def slack(
        self, units: Any, commands: Any, ends: Any, renewables: Any, above: Any, below: Any
    ) -> Any:
        """Least slack of the definition of admissible at two load end points; negative: refuse."""
        slacks, (low, high) = [], ends
        for absent in Sim(self.p, units).scenarios():
            sim = self.held(units, commands, absent)
            drawn, stored = self.drawn(sim, high, renewables), self.stored(sim, low)
            sim.tick()
            slacks.append(above - drawn - self.needs(sim.units, high)[0])
            slacks.append(below - stored - self.needs(sim.units, low)[1])
        return min(slacks)

    def interval(
        self, sim: Sim, load: Any, above: Any, below: Any, free_kw: Any = RENEWABLES_KW
    ) -> tuple[Any, Any]:
        """Where constraints and S end the battery's interval; `free_kw` are the renewables."""
        p, after = self.p, Sim(self.p, sim.units)
        cap, floor, shed = sim.kw(low=False), sim.kw(low=True), sim.shed()
        after.tick()
        needs = self.needs(after.units, load)
        left = (above - needs[0]) * p.discharge_efficiency / p.step_h
        standby = p.standby_kw / p.charge_efficiency
        high = min(p.discharge_kw, load - floor + p.dump_kw, left - standby)
        low = max(
            -p.charge_kw,
            load - cap - free_kw - shed,
            min(load - cap - free_kw, high),
            -(below - needs[1]) / p.charge_efficiency / p.step_h,
        )
        return low, high

    def automaton_differs(self, automaton: Any) -> bool:
        """Whether other commands are accepted or other units change, in any conceivable state."""
        states, plants = list(self._conceivable()), [copy.copy(self.p), copy.copy(self.p)]
        plants[0].order, plants[1].order = 0, 1
        return any(state_differs(automaton, p, units) for p in plants for units in states)

    def _conceivable(self) -> Iterator[Units]:
        """Every mode and timer with every other; of three units or more only what is reachable."""
        p = self.p
        if p.n > 2:  # noqa: PLR2004
            return iter(self.states)
        each = []
        for i in range(p.n):
            longest = p.warm_steps[i], p.min_run_steps[i], p.cool_steps[i], p.repair_steps[i]
            own = [(OFF, t) for t in range(p.min_down_steps[i] + 1)]
            own += [(WARM, t) for t in range(1, longest[0] + 1)]
            own += [(RUN, t) for t in range(longest[1] + 1)]
            own += [(COOL, t) for t in range(1, longest[2] + 1)]
            own += [(TRIPPED, t) for t in range(longest[3] + 1)]
            each.append(own)
        return itertools.product(*each)

    def tables_differ(self, built: BuiltTables, legal_commands: Any) -> bool:
        """Whether tables and their facts are not those of the tubes."""
        if built.exact.key.forming_units != self.forming:
            return True
        if any(set(legal_commands(self.p, u)) != set(self.legal[u]) for u in self.states):
            return True
        for units in self.states:
            for side, rows in ((0, built.tables.low_kwh), (1, built.tables.high_kwh)):
                row = rows[table_key(built.exact.key, side, self.p, units)]
                for cell in range(1 - side, self.grids[side].count):
                    exact = self.needs(units, self.grids[side].load_kw(cell))[side]
                    if not exact <= row[cell] <= exact + QUANTA:
                        return True
        facts = zip(self.free, (built.up.free_kwh, built.down.free_kwh), strict=True)
        worst = zip(self.worst, (built.up.energy_kwh, built.down.energy_kwh), strict=True)
        return any(not e <= f <= e + QUANTA for e, f in facts) or any(
            math.isfinite(e) and not e <= w <= e + QUANTA for e, w in worst
        )

    def decisions_differ(self, modules: Mapping[str, ModuleType], built: BuiltTables) -> bool:
        """Whether any decision is not the definition's."""
        rules = modules["shield_rules"]
        return self.tolerance_differs(rules, built) or any(
            self.decision_differs(rules, built, sample) for sample in self.samples
        )

    def decision_differs(self, rules: Any, built: BuiltTables, x: Sample) -> bool:
        """Whether one decision is not the definition's."""
        p, tables = self.p, built.tables
        mode, timer = [m for m, _ in x.units], [t for _, t in x.units]
        low = rules.lowest_load_kw(p, built.exact, x.load)
        high = rules.highest_load_kw(p, built.exact, x.load)
        state = p, tables, mode, timer
        told = (
            (x.slack, rules.admissible(*state, x.commands, *x.soc, low, high, 0)),
            (x.known, rules.admissible(*state, x.commands, *x.soc, x.load, x.load, RENEWABLES_KW)),
            (x.safe, rules.in_safe_set(*state, *x.soc, x.load)),
        )
        if any(abs(slack) > MARGIN and bool(says) != (slack > 0) for slack, says in told):
            return True
        if bool(rules.clearly_admissible(p, tables, mode, *x.soc, high)) != x.clear:
            return True
        return x.held is not None and self.interval_differs(rules, tables, x)

    def interval_differs(self, rules: Any, tables: Any, x: Sample) -> bool:
        """Whether a battery interval ends elsewhere."""
        p, totals = self.p, rules.nothing_held(self.p)
        for i, (mode, timer) in enumerate(x.held or ()):
            totals = rules.with_unit(p, tables, totals, i, mode, timer)
        got = rules.battery_bounds_kw(
            p,
            rules.above_kwh(p, x.soc[0]),
            rules.below_kwh(p, x.soc[1]),
            rules.need_low_kwh(tables, totals[4], x.load),
            rules.need_high_kwh(tables, totals[5], x.load),
            x.load,
            RENEWABLES_KW,
            *totals[:3],
        )
        pairs = zip(got, x.interval or (), strict=True)
        return any(abs(is_kw - should_kw) > 10 * MARGIN for is_kw, should_kw in pairs)

    def tolerance_differs(self, rules: Any, built: BuiltTables) -> bool:
        """Whether limits have another slack than 1e-7 kW or kWh."""
        p, most = self.p, self.window
        units = self.states[0]
        mode, timer = [m for m, _ in units], [t for _, t in units]
        load = self.loads[-1]
        rows = built.tables.low_kwh, built.tables.high_kwh
        low, high = (
            (
                Fraction(rows[side][table_key(built.exact.key, side, p, units)][-1])
                for side in (0, 1)
            )
            if all(math.isfinite(n) for n in self.needs(units, load))
            else (None, None)
        )
        for beyond, allowed in ((Fraction(1, 20_000_000), True), (Fraction(1, 5_000_000), False)):
            held = [
                rules.lower_holds(p, most, p.discharge_kw + beyond, 0),
                rules.lower_holds(p, 1, 0, 1 + beyond),
                rules.upper_holds(p, most, p.charge_kw + beyond, 0),
                rules.upper_holds(p, 1, 0, 1 + beyond),
            ]
            if low is not None:
                ends = p.reserve_soc_min, p.reserve_soc_max
                short = (
                    ends[0] + (low - beyond) / p.energy_kwh,
                    ends[1] - (high - beyond) / p.energy_kwh,
                )
                held.append(
                    rules.in_safe_set(p, built.tables, mode, timer, short[0], ends[0], load)
                )
                held.append(
                    rules.in_safe_set(p, built.tables, mode, timer, ends[1], short[1], load)
                )
            if any(bool(h) != allowed for h in held):
                return True
        return self.look_up_differs(rules, built)

    def look_up_differs(self, rules: Any, built: BuiltTables) -> bool:
        """Whether a load outside the table is not looked up at its nearest cell."""
        p, tables, beyond = self.p, built.tables, 3 * self.p.load_max_kw
        for units in self.states:
            low, high = (table_key(built.exact.key, side, p, units) for side in (0, 1))
            for load, cell in ((beyond, -1), (-beyond, 0)):
                if rules.need_low_kwh(tables, low, load) != tables.low_kwh[low, cell]:
                    return True
                if rules.need_high_kwh(tables, high, load) != tables.high_kwh[high, cell]:
                    return True
        return False
