"""Machine-checked proof of the shield's theorem with z3, in exact rationals.

For every reachable unit state q two kinds of query must be unsatisfiable:

- *sound(q, command)*: x in S, the shield admits the command, the disturbance lies in D (load, wind
  and PV anywhere in their ranges, any single trip), the battery takes any power of the shield's
  interval, and a hard constraint is broken or x' leaves S;
- *live(q)*: x in S, and the shield admits no legal command.

Together they are the theorem, since the shield acts with an admissible command whenever there is
one. The shield's side comes from `shield_rules` itself, its names bound to symbols, and from the
very tables the runtime reads; what is demanded of it is written here again, from the plant alone.

Charge is a belief [soc_lo, soc_hi], at most twice the sensor error wide. A step moves it by no more
than the linear envelope says, in the direction of the battery's power; nothing is credited for
moving away from a limit. Where the coming step is known, the shield decides after it is revealed,
so that *live* is asked for every load and renewable power of D.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import FunctionType, SimpleNamespace
from typing import Any

from trimtab.contracts.errors import MissingDependencyError

from trimtab_grid import shield_rules
from trimtab_grid.arrays import RUN, TRIPPED, PlantArrays
from trimtab_grid.automaton import cap_kw, commanded, floor_kw, ticked, tripped
from trimtab_grid.exact import LoadGrid
from trimtab_grid.safety import safe_tables
from trimtab_grid.shield_tables import BuiltTables
from trimtab_grid.tubes import (
    Units,
    legal_commands,
    reachable,
    reduction_full,
    split,
    trips,
)

NEVER_KWH = 10**9
"""Stands for an infinite need: no battery has that much."""


def solver_version() -> str:
    """Version of z3.

    Raises:
        MissingDependencyError: z3 is not installed.
    """
    return str(z3_module().get_version_string())


def z3_module() -> Any:
    """The solver, imported when it is first asked for.

    Raises:
        MissingDependencyError: z3 is not installed.
    """
    try:
        import z3
    except ImportError as error:
        raise MissingDependencyError(
            package="z3-solver", extra="dev", purpose="the proof of the shield"
        ) from error
    return z3


def rebound(rules: Mapping[str, Any], **names: Any) -> Any:
    """The shield's rules with some names bound to something else, their code unchanged."""
    space: dict[str, Any] = dict(rules)
    for name, value in rules.items():
        if isinstance(value, FunctionType) and value.__module__ == rules["__name__"]:
            space[name] = FunctionType(value.__code__, space, name)
    space.update(names)
    return SimpleNamespace(**space)


def symbolic(rules: Mapping[str, Any]) -> Any:
    """The shield's rules with arithmetic and look-ups bound to symbols."""
    return rebound(
        rules,
        _max=larger,
        _min=_smaller,
        _both=_and,
        TOLERANCE_KWH=0,
        need_low_kwh=lambda tables, key, load: _need(tables, 0, key, load),
        need_high_kwh=lambda tables, key, load: _need(tables, 1, key, load),
    )


def _symbols(*values: Any) -> bool:
    return any(isinstance(value, z3_module().ExprRef) for value in values)


def larger(one: Any, other: Any) -> Any:
    """The larger of two numbers or symbols."""
    return z3_module().If(one >= other, one, other) if _symbols(one, other) else max(one, other)


def _smaller(one: Any, other: Any) -> Any:
    return z3_module().If(one <= other, one, other) if _symbols(one, other) else min(one, other)


def _and(one: Any, other: Any) -> Any:
    return z3_module().And(one, other) if _symbols(one, other) else bool(one and other)


def _need(tables: Any, side: int, key: int, load: Any) -> Any:
    """A table row as a step function of the load."""
    row = (tables.low_kwh, tables.high_kwh)[side][key]
    values = [NEVER_KWH if math.isinf(v) else Fraction(float(v)) for v in row]
    return _step_function(values, tables.grids[side], load, round_up=side == 0)


