"""`validate`, `schema`, `migrate`, `scenarios`: everything about scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.options import AsJson, Scenario, Set
from trimtab.cli.session import Session


def validate(scenario: Scenario, set_: Set = None, json_: AsJson = False) -> None:
    """Check a scenario file and the files it names; every fault at its line and column."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.errors import ScenarioError
        from trimtab.run.scenario_file import load_scenario

        try:
            loaded = load_scenario(scenario, set_ or ())
        except ScenarioError as error:
            for fault in error.faults:
                session.note(str(fault))
            faults = [_plain(fault) for fault in error.faults]
            session.document("trimtab/validation/1", valid=False, scenario=scenario, faults=faults)
            raise typer.Exit(2) from None
        for note in (*loaded.notes, *loaded.domain.check(loaded.scenario.problem)):
            session.note(f"{scenario}: {note}")
        session.text(f"{scenario}: valid ({loaded.scenario.domain}, {loaded.scenario.name})")
        session.document(
            "trimtab/validation/1",
            valid=True,
            scenario=scenario,
            domain=loaded.domain.name,
            faults=[],
        )


def _plain(fault: Any) -> dict[str, Any]:
    names = ("file", "line", "column", "key", "message")
    return {name: getattr(fault, name) for name in names}


def schema(
    domain: Annotated[
        str | None, typer.Argument(metavar="[DOMAIN]", help="a domain, e.g. traffic.signals")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Print the JSON Schema of scenario files, of one domain or of all."""
    with Session(as_json=json_) as session:
        import json

        from trimtab.run.catalogue import scenario_schema

        session.raw(json.dumps(scenario_schema(domain), indent=2) + "\n")


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a scenario file")],
    json_: AsJson = False,
) -> None:
    """Rewrite a scenario file of an older schema for the present one."""
    with Session(as_json=json_) as session:
        from trimtab.run.scenario_file import migrate_file

        changed = migrate_file(file)
        session.text(f"{file}: {'rewritten' if changed else 'is up to date'}")
        session.document("trimtab/migration/1", file=str(file), changed=changed)


def scenarios(
    all_: Annotated[bool, typer.Option("--all", help="include those of test plug-ins")] = False,
    json_: AsJson = False,
) -> None:
    """List the shipped scenarios."""
    with Session(as_json=json_) as session:
        from trimtab.run.catalogue import shipped_summaries

        found = shipped_summaries(hidden=all_)
        session.table(
            ["scenario", "domain", "description"],
            [[s.id, s.domain, s.description] for s in found],
        )
        rows = [
            {"id": s.id, "domain": s.domain, "description": s.description, "path": str(s.path)}
            for s in found
        ]
        session.document("trimtab/scenarios/1", scenarios=rows)
