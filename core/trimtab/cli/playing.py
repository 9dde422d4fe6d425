"""`simulate` and `export`: one episode with its full log, and a controller's deployable form."""

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
    str, typer.Option("--controller", metavar="NAME", help="id, package.module:Class, or a .csv")
]


def simulate(
    scenario: Scenario,
    controller: Controller,
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
    """Play one controller on one seed and keep the full log."""
    with Session(as_json=json_) as session:
        from trimtab.run.episode_log import write_simulation
        from trimtab.run.records_json import record_to_json
        from trimtab.run.scenario_file import load_scenario
        from trimtab.run.stage import play_one

        loaded = load_scenario(scenario, set_ or ())
        choice = _choice(loaded, controller, parameters)
        played = play_one(loaded.domain, loaded.scenario.problem, choice, seed)
        name = f"{loaded.scenario.name}-{choice.name}-{seed}"
        folder = out or workspace / "simulations" / name
        files = write_simulation(played, folder)
        record = played.record
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
    from trimtab.run.controllers import choose, importable_from

    importable_from(Path.cwd())
    given = parameters_of(parameters)
    own = ":" in controller or controller.endswith(".csv")
    names = () if own else (controller,)
    if own:
        from trimtab.run.controllers import own_controller

        return own_controller(controller, given)
    return choose(loaded.domain, loaded.scenario.problem, names, (), given)[0]


def export(
    scenario: Scenario,
    controller: Annotated[
        str, typer.Option("--controller", metavar="NAME", help="controller to export")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="folder to write into")],
    set_: Set = None,
    parameters: Parameters = None,
    json_: AsJson = False,
) -> None:
    """Write a controller in the form in which it is deployed."""
    with Session(as_json=json_) as session:
        from trimtab.run.scenario_file import load_scenario

        loaded = load_scenario(scenario, set_ or ())
        choice = _choice(loaded, controller, parameters)
        used = {**choice.entry.defaults, **choice.parameters}
        files = loaded.domain.export(loaded.scenario.problem, controller, used, out)
        session.text("\n".join(str(path) for path in files))
        session.document("trimtab/export/1", files=[str(path) for path in files])
