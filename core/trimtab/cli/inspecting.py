"""`plugins` and `doctor`: what is installed, and what is wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.cli.options import DEFAULT_WORKSPACE, AsJson, Workspace
from trimtab.cli.session import Session


def plugins(
    all_: Annotated[bool, typer.Option("--all", help="include test plug-ins")] = False,
    json_: AsJson = False,
) -> None:
    """List installed domain plug-ins, broken ones with their reason."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.registry import plugins as installed
        from trimtab.run.probe import look_at

        shown = [p for p in installed() if all_ or p.manifest is None or not p.manifest.hidden]
        seen = look_at(shown)
        rows = [
            [s.plugin.name, d.name, d.kind, d.title, s.tier(d.name), "installed"]
            for s in seen
            if s.plugin.manifest is not None and not s.broken
            for d in s.plugin.manifest.domains
        ]
        rows += [[s.plugin.name, "", "", "", "", f"broken: {s.broken}"] for s in seen if s.broken]
        session.table(["plug-in", "domain", "kind", "title", "tier", "state"], rows)
        names = ("plugin", "domain", "kind", "title", "tier", "state")
        session.document(
            "trimtab/plugins/1", plugins=[dict(zip(names, row, strict=True)) for row in rows]
        )


def doctor(workspace: Workspace = DEFAULT_WORKSPACE, json_: AsJson = False) -> None:
    """Check versions, extras, SUMO, disk, the job store and plug-ins."""
    with Session(as_json=json_) as session:
        from trimtab.cli.health import findings

        found = findings(workspace)
        session.table(["check", "state", "what"], [[f.check, f.state, f.what] for f in found])
        session.document(
            "trimtab/doctor/1",
            findings=[{"check": f.check, "state": f.state, "what": f.what} for f in found],
        )
        raise typer.Exit(1 if any(f.state == "broken" for f in found) else 0)
