"""What a decision costs beyond an ideal plant, for learners that look hours ahead, not days.

By minutes, what one command costs is a tenth of a litre, and what a day costs is two thousand: a
learner of action values would have to tell them apart. Two terms are added to the fuel that change
no comparison of policies. Net load is worth the best unit's litres per kWh: nobody commands it
(exogenous rewards, Dietterich et al., ICML 2018). Stored energy is worth what the terminal charge
asks for it, as a potential (Ng, Harada, Russell, ICML 1999), so that an emptier battery is paid for
at once and the learner's own look-ahead may be short (Cheng, Kolobov, Swaminathan, NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Step
from trimtab.contracts.wrapped import Wrapped

from trimtab_grid.controllers.view import Decoder
from trimtab_grid.objective import best_specific_fuel_l_per_kwh, stored_energy_price_l_per_kwh
from trimtab_grid.resources import GridModel

_KEPT = "excess.worth_l"


class ExcessProblem(Wrapped):
    """A microgrid whose fuel is counted beyond what net load and stored energy are worth.

    Charge counts from half full; the end of an episode that is an end counts as half full, because
    the terminal charge settles it. Metrics stay those of the plant.

    Args:
        problem: one microgrid per copy.
    """

    def __init__(self, problem: ControlProblem) -> None:
        super().__init__(problem)
        model: GridModel = problem.resource("model")
        self._see, self._fuel = Decoder(model), problem.spec.reward_index("fuel")
        self._step_h = float(model.arrays.step_h)
        self._per_kwh = min(best_specific_fuel_l_per_kwh(unit) for unit in model.plant.gensets)
        stored = stored_energy_price_l_per_kwh(model.plant)
        self._full_l = stored * float(model.arrays.energy_kwh)
        self._worth_l = np.zeros(self.copies)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """As the inner problem."""
        obs = self.inner.reset(seed, context, rows)
        which = np.arange(self.copies) if rows is None else rows
        self._worth_l[which] = self._stored_l(self._see(obs).soc)[which]
        return obs

    def step(self, action: Action | None) -> Step:
        """As the inner problem, less what net load and the change of charge are worth."""
        step = self.inner.step(action)
        seen = self._see(step.obs)
        net_kw, fresh_l = seen.load_kw - seen.free_kw, self._stored_l(seen.soc)
        after_l = np.where(step.terminated, 0.0, fresh_l)
        if step.final_obs is not None and step.final_rows is not None:
            last = self._see(step.final_obs)
            net_kw[step.final_rows] = last.load_kw - last.free_kw
            kept = np.where(step.terminated[step.final_rows], 0.0, self._stored_l(last.soc))
            after_l[step.final_rows] = kept
        worth = self._per_kwh * self._step_h * net_kw + after_l - self._worth_l
        reward = step.reward.copy()
        reward[:, 0, self._fuel] -= worth
        self._worth_l[:] = fresh_l
        return replace(step, reward=reward)

    def _stored_l(self, soc: FloatArray) -> FloatArray:
        return self._full_l * (soc - 0.5)

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """The inner snapshot and what the stored energy was worth."""
        return {**self.inner.snapshot(rows), _KEPT: self._worth_l[rows].copy()}

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """Inverse of `snapshot`."""
        self.inner.restore({k: x for k, x in snapshot.items() if k != _KEPT}, rows)
        self._worth_l[rows] = snapshot[_KEPT]
