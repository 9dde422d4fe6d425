"""Jobs of a design scenario: searches by optimizers, and designs that are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from trimtab.contracts.controller import Entry, Role
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ContractError, TrimtabError, UnknownNameError
from trimtab.contracts.problem import DesignProblem
from trimtab.contracts.scenario import SearchBudget, StrictModel
from trimtab.contracts.space import Space
from trimtab.run.controllers import Choice, check_names, class_of
from trimtab.run.design_file import DESIGN_SUFFIXES, read_design
from trimtab.run.identity import ProblemIdentity, file_sha256, installed
from trimtab.run.jobs import BOUND, Job
from trimtab.search.catalogue import OPTIMIZERS, make
from trimtab.search.optimizer import Optimizer

EXHAUSTIVE = "enumerate"
"""Optimizer that only finite spaces take; it runs where it is named."""

SIMULATOR_SEED = 0
"""Seed of the simulator in every job, so that all searches see the same optimum."""


def choose_designs(
    domain: Domain,
    problem: Any,
    names: Sequence[str] = (),
    own: Sequence[str] = (),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Choice]:
    """Resolve the rows of a design run: reference designs, optimizers, and the user's own.

    Args:
        domain: of the scenario.
        problem: the scenario's validated problem.
        names: optimizer ids; if empty all that need no further package, but enumeration, so
            that a scenario means the same run on every machine.
        own: design files, and `package.module:Class` of the user's own optimizers.
        parameters: optimizer id → hyper-parameters in place of the defaults.

    Raises:
        UnknownNameError: a name is no optimizer, or a key of `parameters` none of this run.
        ContractError: a hyper-parameter is out of range.
        MissingDependencyError: an optimizer's package is not installed.
        TrimtabError: an own optimizer cannot be loaded, or a name comes twice.
    """
    given = parameters or {}
    wanted = names or [n for n, e in OPTIMIZERS.items() if not e.package and n != EXHAUSTIVE]
    references = domain.reference_designs(problem)
    chosen = [given_design(name, values, "reference") for name, values in references.items()]
    chosen += [_optimizer(name, given.get(name, {})) for name in wanted]
    chosen += [_own(text, given) for text in own]
    check_names(chosen, given)
    return chosen


def left_out(names: Sequence[str]) -> dict[str, str]:
    """Optimizers of a scenario whose package is not installed, and the extra that brings it.

    Empty if that would leave none: then the missing package is an error.
    """
    known = {name: OPTIMIZERS[name] for name in names if name in OPTIMIZERS}
    missing = {name: entry.extra for name, entry in known.items() if not entry.installed}
    return {} if len(missing) == len(names) else missing


def given_design(
    name: str, values: Mapping[str, Any], role: Role = "user", file: Path | None = None
) -> Choice:
    """A row of one design that is only scored, read from a file or the domain's."""
    entry = Entry(role, _no_controller, "a given design", shielded=False)
    own, files = ("", ()) if file is None else (str(file), (file,))
    return Choice(name, entry, own, dict(values), files, "design")


def _no_controller(problem: object) -> Any:
    msg = f"{type(problem).__name__} is searched, not controlled"
    raise ContractError(msg)


def _optimizer(name: str, parameters: Mapping[str, Any]) -> Choice:
    if name not in OPTIMIZERS:
        raise UnknownNameError(name, "optimizer", OPTIMIZERS)
    offered = OPTIMIZERS[name]
    offered.check(name, parameters)
    entry = Entry(
        "optimizer",
        _no_controller,
        offered.help,
        parameters=offered.hyperparameters,
        defaults=offered.defaults,
        shielded=False,
    )
    return Choice(name, entry, parameters=parameters, kind="search")


