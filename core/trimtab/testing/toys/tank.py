"""An own-kernel domain: two storm-water tanks, each with a pump, under a two-price tariff.

Level balance per hour: ``x' = x + inflow − pump_rate·u`` (m³). Pumping costs the tariff of the
hour. The shield keeps levels inside the tank for every inflow up to its maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ActionError, BoundError, UnknownNameError
from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab.contracts.problem import Bound, ControlProblem, Need
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.shield import Monitor, Projection, Shield, Violations
from trimtab.contracts.space import Float, Space
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Composite,
    ContextVariable,
    CostChannel,
    Float32Array,
    FloatArray,
    IntArray,
    Metric,
    Obs,
    RewardChannel,
    Spec,
    Step,
)
from trimtab.contracts.streams import Stream
from trimtab.deploy.pupil import PUPIL, pupil_entry

CAPACITY_M3 = 10.0
PUMP_RATE_M3_H = 2.0
INFLOW_MAX_M3_H = 1.5
TANKS = 2
PEAK_HOURS = range(8, 20)
INFLOW = Stream("inflow")


class TankModel(StrictModel):
    """What the user sets."""

    horizon_h: int = Field(24, ge=2, le=8760, description="length of an episode, h")
    tariff_peak: float = Field(3.0, ge=1.0, le=10.0, description="day price over night price")


def tariff(hour: int, peak: float) -> float:
    """Price per pumped m³ in an hour of the day."""
    return peak if hour % 24 in PEAK_HOURS else 1.0


class TankProblem(ControlProblem):
    """N copies of two tanks; action 0 is idle, 1 is pump."""

    def __init__(self, model: TankModel, copies: int, *, autoreset: bool) -> None:
        self.model, self.copies, self.autoreset = model, copies, autoreset
        self.spec = Spec(
            name="toy.tank-1",
            agent_type=(0,) * TANKS,
            actions=(Composite(discrete=(2,)),),
            obs_dim=3,
            rewards=(RewardChannel("pumping_cost", "1", "min"),),
            costs=(CostChannel("level_outside", "m³", 0.0),),
            context=(ContextVariable("wetness", "1", 0.1, 1.0, 0.6),),
            horizon=model.horizon_h,
            dt_s=3600.0,
            supports_snapshot=True,
        )
        self._seed = np.zeros(copies, np.int64)
        self._episode = np.zeros(copies, np.int64)
        self._hour = np.zeros(copies, np.int64)
        self._wetness = np.zeros(copies)
        self._level = np.zeros((copies, TANKS))
        self._cost = np.zeros(copies)
        self._live = np.zeros(copies, bool)
        self._levels: list[FloatArray] = []
        self._changes: list[FloatArray] = []

    @property
    def level_m3(self) -> FloatArray:
        """Level of each tank, [N, tanks] m³."""
        return self._level

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = np.arange(self.copies) if rows is None else rows
        self._seed[which] = seed
        self._episode[which] = 0
        self._start(which)
        if context is None:
            context = np.repeat(self.spec.default_context[None], len(which), axis=0)
        self._wetness[which] = context[:, 0]
        self._levels, self._changes = [self._level.copy()], []
        return self._observe()

    def _start(self, rows: NDArray[Any]) -> None:
        self._hour[rows] = 0
        self._level[rows] = CAPACITY_M3 / 2
        self._cost[rows] = 0.0
        self._live[rows] = True

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        pump = self._checked(action) & self._live[:, None]
        inflow = self.inflow_m3(self._seed, self._episode, self._hour, self._wetness)
        live = self._live.copy()
        price = np.array([tariff(int(h), self.model.tariff_peak) for h in self._hour])
        pumped: FloatArray = np.asarray(pump * PUMP_RATE_M3_H, dtype=np.float64)
        spent: FloatArray = pumped * price[:, None]
        change = np.where(live[:, None], inflow - pumped, 0.0)
        self._level = self._level + change
        self._changes.append(np.stack([inflow, pumped], axis=-1) * live[:, None, None])
        self._cost = self._cost + spent[:, 0] + spent[:, 1]
        self._hour = self._hour + live
        self._levels.append(self._level.copy())
        return self._outcome(pump, spent, live)

    def _checked(self, action: Action | None) -> BoolArray:
        if action is None or action.discrete is None:
            msg = f"{self.spec.name}: discrete actions [N, A, 1] are needed, got none"
            raise ActionError(msg)
        if action.discrete.shape != (self.copies, TANKS, 1):
            msg = (
                f"{self.spec.name}: discrete actions must be {(self.copies, TANKS, 1)}, "
                f"got {action.discrete.shape}"
            )
            raise ActionError(msg)
        if not ((action.discrete == 0) | (action.discrete == 1)).all():
            msg = f"{self.spec.name}: discrete actions are 0 (idle) or 1 (pump)"
            raise ActionError(msg)
        return np.equal(action.discrete[:, :, 0], 1)

    def _outcome(self, pump: BoolArray, spent: FloatArray, live: BoolArray) -> Step:
        outside = np.maximum(self._level - CAPACITY_M3, 0.0) + np.maximum(-self._level, 0.0)
        ended = live & (self._hour >= self.spec.horizon)
        metrics = {"pumping_cost": np.where(ended, self._cost, np.nan)}
        self._live &= ~ended
        final_rows = np.flatnonzero(ended)
        final_obs = None
        if self.autoreset and len(final_rows):
            final_obs = _take(self._observe(), final_rows)
            self._episode[final_rows] += 1
            self._start(final_rows)
        return Step(
            obs=self._observe(),
            reward=spent[:, :, None].astype(np.float32),
            cost=(outside[:, 0] + outside[:, 1])[:, None].astype(np.float32),
            terminated=np.zeros(self.copies, bool),
            truncated=ended,
            elapsed_s=np.full(self.copies, self.spec.dt_s),
            executed=Action(discrete=pump[:, :, None].astype(np.int64)),
            intervened=np.zeros((self.copies, TANKS), bool),
            reason=np.zeros((self.copies, TANKS), np.int16),
            final_obs=final_obs,
            final_rows=final_rows if final_obs is not None else None,
            metrics=metrics,
        )

    def inflow_m3(
        self, seed: IntArray, episode: IntArray, hour: IntArray, wetness: FloatArray
    ) -> FloatArray:
        """Inflow of the coming hour, [N, tanks]; it never depends on actions."""
        return INFLOW.uniform(seed, episode, hour, TANKS) * INFLOW_MAX_M3_H * wetness[:, None]

    def _observe(self) -> Obs:
        price = np.array([tariff(int(h), self.model.tariff_peak) for h in self._hour])
        obs = np.empty((self.copies, TANKS, 3), np.float32)
        obs[:, :, 0] = self._level / CAPACITY_M3
        obs[:, :, 1] = (price / self.model.tariff_peak)[:, None]
        obs[:, :, 2] = (self._hour % 24 / 24.0)[:, None]
        return Obs(obs=obs, alive=np.repeat(self._live[:, None], TANKS, axis=1))

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`."""
        return {name: getattr(self, name)[rows].copy() for name in _STATE}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        for name in _STATE:
            getattr(self, name)[rows] = snapshot[name]

    def resource(self, need: Need) -> Any:
        """`future`: inflow of the whole episode, [N, horizon, tanks] m³."""
        if need != "future":
            return super().resource(need)
        hours = [np.full(self.copies, h) for h in range(self.spec.horizon)]
        return np.stack(
            [self.inflow_m3(self._seed, self._episode, h, self._wetness) for h in hours], axis=1
        )

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """`level_m3`: [hours + 1, tanks]; `inflow_m3` and `pumped_m3`: [hours, tanks]."""
        flows = np.stack(self._changes)[:, row] if self._changes else np.zeros((0, TANKS, 2))
        return {
            "level_m3": np.stack(self._levels)[:, row],
            "inflow_m3": flows[..., 0],
            "pumped_m3": flows[..., 1],
        }


