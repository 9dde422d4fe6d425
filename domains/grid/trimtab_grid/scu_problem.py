"""The interface "scu" of a microgrid: what the published agents see, do and are rewarded for.

Actions are those of "order", {0 stop last, 1 none, 2 start next} and the battery's setpoint in kW;
observation and reward are those of `scu`. The shield, metrics and logs are as ever, so that such an
agent stands in one table with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.spec import (
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    Spec,
    Step,
)

from trimtab_grid import scu
from trimtab_grid.arrays import MAX_UNITS
from trimtab_grid.episodes import forecast_columns, lead_weights
from trimtab_grid.problem import GridControl
from trimtab_grid.resources import Asked
from trimtab_grid.scenario import GridScenario
from trimtab_grid.series_files import ReadSeries


class ScuControl(GridControl):
    """See the module; built by the domain.

    Raises:
        InputFileError: the scenario's step is not a minute.
    """

    def __init__(
        self,
        scenario: GridScenario,
        copies: int,
        interface: str,
        *,
        autoreset: bool,
        read: ReadSeries | None = None,
    ) -> None:
        scu.require_minutes(scenario.step_min)
        super().__init__(scenario, copies, interface, autoreset=autoreset, read=read)
        self.columns = scu.columns(int(self.arrays.n))
        self.spec = self._published_spec()
        self._tracks = np.zeros(copies, scu.TRACK).view(np.recarray)
        self._minutes_ahead = forecast_columns(scenario, 0, scu.LEADS)
        self._shares = lead_weights(self._forecaster, scenario.step_min, 0, scu.LEADS)

    def _published_spec(self) -> Spec:
        return replace(
            self.spec,
            name=f"grid.{self.plant.name}-scu-1",
            obs_dim=len(self.columns),
            rewards=scu.REWARDS,
        )

    def _start(self, rows: IntArray) -> None:
        super()._start(rows)
        tracks = self._tracks[rows]
        scu.begin_tracks(self.arrays, self._states[rows], self._run_min(), tracks)
        self._tracks[rows] = tracks

    def _run_min(self) -> FloatArray:
        """[units] minutes that units have run when an episode begins."""
        return np.zeros(MAX_UNITS) if self._first is None else self._first.run_min

    def _advance(self) -> None:
        scu.remember(self.arrays, self._states, self._moments, self._live, self._tracks)
        super()._advance()

    def finish(self, asked: Asked, live: BoolArray) -> Step:
        """See `GridControl.finish`."""
        scu.follow_tracks(self.arrays, self._moments, live, self._tracks)
        return super().finish(asked, live)

    def _reward(self, live: BoolArray, ended: BoolArray) -> Float32Array:
        out = np.zeros((self.copies, 1, len(scu.REWARDS)), np.float32)
        scu.reward_terms(self.arrays, self._moments, live, self._tracks, out[:, 0])
        return out

    def _seen(self, rows: IntArray, alive: BoolArray) -> Obs:
        out = np.zeros((len(rows), self.spec.obs_dim), np.float32)
        scu.see_all(
            self.arrays,
            self._states[rows],
            self._moments[rows],
            self._tracks[rows],
            self._ahead_kw(rows),
            out,
        )
        return replace(super()._seen(rows, alive), obs=out[:, None])

    def _ahead_kw(self, rows: IntArray) -> FloatArray:
        """[M, 2, 30] forecasts of load and wind; the present stands where there is none."""
        step = np.minimum(self._states["step"][rows], self.spec.horizon)
        column = self._minutes_ahead[step]
        there = np.where(column < 0, step[:, None], column)
        source = self._foretold if len(self._foretold) else self._bank
        truth, told = self._bank[rows[:, None], there, :2], source[rows[:, None], there, :2]
        found = truth + self._shares[None, :, None] * (told - truth)
        return np.ascontiguousarray(found.transpose(0, 2, 1))

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`."""
        return {**super().snapshot(rows), "tracks": self._tracks[rows].copy()}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        super().restore(snapshot, rows)
        self._tracks[rows] = snapshot["tracks"]
