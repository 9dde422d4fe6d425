"""The greatest safe set S <- S ∩ Pre(S), for plants whose fallbacks may bar each other.

Where conditions (P) or (W) fail, or where the coming step is known, the tubes of F+ and F- are not
the whole truth: some states inside both of them have no admissible command, others outside have
one. Here the needs below and above are lowered to nothing and then raised, unit state by unit state
and load cell by load cell, until from every state that is left some command leads back for every
disturbance of D. An interval of charge is kept per state: where commands leave a gap, its longest
part. Needs are rounded up to a fraction of the battery, so that the iteration ends; it ends empty
where the plant cannot be kept safe at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab_grid import shield_rules as rules
from trimtab_grid.arrays import PlantArrays
from trimtab_grid.exact import LoadGrid, exact_plant
from trimtab_grid.shield_rules import HIGH, LOW, SHIELD, ShieldTables
from trimtab_grid.shield_tables import BuiltTables, Filled, exact_limits, table_key
from trimtab_grid.tubes import (
    NOTHING,
    Held,
    Units,
    held,
    legal_commands,
    reachable,
    reduction_full,
    trips,
)

LOAD_CELLS = 28
STEPS_OF_CHARGE = 2**14
"""Levels of charge that are told apart: a power of two, so that needs are exact floats."""
MOST_STATES = 20_000
MOST_ROUNDS = 2_000

_UP = 1.0 + 1e-12
"""Covers rounding of float products, so that needs are never below the exact ones."""

Cells = NDArray[np.float64]
"""Energies or powers per load cell or pair of neighbouring cells."""
Pairs = NDArray[np.int64]
"""Cells per pair of neighbouring cells."""


@dataclass(slots=True)
class Search:
    """The iteration: needs per state and cell, and what each command does.

    Attributes:
        plant: exact numbers.
        limits: exact load changes and bands.
        grid: load cells of both sides; pair c stands for loads between cell c and c + 1.
        window: energy of the reserve window, kWh.
        low: [states, cells] need below, kWh.
        high: [states, cells] need above, kWh.
    """

    plant: Any
    limits: Any
    grid: LoadGrid
    states: list[Units]
    window: float
    quantum: float
    width: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    index: dict[Units, int]
    moves: list[list[list[tuple[Held, int]]]] = field(default_factory=list)
    loads: Cells = field(default_factory=lambda: np.zeros(0))
    rise_cells: int = 0
    fall_cells: int = 0

    def interval(self, move: list[tuple[Held, int]], up: Pairs, down: Pairs) -> tuple[Cells, Cells]:
        """Energies above the lower end from which a command is safe: from and to, per pair.

        Args:
            move: what is held and observed next, without and with each single trip.
            up: [pairs] cell of the highest load that is reckoned with.
            down: [pairs] cell of the lowest load.
        """
        p = self.plant
        begin, end = np.zeros(len(up)), np.full(len(up), self.window)
        for step, after in move:
            lack = float(rules.standby_load_kw(p) - step.cap_kw - step.shed_kw)
            deficit = np.maximum(0.0, self.loads[up] + lack)
            surplus = np.maximum(0.0, float(step.floor_kw - p.dump_kw) - self.loads[down])
            drawn = deficit * float(p.step_h / p.discharge_efficiency) * _UP
            stored = surplus * float(p.step_h * p.charge_efficiency) * _UP
            drawn[deficit > float(p.discharge_kw)] = math.inf
            stored[surplus > float(p.charge_kw)] = math.inf
            if step.running < min(1, self.limits.key.forming_units):
                drawn[:] = math.inf
            begin = np.maximum(begin, drawn + self.low[after, up])
            end = np.minimum(end, self.window - stored - self.high[after, down])
        return begin, end

    def improve(self, q: int) -> bool:
        """Raise the needs of one unit state to what its commands allow; whether they rose."""
        pairs = np.arange(self.grid.count - 1)
        begin, end = self._known(q, pairs) if self.plant.step_known else self._unknown(q, pairs)
        low, high = self.low[q].copy(), self.high[q].copy()
        low[pairs + 1] = np.maximum(low[pairs + 1], self._rounded(begin))
        high[pairs] = np.maximum(high[pairs], self._rounded(self.window - end))
        narrow = self.window - low[pairs + 1] - high[pairs] < self.width
        low[pairs + 1] = np.where(narrow, math.inf, low[pairs + 1])
        low[0], high[-1] = low[1], high[-2]
        low, high = np.maximum.accumulate(low), np.maximum.accumulate(high[::-1])[::-1]
        rose = bool((low > self.low[q]).any() or (high > self.high[q]).any())
        self.low[q], self.high[q] = low, high
        return rose

    def _rounded(self, energy: Cells) -> Cells:
        return np.where(
            np.isfinite(energy), np.ceil(energy / self.quantum) * self.quantum, math.inf
        )

    def _unknown(self, q: int, pairs: Pairs) -> tuple[Cells, Cells]:
        last = self.grid.count - 1
        up = np.minimum(pairs + 1 + self.rise_cells, last)
        down = np.maximum(pairs - self.fall_cells, 0)
        return self._union(q, [self.interval(move, up, down) for move in self.moves[q]])

    def _known(self, q: int, pairs: Pairs) -> tuple[Cells, Cells]:
        """The command may depend on the coming load: each load within reach must be answered."""
        found = [self.interval(move, pairs + 1, pairs) for move in self.moves[q]]
        begin, end = self._union(q, found)
        low, high = np.empty(len(pairs)), np.empty(len(pairs))
        for pair in pairs:
            reached = slice(max(0, pair - self.fall_cells), pair + 1 + self.rise_cells)
            low[pair], high[pair] = begin[reached].max(), end[reached].min()
        return low, high

    def _union(self, q: int, found: list[tuple[Cells, Cells]]) -> tuple[Cells, Cells]:
        """Per pair, the longest interval that commands cover together, overlapping enough."""
        count = self.grid.count - 1
        begin, end = np.full(count, math.inf), np.full(count, -math.inf)
        inside = float(self.low[q].min()), self.window - float(self.high[q].min())
        for k in range(count):
            parts = sorted((float(b[k]), float(e[k])) for b, e in found if e[k] >= b[k])
            begin[k], end[k] = longest(parts, self.width, inside)
        return begin, end


def longest(
    parts: list[tuple[float, float]], overlap: float, inside: tuple[float, float]
) -> tuple[float, float]:
    """The longest run of sorted intervals, each overlapping the run before, within `inside`.

    Returns (inf, -inf) where nothing is covered.
    """
    best, run = (math.inf, -math.inf), (math.inf, -math.inf)
    for begin, end in parts:
        joined = begin <= run[1] - overlap
        run = (run[0], max(run[1], end)) if joined else (begin, end)
        cut = max(run[0], inside[0]), min(run[1], inside[1])
        if cut[1] - cut[0] > best[1] - best[0] and cut[1] >= cut[0]:
            best = cut
    return best


def search_of(record: PlantArrays, cells: int) -> Search:
    """The iteration before its first round, every need nothing."""
    plant = exact_plant(record)
    limits = exact_limits(plant)
    finite = [c for c in (plant.load_rise_kw, plant.load_fall_kw) if not math.isinf(c)]
    span = Fraction(plant.load_max_kw)
    change = min([*finite, span / cells]) if not finite else min(finite)
    share = max(1, math.ceil(cells * change / span))
    width = Fraction(change) / share
    count = math.ceil(span / width) + 1
    grid = LoadGrid(width, 0, count, plant.load_min_kw, plant.load_max_kw, plant.load_max_kw)
    states = sorted(reachable(plant, limits, reduction_full(plant)))
    shape = (len(states), count)
    window = float((plant.reserve_soc_max - plant.reserve_soc_min) * plant.energy_kwh)
    search = Search(
        plant,
        limits,
        grid,
        states,
        window,
        2.0 ** math.ceil(math.log2(float(plant.energy_kwh) / STEPS_OF_CHARGE)),
        float(2 * plant.soc_error * plant.energy_kwh),
        np.zeros(shape),
        np.zeros(shape),
        {units: k for k, units in enumerate(states)},
        loads=np.array([float(grid.load_kw(c)) for c in range(count)]),
        rise_cells=math.ceil(limits.key.rise_kw / width),
        fall_cells=math.ceil(limits.key.fall_kw / width),
    )
    search.moves = [_moves(search, units) for units in states]
    return search


def _moves(search: Search, units: Units) -> list[list[tuple[Held, int]]]:
    plant, reduction = search.plant, reduction_full(search.plant)
    found = []
    for commands in legal_commands(plant, units):
        steps = [
            held(plant, search.limits, units, commands, absent)
            for absent in (-1, *trips(plant, units))
        ]
        reduced = [
            tuple(reduction.unit(i, m, t) for i, (m, t) in enumerate(step.after)) for step in steps
        ]
        found.append(
            [(step, search.index[after]) for step, after in zip(steps, reduced, strict=True)]
        )
    return found


def greatest_safe_set(record: PlantArrays, cells: int = LOAD_CELLS) -> BuiltTables | None:
    """Tables of the greatest safe set, or None where it is empty or too large to search.

    Args:
        record: of `arrays.PLANT`.
        cells: about how many load cells to distinguish.
    """
    search = search_of(record, cells)
    if len(search.states) > MOST_STATES:
        return None
    for _ in range(MOST_ROUNDS):
        rose = [search.improve(q) for q in range(len(search.states))]
        if not any(rose):
            break
    else:
        return None
    if not np.isfinite(search.low).any():
        return None
    return _packed(record, search)


def _packed(record: PlantArrays, search: Search) -> BuiltTables:
    plant, reduction = search.plant, reduction_full(search.plant)
    key = np.zeros(1, SHIELD).view(np.recarray)[0]
    limits = search.limits
    for side in (LOW, HIGH):
        reduction.write(key, side)
        key.cell_kw[side] = float(search.grid.width_kw)
    key.rise_kw, key.fall_kw = float(limits.key.rise_kw), float(limits.key.fall_kw)
    key.forming_units, key.free_kwh[:] = limits.key.forming_units, math.inf
    key.band_kw[: plant.n] = [float(band) for band in limits.key.band_kw]
    for name in ("first", "span", "stride"):
        setattr(limits.key, name, np.array(key[name]))
    filled = []
    for needs in (search.low, search.high):
        kwh = np.full((reduction.keys, search.grid.count), math.inf)
        for q, units in enumerate(search.states):
            kwh[table_key(limits.key, LOW, plant, units)] = needs[q]
        filled.append(Filled(kwh, frozenset(search.states), NOTHING, math.inf))
    tables = ShieldTables(key, filled[LOW].kwh, filled[HIGH].kwh)
    return BuiltTables(tables, plant, limits, (search.grid, search.grid), *filled)
