"""Plays the compiled simulator directly, on series and plants of the test's own making."""

from typing import Any

import numpy as np
import pytest
from trimtab_grid.arrays import plant_arrays
from trimtab_grid.engine.memory import MOMENT, STATE
from trimtab_grid.engine.rows import FAULT_COLUMNS, Chances, Rows, Site
from trimtab_grid.engine.step import advance_all, begin
from trimtab_grid.guard import guard_of

NO_FAULTS = np.zeros((0, FAULT_COLUMNS))


class Fleet:
    """N copies of one plant on a bank [N, steps + 1, 3]; keeps every moment."""

    def __init__(self, plant, step_min, bank, soc=0.5, shield=True, faults=NO_FAULTS) -> None:
        self.plant, self.arrays = plant, plant_arrays(plant, step_min)
        self.guard = guard_of(self.arrays, shield)
        self.bank, self.faults = np.asarray(bank, float), faults
        n = len(self.bank)
        self.states = np.zeros(n, STATE).view(np.recarray)
        self.moments = np.zeros(n, MOMENT).view(np.recarray)
        self.daily = np.zeros((n, int(self.bank.shape[1] * step_min / 1440) + 1))
        self.outer = np.zeros((1, 4))
        self.log: list[Any] = []
        for row in range(n):
            charge = soc if np.isscalar(soc) else soc[row]
            begin(self.arrays, self.states[row], self.moments[row], charge, self.bank[row, 0])

    def step(self, commands, wish_kw, draws=None, noise=None):
        """One step: commands [N, units] or choices [N], battery wishes [N] kW."""
        commands = np.asarray(commands)
        by_order = commands.ndim == 1
        if by_order:
            self.moments["choice"] = commands
        else:
            self.moments["proposed"][:, : commands.shape[1]] = commands
        self.moments["wish_kw"] = wish_kw
        n = len(self.states)
        chances = Chances(
            self.faults,
            np.zeros((n, 0)) if draws is None else draws,
            np.zeros(0) if noise is None else noise,
        )
        site = Site(self.arrays, self.guard.tables, self.guard.on, by_order)
        rows = Rows(self.states, self.moments, np.ones(n, bool), self.bank, self.daily)
        advance_all(site, rows, chances, self.outer)
        self.log.append(self.moments.copy())
        return self.moments

    def series(self, name):
        """[steps, N, ...] of one fact over all steps."""
        return np.stack([moment[name] for moment in self.log])


@pytest.fixture(scope="session")
def fleet() -> type[Fleet]:
    return Fleet
