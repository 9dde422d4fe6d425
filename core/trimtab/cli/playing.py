"""`simulate` and `export`: one episode or design in full, and what is deployed of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.options import (
    DEFAULT_WORKSPACE,
    AsJson,
    Parameters,
    Scenario,
    Set,
    Workspace,
    parameters_of,
)
from trimtab.cli.session import Session

if TYPE_CHECKING:
    from trimtab.run.controllers import Choice
    from trimtab.run.scenario_file import LoadedScenario

Controller = Annotated[
    str | None,
    typer.Option("--controller", metavar="NAME", help="id, package.module:Class, or a .csv"),
]
Design = Annotated[
    str | None,
    typer.Option(
        "--design",
        metavar="FILE|reference|best|proposed",
        help="of a design domain: a file, today's design, the best of the latest run, or one "
        "proposed without a simulation",
    ),
]


def simulate(
    scenario: Scenario,
    controller: Controller = None,
    design: Design = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**31 - 1, help="seed of the episode")
    ] = 1,
    set_: Set = None,
    parameters: Parameters = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="folder of the log")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Play one controller on one seed, or score one design, and keep the full log."""
    named = one_of(controller, design)
    with Session(as_json=json_) as session:
        from trimtab.run.scenario_file import load_scenario

        loaded = load_scenario(scenario, set_ or ())
        if design is not None:
            from trimtab.cli.designs import simulate_design

            simulate_design(session, loaded, design, workspace, out)
            return
        choice = _choice(loaded, named, parameters)
        folder = workspace / "simulations" / f"{loaded.scenario.name}-{choice.name}-{seed}"
        _simulate_controller(session, loaded, choice, seed, out or folder)


def one_of(controller: str | None, design: str | None) -> str:
    """The one of the two that is given.

    Raises:
        typer.BadParameter: none is, or both are.
    """
    if (controller is None) == (design is None):
        msg = "give --controller NAME, or --design FILE|reference|best|proposed in a design domain"
        raise typer.BadParameter(msg)
    return controller or design or ""


def _simulate_controller(
    session: Session, loaded: LoadedScenario, choice: Choice, seed: int, folder: Path
) -> None:
    from trimtab.run.records_json import record_to_json
    from trimtab.run.stage import play_into

    record, files = play_into(loaded.domain, loaded.scenario.problem, choice, seed, folder)
    units = {m.name: m.unit for m in loaded.domain.metrics}
    rows = [[k, f"{v:g}", units.get(k, "")] for k, v in record.metrics.items()]
    rows += [[f"violations: {k}", str(v.count), ""] for k, v in record.violations.items()]
    rows += [["interventions", str(record.interventions), f"of {record.decisions} decisions"]]
    session.table(["metric", "value", "unit"], rows)
    session.note(f"log: {folder}")
    session.document(
        "trimtab/simulation/1",
        record=record_to_json(record),
        files=[str(path) for path in files],
    )


def _choice(loaded: LoadedScenario, controller: str, parameters: list[Path] | None) -> Choice:
    from trimtab.run.controllers import choose_one, importable_from

    importable_from(Path.cwd())
    offered = loaded.domain.controllers(loaded.scenario.problem)
    return choose_one(offered, controller, parameters_of(parameters))


def export(
    scenario: Scenario,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="folder to write into")],
    controller: Annotated[
        str | None, typer.Option("--controller", metavar="NAME", help="id, or package.module:Class")
    ] = None,
    design: Design = None,
    set_: Set = None,
    parameters: Parameters = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    json_: AsJson = False,
) -> None:
    """Write a controller or a design in the form in which it is deployed."""
    named = one_of(controller, design)
    with Session(as_json=json_) as session:
        from trimtab.run.scenario_file import load_scenario

        loaded = load_scenario(scenario, set_ or ())
        if design is not None:
            from trimtab.cli.designs import export_design

            export_design(session, loaded, design, workspace, out)
            return
        choice = _choice(loaded, named, parameters)
        used = {**choice.entry.defaults, **choice.parameters}
        files = loaded.domain.export(loaded.scenario.problem, named, used, out)
        session.text("\n".join(str(path) for path in files))
        session.document("trimtab/export/1", files=[str(path) for path in files])