def _step_function(values: Sequence[Any], grid: LoadGrid, load: Any, *, round_up: bool) -> Any:
    """Value of the cell a load falls into, as a balanced decision tree."""
    if len(set(values)) == 1:
        return values[0]
    if not _symbols(load):
        cells = load / Fraction(grid.width_kw)
        cell = math.ceil(cells) if round_up else math.floor(cells)
        return values[max(0, min(cell, len(values) - 1))]

    def tree(first: int, last: int) -> Any:
        if len(set(values[first : last + 1])) == 1:
            return _real(values[first])
        middle = (first + last) // 2
        edge = _real(middle * Fraction(grid.width_kw) + (0 if round_up else grid.width_kw))
        below = load <= edge if round_up else load < edge
        return z3_module().If(below, tree(first, middle), tree(middle + 1, last))

    return tree(0, len(values) - 1)


def _real(value: Any) -> Any:
    return z3_module().RealVal(value)


@dataclass(frozen=True, slots=True)
class Failure:
    """A query that is not unsatisfiable.

    Attributes:
        kind: `sound` or `live`.
        units: observed unit states.
        commands: of the query; empty for `live`.
        answer: `sat` or `unknown`.
        model: values of the symbols where sat.
    """

    kind: str
    units: Units
    commands: tuple[int, ...]
    answer: str
    model: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What was asked and answered.

    Attributes:
        states: unit states enumerated.
        sound_queries: one per state and legal command.
        live_queries: one per state.
        unsat: queries answered unsat.
        failures: the others.
        cpu_s: CPU seconds of all processes.
    """

    states: int
    sound_queries: int
    live_queries: int
    unsat: int
    failures: tuple[Failure, ...]
    cpu_s: float

    @property
    def proven(self) -> bool:
        """Whether every query was unsatisfiable."""
        return not self.failures and self.unsat == self.sound_queries + self.live_queries > 0

    def __add__(self, other: ProofResult) -> ProofResult:
        return ProofResult(
            self.states + other.states,
            self.sound_queries + other.sound_queries,
            self.live_queries + other.live_queries,
            self.unsat + other.unsat,
            self.failures + other.failures,
            self.cpu_s + other.cpu_s,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A step as the plant alone makes it.

    Attributes:
        held: (unit, mode, timer) in it.
        cap: most power of the units, kW.
        floor: least.
        shed: load that may be shed, kW.
        after: observed unit states after it.
    """

    held: tuple[tuple[int, int, int], ...]
    cap: Any
    floor: Any
    shed: Any
    after: Units


