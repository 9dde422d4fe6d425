"""Mutation test of the grid shield: which of its faults do proof and exactness tests find?

Every mutant is judged in this order: the theorem of a small plant with all terms in play (z3); then
exactness, against a plant simulated step by step here: tables equal the tubes of all single-trip
scenarios, commands are refused only where the definition refuses them, and the battery's interval
cannot be widened. Results are kept line by line, so that a run that was stopped goes on.

    python benchmarks/grid_mutants.py results.jsonl --sample 240 --seed 1
"""

import argparse
import json
import random
import signal
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from trimtab_grid.arrays import COOL, OFF, RUN, TRIPPED, WARM, plant_arrays
from trimtab_grid.mutation import (
    Mutant,
    mutants,
    mutated_modules,
    refuted,
    small_free_plant,
    small_plant,
)
from trimtab_grid.proof import Theorem, unit_states
from trimtab_grid.shield_tables import BuiltTables, build_tables, table_key
from trimtab_grid.tubes import Units, legal_commands

CELLS = 3
QUANTA = Fraction(1, 10_000)
MARGIN = Fraction(1, 1000)
PATIENCE_S = 6.0
"""CPU seconds after which a mutant counts as endless."""
Plant = tuple[Any, list[Units]]
Legal = dict[Units, list[tuple[int, ...]]]


class Sim:
    """The small plant again: dictionaries, one step at a time."""

    def __init__(self, plant: Any, units: Any) -> None:
        self.p, self.units = plant, [list(u) for u in units]

    def start_next(self) -> None:
        """Start the first unit that may."""
        if not any(m == COOL for m, _ in self.units):
            for i, unit in enumerate(self.units):
                if unit == [OFF, 0]:
                    unit[:] = self.started(i)
                    return

    def started(self, i: int) -> list[int]:
        """State of a unit that starts."""
        return [WARM, self.p.warm_steps[i]] if self.p.warm_steps[i] else [RUN, 0]

    def stopped(self, i: int) -> list[int]:
        """State of a unit that stops."""
        p = self.p
        return [COOL, p.cool_steps[i]] if p.cool_steps[i] else [OFF, p.min_down_steps[i]]

    def stop_last(self) -> None:
        """Stop the last running unit if it may."""
        if any(m == WARM for m, _ in self.units):
            return
        for i in (1, 0):
            if self.units[i][0] == RUN:
                if self.units[i][1] >= self.p.min_run_steps[i]:
                    self.units[i] = self.stopped(i)
                return

    def command(self, commands: Sequence[int]) -> None:
        """Apply commands."""
        for i, c in enumerate(commands):
            if c == 1:
                self.units[i] = self.started(i)
            if c == -1:
                self.units[i] = self.stopped(i)

    def trip(self, i: int) -> None:
        """Lose a unit."""
        self.units[i] = [TRIPPED, self.p.repair_steps[i]]

    def kw(self, low: bool) -> Fraction:
        """Least or most power."""
        p, total = self.p, 0
        for i, (m, _) in enumerate(self.units):
            run = p.min_kw[i] if low else p.prime_kw[i]
            total += {RUN: run, WARM: p.warm_kw[i], COOL: p.cool_kw[i]}.get(m, 0)
        return total

    def shed(self) -> Fraction:
        """Load that may be shed."""
        p = self.p
        ready = [
            m == TRIPPED and p.repair_steps[i] - t >= p.shed_delay_steps
            for i, (m, t) in enumerate(self.units)
        ]
        return p.shed_kw if any(ready) else 0

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


def healthy(units: Any) -> bool:
    """Whether no unit is away."""
    return all(m != TRIPPED for m, _ in units)


def need_low(p: Any, units: Any, load: Fraction) -> Fraction:
    """Worst drawn energy over no trip and every (unit, step)."""
    cases = [(None, 0)] + [(j, m) for j in (0, 1) for m in range(9) if healthy(units)]
    worst = Fraction(0)
    for j, m in cases:
        sim, drawn, demand = Sim(p, units), Fraction(0), load
        for k in range(12):
            sim.start_next()
            if j is not None and k == m:
                sim.trip(j)
            demand = min(demand + p.load_rise_kw, p.load_max_kw)
            drawn += deficit(p, sim, demand) * p.step_h / p.discharge_efficiency
            sim.tick()
        worst = max(worst, drawn)
    return worst


