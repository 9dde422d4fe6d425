"""`run` and `report`: a comparison, and its report again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    Controllers,
    Detach,
    Engine,
    EngineName,
    Parameters,
    RunId,
    Scenario,
    SeedCount,
    Seeds,
    Set,
    Workers,
    Workspace,
    chosen_seeds,
    names_of,
    parameters_of,
)
from trimtab.cli.session import Session, command_line

if TYPE_CHECKING:
    from trimtab.evidence.result import Result
    from trimtab.run.comparison import Comparison
    from trimtab.run.plan import RunOptions

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="copy the report into this folder")
]
VIOLATED = 4


def run(
    scenario: Scenario,
    controllers: Controllers = None,
    controller: Annotated[
        list[str] | None,
        typer.Option(
            "--controller",
            metavar="MODULE:CLASS",
            help="add your own: package.module:Class, or a .csv of logged decisions; repeatable",
        ),
    ] = None,
    seeds: Seeds = None,
    n_seeds: SeedCount = None,
    set_: Set = None,
    parameters: Parameters = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    out: Out = None,
    workers: Workers = None,
    engine: Engine = EngineName.local,
    detach: Detach = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit code 4 if a constraint was violated")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Run controllers on a scenario, compare them, and write a report."""
    wanted = chosen_seeds(seeds, n_seeds)
    with Session(as_json=json_) as session:
        from trimtab.cli.progress import progress_bar
        from trimtab.run.comparison import compare_run, copy_report
        from trimtab.run.controllers import importable_from
        from trimtab.run.plan import RunOptions

        importable_from(Path.cwd())
        options = RunOptions(
            controllers=names_of(controllers),
            own=tuple(controller or ()),
            parameters=parameters_of(parameters),
            seeds=wanted,
            workspace=workspace,
            workers=workers,
            engine=engine.value,
        )
        if detach:
            _enqueue(session, scenario, options, set_ or ())
            return
        with progress_bar() as progress:
            comparison = compare_run(
                scenario, options, overrides=set_ or (), progress=progress, command=command_line()
            )
        if out is not None:
            copy_report(comparison.outcome.run_dir, out)
        _show(session, comparison)
        raise typer.Exit(exit_code(session, comparison, strict=strict))


def _enqueue(
    session: Session, scenario: str, options: RunOptions, overrides: Sequence[str]
) -> None:
    from trimtab.run.supervisor import supervisor_pid
    from trimtab.run.workspace import Workspace as Space

    space = Space(options.workspace)
    run_id = space.enqueue(scenario, options, overrides=overrides, command=command_line())
    session.text(run_id)
    if supervisor_pid(options.workspace) is None:
        session.note(
            "queued, but no supervisor is at work here: start one with `trimtab worker "
            f"--workspace {options.workspace}`"
        )
    session.document("trimtab/queued/1", run_id=run_id, workspace=str(options.workspace))


def _show(session: Session, comparison: Comparison) -> None:
    from rich.console import Console

    from trimtab.contracts.registry import active
    from trimtab.evidence.table import print_result

    found = ", ".join(f"{name} {version}" for name, version in active().items())
    session.note(f"plug-ins: {found}")
    outcome = comparison.outcome
    if session.as_json:
        session.raw(comparison.result.to_json())
    else:
        print_result(comparison.result, Console(file=session.stream, width=session.columns))
    session.note(
        f"{outcome.computed} jobs computed, {outcome.cached} from the store, "
        f"{len(outcome.failures)} failed, {outcome.wall_s:.1f} s"
    )


def exit_code(session: Session, comparison: Comparison, *, strict: bool) -> int:
    """Exit code of a comparison; says on standard error why it is not 0."""
    outcome = comparison.outcome
    for failure in outcome.failures:
        session.note(f"failed: {failure.controller}, seed {failure.seed}: {failure.reason}")
    if outcome.failures:
        session.note(f"log: {outcome.run_dir / 'log.txt'}")
        return 1
    violated = _violations(comparison.result)
    if strict and violated:
        session.note(f"--strict: constraints violated: {', '.join(violated)}")
        return VIOLATED
    return 0


def _violations(result: Result) -> list[str]:
    return [f"{r.name} {r.violation_count}" for r in result.rows if r.violation_count]


def conclude_stored(
    session: Session, workspace: Path, run_id: str, workers: int | None = None
) -> int:
    """Work on a stored run until it is settled, judge and show it; the exit code."""
    from trimtab.cli.progress import progress_bar
    from trimtab.run.comparison import compare_stored

    with progress_bar() as progress:
        comparison = compare_stored(workspace, run_id, workers, progress)
    _show(session, comparison)
    return exit_code(session, comparison, strict=False)


def report(
    run_id: RunId,
    workspace: Workspace = DEFAULT_WORKSPACE,
    out: Out = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="print the report as Markdown")
    ] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet", help="write every table as Parquet too (extra app)")
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", help="write a page with charts to zoom into too (extra app)"),
    ] = False,
    json_: AsJson = False,
) -> None:
    """Write the report of a finished run again."""
    with Session(as_json=json_) as session:
        from trimtab.run.comparison import copy_report, render_again
        from trimtab.run.store import existing_store

        with existing_store(workspace) as store:
            run_dir = store.run_dir(store.run(run_id).id)
        written = render_again(run_dir)
        if parquet:
            from trimtab.evidence.parquet import to_parquet

            to_parquet(sorted((run_dir / "tables").glob("*.csv")))
        pages = [written.html, written.markdown]
        if interactive:
            from trimtab.cli.door import app_module

            page = app_module("interactive", "an interactive report").write_interactive(run_dir)
            pages.append(page)
        copied = copy_report(run_dir, out) if out is not None else []
        files = [str(path) for path in copied or pages]
        session.text(written.markdown.read_text(encoding="utf-8") if markdown else "\n".join(files))
        session.document("trimtab/report-files/1", run_id=run_dir.name, files=files)
