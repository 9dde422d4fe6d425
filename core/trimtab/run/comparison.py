"""The front door: run a scenario, compare what came out, and write its report.

The CLI, the app, tests and benchmarks all call `compare_run`, so they show the same numbers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import RunFailedError
from trimtab.contracts.figure import Figure
from trimtab.contracts.records import DesignRecord, EpisodeRecord
from trimtab.contracts.scenario import Scenario
from trimtab.evidence.report import Report, write_report
from trimtab.evidence.result import Result
from trimtab.evidence.shown import highlighted, shown_first
from trimtab.run.checkpoints import CHECKPOINTS
from trimtab.run.design_file import write_design
from trimtab.run.execute import OnProgress, RunOutcome, collect, execute, execute_plan
from trimtab.run.identity import file_sha256
from trimtab.run.judge import judge
from trimtab.run.manifest import manifest
from trimtab.run.plan import RunOptions, stored_plan
from trimtab.run.records_json import design_from_json, record_from_json, record_to_json
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.store import Store


@dataclass(frozen=True, slots=True)
class Comparison:
    """A judged run."""

    result: Result
    outcome: RunOutcome


def compare_run(
    source: str | Path | LoadedScenario,
    options: RunOptions | None = None,
    *,
    overrides: Sequence[str] = (),
    progress: OnProgress | None = None,
    command: str = "",
) -> Comparison:
    """Run a scenario, judge it, and write result, records, report and manifest of the run.

    Args:
        source: a path, a shipped id, or a scenario that is loaded already.
        options: controllers, seeds, workspace, workers.
        overrides: `dotted.key=value` settings (not with a loaded scenario).
        progress: called when something happens.
        command: what reproduces the run, for the report.

    Raises:
        ScenarioError: the scenario is not valid.
        RunFailedError: nothing came to its end.
        BoundError: a proven bound was beaten.
        KeyboardInterrupt: cancelled; finished jobs are kept.
    """
    loaded = source if isinstance(source, LoadedScenario) else load_scenario(source, overrides)
    options = options or RunOptions()
    return conclude(execute(loaded, options, progress, command), options.workspace)


def compare_stored(
    workspace: Path,
    run: str,
    workers: int | None = None,
    progress: OnProgress | None = None,
) -> Comparison:
    """Bring a stored run to its end under the present versions, and judge it.

    Raises:
        UnknownNameError: there is no such run.
        RunFailedError: it was begun under other versions, or nothing came to its end.
        KeyboardInterrupt: cancelled; finished jobs are kept.
    """
    with Store(workspace) as store:
        plan = stored_plan(store.run(run))
    options = RunOptions(workspace=workspace, workers=workers)
    return conclude(execute_plan(plan, options, progress), workspace)


def conclude(outcome: RunOutcome, workspace: Path) -> Comparison:
    """Judge what a run left behind; write its result, records, report and manifest.

    Raises:
        RunFailedError: no episode has a finite headline.
        BoundError: a proven bound was beaten.
    """
    command = outcome.plan.command
    result, report = _write(outcome, judge(outcome), command)
    _record(outcome, result, report, workspace)
    return Comparison(result, outcome)


def judge_stored(workspace: Path, run: str) -> Comparison:
    """Judge a run of the store whose jobs are settled.

    Raises:
        RunFailedError: nothing came to its end, or the run belongs to other versions.
        UnknownNameError: there is no such run.
    """
    with Store(workspace) as store:
        row = store.run(run)
        plan = stored_plan(row)
        outcome = collect(plan, store)
    if not outcome.every_record:
        first = outcome.failures[0]
        what = f"{first.controller}, seed {first.seed}: {first.reason}"
        msg = f"nothing of {run} came to its end: {what}"
        raise RunFailedError(msg)
    return conclude(outcome, workspace)


def _write(outcome: RunOutcome, result: Result, command: str) -> tuple[Result, Report]:
    folder = outcome.run_dir
    records = [record_to_json(record) for record in outcome.every_record]
    _write_json(folder / "records.json", {"schema": "trimtab/records/1", "records": records})
    figures, note = figures_of(
        outcome.plan.loaded.domain, outcome.plan.loaded.scenario, outcome.every_record, result
    )
    update: dict[str, Any] = {
        "report": str(folder / "report.html"),
        "manifest": str(folder / "manifest.json"),
        "notes": (*result.notes, *note),
    }
    result = result.model_copy(update=update)
    (folder / "result.json").write_text(result.to_json(), encoding="utf-8")
    if result.recommendation.design is not None:
        _write_best(folder / DESIGN_FILE, result, result.recommendation.design)
    report = write_report(
        result,
        figures,
        folder,
        command=command,
        artefacts=_artefacts(folder),
        manifest=manifest(_facts(outcome, command)),
    )
    return result, report


DESIGN_FILE = "design.json"
ARTEFACTS = ("config.json", "records.json", "result.json", DESIGN_FILE)


def _artefacts(folder: Path) -> list[Path]:
    return [folder / name for name in ARTEFACTS if (folder / name).exists()]


def _write_best(path: Path, result: Result, design: Mapping[str, Any]) -> None:
    """The recommended design, for `trimtab simulate --design` and `trimtab export --design`."""
    best = result.row(str(result.recommendation.name)).best
    metrics = {} if best is None else best.metrics
    write_design(path, design, {"scenario": result.scenario, "metrics": metrics})


def figures_of(
    domain: Domain,
    scenario: Scenario[Any],
    records: Sequence[EpisodeRecord | DesignRecord],
    result: Result,
) -> tuple[tuple[Figure, ...], list[str]]:
    """The domain's figures, or none and a note: a figure that fails costs no result."""
    order = {row.name: place for place, row in enumerate(shown_first(result))}
    designs = [record for record in records if isinstance(record, DesignRecord)]
    episodes = [record for record in records if isinstance(record, EpisodeRecord)]
    episodes.sort(key=lambda record: order.get(record.controller, len(order)))
    designs.sort(key=lambda record: order.get(record.name, len(order)))
    try:
        drawn = (
            domain.design_views(scenario.problem, designs)
            if designs
            else domain.views(scenario.problem, episodes)
        )
    except Exception as error:  # noqa: BLE001 - any fault of a view is said in the report
        return (), [f"The figures could not be drawn: {type(error).__name__}: {error}"]
    return tuple(highlighted(figure, result.recommendation.name) for figure in drawn), []


