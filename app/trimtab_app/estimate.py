"""What a run will take, from what earlier runs took: processor time and disk per episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from trimtab.evidence.result import Result
from trimtab.run.retention import folder_bytes
from trimtab.run.workspace import RunQuery, Workspace

LOOK_BACK = 12
"""Earlier runs of the domain that are read."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected cost of a run.

    Attributes:
        episodes: controllers × seeds.
        cpu_s: of all of them; None where nothing like it ever ran.
        disk_bytes: of the run's files; None likewise.
        basis: what it rests on, in words.
    """

    episodes: int
    cpu_s: float | None
    disk_bytes: float | None
    basis: str


def estimate(
    workspace: Workspace, domain: str, name: str, controllers: Sequence[str], seeds: int
) -> Estimate:
    """Estimate a run of `controllers` on `seeds` seeds from runs of the same scenario or domain."""
    episodes = len(controllers) * seeds
    found = workspace.runs(RunQuery(domain=domain, state="done", limit=LOOK_BACK))
    same = [brief for brief in found if brief.name == name]
    costs: dict[str, list[float]] = {}
    sizes: list[float] = []
    for brief in same or found:
        detail = workspace.run(brief.id)
        if detail.result is None:
            continue
        result = Result.model_validate(detail.result)
        for row in result.rows:
            spent = row.budget.cpu_s - row.trained.cpu_s
            costs.setdefault(row.name, []).append(spent / len(result.seeds))
        sizes.append(folder_bytes(detail.folder) / (len(result.rows) * len(result.seeds)))
    if not sizes:
        return Estimate(episodes, None, None, "nothing of this domain has run here yet")
    mean = fmean(cost for row in costs.values() for cost in row)
    cpu_s = sum(seeds * fmean(costs.get(name, [mean])) for name in controllers)
    what = "this scenario" if same else "this domain"
    basis = f"from {len(sizes)} earlier run{'s' if len(sizes) > 1 else ''} of {what}"
    return Estimate(episodes, cpu_s, episodes * fmean(sizes), basis)


def duration(seconds: float) -> str:
    """A duration as a person says it: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes as a person says it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
