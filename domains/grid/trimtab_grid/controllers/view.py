"""What classical controllers read off the observation, and how their decisions become actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, FloatArray, IntArray, Obs

from trimtab_grid.engine.observe import UNIT_COLUMNS
from trimtab_grid.resources import GridModel


@dataclass(frozen=True, slots=True)
class Seen:
    """Observed plants, N rows.

    Attributes:
        mode: [N, units].
        timer: [N, units] steps, as in `arrays`; of tripped units it may be cut.
        power_kw: [N, units] of the last step.
        cap_kw: [N, units] that units could have given in the last step.
        soc: [N] the lower end of what the charge state may be.
        load_kw: [N], of the coming step where the plant knows it, else measured last.
        free_kw: [N] available wind and PV.
        room_kwh: [N] energy above what the shield keeps; as large as the battery without one.
        step_hint: [N, 4] sine and cosine of day and year.
    """

    mode: IntArray
    timer: IntArray
    power_kw: FloatArray
    cap_kw: FloatArray
    soc: FloatArray
    load_kw: FloatArray
    free_kw: FloatArray
    room_kwh: FloatArray
    step_hint: FloatArray


class Decoder:
    """Reads columns by name and undoes their scales."""

    def __init__(self, model: GridModel) -> None:
        self.model = model
        plant, units = model.arrays, int(model.arrays.n)
        self._units = units
        names = model.columns
        if names[: len(UNIT_COLUMNS)] != tuple(f"{name}[0]" for name in UNIT_COLUMNS):
            msg = (
                'this controller reads the observation of the interfaces "default" and "order", '
                f"not one that begins with {names[0]}: build the problem for its own interface"
            )
            raise ContractError(msg)
        self._at = {name: k for k, name in enumerate(names)}
        self._longest = np.array(
            [
                max(
                    plant.warm_steps[i],
                    plant.cool_steps[i],
                    plant.min_run_steps[i],
                    plant.min_down_steps[i],
                    1,
                )
                for i in range(units)
            ]
        )
        self._prime = np.asarray(plant.prime_kw[:units])

    def __call__(self, obs: Obs) -> Seen:
        """The observed rows in physical units."""
        rows = obs.obs[:, 0].astype(np.float64)
        width = len(UNIT_COLUMNS)
        unit = rows[:, : self._units * width].reshape(len(rows), self._units, width)
        plant, scale = self.model.arrays, self.model.scales
        power = unit[:, :, UNIT_COLUMNS.index("power_share")] * self._prime
        head = unit[:, :, UNIT_COLUMNS.index("headroom_share")] * self._prime
        timer = np.rint(unit[:, :, UNIT_COLUMNS.index("timer_share")] * self._longest)
        soc = self._column(rows, "soc_lo")
        room = np.full(len(rows), float(plant.energy_kwh))
        if self.model.shielded:
            room = self._column(rows, "room_below") * float(plant.energy_kwh)
        free = self._column(rows, "wind") * scale.wind_kw + self._column(rows, "pv") * scale.pv_kw
        hints = ("day_sin", "day_cos", "year_sin", "year_cos")
        return Seen(
            mode=unit[:, :, :5].argmax(axis=2),
            timer=timer.astype(np.int64),
            power_kw=power,
            cap_kw=power + head,
            soc=soc,
            load_kw=self._column(rows, "load") * scale.load_kw,
            free_kw=free,
            room_kwh=np.maximum(0.0, room),
            step_hint=np.stack([self._column(rows, name) for name in hints], axis=1),
        )

    def _column(self, rows: FloatArray, name: str) -> FloatArray:
        return np.ascontiguousarray(rows[:, self._at[name]])


class GridController(Controller):
    """A controller of one microgrid per row: unit commands and a battery setpoint."""

    def __init__(self, problem: ControlProblem) -> None:
        self.problem = problem
        self.model: GridModel = problem.resource("model")
        self.plant = self.model.arrays
        self.units = int(self.plant.n)
        self.see = Decoder(self.model)

    def action(self, obs: Obs, command: IntArray, battery_kw: FloatArray) -> Action:
        """Unit commands [N, units] of -1, 0, +1 and setpoints [N] as an action of the interface.

        Commands outside the mask become hold; setpoints are brought into the limits of the
        choice.
        """
        command = self.admissible(obs, command)
        choice = np.clip(command.sum(axis=1), -1, 1) + 1
        discrete = choice[:, None] if self.model.by_order else command + 1
        low, high = self.limits(obs, command)
        box = np.clip(battery_kw, low, np.maximum(low, high)).astype(np.float32)
        return Action(discrete[:, None].astype(np.int64), box[:, None, None])

    def limits(self, obs: Obs, command: IntArray) -> tuple[FloatArray, FloatArray]:
        """Limits [N] of the setpoint at a command.

        With one command per unit they are known where all units hold, else the rating's.
        """
        power = np.float64(self.plant.power_kw)
        rows = np.arange(len(command))
        if obs.box_low is None or obs.box_high is None:
            return np.full(rows.size, -power), np.full(rows.size, power)
        low = obs.box_low[:, 0, ..., 0].astype(np.float64)
        high = obs.box_high[:, 0, ..., 0].astype(np.float64)
        if self.model.by_order:
            choice = np.clip(command.sum(axis=1), -1, 1) + 1
            return low[rows, choice], high[rows, choice]
        held = ~command.any(axis=1)
        return np.where(held, low, -power), np.where(held, high, power)

    def admissible(self, obs: Obs, command: IntArray) -> IntArray:
        """Commands [N, units] with what the mask forbids replaced by hold."""
        if obs.action_mask is None:
            return command
        mask = obs.action_mask[:, 0]
        if self.model.by_order:
            rows = np.arange(len(mask))
            wanted = np.clip(command.sum(axis=1), -1, 1) + 1
            return np.where(mask[rows, wanted][:, None], command, 0)
        allowed = mask.reshape(len(mask), self.units, 3)
        held = np.take_along_axis(allowed, (command + 1)[:, :, None], axis=2)[:, :, 0]
        return np.where(held, command, 0)
