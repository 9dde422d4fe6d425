"""One design by what the user calls it: a file, a reference design, or the best one found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import (
    InputFileError,
    RunFailedError,
    TrimtabError,
    UnknownNameError,
)
from trimtab.contracts.records import DesignRecord
from trimtab.contracts.scenario import DesignScenario, Scenario, canonical_json
from trimtab.run.design_file import DESIGN_SUFFIXES, read_design
from trimtab.run.design_job import score_design
from trimtab.run.design_plan import design_problem
from trimtab.run.execute import OnProgress, RunOutcome, execute
from trimtab.run.plan import RunOptions
from trimtab.run.records_json import record_to_json
from trimtab.run.rows import RunRow
from trimtab.run.scenario_file import LoadedScenario
from trimtab.run.store import Store, existing_store

REFERENCE, BEST, PROPOSED = "reference", "best", "proposed"
ANY = 1_000_000


@dataclass(frozen=True, slots=True)
class NamedDesign:
    """A design and the row or file that it comes from."""

    name: str
    values: Mapping[str, Any]


def design_scenario(loaded: LoadedScenario) -> DesignScenario[Any]:
    """The scenario, which must be of a design domain.

    Raises:
        TrimtabError: it is of a control domain.
    """
    if not isinstance(loaded.scenario, DesignScenario):
        msg = f"{loaded.source}: {loaded.domain.name} has controllers, not designs: name one"
        raise TrimtabError(msg)
    return loaded.scenario


def find_design(loaded: LoadedScenario, text: str, workspace: Path) -> NamedDesign:
    """Resolve what the user calls a design.

    Args:
        loaded: a design scenario.
        text: a file; `reference` or the name of one; `best`, which the latest finished run of
            this scenario's problem recommends; `proposed`, which the domain proposes with no
            simulator call.
        workspace: where that run is.

    Raises:
        TrimtabError: there is no such design, or no such run.
        InputFileError: the file cannot be read.
    """
    problem = design_scenario(loaded).problem
    if text == BEST:
        return _best(loaded, workspace)
    if text == PROPOSED:
        return NamedDesign(text, loaded.domain.propose(problem))
    known = loaded.domain.reference_designs(problem)
    if text in known:
        return NamedDesign(text, known[text])
    if text == REFERENCE and known:
        name = next(iter(known))
        return NamedDesign(name, known[name])
    if text.endswith(DESIGN_SUFFIXES):
        return NamedDesign(Path(text).stem, read_design(Path(text)))
    raise UnknownNameError(
        text, "design (or a .json or .yaml file)", [BEST, REFERENCE, PROPOSED, *known]
    )


def _best(loaded: LoadedScenario, workspace: Path) -> NamedDesign:
    with existing_store(workspace) as store:
        for row in store.runs(ANY):
            said = (row.summary or {}).get("recommendation") or {}
            if said.get("design") and _is_of(store, row, loaded):
                return NamedDesign(said["name"], said["design"])
    msg = (
        f"{workspace}: holds no finished run of {loaded.source} with these settings: run it "
        "first, or name a design file"
    )
    raise TrimtabError(msg)


def _is_of(store: Store, row: RunRow, loaded: LoadedScenario) -> bool:
    """Whether a run searched the same problem."""
    stored = json.loads(store.scenario_text(row.scenario))
    if stored["domain"] != loaded.domain.name:
        return False
    model: Scenario[Any] = loaded.scenario
    return bool(_canonical(loaded.domain, stored["problem"]) == canonical_json(model.problem))


def _canonical(domain: Domain, problem: Any) -> str:
    try:
        return canonical_json(domain.problem_model.model_validate(problem))
    except ValueError:  # of an older version of the domain
        return ""


def simulate_design(
    loaded: LoadedScenario, design: NamedDesign, folder: Path
) -> tuple[DesignRecord, list[Path]]:
    """Score one design, and write its record and whatever log the domain keeps of it.

    Raises:
        InputFileError: the folder cannot be written.
        RunFailedError: the simulator failed.
        ContractError: a parameter is missing or out of range.
    """
    settings = design_scenario(loaded).problem
    problem = design_problem(loaded.domain, settings)
    try:
        record = score_design(problem, design.name, design.values)
    finally:
        problem.close()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "record.json"
        path.write_text(json.dumps(record_to_json(record)) + "\n", encoding="utf-8")
        return record, [path, *loaded.domain.log_design(settings, design.values, folder)]
    except OSError as error:
        msg = f"{folder}: the log cannot be written there: {error.strerror}"
        raise InputFileError(msg) from None


def search_design(
    loaded: LoadedScenario,
    optimizer: str,
    evaluations: int | None,
    options: RunOptions,
    progress: OnProgress | None = None,
) -> tuple[DesignRecord, RunOutcome]:
    """Search with one optimizer and seed; an ordinary run, so it is cached and resumed.

    Args:
        loaded: a design scenario.
        optimizer: id in the catalogue.
        evaluations: budget in unique simulator calls; None takes the scenario's.
        options: with one seed.
        progress: called when something happens.

    Raises:
        TrimtabError: the optimizer is unknown or its package is not installed.
        RunFailedError: the search did not come to its end.
        KeyboardInterrupt: cancelled; running it again goes on.
    """
    scenario = design_scenario(loaded)
    if evaluations is not None:
        budget = scenario.budget.model_copy(update={"evaluations": evaluations})
        scenario = scenario.model_copy(update={"budget": budget})
    outcome = execute(
        replace(loaded, scenario=scenario), replace(options, controllers=(optimizer,)), progress
    )
    found = next((r for r in outcome.designs if r.name == optimizer), None)
    if found is None:
        failed = next(f for f in outcome.failures if f.controller == optimizer)
        msg = f"{loaded.source}: {optimizer}, seed {failed.seed}: {failed.reason}"
        raise RunFailedError(msg, failed.exit_code)
    return found, outcome
