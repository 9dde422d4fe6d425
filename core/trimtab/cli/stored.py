"""`compare`, `reproduce` and `runs`: what to do with runs that are stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, RunId, Workers, Workspace
from trimtab.cli.session import Session

if TYPE_CHECKING:
    from trimtab.evidence.contest import Difference
    from trimtab.evidence.result import Result

runs = typer.Typer(
    name="runs",
    help="List, delete, clean up and archive stored runs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
GB = 1e9


def compare(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="BASE RUN...", help="the base, then what to compare")
    ],
    controller: Annotated[
        str | None,
        typer.Option("--controller", metavar="NAME", help="row of the base (default: reference)"),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="default: the headline")
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Compare rows of several runs with one row of the base, on paired seeds."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.errors import UnknownNameError
        from trimtab.evidence.contest import contestants, differences, ranked

        results = _judged(workspace, run_ids)
        first = next(iter(results.values()))
        name = metric or first.headline
        rows = contestants(results)
        for one in rows:
            if name not in one.row.metrics:
                raise UnknownNameError(name, f"metric of {one.label}", one.row.metrics)
        wanted = controller or first.reference or first.rows[0].name
        of_base = [one for one in rows if one.result is first]
        base = next((one for one in of_base if one.row.name == wanted), None)
        if base is None:
            raise UnknownNameError(wanted, "row of the base", [o.row.name for o in of_base])
        found = differences(rows, base, name)
        unit = base.row.metrics[name].unit
        session.text(f"{name} ({unit}), minus {base.label} on common seeds")
        table = [
            [str(i), one.label, _number(one.row.metrics[name].mean), *_versus(one.label, found)]
            for i, one in enumerate(ranked(rows, name), start=1)
        ]
        columns = ["rank", "row", "mean", "difference", "95 %", "verdict", "worst seed"]
        session.table(columns, table)
        session.document(
            "trimtab/comparison/1",
            metric=name,
            unit=unit,
            base=base.label,
            rows=[
                {
                    "label": one.label,
                    "run_id": one.run,
                    "controller": one.row.name,
                    "mean": one.row.metrics[name].mean,
                    "gap_closed": one.row.gap_closed.mean,
                    "violations": one.row.violation_count,
                    "difference": next((_plain(d) for d in found if d.contestant is one), None),
                }
                for one in ranked(rows, name)
            ],
        )


def _judged(workspace: Path, run_ids: list[str]) -> dict[str, Result]:
    """The results of stored runs, by run id."""
    from trimtab.evidence.result import Result
    from trimtab.run.workspace import Workspace as Space

    space = Space(workspace)
    results = {}
    for run_id in run_ids:
        row = space.run(run_id).row
        if row.summary is None:
            raise typer.BadParameter(f"run {row.id} is not judged yet")  # noqa: EM102
        results[row.id] = Result.model_validate(row.summary)
    return results


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"


def _versus(label: str, found: list[Difference]) -> list[str]:
    for one in found:
        if one.contestant.label == label:
            paired = one.paired
            ci = "n/a" if paired.ci95 is None else "{:.4g} … {:.4g}".format(*paired.ci95)
            return [_number(paired.mean), ci, paired.verdict, f"{one.worst:.4g} ({one.worst_seed})"]
    return ["", "", "", ""]


def _plain(one: Difference) -> dict[str, Any]:
    return {
        **one.paired.model_dump(mode="json"),
        "worst": one.worst,
        "worst_seed": one.worst_seed,
    }


def reproduce(
    run_id: RunId,
    workers: Workers = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Run a stored run again from nothing and compare every figure, bit for bit."""
    with Session(as_json=json_) as session:
        from trimtab.cli.progress import progress_bar
        from trimtab.run.reproduce import reproduce as again

        with progress_bar() as progress:
            found = again(workspace, run_id, workers, progress)
        verdict = "bit-equal" if found.exact else f"{len(found.differences)} figures differ"
        session.text(f"{found.run}: {found.jobs} jobs run again, {verdict}")
        for line in (*found.differences, *found.environment):
            session.note(line)
        session.document(
            "trimtab/reproduction/1",
            run_id=found.run,
            jobs=found.jobs,
            exact=found.exact,
            differences=list(found.differences),
            environment=list(found.environment),
        )
        raise typer.Exit(0 if found.exact else 1)


