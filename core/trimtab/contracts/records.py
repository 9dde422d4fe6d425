"""What one evaluated episode leaves behind: the unit that stores keep and evidence compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.contracts.problem import Budget
from trimtab.contracts.shield import Violations


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """One (controller, seed) episode of a scenario.

    Attributes:
        metrics: episode metrics in the domain's units.
        violations: per constraint, from the independent monitor.
        shielded: a shield stood between controller and system.
        interventions: agent-decisions that the shield changed, of `decisions` made.
        flags: what a reader must know before trusting the row ("gridlock", "starved").
        budget: cost of this episode (not of training).
        details: per-element figures for views, e.g. {"edge_delay_s": {edge: value}}.
    """

    controller: str
    seed: int
    metrics: Mapping[str, float]
    violations: Mapping[str, Violations] = field(default_factory=dict)
    shielded: bool = False
    interventions: int = 0
    decisions: int = 0
    flags: tuple[str, ...] = ()
    budget: Budget = Budget()
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
