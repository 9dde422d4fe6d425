"""What `simulate`, `export` and `tune` do in design domains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.cli.session import Session, command_line

if TYPE_CHECKING:
    from trimtab.contracts.records import DesignRecord
    from trimtab.run.plan import RunOptions
    from trimtab.run.scenario_file import LoadedScenario


def simulate_design(
    session: Session, loaded: LoadedScenario, text: str, workspace: Path, out: Path | None
) -> None:
    """Score one design with all its metrics and keep its log."""
    from trimtab.run.named_design import find_design, simulate_design
    from trimtab.run.records_json import record_to_json

    design = find_design(loaded, text, workspace)
    folder = out or workspace / "simulations" / f"{loaded.scenario.name}-{design.name}"
    record, files = simulate_design(loaded, design, folder)
    session.table(["metric", "value", "unit"], _rows(loaded, record))
    session.note(f"log: {folder}")
    session.document(
        "trimtab/simulation/1",
        record=record_to_json(record),
        files=[str(path) for path in files],
    )


def _rows(loaded: LoadedScenario, record: DesignRecord) -> list[list[str]]:
    from trimtab.evidence.words import parameter_text

    units = {m.name: m.unit for m in loaded.domain.metrics}
    rows = [[k, parameter_text(v), ""] for k, v in record.design.items()]
    rows += [[k, f"{v:g}", units.get(k, "")] for k, v in record.metrics.items()]
    state = {True: "kept", False: "violated"}
    return rows + [
        [f"limit of {k}", state[v <= 0.0], f"by {abs(v):g}"] for k, v in record.excess.items()
    ]


def export_design(
    session: Session, loaded: LoadedScenario, text: str, workspace: Path, out: Path
) -> None:
    """Write a design in the form in which it is deployed."""
    from trimtab.run.named_design import find_design

    design = find_design(loaded, text, workspace)
    problem = loaded.scenario.problem
    files = loaded.domain.export(problem, design.name, dict(design.values), out)
    session.text("\n".join(str(path) for path in files))
    session.document(
        "trimtab/export/1",
        design={"name": design.name, "values": dict(design.values)},
        files=[str(path) for path in files],
    )


def tune_design(
    session: Session,
    loaded: LoadedScenario,
    optimizer: str,
    evaluations: int | None,
    options: RunOptions,
    out: Path | None,
) -> None:
    """Search for a design with one optimizer and write the best into a file."""
    from dataclasses import asdict

    from trimtab.cli.progress import progress_bar
    from trimtab.run.design_file import write_design
    from trimtab.run.manifest import manifest
    from trimtab.run.named_design import search_design

    with progress_bar() as progress:
        record, outcome = search_design(loaded, optimizer, evaluations, options, progress)
    file = out or outcome.run_dir / "design.json"
    seed = options.seeds[0]
    facts: dict[str, Any] = {
        "command": command_line(),
        "scenario": loaded.source,
        "optimizer": optimizer,
        "optimizer_seed": seed,
        "budget": asdict(record.budget),
    }
    about = {"metrics": dict(record.metrics), "excess": dict(record.excess)}
    write_design(file, record.design, {**about, "manifest": manifest(facts)})
    rows = [[a, " ".join(part for part in (b, c) if part)] for a, b, c in _rows(loaded, record)]
    rows += [["evaluations", str(record.budget.evaluations)], ["file", str(file)]]
    session.table([optimizer, ""], rows)
    headline = loaded.domain.headline.name
    before = [r.metrics[headline] for r in outcome.designs if r.given and r.feasible]
    session.document(
        "trimtab/tuning/1",
        controller=optimizer,
        parameters=dict(record.design),
        headline=headline,
        before=min(before, key=_cost(loaded), default=None),
        after=record.metrics[headline],
        evaluations=record.budget.evaluations,
        cpu_s=record.budget.cpu_s,
        feasible=record.feasible,
        file=str(file),
    )
    if not record.feasible:
        session.note("no design that was tried keeps every limit; this one comes closest")


def _cost(loaded: LoadedScenario) -> Any:
    sign = 1.0 if loaded.domain.headline.sense == "min" else -1.0
    return lambda value: sign * value
