"""Tie lines of a cluster as arrays, and when they are out: trips no one foresees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.spec import BoolArray, FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_grid.arrays import steps_of
from trimtab_grid.islands.scenario import IslandsScenario, Tie

OUTAGES = Stream("grid.tie_outages")


@dataclass(frozen=True, slots=True)
class Ties:
    """The ties of a cluster, K of them between A islands.

    Attributes:
        names: of the ties.
        ends: [K, 2] island at each end; a positive flow goes from the first to the second.
        slots: [K, 2] which of an island's own ties this one is, per end.
        capacity_kw: [K] most power at the sending end.
        arriving: [K] share of sent power that arrives.
    """

    names: tuple[str, ...]
    ends: IntArray
    slots: IntArray
    capacity_kw: FloatArray
    arriving: FloatArray

    def of_island(self, island: int) -> tuple[tuple[int, int], ...]:
        """(tie, end) of every tie of an island, by slot."""
        return tuple((int(k), int(end)) for k, end in np.argwhere(self.ends == island))

    def degree(self, islands: int) -> int:
        """Most ties of any island."""
        return max((len(self.of_island(i)) for i in range(islands)), default=0)

    def import_limit_kw(self, island: int) -> float:
        """Most that can arrive at an island over all its ties."""
        most = self.capacity_kw * self.arriving
        return float(sum(most[k] for k, _ in self.of_island(island)))


def ties_of(scenario: IslandsScenario) -> Ties:
    """The ties of a scenario."""
    place = {island.name: i for i, island in enumerate(scenario.islands)}
    ends = np.array([[place[e] for e in tie.between] for tie in scenario.ties], np.int64)
    ends = ends.reshape(-1, 2)
    slots, used = np.zeros_like(ends), [0] * len(place)
    for k, pair in enumerate(ends):
        for end, island in enumerate(pair):
            slots[k, end] = used[island]
            used[island] += 1
    return Ties(
        tuple(tie.name for tie in scenario.ties),
        ends,
        slots,
        np.array([tie.capacity_kw for tie in scenario.ties], np.float64),
        np.array([1.0 - tie.loss_share for tie in scenario.ties], np.float64),
    )


class TiePlan:
    """When ties are there: injected trips for all seeds, random outages per seed.

    Attributes:
        there: [N, steps + 1, K]; column k + 1 realises in step k, column 0 was before.
    """

    def __init__(self, scenario: IslandsScenario, copies: int) -> None:
        self._ties, self._step_h = scenario.ties, scenario.step_min / 60.0
        steps = scenario.horizon + 1
        self.there = np.ones((copies, steps, len(self._ties)), bool)
        self._tripped = np.zeros((steps, len(self._ties)), bool)
        names = [tie.name for tie in scenario.ties]
        for fault in scenario.tie_faults:
            begin = int(fault.at_min / scenario.step_min) + 1
            end = begin + max(1, steps_of(fault.for_min, scenario.step_min))
            self._tripped[begin:end, names.index(fault.tie)] = True

    def draw(self, rows: IntArray, seed: IntArray, episode: IntArray) -> None:
        """Draw the outages of new episodes: Poisson begins, exponential lengths."""
        self.there[rows] = ~self._tripped
        steps = self.there.shape[1]
        for k, tie in enumerate(self._ties):
            chance = tie.outages_per_year * self._step_h / 8760.0
            if chance == 0.0:
                continue
            draws = OUTAGES.uniform(seed, episode, k, 2 * steps)
            for row, uniform in zip(rows, draws, strict=True):
                self._strike(self.there[row, :, k], uniform, tie, chance)

    def _strike(self, there: BoolArray, uniform: FloatArray, tie: Tie, chance: float) -> None:
        steps = len(there)
        for first in np.flatnonzero(uniform[:steps] < chance):
            length = -tie.outage_h * np.log1p(-uniform[steps + first])
            there[first : first + max(1, int(np.ceil(length / self._step_h)))] = False
