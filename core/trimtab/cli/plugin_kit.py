"""`new-plugin` and `check-plugin`: start a domain of your own, and see what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.options import AsJson
from trimtab.cli.session import Session


def new_plugin(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="its name is the domain's")],
    json_: AsJson = False,
) -> None:
    """Write a small plug-in that installs and conforms, to be turned into your own."""
    with Session(as_json=json_) as session:
        from trimtab.testing.new_plugin import new_plugin as written

        made = [str(path) for path in written(folder)]
        for path in made:
            session.text(path)
        session.text(f"next: pip install -e {folder} && trimtab check-plugin {folder.name}")
        session.document("trimtab/new-plugin/1", files=made)


def check_plugin(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="a domain; every installed one if absent")
    ] = None,
    json_: AsJson = False,
) -> None:
    """Run the conformance checks on installed domains and print the tier each one reaches."""
    with Session(as_json=json_) as session:
        from trimtab.contracts.registry import manifests
        from trimtab.testing.checks import run_check, tier_of
        from trimtab.testing.conformance import CHECKS, installed_subject

        tiers, documents = [], []
        for domain in [name] if name is not None else sorted(manifests()):
            subject = installed_subject(domain)
            results = [run_check(rule, subject) for rule in CHECKS]
            tiers.append(tier_of(results) or "none")
            rows = [[r.name, r.tier, r.outcome, r.detail.partition("\n")[0]] for r in results]
            session.table(["check", "tier", "outcome", "what"], rows)
            passed, failed = (sum(r.outcome == o for r in results) for o in ("passed", "failed"))
            session.text(f"{domain}: {tiers[-1]} ({passed} passed, {failed} failed)\n")
            checks = [
                dict(zip(("name", "tier", "outcome", "what"), row, strict=True)) for row in rows
            ]
            documents.append({"domain": domain, "tier": tiers[-1], "checks": checks})
        session.document("trimtab/check-plugin/1", domains=documents)
        raise typer.Exit(1 if "none" in tiers else 0)
