"""Copies of a domain's problem for learning: own kernels batched, external ones as processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from trimtab.contracts.controller import Controller
from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import ContractError
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.registry import load_domain
from trimtab.contracts.scenario import StrictModel
from trimtab.run.controllers import Choice, find_choice
from trimtab.run.copy_process import Copy
from trimtab.run.grants import make_controller
from trimtab.run.shielding import shielded
from trimtab.run.stage import built
from trimtab.run.workers import ProcessProblem


def problem_copies(
    domain: Domain,
    problem: StrictModel,
    copies: int,
    interface: str = "default",
    *,
    autoreset: bool = True,
    with_shield: bool = True,
    log: Path = Path(os.devnull),
) -> ControlProblem:
    """`copies` copies of a domain's problem behind its shield.

    Own kernels advance as one batch in this process; external simulators one per process.

    Args:
        domain: offers the problem.
        problem: the scenario's validated settings.
        copies: N.
        interface: action interface (`Domain.build`).
        autoreset: restart ended rows inside `step` (training).
        with_shield: put the domain's shield between actions and system.
        log: for what external simulators print.

    Raises:
        TrimtabError: the problem cannot be built.
    """
    if domain.external and copies > 1:
        return process_copies(
            domain,
            problem,
            copies,
            interface,
            autoreset=autoreset,
            with_shield=with_shield,
            log=log,
        )
    control = built(domain, problem, copies, interface, autoreset=autoreset)
    return shielded(control, domain.shield(problem, control)) if with_shield else control


def process_copies(
    domain: Domain,
    problem: StrictModel,
    copies: int,
    interface: str = "default",
    *,
    autoreset: bool = True,
    with_shield: bool = True,
    adviser: Choice | None = None,
    log: Path = Path(os.devnull),
) -> ProcessProblem:
    """The same, always as processes, optionally with an adviser in each.

    Args:
        domain: offers the problem.
        problem: the scenario's validated settings.
        copies: N, and processes.
        interface: action interface (`Domain.build`).
        autoreset: restart ended rows inside `step` (training).
        with_shield: put the domain's shield between actions and system.
        log: for what the simulators print.
        adviser: a controller that sees the resources of its own copy and says at each decision
            what it would do (`ProcessProblem.advice`): the teacher of an imitation.

    Raises:
        TrimtabError: a copy cannot be built.
    """
    arguments = {
        "domain": domain.name,
        "problem": problem.model_dump_json(by_alias=True),
        "interface": interface,
        "autoreset": autoreset,
        "with_shield": with_shield,
        "adviser": None
        if adviser is None
        else [adviser.name, adviser.own, json.dumps(dict(adviser.parameters))],
    }
    return ProcessProblem("trimtab.run.copies:build_copy", [arguments] * copies, log=log)


def build_copy(
    domain: str,
    problem: str,
    interface: str,
    autoreset: bool,
    with_shield: bool,
    adviser: list[str] | None,
) -> Copy:
    """Build one copy in its own process, from plain data."""
    offered = load_domain(domain)
    model = offered.problem_model.model_validate_json(problem)
    control = built(offered, model, 1, interface, autoreset=autoreset)
    shield = offered.shield(model, control) if with_shield else None
    return Copy(shielded(control, shield), _adviser(offered, model, control, adviser))


def _adviser(
    domain: Domain, problem: Any, control: ControlProblem, adviser: list[str] | None
) -> Controller | None:
    if adviser is None:
        return None
    name, own, parameters = adviser
    choice = find_choice(domain, problem, name, own, json.loads(parameters))
    controller = make_controller(control, choice.entry, choice.parameters, choice.name)
    if not isinstance(controller, Controller):
        msg = f"{name!r} runs inside the simulator, so it cannot say what it would do"
        raise ContractError(msg)
    return controller
