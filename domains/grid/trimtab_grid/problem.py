"""N copies of one microgrid as a control problem, played by the compiled simulator.

Interfaces: "default", one command per unit {0 stop, 1 hold, 2 start} and the battery's setpoint;
"order", one choice {0 stop last, 1 none, 2 start next} and the setpoint, with its limits per
choice; "scu", the same with the published agents' observation and reward (`scu_problem`); each also
without the shield ("default-unshielded"). The shield stands inside the step: `executed` and
`intervened` tell what it did. A grid-forming battery follows the balance of power; that is no
intervention.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError, UnknownNameError
from trimtab.contracts.problem import ControlProblem, Need
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    Step,
)
from trimtab.contracts.streams import Stream

from trimtab_grid.arrays import MAX_UNITS, plant_arrays
from trimtab_grid.details import episode_details
from trimtab_grid.engine.memory import MOMENT, STATE
from trimtab_grid.engine.observe import Scales, Shown, Sight, observe_all
from trimtab_grid.engine.rows import Chances, Rows, Site
from trimtab_grid.engine.step import advance_all, begin
from trimtab_grid.episode_metrics import episode_metrics
from trimtab_grid.episodes import (
    Episodes,
    add_load_jumps,
    fault_plan,
    forecast_columns,
    foretold,
    lead_weights,
)
from trimtab_grid.first_units import FirstUnits, first_units
from trimtab_grid.forecasts import forecaster
from trimtab_grid.guard import REASON_TEXTS, guard_of
from trimtab_grid.metrics import METRICS
from trimtab_grid.model import CO2_KG_PER_L
from trimtab_grid.network_watch import fresh, network_metrics, watch
from trimtab_grid.objective import stored_energy_price_l_per_kwh, terminal_l
from trimtab_grid.outer_grid import EXTRA_COLUMNS, OuterPlan
from trimtab_grid.plant import Plant
from trimtab_grid.plant_network import PlantNetwork
from trimtab_grid.resources import Asked, Forecasts, GridModel, GridState
from trimtab_grid.scenario import UNSHIELDED, GridScenario
from trimtab_grid.series import Series
from trimtab_grid.series_files import Reading, ReadSeries
from trimtab_grid.specification import INTERFACES, REWARDS, grid_spec, observed_columns

FAILURES, SENSORS = Stream("failures"), Stream("sensors")
LOG_ENTRIES = 3_000_000
"""Steps times copies up to which whole episodes are kept for monitors."""
_MOVED = len(REASON_TEXTS) - 1


class GridControl(ControlProblem):
    """See the module; built by the domain.

    Attributes:
        outside_kw: most power that neighbours may send in a step; 0 but in a cluster.
        site: what the compiled step reads of the plant and its shield.
        rows: memory of the copies, which the compiled step writes to.
        columns: names of the observation's columns.
    """

    outside_kw = 0.0

    def __init__(
        self,
        scenario: GridScenario,
        copies: int,
        interface: str,
        *,
        autoreset: bool,
        read: ReadSeries | None = None,
    ) -> None:
        if interface not in INTERFACES:
            raise UnknownNameError(interface, "interface", list(INTERFACES))
        self.scenario, self.copies, self.autoreset = scenario, copies, autoreset
        self.plant = scenario.resolved_plant()
        self.arrays = plant_arrays(self.plant, scenario.step_min)
        shield = scenario.shield and not interface.endswith(UNSHIELDED)
        self._first: FirstUnits | None = None
        if scenario.first_units:
            self._first = first_units(scenario.first_units, self.plant, self.arrays)
        self.guard = guard_of(self.arrays, shield, self._first)
        self._by_order = INTERFACES[interface]
        self.site = Site(self.arrays, self.guard.tables, self.guard.on, self._by_order)
        self._extra = () if scenario.outer_grid is None else EXTRA_COLUMNS
        self.columns = (*observed_columns(self.arrays), *self._extra)
        self.spec = grid_spec(
            self.arrays,
            self.plant.name,
            self._by_order,
            scenario.horizon,
            self.guard.soc_window,
            self._extra,
        )
        self._episodes = Episodes(scenario, self.plant, read)
        self._network = _network_of(scenario, self.plant)
        self._price = stored_energy_price_l_per_kwh(self.plant)
        self._plan = fault_plan(scenario, self.plant)
        self._calendar = self._episodes.calendar()
        known = int(self.arrays.step_known)
        self._columns = forecast_columns(scenario, known)
        self._forecaster = forecaster(scenario.forecast, read or _no_reader)
        self._weights = lead_weights(self._forecaster, scenario.step_min, known)
        self._scale = Scales(
            float(self.arrays.load_max_kw),
            float(self.arrays.wind_kw) or 1.0,
            float(self.arrays.pv_kw) or 1.0,
            float(self.arrays.power_kw) or 1.0,
        )
        self._random = bool((self.arrays.trip_probability > 0).any()) or bool(
            (self.arrays.start_failure > 0).any()
        )
        self._outer = OuterPlan(
            scenario.outer_grid,
            scenario.fuel_price,
            self._episodes.hours(),
            float(self.arrays.step_h),
            copies,
            self._episodes.start,
        )
        self._allocate(copies)

    def _allocate(self, copies: int) -> None:
        horizon = self.spec.horizon
        self._states = np.zeros(copies, STATE).view(np.recarray)
        self._moments = np.zeros(copies, MOMENT).view(np.recarray)
        self._flows = fresh(copies)
        self._live = np.zeros(copies, bool)
        self._seed, self._episode = np.zeros(copies, np.int64), np.zeros(copies, np.int64)
        self._context = np.zeros((copies, len(self.spec.context)))
        self._bank = np.zeros((copies, horizon + 1, 3))
        settled = self.scenario.forecast.kind in {"noisy", "file"}
        self._foretold = np.zeros((copies if settled else 0, *self._bank.shape[1:]))
        days = int((horizon - 1) * self.scenario.step_min / 1440.0) + 1
        self._daily = np.zeros((copies, days))
        self.rows = Rows(self._states, self._moments, self._live, self._bank, self._daily)
        self._out = np.zeros((copies, self.spec.obs_dim), np.float32)
        self._mask = np.zeros((copies, self.spec.mask_width), bool)
        self._low = np.zeros((copies, 3 if self._by_order else 1), np.float32)
        self._high = np.zeros_like(self._low)
        logged = not self.autoreset and copies * horizon <= LOG_ENTRIES
        self._log = np.zeros((horizon if logged else 0, copies), MOMENT)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = np.arange(self.copies) if rows is None else np.asarray(rows)
        self._seed[which], self._episode[which] = seed, 0
        if context is None:
            context = np.repeat(self.spec.default_context[None], len(which), axis=0)
        self._context[which] = context
        self._start(which)
        return self._observe()

    def _start(self, rows: IntArray) -> None:
        bank = self._episodes.bank(self._seed[rows], self._episode[rows])
        floor = float(self.arrays.load_min_kw)
        bank[:, :, 0] = floor + (bank[:, :, 0] - floor) * self._context[rows, 0, None]
        bank[:, :, 1] *= self._context[rows, 1, None]
        add_load_jumps(self.scenario, bank)
        self._bank[rows] = bank
        source = foretold(self._forecaster, self._episodes, bank, self._seed[rows])
        if source is not None:
            self._foretold[rows] = source
        self._outer.draw(rows, self._seed[rows], self._episode[rows])
        self._states[rows] = np.zeros((), STATE)
        self._moments[rows] = np.zeros((), MOMENT)
        self._flows[rows] = fresh(len(rows))
        self._daily[rows] = 0.0
        soc = np.clip(self._context[rows, 2], *self.guard.soc_window)
        for row, charge in zip(rows, soc, strict=True):
            begin(
                self.arrays,
                self._states[row],
                self._moments[row],
                float(charge),
                self._bank[row, 0],
            )
        if self._first is not None:
            states, moments = self._states[rows], self._moments[rows]
            self._first.put(self.arrays, states, moments)
            self._states[rows], self._moments[rows] = states, moments
        self._live[rows] = True

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        asked = self.take(action)
        live = self._live.copy()
        self._advance()
        return self.finish(asked, live)

    def finish(self, asked: Asked, live: BoolArray) -> Step:
        """What a step led to, once the compiled part has moved the copies that were `live`."""
        if self._network is not None:
            hours = float(self.arrays.step_h)
            watch(self._network, self._flows, self._moments, np.flatnonzero(live), hours)
        ended = live & (self._states["step"] >= self.spec.horizon)
        if len(self._log):
            rows = np.flatnonzero(live)
            self._log[self._states["step"][rows] - 1, rows] = self._moments[rows]
        reward = self._reward(live, ended)
        cost = self._cost(live)
        metrics = self._metrics(ended)
        executed = self._executed(asked, live)
        intervened = (self._moments["changed"] != 0) & live
        reason = np.where(intervened, self._reason(), 0).astype(np.int16)
        self._live &= ~ended
        final_rows, final_obs = np.flatnonzero(ended), None
        last = self._final(final_rows) if len(final_rows) else None
        if self.autoreset and last is not None:
            final_obs = last
            self._episode[final_rows] += 1
            self._start(final_rows)
        return Step(
            obs=self._observe(),
            reward=reward,
            cost=cost,
            terminated=np.zeros(self.copies, bool),
            truncated=ended,
            elapsed_s=np.full(self.copies, self.spec.dt_s),
            executed=executed,
            intervened=intervened[:, None],
            reason=reason[:, None],
            final_obs=final_obs,
            final_rows=final_rows if final_obs is not None else None,
            metrics=metrics,
        )

    def take(self, action: Action | None) -> Asked:
        """Check a joint action and hand it to the simulator: choices [N, d], setpoints [N]."""
        width = len(self.spec.discrete)
        if action is None or action.discrete is None or action.box is None:
            msg = f"{self.spec.name}: needs discrete [N, 1, {width}] and box [N, 1, 1] actions"
            raise ActionError(msg)
        shapes = (action.discrete.shape, action.box.shape)
        if shapes != ((self.copies, 1, width), (self.copies, 1, 1)):
            msg = (
                f"{self.spec.name}: actions have shapes {shapes}, expected "
                f"{((self.copies, 1, width), (self.copies, 1, 1))}"
            )
            raise ActionError(msg)
        choice, wish = action.discrete[:, 0], action.box[:, 0, 0].astype(np.float64)
        live = self._live
        if ((choice < 0) | (choice > 2))[live].any():  # noqa: PLR2004
            msg = f"{self.spec.name}: discrete actions are 0 (stop), 1 (hold) or 2 (start)"
            raise ActionError(msg)
        if not np.isfinite(wish[live]).all():
            msg = f"{self.spec.name}: battery setpoints must be finite numbers, in kW"
            raise ActionError(msg)
        if self._by_order:
            self._moments["choice"] = choice[:, 0] - 1
        else:
            self._moments["proposed"][:, :width] = choice - 1
        self._moments["wish_kw"] = np.where(live, wish, 0.0)
        return choice, wish

    def chances(self) -> Chances:
        """Faults of the coming step: those planned, and draws for all copies."""
        step = self._states["step"]
        draws, noise = np.zeros((self.copies, 0)), np.zeros(0)
        if self._random:
            draws = FAILURES.uniform(self._seed, self._episode, step, 2 * MAX_UNITS)
        if self.arrays.soc_error > 0.0:
            noise = 2.0 * SENSORS.uniform(self._seed, self._episode, step)[:, 0] - 1.0
        return Chances(self._plan, draws, noise)

    def _advance(self) -> None:
        outer = self._outer.now(self._states["step"])
        advance_all(self.site, self.rows, self.chances(), outer)

    def _reward(self, live: BoolArray, ended: BoolArray) -> Float32Array:
        m, reward = self._moments, np.zeros((self.copies, 1, len(REWARDS)), np.float32)
        terminal = np.zeros(self.copies)
        for row in np.flatnonzero(ended):
            s = self._states[row]
            terminal[row] = terminal_l(s.soc_first, s.soc, self.arrays.energy_kwh, self._price)
        columns = (
            m["fuel_l"],
            m["start_l"],
            m["throughput_kwh"],
            m["unserved_kwh"],
            terminal,
            m["exchange_cost_l"],
            m["curtailed_kwh"],
            CO2_KG_PER_L * (m["fuel_l"] + m["start_l"]),
            m["changed"],
        )
        for k, column in enumerate(columns):
            reward[:, 0, k] = np.where(live, column, 0.0)
        return reward

    def _cost(self, live: BoolArray) -> Float32Array:
        m, hours = self._moments, self.arrays.step_h
        columns = (
            m["unserved_kwh"],
            m["surplus_kw"] * hours,
            m["reserve_missing_kw"],
            m["changed"],
        )
        return np.where(live[:, None], np.stack(columns, axis=1), 0.0).astype(np.float32)

    def _executed(self, asked: Asked, live: BoolArray) -> Action:
        m = self._moments
        done = m["choice"][:, None] if self._by_order else m["command"][:, : self.arrays.n]
        discrete = np.where(live[:, None], done + 1, asked[0])
        box = np.where(live, m["setpoint_kw"], asked[1]).astype(np.float32)
        return Action(discrete[:, None].astype(np.int64), box[:, None, None])

    def _reason(self) -> NDArray[np.int64]:
        m = self._moments
        return np.where(m["commit_reason"] != 0, m["commit_reason"], _MOVED)

    def _metrics(self, ended: BoolArray) -> dict[str, FloatArray]:
        rows = np.flatnonzero(ended)
        found = {metric.name: np.full(self.copies, np.nan) for metric in METRICS}
        if len(rows):
            states = np.asarray(self._states[rows])
            values = episode_metrics(
                self.arrays, self._price, self.scenario.fuel_price, states, self._daily[rows]
            )
            values |= network_metrics(self._flows[rows])
            for name, value in values.items():
                found[name][rows] = value
        return found

    def _observe(self) -> Obs:
        source = self._foretold if len(self._foretold) else self._bank
        sight = Sight(
            source, self._weights, self._columns, self._calendar, self._scale, self.outside_kw
        )
        shown = Shown(self._out, self._mask, self._low, self._high)
        observe_all(self.site, self.rows, sight, shown)
        extra = self._outer.seen(self._states["step"])
        if extra.shape[1]:
            self._out[:, -extra.shape[1] :] = extra
        return self._seen(np.arange(self.copies), self._live)

    def _seen(self, rows: IntArray, alive: BoolArray) -> Obs:
        limits = (len(rows), 1, 3, 1) if self._by_order else (len(rows), 1, 1)
        return Obs(
            obs=self._out[rows, None],
            alive=alive[rows, None],
            action_mask=self._mask[rows, None],
            box_low=self._low[rows].reshape(limits),
            box_high=self._high[rows].reshape(limits),
        )

    def _final(self, rows: IntArray) -> Obs:
        """What was seen last in rows that ended, which are still as they were."""
        self._live[rows] = True
        self._observe()
        self._live[rows] = False
        return self._seen(rows, self._live)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`."""
        kept = {name: np.array(getattr(self, name)[rows]) for name in _KEPT}
        if len(self._foretold):
            kept["foretold"] = self._foretold[rows].copy()
        if self._extra:
            kept["outer_grid"] = self._outer.there[rows].copy()
        return kept

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        for name in _KEPT:
            getattr(self, name)[rows] = snapshot[name]
        if len(self._foretold):
            self._foretold[rows] = snapshot["foretold"]
        if self._extra:
            self._outer.there[rows] = snapshot["outer_grid"]

    def resource(self, need: Need) -> Any:
        """`model`, `state`, `forecast` (see `resources`); `future`: [N, steps, 3] of the bank.

        With an outer grid `future` is [N, steps, 7]: its limits and prices, as in `outer_series`.
        """
        state = GridState(self._states, self._moments, self._bank)
        if need == "model":
            return GridModel(
                self.plant,
                self.arrays,
                self._by_order,
                self.columns,
                self._scale,
                self.guard.tables,
                self.guard.on,
                self.spec.horizon,
                self.scenario.fuel_price,
            )
        if need == "state":
            return state
        if need == "forecast":
            ahead = int(self.arrays.step_known)
            return Forecasts(self._forecaster, self._episodes, state, self._seed, ahead)
        if need == "future":
            coming = self._bank[:, 1:].copy()
            outer = [self._outer.series(row) for row in range(self.copies)]
            known = np.array([series for series in outer if series is not None])
            return np.concatenate([coming, known], axis=2) if known.size else coming
        return super().resource(need)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """Facts of every step, [steps] or [steps, units], by the names of `memory.MOMENT`.

        With `soc_first`, `before` (load, wind, PV before the first step), `step_min` and
        `shielded`. Empty where an episode batch is too large to be kept (`LOG_ENTRIES`).
        """
        if not len(self._log):
            return {}
        steps = int(self._states["step"][row])
        log = self._log[:steps, row]
        units = int(self.arrays.n)
        found: dict[str, Any] = {}
        for name in MOMENT.names or ():
            if name not in _SCRATCH:
                values = log[name]
                wide = values.ndim > 1 and name != "relaxed"
                found[name] = (values[:, :units] if wide else values).copy()
        return found | {
            "soc_first": float(self._states["soc_first"][row]),
            "before": self._bank[row, 0].copy(),
            "step_min": float(self.arrays.step_min),
            "shielded": self.guard.on,
        }

    def outer_series(self, row: int) -> FloatArray | None:
        """Limits and prices of the outer grid as a copy meets them, outages included, [T, 4]."""
        return self._outer.series(row)

    def clock_series(self) -> Series:
        """Series of the first copy as played, with its times; step 0 is before the episode."""
        return self._episodes.series(self._bank[0])

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """Hours per unit, and what `details.episode_details` keeps of the log."""
        hours = self._states["unit_h"][row]
        names = [genset.name for genset in self.plant.gensets]
        spent = {"unit_h": {name: float(hours[i]) for i, name in enumerate(names)}}
        return spent | episode_details(self.episode_log(row), self.plant, self.arrays)


_SCRATCH = frozenset(("pinned", "scratch", "scratch_mode", "scratch_timer"))
_KEPT = (
    *("_flows", "_states", "_moments", "_live", "_seed", "_episode", "_context", "_bank", "_daily"),
    *("_out", "_mask", "_low", "_high"),
)


def _network_of(scenario: GridScenario, plant: Plant) -> PlantNetwork | None:
    if scenario.network is None:
        return None
    return PlantNetwork(scenario.network, plant)


def _no_reader(path: Path, reading: Reading) -> Series:
    msg = f"{path}: no reader of forecast files was given"
    raise ActionError(msg)
