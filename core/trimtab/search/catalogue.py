"""Every optimizer by its stable public id: what it is, what it needs, what can be set on it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from trimtab.contracts.errors import MissingDependencyError, UnknownNameError
from trimtab.contracts.space import Float, Integer, Ordinal, Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.annealing import Annealing
from trimtab.search.ant_colony import AntColony
from trimtab.search.cmaes import CmaEs
from trimtab.search.coordinate import Coordinate
from trimtab.search.differential import Differential
from trimtab.search.exhaustive import Exhaustive
from trimtab.search.genetic import Genetic
from trimtab.search.nsga2 import Nsga2
from trimtab.search.optimizer import Optimizer
from trimtab.search.policy import Credit, PolicySearch
from trimtab.search.random_search import RandomSearch
from trimtab.search.screening import Screening
from trimtab.search.snapped import Snapped
from trimtab.search.sobol import Sobol
from trimtab.search.vectorised import Single, Vectorised

Build = Callable[..., Optimizer]
Vectorise = Callable[..., Vectorised]


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """How an optimizer is offered.

    Attributes:
        title: name in tables.
        role: `classical`, or `learned` for policies trained by gradient.
        build: called as `build(space, seed, **hyperparameters)`.
        vectorise: called as `vectorise(space, seeds, **hyperparameters)` for many searches at
            once, each real hyperparameter one number or one a run; None where there is no such
            form.
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
    vectorise: Vectorise | None = None
    hyperparameters: Space = Space(())
    defaults: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    extra: str = ""
    multi_objective: bool = False

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def check(self, name: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """All settings of a search: those given over the defaults.

        Raises:
            UnknownNameError: no such hyperparameter.
            MissingDependencyError: its package is not installed.
            ContractError: a hyperparameter is out of range.
        """
        for key in hyperparameters:
            if key not in self.defaults:
                raise UnknownNameError(key, f"hyperparameter of {name}", self.defaults)
        if not self.installed:
            raise MissingDependencyError(
                package=self.package, extra=self.extra, purpose=f"optimizer {name!r}"
            )
        settings = {**self.defaults, **hyperparameters}
        if settings:
            self.hyperparameters.code([settings])
        return settings


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
    settings = entry.check(name, hyperparameters)
    return entry.build(space, seed, **settings)


def min_std(space: Space) -> FloatArray:
    """Half a bin for parameters with a finite number of values, so that search never freezes."""
    return np.concatenate(
        [np.full(p.width, 0.5 / getattr(p, "count", np.inf)) for p in space.parameters]
    )


def _population(
    title: str,
    algorithm: Vectorise,
    text: str,
    hyperparameters: Space | None = None,
    defaults: Mapping[str, Any] | None = None,
    *,
    learned: bool = False,
    multi_objective: bool = False,
) -> OptimizerEntry:
    """Entry of a method that is vectorised over runs."""

    def build(space: Space, seed: int, **settings: Any) -> Optimizer:
        return Single(algorithm(space, [seed], **settings))

    return OptimizerEntry(
        title,
        "learned" if learned else "classical",
        build,
        text,
        algorithm,
        hyperparameters or Space(()),
        defaults or {},
        multi_objective=multi_objective,
    )


def _sobol(space: Space, seed: int) -> Optimizer:
    return Snapped(space, Sobol(space.width, seed))


def _cmaes(space: Space, seed: int, **settings: Any) -> Optimizer:
    return Snapped(space, CmaEs(space.width, seed, min_std=min_std(space), **settings))


def _enumerate(space: Space, seed: int) -> Optimizer:
    return Exhaustive(space)


def _tpe(space: Space, seed: int, **settings: Any) -> Optimizer:
    from trimtab.search.tpe import Tpe

    return Tpe(space, seed, **settings)


def _gp(space: Space, seed: int, **settings: Any) -> Optimizer:
    from trimtab.search.bayes import GaussianProcess

    return GaussianProcess(space, seed, **settings)


def _sac(space: Space, seed: int, **settings: Any) -> Optimizer:
    # by name, as plug-ins are: learners know the search, the search knows no learner
    kind = importlib.import_module("trimtab.learn.soft_actor").SoftActor
    built: Optimizer = kind(space, seed, **settings)
    return built


def _policy(title: str, credit: Credit, text: str) -> OptimizerEntry:
    return _population(
        title,
        partial(PolicySearch, credit=credit),
        text,
        Space(
            (
                Ordinal("batch", (4, 8, 16)),
                Float("rate", 0.02, 1.0, log=True),
                Float("entropy", 0.001, 0.3, log=True),
                Ordinal("epochs", (1, 4, 8)),
            )
        ),
        {"batch": 8, "rate": 0.2, "entropy": 0.01, "epochs": 4},
        learned=True,
    )


_GENETIC = Space(
    (
        Ordinal("population", (12, 24, 48)),
        Float("crossover", 0.3, 1.0),
        Float("mutation", 0.5, 3.0),
        Float("reach", 0.02, 0.5, log=True),
        Ordinal("tournament", (2, 4)),
    )
)
_GENETIC_DEFAULTS = {
    "population": 24,
    "crossover": 0.9,
    "mutation": 0.7,
    "reach": 0.05,
    "tournament": 2,
}

OPTIMIZERS: Mapping[str, OptimizerEntry] = {
    "random": _population("Random search", RandomSearch, "uniform random designs"),
    "sobol": OptimizerEntry("Sobol points", "classical", _sobol, "space-filling, scrambled"),
    "enumerate": OptimizerEntry(
        "Enumeration", "classical", _enumerate, "every design of a finite space, in order"
    ),
    "coordinate": _population(
        "Coordinate descent",
        Coordinate,
        "line by line over the parameters, ends of ranges first, restarted when no line gains",
        Space(
            (
                Float("step", 0.05, 0.5, log=True),
                Float("kick", 0.2, 1.0),
                Float("corner", 0.0, 1.0),
            )
        ),
        {"step": 0.25, "kick": 1.0, "corner": 1.0},
    ),
    "screening": _population(
        "Screening descent",
        Screening,
        "effects of single values first, then the changes that they promise most of",
        Space(
            (
                Float("patience", 10.0, 100.0, log=True),
                Float("kick", 0.2, 1.0),
                Float("interaction", 0.1, 10.0, log=True),
            )
        ),
        {"patience": 30.0, "kick": 1.0, "interaction": 1.0},
    ),
    "annealing": _population(
        "Simulated annealing",
        Annealing,
        "one walker, geometric cooling, reheated from the best",
        Space(
            (
                Float("hot", 0.1, 5.0, log=True),
                Float("cold", 0.001, 0.1, log=True),
                Float("cycle", 50.0, 1000.0, log=True),
                Float("moves", 1.0, 3.0),
                Float("reach", 0.05, 1.0, log=True),
            )
        ),
        {"hot": 1.0, "cold": 0.01, "cycle": 200.0, "moves": 1.0, "reach": 0.3},
    ),
    "genetic": _population(
        "Genetic",
        Genetic,
        "tournament, crossover, mutation, best of parents and children survive",
        _GENETIC,
        _GENETIC_DEFAULTS,
    ),
    "nsga2": _population(
        "NSGA-II",
        Nsga2,
        "genetic search for a Pareto front",
        _GENETIC,
        _GENETIC_DEFAULTS,
        multi_objective=True,
    ),
    "differential": _population(
        "Differential evolution",
        Differential,
        "rand/1/bin leaning towards the best",
        Space(
            (
                Ordinal("population", (12, 24, 48)),
                Float("weight", 0.2, 1.0),
                Float("crossover", 0.1, 1.0),
                Float("greed", 0.0, 1.0),
            )
        ),
        {"population": 24, "weight": 0.6, "crossover": 0.7, "greed": 0.3},
    ),
    "cmaes": OptimizerEntry(
        "CMA-ES",
        "classical",
        _cmaes,
        "covariance matrix adaptation with restarts; discrete values keep half a bin of spread",
        None,
        Space((Float("sigma", 0.05, 0.6, log=True), Integer("population", 4, 64))),
        {"sigma": 0.3, "population": 10},
    ),
    "ant_colony": _population(
        "Ant colony",
        AntColony,
        "pheromone on values and orders, solution archive for continuous parameters",
        Space(
            (
                Ordinal("ants", (4, 8, 16, 32)),
                Float("evaporation", 0.02, 0.8, log=True),
                Float("alpha", 0.5, 3.0),
                Float("floor", 0.01, 0.5, log=True),
                Ordinal("archive", (4, 12, 24)),
                Float("locality", 0.05, 1.0, log=True),
                Float("spread", 0.3, 1.5),
                Float("local", 0.0, 1.0),
            )
        ),
        {
            "ants": 16,
            "evaporation": 0.2,
            "alpha": 1.0,
            "floor": 0.1,
            "archive": 12,
            "locality": 0.2,
            "spread": 0.85,
            "local": 0.5,
        },
    ),
    "tpe": OptimizerEntry(
        "TPE",
        "classical",
        _tpe,
        "tree-structured Parzen estimator of optuna, multivariate",
        None,
        Space(
            (
                Integer("startup", 4, 40),
                Ordinal("candidates", (12, 24, 48, 96)),
                Integer("multivariate", 0, 1),
            )
        ),
        {"startup": 10, "candidates": 24, "multivariate": 1},
        package="optuna",
        extra="hardware",
    ),
    "gp": OptimizerEntry(
        "GP Bayesian optimisation",
        "classical",
        _gp,
        "Matérn-5/2 models of objective and constraints, batch log expected improvement",
        None,
        Space(
            (
                Integer("startup", 4, 40),
                Ordinal("candidates", (128, 256, 512, 1024)),
                Ordinal("together", (1, 2, 4, 8)),
            )
        ),
        {"startup": 10, "candidates": 256, "together": 4},
        package="botorch",
        extra="bo",
    ),
    "ppo": _policy("PPO, one agent", "joint", "one policy for all parameters, clipped as a whole"),
    "sac": OptimizerEntry(
        "SAC, one agent",
        "learned",
        _sac,
        "the core's soft actor-critic in the unit cube, one decision an episode",
        None,
        Space(
            (
                Integer("startup", 4, 40),
                Float("rate", 1e-4, 3e-2, log=True),
                Integer("updates", 1, 8),
                Float("entropy", -6.0, 0.5),
            )
        ),
        {"startup": 10, "rate": 1e-2, "updates": 4, "entropy": -2.0},
        package="torch",
        extra="train",
    ),
    "marl": _policy("RL, agent per parameter", "agents", "independent agents, common reward"),
    "marl_credit": _policy(
        "RL, agents with credit", "marginal", "independent agents, each credited with its own value"
    ),
}
"""Stable public ids."""
