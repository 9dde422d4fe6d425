"""Every optimizer by its stable public id: what it is, what it needs, what can be set on it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from trimtab.contracts.errors import MissingDependencyError, UnknownNameError
from trimtab.contracts.space import Float, Integer, Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.optimizer import Optimizer

Build = Callable[..., Optimizer]


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """How an optimizer is offered.

    Attributes:
        title: name in tables.
        role: `classical`, or `learned` for policies trained by gradient.
        build: called as `build(space, seed, **hyperparameters)`.
        help: one line on the method.
        hyperparameters: what can be set, with the ranges that studies sample.
        defaults: value of every hyperparameter.
        package: distribution that must be installed beyond the core, or "".
        extra: extra of Trimtab that brings the package.
        multi_objective: it searches a Pareto front when told several objectives.
    """

    title: str
    role: Literal["classical", "learned"]
    build: Build
    help: str
    hyperparameters: Space = Space(())
    defaults: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    extra: str = ""
    multi_objective: bool = False

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def make(name: str, space: Space, seed: int, **hyperparameters: Any) -> Optimizer:
    """Build an optimizer by its id.

    Args:
        name: a key of `OPTIMIZERS`.
        space: what it searches.
        seed: of its own randomness.
        **hyperparameters: those to set; the others keep their defaults.

    Raises:
        UnknownNameError: no such optimizer or hyperparameter.
        MissingDependencyError: its package is not installed.
        ContractError: a hyperparameter is out of range.
    """
    if name not in OPTIMIZERS:
        raise UnknownNameError(name, "optimizer", OPTIMIZERS)
    entry = OPTIMIZERS[name]
    for key in hyperparameters:
        if key not in entry.defaults:
            raise UnknownNameError(key, f"hyperparameter of {name}", entry.defaults)
    if not entry.installed:
        raise MissingDependencyError(
            package=entry.package, extra=entry.extra, purpose=f"optimizer {name!r}"
        )
    settings = {**entry.defaults, **hyperparameters}
    if settings:
        entry.hyperparameters.code([settings])
    return entry.build(space, seed, **settings)


def _random(space: Space, seed: int) -> Optimizer:
    from trimtab.search.random_search import RandomSearch
    from trimtab.search.vectorised import Single

    return Single(RandomSearch(space, [seed]))


def _sobol(space: Space, seed: int) -> Optimizer:
    from trimtab.search.snapped import Snapped
    from trimtab.search.sobol import Sobol

    return Snapped(space, Sobol(space.width, seed))


def _cmaes(space: Space, seed: int, **settings: Any) -> Optimizer:
    from trimtab.search.cmaes import CmaEs
    from trimtab.search.snapped import Snapped

    return Snapped(space, CmaEs(space.width, seed, min_std=min_std(space), **settings))


def min_std(space: Space) -> FloatArray:
    """Half a bin for parameters with a finite number of values, so that search never freezes."""
    return np.concatenate(
        [np.full(p.width, 0.5 / getattr(p, "count", np.inf)) for p in space.parameters]
    )


OPTIMIZERS: Mapping[str, OptimizerEntry] = {
    "random": OptimizerEntry("Random search", "classical", _random, "uniform random designs"),
    "sobol": OptimizerEntry("Sobol points", "classical", _sobol, "space-filling, scrambled"),
    "cmaes": OptimizerEntry(
        "CMA-ES",
        "classical",
        _cmaes,
        "covariance matrix adaptation with restarts; discrete values keep half a bin of spread",
        Space((Float("sigma", 0.05, 0.6, log=True), Integer("population", 4, 64))),
        {"sigma": 0.3, "population": 10},
    ),
}
"""Stable public ids."""