@runs.command("list")
def list_runs(
    domain: Annotated[str, typer.Option("--domain", metavar="NAME", help="only this one")] = "",
    state: Annotated[str, typer.Option("--state", metavar="STATE", help="only these")] = "",
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="in id or name")] = "",
    sort: Annotated[
        str, typer.Option("--sort", metavar="COLUMN", help="created, headline, name or domain")
    ] = "created",
    ascending: Annotated[bool, typer.Option("--ascending", help="smallest first")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="runs listed")] = 50,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """List stored runs."""
    with Session(as_json=json_) as session:
        from dataclasses import asdict
        from datetime import UTC, datetime

        from trimtab.contracts.errors import UnknownNameError
        from trimtab.run.rows import PRECEDENCE
        from trimtab.run.workspace import ORDERS, RunQuery
        from trimtab.run.workspace import Workspace as Space

        if state and state not in PRECEDENCE:
            raise UnknownNameError(state, "state", PRECEDENCE)
        if sort not in ORDERS:
            raise UnknownNameError(sort, "column to sort by", ORDERS)
        query = RunQuery(domain, state, text, "", "", sort, not ascending, limit)
        found = Space(workspace).runs(query)
        if not Space(workspace).exists:
            session.note(f"{workspace}: nothing has been run here yet; or name another --workspace")
        table = [
            [
                run.id,
                run.domain,
                run.state,
                f"{run.done}/{run.total}",
                _number(run.headline),
                run.recommended or "",
                datetime.fromtimestamp(run.created, UTC).strftime("%Y-%m-%d %H:%M"),
            ]
            for run in found
        ]
        columns = ["run", "domain", "state", "done", "headline", "recommended", "begun (UTC)"]
        session.table(columns, table)
        session.document("trimtab/runs/1", runs=[asdict(run) for run in found])


@runs.command("rm")
def remove(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="runs to delete")],
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Delete runs with their files; jobs that other runs have stay."""
    with Session(as_json=json_) as session:
        from trimtab.run.workspace import Workspace as Space

        space = Space(workspace)
        chosen = [space.run(run_id).row.id for run_id in run_ids]
        freed = sum(space.delete(run) for run in chosen)
        session.text(f"{len(chosen)} runs deleted, {freed / GB:.3f} GB of files")
        session.document("trimtab/removed/1", runs=chosen, bytes=freed)


@runs.command("gc")
def collect(
    quota_gb: Annotated[
        float | None,
        typer.Option(
            "--quota-gb",
            metavar="GB",
            min=0,
            envvar="TRIMTAB_QUOTA_GB",
            help="delete the oldest settled runs until the workspace takes no more",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Remove folders that no run owns, runs above a quota, and compact the store."""
    with Session(as_json=json_) as session:
        from dataclasses import asdict

        from trimtab.run.retention import collect_garbage
        from trimtab.run.store import existing_store

        quota = None if quota_gb is None else int(quota_gb * GB)
        with existing_store(workspace) as store:
            found = collect_garbage(store, quota, dry_run=dry_run)
        verb = "would be removed" if dry_run else "removed"
        session.text(
            f"{len(found.runs)} runs and {len(found.strays)} stray folders {verb}, "
            f"{found.bytes / GB:.3f} GB; {found.left / GB:.3f} GB left"
        )
        session.document("trimtab/collected/1", dry_run=dry_run, **asdict(found))


@runs.command("archive")
def archive(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="settled runs")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="the .tar.gz to write")],
    delete: Annotated[bool, typer.Option("--delete", help="delete them here afterwards")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Put runs into one .tar.gz that is a workspace of its own when unpacked."""
    with Session(as_json=json_) as session:
        from trimtab.run.retention import archive_runs, delete_run
        from trimtab.run.store import existing_store

        with existing_store(workspace) as store:
            chosen = [store.run(run_id).id for run_id in run_ids]
            archive_runs(store, chosen, out)
            if delete:
                for run in chosen:
                    delete_run(store, run)
        size = out.stat().st_size
        session.text(f"{out}: {len(chosen)} runs, {size / GB:.3f} GB")
        session.document("trimtab/archive/1", file=str(out), runs=chosen, bytes=size)