def need_high(p: Any, units: Any, load: Fraction) -> Fraction:
    """Worst stored energy over no trip and every (unit, step)."""
    cases = [(None, 0)] + [(j, m) for j in (0, 1) for m in range(9) if healthy(units)]
    worst = Fraction(0)
    for j, m in cases:
        sim, stored, demand = Sim(p, units), Fraction(0), load
        for k in range(12):
            sim.stop_last()
            if j is not None and k == m:
                sim.trip(j)
            demand = max(demand - p.load_fall_kw, p.load_min_kw)
            stored += surplus(p, sim, demand) * p.step_h * p.charge_efficiency
            sim.tick()
        worst = max(worst, stored)
    return worst


def deficit(p: Any, sim: Sim, load: Fraction, renewables: int = 0) -> Fraction:
    """Power the battery must give."""
    standby = p.standby_kw / p.charge_efficiency
    return max(0, load + standby - renewables - sim.kw(low=False) - sim.shed())


def surplus(p: Any, sim: Sim, load: Fraction) -> Fraction:
    """Power the battery must take."""
    return max(0, sim.kw(low=True) - load - p.dump_kw)


class Reference:
    """What tables and decisions must be, cached over mutants."""

    def __init__(self, built: BuiltTables, states: list[Units]) -> None:
        self.p, self.built, self.states = built.plant, built, states
        self.low, self.high, self.cells = {}, {}, built.grids[0].count
        self.grid = built.grids[0]
        rng = random.Random(5)  # noqa: S311
        self.samples = [self._sample(rng) for _ in range(500)]

    def needs(self, units: Any, load: Fraction) -> tuple[Fraction, Fraction]:
        """Both needs of a state, remembered."""
        key = (tuple(map(tuple, units)), load)
        if key not in self.low:
            self.low[key] = need_low(self.p, units, load)
            self.high[key] = need_high(self.p, units, load)
        return self.low[key], self.high[key]

    def _sample(self, rng: random.Random) -> tuple[Any, ...]:
        units = rng.choice(self.states)
        load = self.grid.load_kw(rng.randrange(1, self.cells))
        share = [Fraction(rng.randrange(1001), 1000) ** 2 for _ in range(2)]
        window = (self.p.reserve_soc_max - self.p.reserve_soc_min) * self.p.energy_kwh
        above = share[0] * window
        below = window - above if rng.random() < 0.5 else share[1] * window
        return units, rng.randrange(100), load, above, below, rng.choice((-1, 0, 1))

    def tables_differ(self, built: BuiltTables) -> bool:
        """Whether tables are not the tubes."""
        for units in self.states:
            for side, rows in ((0, built.tables.low_kwh), (1, built.tables.high_kwh)):
                row = rows[table_key(built.exact.key, side, self.p, units)]
                for cell in range(1 - side, self.cells):
                    exact = self.needs(units, self.grid.load_kw(cell))[side]
                    if not exact <= row[cell] <= exact + QUANTA:
                        return True
        return False

    def slack(
        self, units: Any, commands: Sequence[int], load: Fraction, above: Fraction, below: Fraction
    ) -> Fraction:
        """Least slack of the definition of admissible; negative: refuse."""
        p, slacks = self.p, []
        high = min(load + p.load_rise_kw, p.load_max_kw)
        low = max(load - p.load_fall_kw, p.load_min_kw)
        for j in (None, 0, 1) if healthy(units) else (None,):
            sim = self.held(units, commands, j)
            down, up = deficit(p, sim, high), surplus(p, sim, low)
            sim.tick()
            slacks += [p.discharge_kw - down, p.charge_kw - up]
            drawn = down * p.step_h / p.discharge_efficiency
            slacks.append(above - drawn - self.needs(sim.units, high)[0])
            stored = up * p.step_h * p.charge_efficiency
            slacks.append(below - stored - self.needs(sim.units, low)[1])
        return min(slacks)

    def held(self, units: Any, commands: Sequence[int], absent: int | None) -> Sim:
        """The plant in the coming step."""
        sim = Sim(self.p, units)
        sim.command(commands)
        if absent is not None:
            sim.trip(absent)
        return sim

    def decisions_differ(self, theorem: Theorem, legal: Legal) -> bool:
        """Whether any decision is not the definition's."""
        p = self.p
        for units, pick, load, above, below, absent in self.samples:
            commands = legal[units][pick % len(legal[units])]
            slack = self.slack(units, commands, load, above, below)
            lo, hi = (
                p.reserve_soc_min + above / p.energy_kwh,
                p.reserve_soc_max - below / p.energy_kwh,
            )
            theorem.soc_lo, theorem.soc_hi, theorem.load = lo, hi, load
            if abs(slack) > MARGIN and bool(theorem.admits(units, commands)) != (slack > 0):
                return True
            needs = self.needs(units, load)
            safe = min(above - needs[0], below - needs[1])
            if abs(safe) > MARGIN and bool(theorem.safe(units, lo, hi, load)) != (safe > 0):
                return True
            if (
                slack > MARGIN
                and healthy(units)
                and self.interval_differs(
                    theorem, units, commands, load, above, below, None if absent < 0 else absent
                )
            ):
                return True
        return False

    def interval_differs(
        self,
        theorem: Theorem,
        units: Any,
        commands: Sequence[int],
        load: Fraction,
        above: Fraction,
        below: Fraction,
        absent: int | None,
    ) -> bool:
        """The interval of a calm step must end where a constraint or S ends."""
        p = self.p
        sim = self.held(units, commands, absent)
        cap, floor, shed = sim.kw(low=False), sim.kw(low=True), sim.shed()
        modes = [(i, *unit) for i, unit in enumerate(map(tuple, sim.units))]
        sim.tick()
        needs = self.needs(sim.units, load)
        theorem.next_load, theorem.renewables = load, Fraction(25)
        got = theorem._interval(modes)
        standby = p.standby_kw / p.charge_efficiency
        high = min(
            p.discharge_kw,
            load - floor + p.dump_kw,
            (above - needs[0]) * p.discharge_efficiency / p.step_h - standby,
        )
        low = max(
            -p.charge_kw,
            load - cap - 25 - shed,
            min(load - cap - 25, high),
            -(below - needs[1]) / p.charge_efficiency / p.step_h,
        )
        return abs(got[0] - low) > MARGIN * 10 or abs(got[1] - high) > MARGIN * 10


