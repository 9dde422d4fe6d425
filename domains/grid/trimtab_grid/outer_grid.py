"""A connection to a public grid: limits, tariffs, and random outages that no one foresees.

Tariffs are two prices by the hour of the day, or a table of prices and outages (`tariffs`). The
plant buys what is cheaper than its cheapest running unit's marginal fuel, and uses the grid as
slack inside its limits otherwise. The shield counts on none of it: import may vanish in any step
like wind, export is only ever what is left over.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from pydantic import Field
from trimtab.contracts.scenario import DataFile, StrictModel
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.contracts.streams import Stream

from trimtab_grid.tariffs import read_tariff

OUTAGES = Stream("grid.outages")
PEAK_HOURS = (7.0, 22.0)
EXTRA_COLUMNS = ("import_limit", "import_price")
"""Observed besides what islands observe: share of the largest import, price in L/kWh."""


class OuterGrid(StrictModel):
    """A connection to a public grid; it may fail at any time."""

    import_kw: float = Field(gt=0, description="most import, kW")
    export_kw: float = Field(0.0, ge=0, description="most export, kW")
    import_price: float = Field(0.30, ge=0, description="of an imported kWh, as the fuel's price")
    import_price_peak: float | None = Field(None, ge=0, description="from 7 to 22 h, if another")
    export_price: float = Field(0.05, ge=0, description="paid for an exported kWh")
    file: DataFile | None = Field(
        default=None,
        description="table of import_price, export_price, grid_there instead of these prices",
    )
    outages_per_year: float = Field(0.0, ge=0, description="mean number of random outages")
    outage_h: float = Field(2.0, gt=0, description="mean length of an outage, h")


class OuterPlan:
    """Tariffs and outages of the copies.

    Args:
        grid: of the scenario; None for an island.
        fuel_price: per litre; tariffs are counted in litres.
        hour: [steps + 1] time of day of every column of a bank.
        step_h: length of a step, h.
        copies: N.
        start: begin of the first column.

    Raises:
        InputFileError: the table of prices is wrong or too short.

    Attributes:
        there: [N, steps + 1] whether the grid is up; no rows for an island.
    """

    def __init__(
        self,
        grid: OuterGrid | None,
        fuel_price: float,
        hour: FloatArray,
        step_h: float,
        copies: int,
        start: datetime,
    ) -> None:
        self._grid, self._step_h = grid, step_h
        self._steps = len(hour)
        self.there = np.ones((copies if grid is not None else 0, self._steps), bool)
        self._price, self._sold = np.zeros(self._steps), np.zeros(self._steps)
        self._known_there = np.ones(self._steps, bool)
        if grid is not None and grid.file is not None:
            told = read_tariff(grid.file).at(start, 60.0 * step_h, self._steps)
            self._price = told.import_price / fuel_price
            self._sold = told.export_price / fuel_price
            self._known_there = told.there
        elif grid is not None:
            peak = grid.import_price if grid.import_price_peak is None else grid.import_price_peak
            busy = (hour >= PEAK_HOURS[0]) & (hour < PEAK_HOURS[1])
            self._price = np.where(busy, peak, grid.import_price) / fuel_price
            self._sold[:] = grid.export_price / fuel_price

    def draw(self, rows: IntArray, seed: IntArray, episode: IntArray) -> None:
        """Draw the outages of new episodes: Poisson begins, exponential lengths."""
        if self._grid is None:
            return
        self.there[rows] = self._known_there
        chance = self._grid.outages_per_year * self._step_h / 8760.0
        if chance == 0.0:
            return
        draws = OUTAGES.uniform(seed, episode, 0, 2 * self._steps)
        for row, uniform in zip(rows, draws, strict=True):
            for k in np.flatnonzero(uniform[: self._steps] < chance):
                length = -self._grid.outage_h * np.log1p(-uniform[self._steps + k])
                end = k + max(1, int(np.ceil(length / self._step_h)))
                self.there[row, k:end] = False

    def now(self, step: IntArray) -> FloatArray:
        """[N, 4] import and export limit, kW, and prices, L/kWh, of the coming step.

        One row of zeros for an island.
        """
        if self._grid is None:
            return np.zeros((1, 4))
        at = np.minimum(step + 1, self._steps - 1)
        there = self.there[np.arange(len(step)), at]
        found = np.zeros((len(step), 4))
        found[:, 0] = self._grid.import_kw * there
        found[:, 1] = -self._grid.export_kw * there
        found[:, 2], found[:, 3] = self._price[at], self._sold[at]
        return found

    def series(self, row: int) -> FloatArray | None:
        """Limits, kW, and prices, L/kWh, of every step of a copy, [T, 4] as in `stage.Stage`."""
        if self._grid is None:
            return None
        there = self.there[row, 1:]
        bought, sold = self._grid.import_kw * there, self._grid.export_kw * there
        return np.stack([bought, self._price[1:], sold, self._sold[1:]], axis=1)

    def seen(self, step: IntArray) -> FloatArray:
        """[N, 2] of `EXTRA_COLUMNS`: limit as last measured, price of the coming step."""
        if self._grid is None:
            return np.zeros((len(step), 0))
        last = np.minimum(step, self._steps - 1)
        there = self.there[np.arange(len(step)), last]
        price = self._price[np.minimum(step + 1, self._steps - 1)]
        return np.stack([there.astype(np.float64), price], axis=1)