def _facts(outcome: RunOutcome, command: str) -> dict[str, Any]:
    plan = outcome.plan
    return {
        "command": command,
        "run_id": plan.run_id,
        "scenario": plan.loaded.source,
        "scenario_sha256": plan.scenario_sha256,
        "data_sha256": list(plan.planner.identity.data),
        "versions": dict(plan.planner.identity.versions),
        "seeds": list(plan.seeds),
        "controllers": [choice.name for choice in plan.choices],
        "jobs": {
            "computed": outcome.computed,
            "cached": outcome.cached,
            "failed": len(outcome.failures),
        },
        "wall_s": round(outcome.wall_s, 3),
        "cpu_s": round(sum(r.budget.cpu_s for r in outcome.every_record), 3),
    }


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")


def _record(outcome: RunOutcome, result: Result, report: Report, workspace: Path) -> None:
    """Put result, manifest and files of the run into the store."""
    run = outcome.plan.run_id
    facts = json.loads(report.manifest.read_text(encoding="utf-8"))
    files = [
        (
            path.relative_to(outcome.run_dir).as_posix(),
            file_sha256(path),
            path.suffix[1:],
            path.stat().st_size,
        )
        for path in sorted(outcome.run_dir.rglob("*"))
        if path.is_file() and CHECKPOINTS not in path.parts
    ]
    named = result.recommendation.name
    best = result.rows[0] if named is None else result.row(named)
    headline = result.headline_of(best).mean
    with Store(workspace) as store:
        store.summarise(run, json.loads(result.to_json()), facts, files, headline)


INTERACTIVE = "report-interactive.html"
"""Written on demand, by the app's package; goes when the report is written again."""
REPORT_PARTS = (
    INTERACTIVE,
    "report.html",
    "report.md",
    "manifest.json",
    "result.json",
    DESIGN_FILE,
    "tables",
    "figures",
)


def copy_report(run_dir: Path, out: Path) -> list[Path]:
    """Copy the report of a run into a folder; return what was copied.

    Raises:
        RunFailedError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for part in (run_dir / name for name in REPORT_PARTS):
            if part.is_dir():
                shutil.copytree(part, out / part.name, dirs_exist_ok=True)
            elif part.exists():
                shutil.copy2(part, out / part.name)
    except OSError as error:
        msg = f"{out}: the report cannot be written there: {error.strerror}"
        raise RunFailedError(msg, 2) from None
    return [out / name for name in REPORT_PARTS if (out / name).exists()]


def render_again(run_dir: Path) -> Report:
    """Write the report of a stored run again, from its result and records.

    Raises:
        RunFailedError: the run has no result yet.
        ScenarioError: its scenario is no longer valid under this version.
    """
    if not (run_dir / "result.json").exists():
        msg = f"{run_dir}: has no result yet: run its scenario to the end first"
        raise RunFailedError(msg)
    result = Result.from_json((run_dir / "result.json").read_bytes())
    old = json.loads((run_dir / "manifest.json").read_text(encoding="utf-8"))
    stored = json.loads((run_dir / "records.json").read_text(encoding="utf-8"))
    config = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))
    loaded = load_scenario(_scenario_copy(run_dir, config["scenario"]))
    records = [
        design_from_json(data) if "design" in data else record_from_json(data)
        for data in stored["records"]
    ]
    figures, _ = figures_of(loaded.domain, loaded.scenario, records, result)
    (run_dir / INTERACTIVE).unlink(missing_ok=True)
    return write_report(
        result,
        figures,
        run_dir,
        command=old["command"],
        artefacts=_artefacts(run_dir),
        manifest=old["run"],
    )


def _scenario_copy(run_dir: Path, scenario: Mapping[str, Any]) -> Path:
    path = run_dir / "scenario.json"
    path.write_text(json.dumps(scenario) + "\n", encoding="utf-8")
    return path