def too_slow(*_: object) -> NoReturn:
    """Give a mutant up."""
    raise TimeoutError


def judge(mutant: Mutant, plants: Sequence[Plant], reference: Reference, legal: Legal) -> str:
    """What notices a mutant first."""
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
    try:
        if any(refuted(mutant, *plant, CELLS) for plant in plants):
            return "proof"
        record = plants[0][0]
        modules = mutated_modules(mutant)
        built = modules["shield_tables"].build_tables(record, CELLS)
        if reference.tables_differ(built):
            return "exact tubes"
        theorem = Theorem(built, vars(modules["shield_rules"]))
        return "decisions" if reference.decisions_differ(theorem, legal) else "survived"
    except (TimeoutError, RecursionError, MemoryError):
        return "endless"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)


def main() -> None:
    """Run or resume the mutation test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--sample", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", type=int, default=0, help="of --parts, to share the work")
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGVTALRM, too_slow)
    record = plant_arrays(small_plant(), 1.0)
    built = build_tables(record, CELLS)
    states = unit_states(built)
    legal = {units: list(legal_commands(built.plant, units)) for units in states}
    reference = Reference(built, states)
    truth = Theorem(built)
    if options.part == 0 and (
        reference.tables_differ(built) or reference.decisions_differ(truth, legal)
    ):
        sys.exit("the reference and the shield disagree without any mutation")
    random.Random(options.seed).shuffle(states)  # noqa: S311
    free = plant_arrays(small_free_plant(), 1.0)
    plants = ((record, states), (free, unit_states(build_tables(free, CELLS))))
    everything = list(mutants())
    rng = random.Random(options.seed)  # noqa: S311
    chosen = sorted(rng.sample(range(len(everything)), options.sample))
    done = {}
    if options.results.is_file():
        rows = [json.loads(line) for line in options.results.read_text().splitlines()]
        done = {row["index"]: row for row in rows}
    with options.results.open("a", encoding="utf-8") as file:
        for index in chosen[options.part :: options.parts]:
            if index not in done:
                mutant = everything[index]
                verdict = judge(mutant, plants, reference, legal)
                done[index] = {
                    "index": index,
                    "where": f"{mutant.module}.{mutant.function}",
                    "change": mutant.change,
                    "verdict": verdict,
                }
                file.write(json.dumps(done[index]) + "\n")
                file.flush()
    report([done[index] for index in chosen if index in done], len(everything))


def report(rows: list[Any], total: int) -> None:
    """Print the score and the survivors."""
    counts = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    killed = len(rows) - counts.get("survived", 0)
    print(f"{len(rows)} of {total} mutants, {killed} killed ({100 * killed / len(rows):.1f} %)")
    for verdict, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {verdict:12s} {count}")
    for row in rows:
        if row["verdict"] == "survived":
            print(f"survivor {row['where']}: {row['change']}")


if __name__ == "__main__":
    main()