_STATE = ("_seed", "_episode", "_hour", "_wetness", "_level", "_cost", "_live")


def _take(obs: Obs, rows: IntArray) -> Obs:
    return Obs(obs=obs.obs[rows], alive=obs.alive[rows])


class LevelShield(Shield):
    """Pump when the largest inflow would overflow; idle when pumping would run dry."""

    reasons = ("unchanged", "tank nearly full", "tank nearly empty")

    def project(self, problem: ControlProblem, action: Action) -> Projection:
        """See `Shield.project`."""
        if not isinstance(problem, TankProblem) or action.discrete is None:
            msg = "toy.tank: the level shield projects discrete actions of tanks"
            raise ActionError(msg)
        full = problem.level_m3 + INFLOW_MAX_M3_H > CAPACITY_M3
        empty = problem.level_m3 < PUMP_RATE_M3_H
        proposed = action.discrete[:, :, 0]
        executed = np.where(full, 1, np.where(empty, 0, proposed))
        changed = executed != proposed
        reason = np.where(changed, np.where(full, 1, 2), 0).astype(np.int16)
        return Projection(Action(discrete=executed[:, :, None]), changed, reason)


class LevelMonitor(Monitor):
    """Counts hours in which a level left the tank."""

    def check(self, log: Mapping[str, Any]) -> dict[str, Violations]:
        """See `Monitor.check`."""
        level = log["level_m3"]
        over, dry = int((level > CAPACITY_M3 + 1e-9).sum()), int((level < -1e-9).sum())
        return {"overflow": Violations(over, level.size), "dry": Violations(dry, level.size)}