class Theorem:
    """The queries of one plant.

    Args:
        built: its tables and exact numbers.
        rules: namespace of the shield's expressions; those of `shield_rules` unless tested.
    """

    def __init__(self, built: BuiltTables, rules: Mapping[str, Any] | None = None) -> None:
        self.plant = built.plant
        self.rules = symbolic(vars(shield_rules) if rules is None else rules)
        self.tables = SimpleNamespace(
            key=built.exact.key,
            low_kwh=built.tables.low_kwh,
            high_kwh=built.tables.high_kwh,
            grids=built.grids,
        )
        z3 = z3_module()
        self.soc_lo, self.load, self.next_load, self.renewables, self.power = z3.Reals(
            "soc_lo load next_load renewables battery"
        )
        self.soc_hi = z3.Real("soc_hi") if self.plant.soc_error > 0 else self.soc_lo
        self.disturbance = self._disturbance()

    def _disturbance(self) -> Any:
        """The set D and the belief's width, with the present load in its limits."""
        p, load, following = self.plant, self.load, self.next_load
        most = min(p.load_rise_kw, p.load_max_kw - p.load_min_kw)
        least = min(p.load_fall_kw, p.load_max_kw - p.load_min_kw)
        return z3_module().And(
            p.load_min_kw <= load,
            load <= p.load_max_kw,
            p.load_min_kw <= following,
            following <= p.load_max_kw,
            following <= load + most,
            following >= load - least,
            self.renewables >= 0,
            self.renewables <= p.wind_kw + p.pv_kw,
            self.soc_lo <= self.soc_hi,
            self.soc_hi - self.soc_lo <= 2 * p.soc_error,
        )

    def safe(self, units: Units, soc_lo: Any, soc_hi: Any, load: Any) -> Any:
        """Membership in S, by the shield's own rule."""
        return self.rules.in_safe_set(self.plant, self.tables, *split(units), soc_lo, soc_hi, load)

    def admits(self, units: Units, commands: Sequence[int]) -> Any:
        """The shield's test of a command, by its own rule."""
        rules, p = self.rules, self.plant
        low, high, renewables = self.next_load, self.next_load, self.renewables
        if not p.step_known:
            low = rules.lowest_load_kw(p, self.tables, self.load)
            high = rules.highest_load_kw(p, self.tables, self.load)
            renewables = 0
        return rules.admissible(
            p,
            self.tables,
            *split(units),
            commands,
            self.soc_lo,
            self.soc_hi,
            low,
            high,
            renewables,
        )

    def broken(self, units: Units, commands: Sequence[int], absent: int) -> Any:
        """That the step breaks a constraint or leaves S although the battery obeys the shield."""
        z3, p, power, load = z3_module(), self.plant, self.power, self.next_load
        step = self.step_of(units, commands, absent)
        low, high = self.interval_of(step, self.renewables)
        fine = [
            load <= step.cap + self.renewables + power + step.shed,
            step.floor + power <= load + p.dump_kw,
            *self.kept(step),
        ]
        chosen = z3.And(low <= power, power <= high)
        return z3.Or(low > high, z3.And(chosen, z3.Not(z3.And(*fine))))

    def step_of(self, units: Units, commands: Sequence[int], absent: int) -> Step:
        """What the units hold in a step and are observed in after it, from the plant alone."""
        p = self.plant
        held = [self._held(i, units[i], commands[i], absent) for i in range(p.n)]
        cap = sum(cap_kw(m, self._usable_kw(i), p.warm_kw[i], p.cool_kw[i]) for i, m, _ in held)
        floor = sum(floor_kw(m, p.min_kw[i], p.warm_kw[i], p.cool_kw[i]) for i, m, _ in held)
        sheddable = any(
            m == TRIPPED and p.repair_steps[i] - t >= p.shed_delay_steps for i, m, t in held
        )
        after = tuple(ticked(m, t, p.min_run_steps[i], p.min_down_steps[i]) for i, m, t in held)
        return Step(tuple(held), cap, floor, p.shed_kw if sheddable else 0, after)

    def kept(self, step: Step) -> list[Any]:
        """What any battery power of the interval must keep, balance apart."""
        p, power = self.plant, self.power
        soc_lo, soc_hi = self._charge_after()
        return [
            power <= p.discharge_kw,
            power >= -p.charge_kw,
            soc_lo >= p.reserve_soc_min,
            soc_hi <= p.reserve_soc_max,
            self.safe(step.after, soc_lo, soc_hi, self.next_load),
            z3_module().BoolVal(bool(p.grid_forming) or any(m == RUN for _, m, _ in step.held)),
        ]

    def _held(
        self, i: int, unit: tuple[int, int], command: int, absent: int
    ) -> tuple[int, int, int]:
        p = self.plant
        if i == absent:
            return i, *tripped(p.repair_steps[i])
        steps = p.warm_steps[i], p.cool_steps[i], p.min_down_steps[i]
        return i, *commanded(*unit, command, *steps)

    def _usable_kw(self, unit: int) -> Fraction:
        """Prime power, or as much of it as the ramp lets any step reach from any other."""
        p = self.plant
        return Fraction(min(p.prime_kw[unit], p.min_kw[unit] + p.ramp_kw[unit]))

    def interval_of(self, step: Step, renewables: Any) -> tuple[Any, Any]:
        """The shield's battery interval in a step, by its own rules."""
        rules, p, tables = self.rules, self.plant, self.tables
        totals = rules.nothing_held(p)
        for i, mode, timer in step.held:
            totals = rules.with_unit(p, tables, totals, i, mode, timer)
        cap, floor, shed, _, low_key, high_key = totals
        low, high = rules.battery_bounds_kw(
            p,
            rules.above_kwh(p, self.soc_lo),
            rules.below_kwh(p, self.soc_hi),
            rules.need_low_kwh(tables, low_key, self.next_load),
            rules.need_high_kwh(tables, high_key, self.next_load),
            self.next_load,
            renewables,
            cap,
            floor,
            shed,
        )
        return low, high

    def _charge_after(self) -> tuple[Any, Any]:
        """The worst belief after a step at the battery's power."""
        p, power = self.plant, self.power
        given = larger(power, 0) / p.discharge_efficiency + p.standby_kw
        taken = larger(-power, 0) * p.charge_efficiency
        per_kw = p.step_h / p.energy_kwh
        fall = larger(given - taken, 0) if p.standby_kw > 0 else given
        return self.soc_lo - fall * per_kw, self.soc_hi + taken * per_kw

    def sound(self, units: Units, commands: Sequence[int]) -> Any:
        """Formula that is satisfiable iff the shield errs in admitting a command."""
        z3 = z3_module()
        absences = (-1, *trips(self.plant, units))
        return z3.And(
            self.disturbance,
            self.safe(units, self.soc_lo, self.soc_hi, self.load),
            self.admits(units, commands),
            z3.Or(*[self.broken(units, commands, absent) for absent in absences]),
        )

    def live(self, units: Units) -> Any:
        """Formula that is satisfiable iff the shield may find no command in S."""
        z3 = z3_module()
        refused = [z3.Not(self.admits(units, c)) for c in legal_commands(self.plant, units)]
        safe = self.safe(units, self.soc_lo, self.soc_hi, self.load)
        return z3.And(self.disturbance, safe, *refused)

    def ask(self, formula: Any, logic: str = "QF_LRA") -> tuple[str, dict[str, str]]:
        """Answer of the solver, and the model where satisfiable."""
        solver = z3_module().SolverFor(logic)
        solver.add(formula)
        answer = str(solver.check())
        model = {str(d): str(solver.model()[d]) for d in solver.model()} if answer == "sat" else {}
        return answer, model

    def asked(self, kind: str, formula: Any) -> ProofResult:
        """One query about no unit state in particular."""
        begin = time.process_time()
        answer, model = self.ask(formula, logic="QF_NRA")
        failures = () if answer == "unsat" else (Failure(kind, (), (), answer, model),)
        cpu_s = time.process_time() - begin
        return ProofResult(0, 1, 0, 1 - len(failures), failures, cpu_s)

    def check(self, states: Iterable[Units], *, stop_at_failure: bool = False) -> ProofResult:
        """Ask all queries of some unit states."""
        begin, failures, sound, live, count = time.process_time(), [], 0, 0, 0
        for units in states:
            count += 1
            queries: list[tuple[str, tuple[int, ...], Any]] = [("live", (), self.live(units))]
            queries += [
                ("sound", c, self.sound(units, c)) for c in legal_commands(self.plant, units)
            ]
            for kind, commands, formula in queries:
                live, sound = live + (kind == "live"), sound + (kind == "sound")
                answer, model = self.ask(formula)
                if answer != "unsat":
                    failures.append(Failure(kind, units, commands, answer, model))
            if failures and stop_at_failure:
                break
        unsat = live + sound - len(failures)
        cpu_s = time.process_time() - begin
        return ProofResult(count, sound, live, unsat, tuple(failures), cpu_s)


def unit_states(built: BuiltTables) -> list[Units]:
    """All reachable unit states of a plant, in a fixed order."""
    return sorted(reachable(built.plant, built.exact, reduction_full(built.plant)))


def _share(job: tuple[PlantArrays, int, int]) -> ProofResult:
    record, part, parts = job
    built = safe_tables(record)
    return Theorem(built).check(itertools.islice(unit_states(built), part, None, parts))


def prove(record: PlantArrays, processes: int = 1) -> ProofResult:
    """Full enumeration of a plant's theorem.

    Args:
        record: of `arrays.PLANT`.
        processes: that share the unit states.

    Raises:
        MissingDependencyError: z3 is not installed.
        InputFileError: the plant has no tables.
    """
    z3_module()
    if processes == 1:
        return _share((record, 0, 1))
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        results = pool.map(_share, [(record, k, processes) for k in range(processes)], chunksize=1)
    return sum(results[1:], results[0])