def _own(text: str, given: Mapping[str, Mapping[str, Any]]) -> Choice:
    if text.endswith(DESIGN_SUFFIXES):
        path = Path(text).resolve()
        return given_design(path.stem, read_design(path), "user", path)
    import inspect

    kind = _optimizer_class(text)
    name = getattr(kind, "name", None) or kind.__name__
    entry = Entry("user", _no_controller, text, shielded=False)
    files = (Path(inspect.getfile(kind)),)
    return Choice(name, entry, text, given.get(name, {}), files, "search")


def _optimizer_class(text: str) -> type[Optimizer]:
    """The user's own optimizer; it is built as `Class(space, seed, **hyperparameters)`."""
    kind = class_of(text)
    if not issubclass(kind, Optimizer):
        msg = (
            f"controller {text!r} is no optimizer: derive it from "
            "trimtab.search.optimizer.Optimizer, or give a design file (.json, .yaml)"
        )
        raise TrimtabError(msg)
    return kind


def make_optimizer(
    name: str, own: str, space: Space, seed: int, parameters: Mapping[str, Any]
) -> Optimizer:
    """Build an optimizer of a run again, in another process; arguments as in `Choice`."""
    if own:
        build = cast("Callable[..., Optimizer]", _optimizer_class(own))
        return build(space, seed, **parameters)
    return make(name, space, seed, **parameters)


def design_problem(domain: Domain, problem: Any) -> DesignProblem:
    """Build the design problem of a domain and check that it searches for its headline.

    Raises:
        ContractError: it is no design problem, or its first objective is not the headline.
    """
    built = domain.build(problem)
    if not isinstance(built, DesignProblem):
        built.close()
        msg = f"{domain.name} builds a control problem: a design problem is needed to search"
        raise ContractError(msg)
    first = built.spec.objectives[0].name
    if first != domain.headline.name:
        built.close()
        msg = f"{domain.name}: its first objective must be {domain.headline.name}, not {first}"
        raise ContractError(msg)
    return built


@dataclass(frozen=True, slots=True)
class DesignPlanner:
    """Names the jobs of one design scenario: one per (optimizer, seed), one per given design."""

    domain: Domain
    problem: StrictModel
    identity: ProblemIdentity
    budget: SearchBudget

    def jobs(self, choices: Sequence[Choice], seeds: Sequence[int]) -> dict[str, list[Job]]:
        """Row name → its jobs in the order of seeds; the bound comes under `BOUND`."""
        bound = self.identity.sha256(kind="bound", seed=SIMULATOR_SEED)
        planned = {BOUND: [Job(bound, "bound", BOUND, SIMULATOR_SEED)]}
        for choice in choices:
            own = seeds if choice.kind == "search" else (SIMULATOR_SEED,)
            planned[choice.name] = [self._job(choice, seed) for seed in own]
        return planned

    def _job(self, choice: Choice, seed: int) -> Job:
        about = {
            "name": choice.name,
            "parameters": {**choice.entry.defaults, **choice.parameters},
            "files": [file_sha256(path) for path in choice.files],
        }
        if choice.kind == "search":
            package = OPTIMIZERS[choice.name].package if choice.name in OPTIMIZERS else ""
            about["packages"] = {n: installed(n) for n in ("scipy", package) if n}
            about["budget"] = self.budget.model_dump()
        digest = self.identity.sha256(kind=choice.kind, about=about, seed=seed)
        return Job(digest, choice.kind, choice.name, seed)

    def task(self, choice: Choice | None) -> str:
        """JSON text of what a worker needs for the jobs of one row (None: the bound)."""
        search = choice is not None and choice.kind == "search"
        return json.dumps(
            {
                "domain": self.domain.name,
                "problem": self.problem.model_dump_json(by_alias=True),
                "controller": BOUND if choice is None else choice.name,
                "own": "" if choice is None else choice.own,
                "parameters": "{}" if choice is None else json.dumps(dict(choice.parameters)),
                "budget": self.budget.model_dump_json() if search else "",
                "batch": False,
                "versions": dict(self.identity.versions),
                "folder": str(Path.cwd()) if choice is not None and choice.own else "",
            }
        )
