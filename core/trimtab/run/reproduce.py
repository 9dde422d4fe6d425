"""Reproduces a stored run from nothing and compares the two, bit for bit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.errors import RunFailedError
from trimtab.run.execute import OnProgress, execute_plan
from trimtab.run.manifest import manifest
from trimtab.run.plan import RunOptions, stored_plan
from trimtab.run.rows import JobRow
from trimtab.run.store import Store, existing_store

ENVIRONMENT = ("product", "python", "os", "cpu", "packages", "plugins")
"""Parts of a manifest that may explain a difference."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of running a run again.

    Attributes:
        jobs: compared.
        differences: one line per figure that is not bit-equal.
        environment: one line per entry of the manifest that is not the same.
    """

    run: str
    jobs: int
    differences: tuple[str, ...]
    environment: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every figure of every job is bit-equal."""
        return not self.differences


def reproduce(
    workspace: Path, run: str, workers: int | None = None, progress: OnProgress | None = None
) -> Reproduction:
    """Run every finished job of a stored run again in a workspace of its own, and compare.

    Times (CPU seconds) are not compared.

    Raises:
        UnknownNameError: there is no such run.
        RunFailedError: nothing of it is done, or under the present versions it is another run;
            the message lists what differs from its manifest.
    """
    with existing_store(workspace) as store:
        row = store.run(run)
        before = {job.id: job for job in store.jobs(row.id) if _counts(job)}
    environment = _environment(row.manifest or {})
    if not before:
        msg = f"run {row.id} has no finished job to compare with: run it to its end first"
        raise RunFailedError(msg)
    try:
        plan = stored_plan(row)
    except RunFailedError as error:
        msg = "; ".join([str(error), *environment])
        raise RunFailedError(msg) from None
    with tempfile.TemporaryDirectory(prefix="trimtab-reproduce-") as folder:
        again = Path(folder)
        execute_plan(plan, RunOptions(workspace=again, workers=workers), progress)
        with Store(again) as store:
            after = {job.id: job for job in store.jobs(row.id)}
    differences = tuple(line for job in before for line in _compare(before[job], after.get(job)))
    return Reproduction(row.id, len(before), differences, environment)


def _counts(job: JobRow) -> bool:
    return job.state == "done" and job.kind != "report"


def _compare(before: JobRow, after: JobRow | None) -> list[str]:
    name = f"{before.controller}, seed {before.seed}"
    if after is None or after.state != "done":
        return [f"{name}: did not come to its end again"]
    old, new = flat(_timeless(before.result)), flat(_timeless(after.result))
    return [
        f"{name}: {key} was {old.get(key)!r}, is {new.get(key)!r}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _timeless(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """A result without the time that it took."""
    plain = {key: value for key, value in (result or {}).items() if key != "cpu_s"}
    if "budget" in plain:
        plain["budget"] = {k: v for k, v in plain["budget"].items() if k != "cpu_s"}
    return plain


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested plain data → dotted key → value."""
    if isinstance(value, Mapping):
        return {
            key: found
            for name, below in value.items()
            for key, found in flat(below, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: value}


def _environment(stored: Mapping[str, Any]) -> tuple[str, ...]:
    run = stored.get("run", {})
    before = flat({part: run.get(part) for part in ENVIRONMENT})
    present = manifest({})
    after = flat({part: present.get(part) for part in ENVIRONMENT})
    return tuple(
        f"{key} was {before.get(key)}, is {after.get(key)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )
