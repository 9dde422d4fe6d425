"""`sweep`: a scenario at every point of its sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    Controllers,
    Detach,
    Engine,
    EngineName,
    Parameters,
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
    from trimtab.run.rows import RunRow
    from trimtab.run.sweep import SweepPlan


def sweep(
    scenario: Scenario,
    controllers: Controllers = None,
    seeds: Seeds = None,
    n_seeds: SeedCount = None,
    set_: Set = None,
    parameters: Parameters = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    workers: Workers = None,
    engine: Engine = EngineName.local,
    detach: Detach = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="write sweep.csv and .parquet here")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Run a scenario at every point of its `sweep`; all points are checked first."""
    wanted = chosen_seeds(seeds, n_seeds)
    with Session(as_json=json_) as session:
        from trimtab.run.plan import RunOptions
        from trimtab.run.store import Store
        from trimtab.run.sweep import plan_sweep

        options = RunOptions(
            controllers=names_of(controllers),
            parameters=parameters_of(parameters),
            seeds=wanted,
            workspace=workspace,
            workers=workers,
            engine=engine.value,
        )
        planned = plan_sweep(scenario, options, set_ or (), command_line())
        with Store(workspace) as store:
            planned.begin(store)
            if not detach:
                _work(session, store, options, planned)
            runs = [store.run(plan.run_id) for plan in planned.plans]
        if detach:
            session.note(f"queued; follow it with: trimtab status --workspace {workspace}")
        _show(session, planned, runs, out)
        raise typer.Exit(1 if any(run.states.get("failed") for run in runs) else 0)


def _work(session: Session, store: Any, options: Any, planned: SweepPlan) -> None:
    from trimtab.run.crew import Watcher
    from trimtab.run.drive import drive
    from trimtab.run.engines import crew_of
    from trimtab.run.scope import Scope

    scope = Scope(sweep=planned.id)
    total = sum(scope.states(store.db).values())

    def look(left: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{total - left} of {total} jobs\033[K")
            sys.stderr.flush()

    left = scope.open_jobs(store.db)
    with crew_of(options, store, scope, left, Watcher(noted=session.note)) as crew:
        drive(store, scope, crew, look)
    if sys.stderr.isatty():
        session.note("")


def _show(session: Session, planned: SweepPlan, runs: list[RunRow], out: Path | None) -> None:
    from trimtab.evidence.sweep_table import (
        PROFILE_HEADER,
        SweepPoint,
        sweep_csv,
        sweep_profiles,
    )

    points = [
        SweepPoint(run.id, run.state, dict(point), run.summary)
        for point, run in zip(planned.points, runs, strict=True)
    ]
    keys = list(planned.points[0])
    table = [
        [*(json.dumps(p.point[key]) for key in keys), p.state, p.best, p.headline, p.run]
        for p in points
    ]
    session.table([*keys, "state", "recommended", "headline", "run"], table)
    profiles = sweep_profiles(points)
    if profiles:
        session.table(list(PROFILE_HEADER), profiles)
    if out is not None:
        _write(session, sweep_csv(points), out)
    session.document(
        "trimtab/sweep/1",
        sweep_id=planned.id,
        points=[
            {"run_id": p.run, "state": p.state, "point": p.point, "result": p.result}
            for p in points
        ],
    )


def _write(session: Session, text: str, out: Path) -> None:
    from trimtab.contracts.errors import MissingDependencyError
    from trimtab.evidence.parquet import to_parquet

    out.mkdir(parents=True, exist_ok=True)
    table = out / "sweep.csv"
    table.write_text(text, encoding="utf-8")
    written = [table]
    try:
        written += to_parquet([table])
    except MissingDependencyError as error:
        session.note(f"note: {error}")
    session.note(f"written: {', '.join(str(path) for path in written)}")
