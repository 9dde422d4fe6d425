"""The control problem: page policy and scheduler of a running memory controller, by epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.errors import ActionError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Composite,
    ContextVariable,
    Float32Array,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)

from trimtab_hardware.dram.adapt.copy import FEATURES, EngineCopy
from trimtab_hardware.dram.adapt.scenario import PAGES, SCHEDULERS, AdaptScenario
from trimtab_hardware.dram.adapt.traffic import recorded_traffic
from trimtab_hardware.dram.metrics import METRICS
from trimtab_hardware.dram.part import load_part


class AdaptProblem(ControlProblem):
    """N memory controllers, each on traffic of its own; a decision holds for one epoch.

    The engine pauses after the last response of an epoch and goes on from exactly there: open
    rows, queues, refresh and the order of events carry over.
    """

    def __init__(self, model: AdaptScenario, copies: int, *, autoreset: bool) -> None:
        self.model, self.copies, self.autoreset = model, copies, autoreset
        self.part = load_part(model.part)
        self._recorded = recorded_traffic(model, self.part)
        epoch_ck = model.epoch_requests * self.part.burst_ck / model.load
        self.spec = Spec(
            name="hardware.dramadapt-1",
            agent_type=(0,),
            actions=(Composite(discrete=(len(PAGES), len(SCHEDULERS))),),
            obs_dim=len(FEATURES),
            rewards=(RewardChannel("mean_latency", "ns", "min"),),
            context=(ContextVariable("load", "1", 0.02, 0.95, model.load),),
            horizon=model.epochs,
            dt_s=epoch_ck * self.part.tck_ns * 1e-9,
            supports_snapshot=True,
        )
        self._seed = np.zeros(copies, np.int64)
        self._episode = np.zeros(copies, np.int64)
        self._load = np.full(copies, model.load)
        self._live = np.zeros(copies, bool)
        self._engines: list[EngineCopy | None] = [None] * copies

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """See `ControlProblem.reset`."""
        which = np.arange(self.copies) if rows is None else rows
        self._seed[which] = seed
        self._episode[which] = 0
        if context is None:
            self._load[which] = self.model.load
        else:
            self._load[which] = np.round(context[:, 0].astype(np.float64), 6)
        self._start(which)
        return self._observe()

    def _start(self, rows: IntArray) -> None:
        for row in rows.tolist():
            self._engines[row] = self._engine(row)
        self._live[rows] = True

    def _engine(self, row: int) -> EngineCopy:
        return EngineCopy(
            self.model, self.part, self._recorded, float(self._load[row]), int(self._seed[row]),
            int(self._episode[row]),
        )  # fmt: skip

    def step(self, action: Action | None) -> Step:
        """See `ControlProblem.step`."""
        chosen = self._checked(action)
        latency, elapsed = np.zeros(self.copies), np.full(self.copies, self.spec.dt_s)
        for row in np.flatnonzero(self._live).tolist():
            engine = self.engine(row)
            before = engine.now_ck
            latency[row] = engine.advance(int(chosen[row, 0, 0]), int(chosen[row, 0, 1]))
            elapsed[row] = (engine.now_ck - before) * self.part.tck_ns * 1e-9
        return self._outcome(chosen, latency, elapsed)

    def engine(self, row: int) -> EngineCopy:
        """The engine of a copy.

        Raises:
            ActionError: the copy has not been reset.
        """
        found = self._engines[row]
        if found is None:
            msg = f"{self.spec.name}: reset copy {row} before it steps"
            raise ActionError(msg)
        return found

    def _checked(self, action: Action | None) -> IntArray:
        if action is None or action.discrete is None:
            msg = f"{self.spec.name}: discrete actions [N, 1, 2] are needed, got none"
            raise ActionError(msg)
        chosen = action.discrete
        if chosen.shape != (self.copies, 1, 2):
            msg = (
                f"{self.spec.name}: discrete actions must be {(self.copies, 1, 2)}, "
                f"got {chosen.shape}"
            )
            raise ActionError(msg)
        most = np.array(self.spec.discrete)
        if not ((chosen >= 0) & (chosen < most)).all():
            msg = (
                f"{self.spec.name}: discrete actions are a page policy 0 to {len(PAGES) - 1} and "
                f"a scheduler 0 to {len(SCHEDULERS) - 1}"
            )
            raise ActionError(msg)
        return chosen

    def _outcome(self, chosen: IntArray, latency: FloatArray, elapsed: FloatArray) -> Step:
        epochs = np.array([0 if e is None else e.epoch for e in self._engines])
        ended = self._live & (epochs >= self.model.epochs)
        metrics = self._metrics(ended)
        self._live &= ~ended
        rows, final_obs = np.flatnonzero(ended), None
        if self.autoreset and len(rows):
            now = self._observe()
            final_obs = Obs(obs=now.obs[rows], alive=now.alive[rows])
            self._episode[rows] += 1
            self._start(rows)
        return Step(
            obs=self._observe(),
            reward=latency[:, None, None].astype(np.float32),
            cost=np.zeros((self.copies, 0), np.float32),
            terminated=np.zeros(self.copies, bool),
            truncated=ended,
            elapsed_s=elapsed,
            executed=Action(discrete=chosen.copy()),
            intervened=np.zeros((self.copies, 1), bool),
            reason=np.zeros((self.copies, 1), np.int16),
            final_obs=final_obs,
            final_rows=rows if final_obs is not None else None,
            metrics=metrics,
        )

    def _metrics(self, ended: NDArray[np.bool_]) -> dict[str, FloatArray]:
        found = {metric.name: np.full(self.copies, np.nan) for metric in METRICS}
        for row in np.flatnonzero(ended).tolist():
            for name, value in self.engine(row).metrics().items():
                found[name][row] = value
        return found

    def _observe(self) -> Obs:
        obs = np.zeros((self.copies, 1, len(FEATURES)), np.float32)
        for row, engine in enumerate(self._engines):
            if engine is not None:
                obs[row, 0] = engine.observed
        return Obs(obs=obs, alive=self._live[:, None].copy())

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """See `ControlProblem.snapshot`; shorter arrays are padded to the longest."""
        own = {name: getattr(self, name)[rows].copy() for name in _OWN}
        taken = [self.engine(row).snapshot() for row in rows.tolist()]
        names = taken[0] if taken else {}
        return {**own, **{name: _stacked([one[name] for one in taken]) for name in names}}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """See `ControlProblem.restore`."""
        for name in _OWN:
            getattr(self, name)[rows] = snapshot[name]
        for k, row in enumerate(rows.tolist()):
            engine = self._engines[row]
            traffic = (float(self._load[row]), int(self._seed[row]), int(self._episode[row]))
            if engine is None or engine.traffic != traffic:
                engine = self._engines[row] = self._engine(row)
            engine.restore({name: snapshot[name][k] for name in snapshot if name not in _OWN})

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """See `EngineCopy.log`."""
        return self.engine(row).log()


_OWN = ("_seed", "_episode", "_load", "_live")


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if not arrays[0].ndim:
        return np.array(arrays)
    longest = max(len(array) for array in arrays)
    stacked = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for k, array in enumerate(arrays):
        stacked[k, : len(array)] = array
    return stacked
