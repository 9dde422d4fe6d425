"""`new-plugin` and `check-plugin`: start a domain of your own, and see what it is worth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.options import AsJson
from trimtab.cli.session import Session

COLUMNS = ("name", "tier", "outcome", "what")
CHECKS_LIMIT_S = 900


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

        every = sorted(manifests())
        documents = (
            [_apart(one) for one in every] if name is None else [_checked(name, session.note)]
        )
        for found in documents:
            rows = [[c[key] for key in COLUMNS] for c in found["checks"]]
            session.table(list(COLUMNS), rows)
            passed, failed = (sum(r[2] == o for r in rows) for o in ("passed", "failed"))
            what = found.get("broken") or f"{passed} passed, {failed} failed"
            session.text(f"{found['domain']}: {found['tier']} ({what})\n")
        session.document("trimtab/check-plugin/1", domains=documents)
        raise typer.Exit(1 if any(found["tier"] == "none" for found in documents) else 0)


def _checked(name: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Tier and checks of one domain, run in this process if its code can be imported at all."""
    from collections import Counter

    from trimtab.contracts.registry import plugins
    from trimtab.run.probe import Checked, keep_checks, look_at
    from trimtab.testing.checks import run_check, tier_of
    from trimtab.testing.conformance import CHECKS, installed_subject

    owners = [p for p in plugins() if p.manifest and name in {d.name for d in p.manifest.domains}]
    broken = next((seen.broken for seen in look_at(owners) if seen.broken), "")
    if broken:
        return _broken(name, broken)
    subject = installed_subject(name)
    results = []
    say(f"{name}, checked on {subject.problem.model_dump_json(exclude_defaults=True)}")
    for number, rule in enumerate(CHECKS, 1):
        started = time.process_time()
        results.append(run_check(rule, subject))
        spent = time.process_time() - started
        say(f"{number} of {len(CHECKS)}: {rule.name} {results[-1].outcome}, {spent:.1f} CPU-s")
    tier = tier_of(results) or "none"
    numbers = Counter(r.outcome for r in results)
    failed = tuple((r.name, r.detail.partition("\n")[0]) for r in results if r.outcome == "failed")
    for plugin in owners:
        keep_checks(plugin, name, Checked(tier, numbers["passed"], numbers["skipped"], failed))
    checks = [
        dict(zip(COLUMNS, (r.name, r.tier, r.outcome, r.detail.partition("\n")[0]), strict=True))
        for r in results
    ]
    return {"domain": name, "tier": tier, "checks": checks}


def _apart(name: str) -> dict[str, Any]:
    """The same in a process of its own, which a domain may hang or end."""
    import json
    import subprocess

    words = [sys.executable, "-m", "trimtab.cli", "check-plugin", name, "--json"]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            words, stdout=subprocess.PIPE, text=True, timeout=CHECKS_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return _broken(name, f"its checks took longer than {CHECKS_LIMIT_S} s")
    try:
        found: dict[str, Any] = json.loads(done.stdout)["domains"][0]
    except (ValueError, KeyError):
        return _broken(name, f"its checks ended the interpreter (exit code {done.returncode})")
    return found


def _broken(name: str, why: str) -> dict[str, Any]:
    return {"domain": name, "tier": "none", "broken": why, "checks": []}
