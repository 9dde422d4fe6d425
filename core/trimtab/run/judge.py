"""From what a run left behind to its judged result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.records import EpisodeRecord
from trimtab.contracts.registry import shipped_scenarios
from trimtab.contracts.scenario import DesignScenario, Scenario
from trimtab.evidence.compare import NO_BOUND, compare
from trimtab.evidence.matrix import Matrix
from trimtab.evidence.result import Result
from trimtab.evidence.searches import Searches, compare_searches
from trimtab.run.controllers import Choice
from trimtab.run.execute import RunOutcome
from trimtab.run.jobs import BOUND


def judge(outcome: RunOutcome) -> Result:
    """Compare the controllers, or the searches, of a run.

    Raises:
        RunFailedError: no episode has a finite headline, or no search a feasible design.
        BoundError: a proven bound was beaten.
    """
    plan = outcome.plan
    scenario = plan.loaded.scenario.model_copy(update={"seeds": plan.seeds})
    if isinstance(scenario, DesignScenario):
        result = compare_searches(_searches(outcome, scenario))
    else:
        result = compare(_matrix(outcome, scenario))
    failed = [f"seed {f.seed}: {f.reason}" for f in outcome.failures if f.controller == BOUND]
    kept = [note for note in result.notes if not (failed and note == NO_BOUND)]
    update: dict[str, Any] = {
        "notes": (*kept, *_notes(outcome), *(f"The bound failed on {text}" for text in failed)),
        "bound_failure": "; ".join(failed),
        "run_id": plan.run_id,
        "run_dir": str(outcome.run_dir),
    }
    if plan.loaded.source in shipped_scenarios():  # a reader knows it by its id
        update["scenario"] = plan.loaded.source
    return result.model_copy(update=update)


def _finished(outcome: RunOutcome) -> list[EpisodeRecord]:
    name = outcome.plan.loaded.domain.headline.name
    return [r for r in outcome.records if math.isfinite(r.metrics.get(name, math.nan))]


def _matrix(outcome: RunOutcome, scenario: Scenario[Any]) -> Matrix:
    plan, finished = outcome.plan, _finished(outcome)
    if not finished:
        name = plan.loaded.domain.headline.name
        msg = f"{plan.loaded.source}: no episode has a finite {name}, so nothing can be compared"
        raise RunFailedError(msg)
    return Matrix.of_domain(
        plan.loaded.domain,
        scenario,
        {choice.name: choice.entry for choice in plan.choices},
        finished,
        outcome.bounds,
        plan.scenario_sha256,
    )


def _searches(outcome: RunOutcome, scenario: DesignScenario[Any]) -> Searches:
    plan = outcome.plan
    return Searches(
        plan.loaded.domain,
        scenario,
        {choice.name: choice.entry for choice in plan.choices},
        outcome.designs,
        next(iter(outcome.bounds.values()), None),
        scenario.budget.evaluations,
        plan.scenario_sha256,
    )


def _notes(outcome: RunOutcome) -> list[str]:
    headline = outcome.plan.loaded.domain.headline.name
    notes = [f"The scenario {note}" for note in outcome.plan.loaded.notes]
    notes += given_parameters(outcome.plan.choices)
    notes += [
        f"{f.controller}, seed {f.seed} failed: {f.reason}"
        for f in outcome.failures
        if f.controller != BOUND
    ]
    lost = len(outcome.records) - len(_finished(outcome))
    if lost:
        notes.append(f"{lost} episodes without a finite {headline}")
    return notes


def given_parameters(choices: Sequence[Choice]) -> list[str]:
    """One line per controller that was given parameters other than those it ships with."""
    notes = []
    for choice in choices:
        if choice.kind != "episode":
            continue
        usual = choice.entry.defaults
        changed = [
            f"{name} {_plain(value)}"
            + (f" instead of {_plain(usual[name])}" if name in usual else "")
            for name, value in choice.parameters.items()
            if name not in usual or usual[name] != value
        ]
        if changed:
            notes.append(f"{choice.name} was given {', '.join(changed)}.")
    return notes


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
