"""Tree-structured Parzen estimator, by optuna.

Bergstra et al. 2011; multivariate with grouped conditional parameters (Falkner et al. 2018).
The sampler is seeded anew for each question by (seed, number asked), so the told history is
the whole state. It is asked directly, without a trial of optuna's storage for every question, and
the groups of conditional parameters are kept from question to question: the same draws for half
the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.parameters import Categorical, Float, Parameter, Permutation
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.grid import Grid
from trimtab.search.optimizer import Optimizer

_STUDY = "designs"


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
        self._kinds = [_kinds(p) for p in space.parameters]
        self._asked = 0
        self._points, self._scores = np.empty((0, space.width)), np.empty(0)
        self._forget()

    def _forget(self) -> None:
        """Begin a history that holds no design."""
        import optuna

        self._groups: list[list[str]] = []  # parameters that are switched on and off together
        self._storage = optuna.storages.InMemoryStorage()
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            optuna.create_study(study_name=_STUDY, storage=self._storage)
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
        sampler = optuna.samplers.TPESampler(
            seed=int(seed),
            n_startup_trials=self._startup,
            n_ei_candidates=self._candidates,
            multivariate=self._multivariate,
            constant_liar=False,
        )
        # a new view of the storage: a study keeps the trials that it saw first
        study = optuna.load_study(study_name=_STUDY, storage=self._storage, sampler=sampler)
        return self._suggested(_Question(study, sampler, self._joint_spaces()))

    def _joint_spaces(self) -> list[dict[str, Any]]:
        """Parameters that are drawn from one joint density each, with their distributions."""
        if not self._multivariate:
            return []
        kinds = {name: kind for own in self._kinds for name, kind in own.items()}
        groups = ({name: kinds[name] for name in group} for group in self._groups)
        return [{n: kind for n, kind in group.items() if not kind.single()} for group in groups]

    def _suggested(self, question: _Question) -> list[float]:
        """Ask value by value, leaving out what the values so far switch off."""
        space = self._space
        row = np.array([[cell for p in space.parameters for cell in p.rest]])
        for i, (p, s) in enumerate(zip(space.parameters, space.slices, strict=True)):
            if p.active_if is not None and not space.active(row)[0, i]:
                continue
            values = [question.value(name, kind) for name, kind in self._kinds[i].items()]
            if isinstance(p, Permutation):
                row[0, s] = p.from_unit(np.array([values]))[0]
            else:
                row[0, s] = values[0]
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

        study = optuna.load_study(study_name=_STUDY, storage=self._storage)
        coded = self._space.decode(points)
        active = self._space.active(coded)
        for row, point, on, value in zip(coded, points, active, score, strict=True):
            values, kinds = self._trial(row, point, on)
            self._groups = _refined(self._groups, kinds)
            study.add_trial(
                optuna.trial.create_trial(params=values, distributions=kinds, value=float(value))
            )

    def _trial(
        self, row: FloatArray, point: FloatArray, on: NDArray[np.bool_]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        values: dict[str, Any] = {}
        kinds: dict[str, Any] = {}
        items = zip(self._space.parameters, self._space.slices, self._kinds, on, strict=True)
        for p, s, own in ((p, s, own) for p, s, own, live in items if live):
            if isinstance(p, Permutation):
                found = [float(key) for key in point[s]]
            else:
                found = [float(row[s][0]) if isinstance(p, Float) else int(row[s][0])]
            values |= zip(own, found, strict=True)
            kinds |= own
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
        self._forget()
        self._remember(self._points, self._scores)


class _Question:
    """One design that is being asked for: joint draws first, the others as they are needed."""

    def __init__(self, study: Any, sampler: Any, spaces: list[dict[str, Any]]) -> None:
        import optuna

        self._study, self._sampler = study, sampler
        self._trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
        self._drawn: dict[str, Any] = {}
        for space in spaces:
            self._drawn |= sampler.sample_relative(study, self._trial, space)

    def value(self, name: str, kind: Any) -> float:
        """The value of a parameter."""
        if name in self._drawn:
            return float(self._drawn[name])
        if kind.single():
            return float(kind.choices[0] if hasattr(kind, "choices") else kind.low)
        own = self._sampler.sample_independent(self._study, self._trial, name, kind)
        return float(own)


def _kinds(parameter: Parameter) -> dict[str, Any]:
    """Name → distribution of optuna: one a parameter, for an order one a place."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    p = parameter
    if isinstance(p, Permutation):
        return {f"{p.name}.{k}": FloatDistribution(0.0, 1.0) for k in range(p.size)}
    if isinstance(p, Categorical):
        return {p.name: CategoricalDistribution(list(range(p.count)))}
    if isinstance(p, Float):
        return {p.name: FloatDistribution(p.low, p.high, log=p.log)}
    first = int(p.rest[0])
    return {p.name: IntDistribution(first, first + p.count - 1)}


def _refined(groups: list[list[str]], names: Iterable[str]) -> list[list[str]]:
    """The groups, split so that each lies within `names` or apart from them."""
    left, found = set(names), []
    for group in groups:
        found.append([name for name in group if name in left])
        found.append([name for name in group if name not in left])
        left -= set(group)
    found.append(sorted(left))
    return [group for group in found if group]
