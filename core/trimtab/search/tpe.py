"""Tree-structured Parzen estimator, by optuna.

Bergstra et al. 2011; multivariate with grouped conditional parameters (Falkner et al. 2018).
The sampler is seeded anew for each question by (seed, number asked), so the told history is
the whole state.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.parameters import Categorical, Float, Permutation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.grid import Grid
from trimtab.search.optimizer import Optimizer


class Tpe(Optimizer):
    """One search.

    Args:
        space: what is searched.
        seed: of the sampler.
        startup: random designs before the estimator is used.
        candidates: designs compared for each question.
        multivariate: joint densities instead of one per parameter.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        startup: int = 10,
        candidates: int = 24,
        multivariate: int = 1,
    ) -> None:
        self._space, self._grid, self._seed = space, Grid(space), seed
        self._startup, self._candidates = startup, candidates
        self._multivariate = bool(multivariate)
        self._asked = 0
        self._points, self._scores = np.empty((0, space.width)), np.empty(0)
        self._study = self._empty_study()

    def _empty_study(self) -> Any:
        import optuna

        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            return optuna.create_study()
        finally:
            optuna.logging.set_verbosity(level)

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        points = np.array([self._question() for _ in range(n)])
        return self._grid.snap(points.reshape(n, self._space.width))

    def _question(self) -> list[float]:
        import optuna

        seed = np.random.SeedSequence([self._seed, self._asked]).generate_state(1)[0]
        self._asked += 1
        with warnings.catch_warnings():  # multivariate and group are marked experimental
            warnings.simplefilter("ignore")
            self._study.sampler = optuna.samplers.TPESampler(
                seed=int(seed),
                n_startup_trials=self._startup,
                n_ei_candidates=self._candidates,
                multivariate=self._multivariate,
                group=self._multivariate,
            )
            trial = self._study.ask()
            point = self._suggested(trial)
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # history is told, not asked
        return point

    def _suggested(self, trial: Any) -> list[float]:
        """Ask value by value, leaving out what the values so far switch off."""
        space = self._space
        row = np.array([[cell for p in space.parameters for cell in p.rest]])
        for i, (p, s) in enumerate(zip(space.parameters, space.slices, strict=True)):
            if not space.active(row)[0, i]:
                continue
            if isinstance(p, Categorical):
                row[0, s] = trial.suggest_categorical(p.name, list(range(p.count)))
            elif isinstance(p, Float):
                row[0, s] = trial.suggest_float(p.name, p.low, p.high, log=p.log)
            elif isinstance(p, Permutation):
                keys = [trial.suggest_float(f"{p.name}.{k}", 0.0, 1.0) for k in range(p.size)]
                row[0, s] = p.from_unit(np.array([keys]))[0]
            else:
                first = int(p.rest[0])
                row[0, s] = trial.suggest_int(p.name, first, first + p.count - 1)
        return list(space.encode(row)[0])

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`."""
        self._points = np.concatenate([self._points, points])
        self._scores = np.concatenate([self._scores, score])
        self._remember(points, score)

    def _remember(self, points: FloatArray, score: FloatArray) -> None:
        import optuna

        coded = self._space.decode(points)
        for row, point, on, value in zip(
            coded, points, self._space.active(coded), score, strict=True
        ):
            values, kinds = self._trial(row, point, on)
            self._study.add_trial(
                optuna.trial.create_trial(params=values, distributions=kinds, value=float(value))
            )

    def _trial(
        self, row: FloatArray, point: FloatArray, on: NDArray[np.bool_]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        values: dict[str, Any] = {}
        kinds: dict[str, Any] = {}
        items = zip(self._space.parameters, self._space.slices, on, strict=True)
        for p, s in ((p, s) for p, s, live in items if live):
            if isinstance(p, Categorical):
                values[p.name] = int(row[s][0])
                kinds[p.name] = CategoricalDistribution(list(range(p.count)))
            elif isinstance(p, Float):
                values[p.name] = float(row[s][0])
                kinds[p.name] = FloatDistribution(p.low, p.high, log=p.log)
            elif isinstance(p, Permutation):
                for k, key in enumerate(point[s]):
                    values[f"{p.name}.{k}"] = float(key)
                    kinds[f"{p.name}.{k}"] = FloatDistribution(0.0, 1.0)
            else:
                first = int(p.rest[0])
                values[p.name] = int(row[s][0])
                kinds[p.name] = IntDistribution(first, first + p.count - 1)
        return values, kinds

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {
            "asked": np.array(self._asked),
            "points": self._points.copy(),
            "scores": self._scores.copy(),
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        self._asked = int(state["asked"])
        self._points, self._scores = state["points"].copy(), state["scores"].copy()
        self._study = self._empty_study()
        self._remember(self._points, self._scores)