class LevelBand(Controller):
    """Pumps from `on` down to `off` (shares of the capacity): what operators use."""

    def __init__(self, problem: ControlProblem, on: float = 0.6, off: float = 0.4) -> None:
        self._on, self._off = on, off
        self._pumping = np.zeros((problem.copies, problem.spec.n_agents), bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._pumping[slice(None) if rows is None else rows] = False

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        level = obs.obs[:, :, 0]
        self._pumping = (level > self._on) | (self._pumping & (level > self._off))
        return Action(discrete=self._pumping[:, :, None].astype(np.int64))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Controller.state_dict`."""
        return {"pumping": self._pumping}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Controller.load_state_dict`."""
        self._pumping = state["pumping"]


class TariffBand(Controller):
    """Pumps above one level at night and above a higher one by day."""

    def __init__(self, problem: ControlProblem, night: float = 0.2, day: float = 0.8) -> None:
        self._night, self._day = night, day

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        threshold = np.where(obs.obs[:, :, 1] >= 1.0, self._day, self._night)
        return Action(discrete=(obs.obs[:, :, 0] > threshold)[:, :, None].astype(np.int64))

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """It remembers nothing."""
        return {}


class Proportional(TariffBand):
    """Pumps above one level at all hours."""

    def __init__(self, problem: ControlProblem, level: float = 0.5) -> None:
        super().__init__(problem, night=level, day=level)


def _share(name: str) -> Float:
    return Float(name, 0.05, 0.95)


_ENTRIES = {
    "level_band": Entry("reference", LevelBand, "on/off band of the level"),
    "proportional": Entry(
        "classical",
        Proportional,
        "one level threshold",
        parameters=Space((_share("level"),)),
    ),
    "tariff": Entry(
        "classical",
        TariffBand,
        "a night and a day threshold",
        parameters=Space((_share("night"), _share("day"))),
    ),
    PUPIL: pupil_entry(),
}


class TankDomain(Domain):
    """The toy domain with an own batched kernel."""

    name = "toy.tank"
    title = "Two storm-water tanks with a tariff"
    problem_model = TankModel
    headline = Metric("pumping_cost", "1", "min", "tariff-weighted pumped volume")
    metrics = (headline,)
    concepts = ("level", "price", "hour")

    def build(
        self,
        problem: TankModel,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> TankProblem:
        """See `Domain.build`."""
        return TankProblem(problem, copies, autoreset=autoreset)

    def controllers(self, problem: TankModel) -> Mapping[str, Entry]:
        """See `Domain.controllers`."""
        return _ENTRIES

    def reference(self, problem: TankModel) -> tuple[str, ...]:
        """See `Domain.reference`."""
        return ("level_band",)

    def bound(self, problem: TankModel, seed: int) -> Bound:
        """Water that fits in no tank must be pumped, at the night price at best."""
        with TankProblem(problem, 1, autoreset=False) as tanks:
            tanks.reset(np.array([seed]))
            inflow = tanks.resource("future")[0].sum(axis=0)
        surplus = np.maximum(inflow + CAPACITY_M3 / 2 - CAPACITY_M3, 0.0)
        return Bound(
            float(surplus.sum()),
            "proven",
            "volume that cannot be stored, at the night price",
            {"inflow_m3": inflow.tolist()},
        )

    def verify(self, problem: TankModel, seed: int, bound: Bound) -> None:
        """See `Domain.verify`."""
        stored = sum(max(q - CAPACITY_M3 / 2, 0.0) for q in bound.certificate["inflow_m3"])
        if abs(stored - bound.value) > 1e-9:
            msg = f"toy.tank seed {seed}: bound {bound.value} but certificate gives {stored}"
            raise BoundError(msg)

    def shield(self, problem: TankModel, control: ControlProblem) -> LevelShield:
        """See `Domain.shield`."""
        return LevelShield()

    def monitor(self, problem: TankModel) -> LevelMonitor:
        """See `Domain.monitor`."""
        return LevelMonitor()

    def cross_checks(self, problem: TankModel, seed: int) -> Mapping[str, tuple[float, float]]:
        """Cost and last levels of a day of the reference, counted again tank by tank."""
        from trimtab.run.runner import evaluate

        with TankProblem(problem, 1, autoreset=False) as tanks:
            record = evaluate(tanks, LevelBand(tanks), [seed])[0]
            log, came = tanks.episode_log(0), tanks.resource("future")[0]
        cost, found = 0.0, {}
        for tank in range(TANKS):
            level = 5.0
            for hour, pumped in enumerate(log["pumped_m3"][:, tank].tolist()):
                level += came[hour, tank] - pumped
                cost += pumped * (problem.tariff_peak if 8 <= hour % 24 < 20 else 1.0)
            found[f"level_m3 {tank}"] = float(log["level_m3"][-1, tank]), float(level)
        return found | {"pumping_cost": (record.metrics["pumping_cost"], cost)}

    def balances(self, problem: TankModel, log: Mapping[str, Any]) -> Mapping[str, float]:
        """Water that came is stored or was pumped."""
        level, came, left = log["level_m3"], log["inflow_m3"].sum(), log["pumped_m3"].sum()
        stored = level[-1].sum() - level[0].sum()
        return {"water": float((came - left - stored) / max(came + left, 1.0))}

    def train(
        self,
        problem: TankModel,
        controller: str,
        seed: int,
        out: Path,
        cpu_s: float | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Mapping[str, Any]:
        """See `Domain.train`."""
        from trimtab.learn.pupil import train_pupil  # torch

        if controller != PUPIL:
            raise UnknownNameError(controller, "learned controller", [PUPIL])
        return train_pupil(self, problem, seed, out, cpu_s, progress)

    def views(self, problem: TankModel, records: Sequence[EpisodeRecord]) -> tuple[Figure, ...]:
        """Mean cost per controller."""
        costs: dict[str, list[float]] = {}
        for record in records:
            costs.setdefault(record.controller, []).append(record.metrics["pumping_cost"])
        bars = tuple(Bar(name, float(np.mean(cost))) for name, cost in sorted(costs.items()))
        alt = "Mean pumping cost: " + ", ".join(f"{b.label} {b.value:.2f}" for b in bars)
        return (Figure("bars", "Pumping cost", alt, Axis("pumping cost", "1"), bars=bars),)


DOMAIN = TankDomain()
